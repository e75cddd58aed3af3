"""Which network to ship: what it loses, what it saves, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from scipy.special import stdtrit

from prunus.report.classes import cut_off_info, one_class_info
from prunus.report.collapses import collapses_info, not_finite_info
from prunus.report.findings import Findings, once_per_study
from prunus.report.forms import MILLISECONDS, TIMES
from prunus.report.latencies import LatencyInfo, latencies_info
from prunus.report.names import visible
from prunus.report.sizes import SizeInfo, sizes_info
from prunus.report.statistics import Interval, t_quantile
from prunus.report.summary import SummaryInfo, summary_info
from prunus.report.tables import OfCell
from prunus.report.words import counted, percent, whole_percent

Evidence = Literal["shown", "likely", "open", "none"]
"""That a network loses no more than the margin is shown (corrected for all comparisons), likely (its own interval lies
within the margin), open (its mean does), or none of these."""

MOST_SEEDS = 100
"""More seeds than these are not suggested to anybody."""


@dataclass(frozen=True)
class ChoiceInfo:
    """A network that might be shipped. `recipe` is None for the unpruned one, `control` where it is no control.

    time: measured in the runtime that is fastest for it.
    time_share: that over the unpruned network's, in the runtime that is fastest for that one. size: of the file that
    the runtime loads. is_faster: than the unpruned network, which is shown in that runtime, and holds beside
    its best one too.
    """

    row: SummaryInfo
    control: str | None
    evidence: Evidence
    time: LatencyInfo | None
    time_share: float | None
    size: SizeInfo | None
    is_faster: bool

    @property
    def recipe(self) -> str | None:
        """The recipe's name."""
        return self.row.recipe

    @property
    def rate(self) -> float:
        """The rate asked for."""
        return self.row.rate

    @property
    def name(self) -> str:
        """In a sentence."""
        return f"`{visible(self.recipe, 60)}` at rate {self.rate:g}" if self.recipe is not None else "unpruned"


Place = tuple[int, int]
"""Batch size and threads that networks are timed with."""


@once_per_study
def choices_info(findings: Findings) -> tuple[ChoiceInfo, ...]:
    """All networks of the study that have a result, the unpruned one first, those of controls among them."""
    return _choices(findings, place_info(findings))


@once_per_study
def place_info(findings: Findings) -> Place | None:
    """Where times are compared: the smallest batch and fewest threads at which any network is worth its choice.

    Small networks take as long at batch 1 whatever is in them, and a larger batch shows what pruning saves. Readings
    are corrected for all settings that were measured, so to look at several of them misleads nobody. Where no network
    is worth it at any, the largest batch shows best how little was saved.
    """
    settings = {(one.setting.batch_size, one.setting.threads) for one in latencies_info(findings)}
    places = sorted(settings)
    worth = (place for place in places if any(_is_worth(one) for one in _choices(findings, place)))
    return next(worth, places[-1] if places else None)


def _is_worth(one: ChoiceInfo) -> bool:
    return one.is_faster and one.evidence != "none" and one.control is None


def _choices(findings: Findings, place: Place | None) -> tuple[ChoiceInfo, ...]:
    fastest = _fastest(findings, place)
    best = fastest.get((None, 0.0))
    controls = {recipe.name: recipe.control for recipe in findings.recipes}
    found = []
    for row in summary_info(findings):
        time = fastest.get((row.recipe, row.rate))
        share = time.p50_ms / best.p50_ms if time and best and row.recipe is not None else None
        faster = bool(share and time and best and time.reading == "faster" and share < _limit(time, best))
        control, size = controls.get(row.recipe or ""), _file(findings, row, time)
        found.append(ChoiceInfo(row, control, _evidence(findings, row), time, share, size, faster))
    return tuple(one for one in found if one.row.metric)


def _fastest(findings: Findings, place: Place | None) -> dict[tuple[str | None, float], LatencyInfo]:
    """The latency of each network in its fastest runtime."""
    here = [one for one in latencies_info(findings) if (one.setting.batch_size, one.setting.threads) == place]
    return {(one.recipe, one.rate): one for one in sorted(here, key=lambda one: -one.p50_ms)}


DRIFT = 0.05
"""How much of a time may come of the machine's drift where two were not taken in the same rounds."""


def _limit(time: LatencyInfo, best: LatencyInfo) -> float:
    """Below which share of the unpruned network's time a network is faster than that one at its best."""
    return 1.0 if time.setting == best.setting else 1.0 - DRIFT


def _file(findings: Findings, row: SummaryInfo, time: LatencyInfo | None) -> SizeInfo | None:
    """The file that the network's runtime loads: a format is called as its runtime, or as the beginning of its name."""
    files = [one for one in sizes_info(findings) if (one.recipe, one.rate) == (row.recipe, row.rate)]
    own = (one for one in files if time and time.setting.runtime.startswith(one.format))
    return next(own, files[0] if files else None)


