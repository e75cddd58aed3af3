"""The study's metric: which of two values is better, and how values, differences and the margin are shown."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal

from prunus.report.forms import ACCURACY, PERCENT, POINTS, Bounds, Number, two_digits, with_decimals
from prunus.report.statistics import Interval
from prunus.spec.metric import Metric

SIGNIFICANT, SIGNIFICANT_IN_TERMINAL = 4, 3
"""Digits of the unpruned network's value that are shown; all other values of the study have as many decimals."""


@dataclass(frozen=True)
class StudyMetric:
    """The metric by which a study's networks are compared.

    Values and differences are as the store has them, shares where the unit is %; what is shown is `scale` times that.

    metric: of the task, with the study's margin. unpruned: mean final value of the unpruned network. typical: what the
    number of decimals is chosen by. Both are None where nothing is known.
    """

    metric: Metric
    unpruned: float | None = None
    typical: float | None = None

    @property
    def name(self) -> str:
        """As sentences say it."""
        return self.metric.name

    @property
    def is_share(self) -> bool:
        """Whether values are shown in percent and differences in points."""
        return self.metric.unit == "%"

    @property
    def is_accuracy(self) -> bool:
        """Whether it is the share of right answers."""
        return self.name == "accuracy" and self.is_share and self.metric.higher_is_better

    @property
    def key(self) -> str:
        """What it is called where programs read: in the names of files, anchors, columns and JSON."""
        return "accuracy" if self.is_accuracy else "metric"

    @property
    def scale(self) -> float:
        """What a value is multiplied with where it is shown."""
        return self.metric.scale

    @property
    def better(self) -> Literal["higher", "lower"]:
        """The reading of a difference for the better."""
        return "higher" if self.metric.higher_is_better else "lower"

    @property
    def worse(self) -> Literal["higher", "lower"]:
        """The reading of a difference for the worse."""
        return "lower" if self.metric.higher_is_better else "higher"

    def gain(self, value: float) -> float:
        """A value, or a difference, turned so that more is better."""
        return value if self.metric.higher_is_better else -value

    @property
    def margin(self) -> float:
        """The difference that counts as none; 0 where it is relative to an unpruned value that is not known."""
        size = self.metric.margin
        if self.metric.relative:
            return size / 100 * abs(self.unpruned or 0.0)
        return size / 100 if self.is_share else size

    @property
    def half_a_point(self) -> float:
        """A difference that is small beside what counts: half a point of shares, half the margin of others."""
        return 0.005 if self.is_share else self.margin / 2

    def almost(self, value: float) -> float:
        """What is 1 % worse than a value: from there on a training counts as having reached it."""
        return value * (0.99 if (value > 0) == self.metric.higher_is_better else 1.01)

    def bounds(self, values: Iterable[float]) -> tuple[float, float]:
        """Between which numbers what is shown lies: 0 and 100 for shares, of which some metrics leave that range."""
        if self.is_share and all(0 <= value <= 1 for value in values if math.isfinite(value)):
            return 0.0, 100.0
        return -math.inf, math.inf

    def best_is_100(self, values: Iterable[float]) -> bool:
        """Whether values are shares of something that is wanted, so that 100 % is the best there is."""
        return self.metric.higher_is_better and self.bounds(values)[1] == 100

    # Words

    @property
    def capitalised(self) -> str:
        """The name at the beginning of a sentence; one that has capitals of its own stays.

        >>> StudyMetric(Metric(name="mean IoU")).capitalised, StudyMetric(Metric(name="mAP50")).capitalised
        ('Mean IoU', 'mAP50')
        """
        first = self.name.split(maxsplit=1)[0]
        return self.name[:1].upper() + self.name[1:] if first.islower() else self.name

    @property
    def loss(self) -> str:
        """A change for the worse, as a noun."""
        return "loss" if self.metric.higher_is_better else "rise"

    @property
    def lost(self) -> str:
        """What pruning costs: `accuracy lost`, `perplexity added`."""
        return f"{self.name} {'lost' if self.metric.higher_is_better else 'added'}"

    @property
    def lose_no_more(self) -> str:
        """`lose no more than 1 point`, as a verb."""
        of_what = "" if self.metric.unit or self.metric.relative else f" in {self.name}"
        return f"{'lose' if self.metric.higher_is_better else 'be worse by'} no more than {self.within}{of_what}"

    @property
    def lose_some(self) -> str:
        """`lose accuracy`, `have a higher perplexity`, as a verb."""
        return f"lose {self.name}" if self.metric.higher_is_better else f"have a higher {self.name}"

    @property
    def beyond(self) -> str:
        """Where worse values lie: below or above."""
        return "below" if self.metric.higher_is_better else "above"

    @property
    def nearly_unpruned(self) -> str:
        """What `almost` makes of the unpruned network's final value."""
        return f"{99 if self.metric.higher_is_better else 101} % of the unpruned final {self.name}"

    @property
    def described(self) -> str:
        """The name with the unit in words, for those who do not see a figure: `accuracy in percent`."""
        return f"{self.name} in {'percent' if self.is_share else self.metric.unit}" if self.metric.unit else self.name

    @property
    def words(self) -> dict[str, str]:
        """What sentences that are true of any metric are filled in with."""
        down, up = ("falls", "rises") if self.metric.higher_is_better else ("rises", "falls")
        return {
            "key": self.key,
            "name": self.name,
            "Name": self.capitalised,
            "loss": self.loss,
            "lost": self.lost,
            "Lost": self.lost.replace(self.name, self.capitalised, 1),
            "worse": self.worse,
            "better": self.better,
            "beyond": self.beyond,
            "down": down,
            "up": up,
            "nearly_unpruned": self.nearly_unpruned,
            "half_a_point": "0.5 points" if self.is_share else "half the margin",
        }

    def filled(self, text: str) -> str:
        """A text with these words in the places of their names.

        >>> StudyMetric(Metric(name="RMSE", higher_is_better=False)).filled("{Name} {up} or {down}")
        'RMSE falls or rises'
        """
        for name, word in self.words.items():
            text = text.replace(f"{{{name}}}", word)
        return text

    def with_unit(self, title: str) -> str:
        """The title of values: `final accuracy, %`."""
        return f"{title}, {self.metric.unit}" if self.metric.unit else title

    def with_difference_unit(self, title: str) -> str:
        """The title of differences: `to unpruned, points`."""
        return f"{title}, points" if self.is_share else self.with_unit(title)

    @property
    def difference_head(self) -> str:
        """A title of differences that has room for little."""
        return "points" if self.is_share else "to unpruned"

    def value(self, value: Interval | float | None) -> str:
        """A value, the mean alone of an interval.

        >>> StudyMetric(Metric()).value(0.97312)
        '97.3 %'
        >>> StudyMetric(Metric(name="RMSE", unit="°C"), typical=0.4).value(0.51234)
        '0.5123 °C'
        """
        number = value.mean if isinstance(value, Interval) else value
        if number is None or not math.isfinite(number):
            return "unknown"
        form = PERCENT if self.is_share else self.value_form
        return f"{form.show(number)} {self.metric.unit}".rstrip()

    def named_value(self, value: Interval | float | None) -> str:
        """A value where it is not said of what: accuracy alone needs no name.

        >>> StudyMetric(Metric(name="perplexity", unit="", higher_is_better=False), typical=30).named_value(31.2)
        'perplexity 31.20'
        """
        return self.value(value) if self.is_accuracy else f"{self.name} {self.value(value)}"

    def difference(self, difference: Interval | None) -> str:
        """A difference with its interval.

        >>> StudyMetric(Metric()).difference(Interval(-0.012, -0.02, -0.004, 3))
        '−1.20 points [−2.00, −0.40]'
        """
        if difference is None:
            return "an unknown number of points" if self.is_share else "an unknown difference"
        form = self.difference_form
        bounds = f" [{form.show(difference.low)}, {form.show(difference.high)}]" if difference.known else ""
        return f"{self._with_words(form.show(difference.mean))}{bounds}"

    def mean_difference(self, difference: Interval | None) -> str:
        """A difference without its interval."""
        return self._with_words(self.difference_form.show(difference.mean if difference else None))

    def amount(self, size: float) -> str:
        """A size of differences, to two digits.

        >>> StudyMetric(Metric()).amount(0.0059), StudyMetric(Metric(name="RMSE", unit="°C")).amount(0.123)
        ('0.59 points', '0.12 °C')
        """
        return self._with_words(two_digits(self.scale * size))

    @property
    def within(self) -> str:
        """The margin.

        >>> StudyMetric(Metric()).within, StudyMetric(Metric(margin=0.5)).within
        ('1 point', '0.5 points')
        >>> StudyMetric(Metric(name="perplexity", unit="", margin=2, relative=True)).within
        '2 % of the unpruned perplexity'
        """
        size = f"{self.metric.margin:,.10g}"
        if self.metric.relative:
            return f"{size} % of the unpruned {self.name}"
        return f"{size} point" if self.is_share and size == "1" else self._with_words(size)

    def reading(self, reading: str) -> str:
        """A reading for people.

        >>> StudyMetric(Metric()).reading("equivalent"), StudyMetric(Metric()).reading("lower")
        ('equivalent within 1 point', 'lower')
        """
        return f"equivalent within {self.within}" if reading == "equivalent" else reading

    def _with_words(self, number: str) -> str:
        return f"{number} {'points' if self.is_share else self.metric.unit}".rstrip()

    # Forms of tables

    @cached_property
    def value_form(self) -> Number:
        """How tables show values."""
        return ACCURACY if self.is_share else self._number(SIGNIFICANT)

    @cached_property
    def difference_form(self) -> Number:
        """How tables show differences."""
        return POINTS if self.is_share else self._number(SIGNIFICANT, "+")

    @cached_property
    def terminal_forms(self) -> tuple[Number, Number]:
        """How values and differences are shown where a line has 80 characters."""
        if self.is_share:
            return ACCURACY, POINTS
        return self._number(SIGNIFICANT_IN_TERMINAL), self._number(SIGNIFICANT_IN_TERMINAL, "+")

    @cached_property
    def value_interval(self) -> Bounds:
        """How tables show values with intervals; files call all metrics but accuracy alike, and name it beside."""
        if self.is_accuracy:
            return Bounds(self.value_form)
        beside = (("metric name", self.name), ("metric unit", self.metric.unit))
        return Bounds(self.value_form, csv_title="metric (measured)", csv_beside=beside)

    @cached_property
    def difference_interval(self) -> Bounds:
        """How tables show differences with intervals."""
        return Bounds(self.difference_form)

    def _number(self, significant: int, sign: Literal["", "+"] = "") -> Number:
        known = self.typical is not None and self.typical != 0 and math.isfinite(self.typical)
        power = math.floor(math.log10(abs(self.typical or 1.0))) if known else 0
        return Number(written=partial(with_decimals, decimals=max(0, significant - 1 - power), sign=sign))
