"""The number by which networks of a task are compared, and how sentences and tables show it."""

from __future__ import annotations

import math

from pydantic import Field, field_validator, model_validator

from prunus.spec.part import Frozen

LONGEST = 40


class Metric(Frozen):
    """The number by which networks of a task are compared.

    Attributes:
        name: as sentences say it: "accuracy", "mean IoU", "perplexity", "R²".
        unit: "%" for values that are shares: they are shown times 100, and their differences are in points. Others are
            shown as they are, with the unit behind them ("", "°C").
        higher_is_better: the direction of better.
        margin: the difference that counts as none where equivalence is tested, in what is shown.
        relative: whether the margin is a percentage of the unpruned network's value instead.

    Example:
        >>> Metric(name="RMSE", unit="°C", higher_is_better=False, margin=0.1).text(0.731)
        '0.731 °C'
    """

    name: str = "accuracy"
    unit: str = "%"
    higher_is_better: bool = True
    margin: float = Field(default=1.0, gt=0)
    relative: bool = False

    @field_validator("name", "unit")
    @classmethod
    def _in_one_line(cls, text: str) -> str:
        if len(text) > LONGEST or not text.isprintable():
            raise ValueError(f"sentences say it, so it is printable text of at most {LONGEST} characters")
        return text

    @field_validator("name")
    @classmethod
    def _has_a_name(cls, name: str) -> str:
        if not name.strip():
            raise ValueError("sentences say it, so it cannot be empty")
        return name

    @model_validator(mode="after")
    def _margin_below_everything(self) -> Metric:
        if (self.unit == "%" or self.relative) and self.margin >= 100:
            raise ValueError(
                f"the margin is {self.margin:g} in percent, and with 100 any network is as good as another"
            )
        return self

    @property
    def scale(self) -> float:
        """What a value is multiplied with where it is shown: 100 for a share."""
        return 100.0 if self.unit == "%" else 1.0

    def text(self, value: float) -> str:
        """A value in words.

        >>> Metric().text(0.972), Metric(name="R²", unit="").text(0.8512), Metric(name="RMSE", unit="°C").text(12.345)
        ('97.2 %', '0.851', '12.3 °C')
        """
        if not math.isfinite(value):
            return f"{value}"
        if self.unit == "%":
            return f"{100 * value:.1f} %"
        return f"{value:.3g} {self.unit}".rstrip() if abs(value) < 1000 else f"{value:,.0f} {self.unit}".rstrip()