def _evidence(findings: Findings, row: SummaryInfo) -> Evidence:
    metric, difference = findings.metric, row.difference
    if difference is None or (row.recipe, row.rate) in _unsound(findings):
        return "none"
    if row.reading in ("equivalent", metric.better):
        return "shown"
    if metric.gain(difference.mean) < -metric.margin:
        return "none"
    return "likely" if _most_lost(findings, difference) <= metric.margin and difference.known else "open"


def _most_lost(findings: Findings, difference: Interval) -> float:
    """What its own interval leaves open, as a loss."""
    ends = [end for end in (difference.low, difference.high) if end is not None]
    return max(-findings.metric.gain(end) for end in ends or [difference.mean])


@once_per_study
def _unsound(findings: Findings) -> frozenset[tuple[str | None, float]]:
    """Networks that nobody should ship whatever their mean is: a run collapsed, or classes cannot be predicted."""
    infos: tuple[OfCell, ...] = (*one_class_info(findings), *cut_off_info(findings))
    infos += (*collapses_info(findings), *not_finite_info(findings))
    return frozenset((one.recipe, one.rate) for one in infos)


@dataclass(frozen=True)
class AnswerInfo:
    """The network to ship, None where it is the unpruned one; and a cheaper one of which less is known."""

    unpruned: ChoiceInfo
    choice: ChoiceInfo | None
    cheaper: ChoiceInfo | None


@once_per_study
def answer_info(findings: Findings) -> AnswerInfo | None:
    """The cheapest network of those of which most is shown; None without an unpruned one or without any pruned one.

    The cheapest is the one that takes least time, and where nothing was timed the one of fewest effective BOPs. Only
    what costs less than the unpruned network is looked at. Where it is called `shown`, that is true of 95 % of studies,
    however many networks it was chosen from, since readings are corrected for their number.
    """
    unpruned = next((one for one in choices_info(findings) if one.recipe is None), None)
    names = {recipe.name for recipe in findings.judged}
    pruned = [one for one in choices_info(findings) if one.recipe in names]
    if unpruned is None or not pruned:
        return None
    is_timed = any(one.time_share for one in pruned)
    gains = [one for one in pruned if _saves(one, is_timed)]
    gains = sorted((one for one in gains if one.evidence != "none"), key=lambda one: _cost(one, is_timed))
    chosen = min(gains, key=lambda one: ORDER.index(one.evidence), default=None)
    cheaper = next((one for one in gains if chosen and one.evidence != chosen.evidence), None)
    if chosen is not None and cheaper is not None and _cost(cheaper, is_timed) >= _cost(chosen, is_timed):
        cheaper = None
    return AnswerInfo(unpruned, chosen, cheaper)


ORDER: tuple[Evidence, ...] = ("shown", "likely", "open", "none")


def _saves(one: ChoiceInfo, is_timed: bool) -> bool:
    return one.is_faster if is_timed else (one.row.effective_bops_share or 1.0) < 1.0


def _cost(one: ChoiceInfo, is_timed: bool) -> float:
    return one.time.p50_ms if is_timed and one.time else one.row.effective_bops_share or 1.0


# Sentences


def answer(findings: Findings) -> str:
    """One sentence: what to ship."""
    info = answer_info(findings)
    if info is None:
        return "No pruned network can be judged yet: none has finished beside an unpruned one."
    if info.choice is None:
        return f"Ship the unpruned network: {_why_none(findings)}."
    name, metric = info.choice.name, findings.metric
    now, before = metric.named_value(info.choice.row.metric), metric.value(info.unpruned.row.metric)
    got = f"{now} instead of {before}, with {_saved(info.choice)}"
    texts = {
        "shown": f"Ship {name}: {got}. It is shown to {metric.lose_no_more}.",
        "likely": f"{name} is the one to ship if a second look confirms it: {got}.",
        "open": f"Nothing can be shipped for sure yet. {name} is the best bet: {got}.",
    }
    return texts[info.choice.evidence]


def _why_none(findings: Findings) -> str:
    metric = findings.metric
    judged = [one for one in choices_info(findings) if one.recipe is not None and one.control is None]
    judged = [one for one in judged if one.row.reading != "not measured"]
    if all(one.row.reading == metric.worse for one in judged):
        return f"every pruned one is shown to {metric.lose_some}"
    if any(one.evidence != "none" for one in judged):
        return f"none that might {metric.lose_no_more} was measured to be faster"
    return f"every pruned one is worse by more than {metric.within} in the mean"


def _saved(one: ChoiceInfo) -> str:
    if one.time_share:
        return f"{whole_percent(one.time_share)} of the time at batch {one.time.setting.batch_size if one.time else 1}"
    return f"{whole_percent(one.row.effective_bops_share)} of the bit operations (computed, not timed)"


def answer_facts(findings: Findings) -> tuple[tuple[str, str], ...]:
    """What the answer loses, what it saves, and how sure that is."""
    info = answer_info(findings)
    if info is None or info.choice is None:
        return ()
    return (
        (f"{findings.metric.capitalised}", _lost(findings, info.choice)),
        ("Cost", _costs(info)),
        ("How sure", how_sure(findings, info.choice)),
    )


def _lost(findings: Findings, one: ChoiceInfo) -> str:
    metric, difference = findings.metric, one.row.difference
    seeds = counted(difference.count if difference else 0, "seed")
    return f"{metric.difference(difference)} to the unpruned network, mean of {seeds} with its own 95 % interval."


def _costs(info: AnswerInfo) -> str:
    assert info.choice is not None
    one, parts = info.choice, []
    if one.time and info.unpruned.time:
        before = info.unpruned.time
        same = before.setting == one.time.setting
        ratio = f", ratio {TIMES.show(one.time.ratio)}" if same and one.time.ratio else ""
        where = "" if same else f" in {before.setting.runtime}, its fastest, not in the same rounds"
        parts.append(
            f"{MILLISECONDS.show(one.time.p50_ms)} ms in {one.time.setting.label}, unpruned "
            f"{MILLISECONDS.show(before.p50_ms)} ms{where}{ratio}"
        )
    if one.size and one.size.ratio:
        parts.append(f"{percent(one.size.ratio)} of the bytes ({one.size.format})")
    parts.append(f"{percent(one.row.effective_bops_share)} of the effective BOPs (computed)")
    return "; ".join(parts) + "."


def how_sure(findings: Findings, one: ChoiceInfo) -> str:
    """What is shown of a network's loss, and what it takes to know more."""
    metric, difference = findings.metric, one.row.difference
    assert difference is not None
    compared = counted(sum(row.row.reading in KNOWN for row in choices_info(findings)), "comparison")
    if one.evidence == "shown":
        return f"Shown to {metric.lose_no_more} in {counted(difference.count, 'seed')}, corrected for {compared}."
    if not difference.known:
        return "Not at all: with one seed there is no interval, and a difference could be chance."
    if one.evidence == "likely":
        text = f"Likely: its own interval lies within {metric.within}. Corrected for {compared} that is not shown"
    else:
        most = metric.amount(_most_lost(findings, difference))
        text = f"Open: the seeds do not rule out that {metric.name} is worse by {most}"
    seeds = seeds_to_show(difference, metric.margin)
    more = f"; about {counted(seeds, 'seed')} of it alone would tell" if seeds else "; it takes many more seeds to tell"
    return f"{text}{more}."


KNOWN = ("equivalent", "lower", "higher", "not shown")


def seeds_to_show(difference: Interval, margin: float) -> int | None:
    """How many seeds show one network alone to be equivalent, if it goes on scattering as it did; None if too many.

    >>> seeds_to_show(Interval(-0.002, -0.022, 0.018, 3), 0.01)
    5
    """
    if difference.half_width is None or abs(difference.mean) >= margin:
        return None
    spread = difference.half_width * difference.count**0.5 / t_quantile(difference.count - 1)
    room = margin - abs(difference.mean)
    needed = (n for n in range(2, MOST_SEEDS + 1) if float(stdtrit(n - 1, 0.95)) * spread / n**0.5 < room)
    return next(needed, None)


def tally(findings: Findings) -> str | None:
    """How many pruned networks are shown to lose nothing, and how many to lose something."""
    metric = findings.metric
    rows = [one.row for one in choices_info(findings) if one.control is None and one.row.reading in KNOWN]
    if not rows:
        return None
    kept = sum(row.reading in ("equivalent", metric.better) for row in rows)
    worse = sum(row.reading == metric.worse for row in rows)
    return (
        f"Shown to {metric.lose_no_more}: {kept} of {counted(len(rows), 'pruned network')}; shown to "
        f"{metric.lose_some}: {worse}; the seeds do not tell: {len(rows) - kept - worse}."
    )


def going_further(findings: Findings) -> str | None:
    """The cheaper network of which less is known."""
    info = answer_info(findings)
    if info is None or info.cheaper is None:
        return None
    one = info.cheaper
    value, difference = findings.metric.named_value(one.row.metric), findings.metric.difference(one.row.difference)
    return f"Going further: {one.name} would take {_saved(one)}, at {value} ({difference}). {how_sure(findings, one)}"
