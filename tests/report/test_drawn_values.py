"""What is drawn is what was found."""

from __future__ import annotations

import numpy as np
import pytest

from prunus.report import bops, classes, curves, latencies, losses, speedups, summary
from prunus.report.classes import cut_off_info
from prunus.report.costs import cost_of, costs_info
from prunus.report.curves import curves_info
from prunus.report.drawing import Drawing, styled
from prunus.report.findings import Findings
from prunus.report.latencies import latencies_info, latency_of, settings_info
from prunus.report.losses import loss_of, losses_info
from prunus.report.palette import Palette
from prunus.report.speedups import speedups_info
from prunus.report.summary import summary_info

RECIPES = (
    "reference-unstructured",
    "reference-structured",
    "reference-structured-protected",
    "unstructured",
    "structured",
)
PALETTE = Palette((0.0, 0.2, 0.4, 0.6, 0.8), RECIPES)


def series(drawing: Drawing, axes: int = 0) -> dict[str, list[tuple[float, float]]]:
    """Text of each named group of one panel -> its points."""
    return {
        drawing.titles[line.get_gid()]: [(float(x), float(y)) for x, y in zip(*line.get_data(), strict=True)]
        for line in drawing.figure.axes[axes].lines
        if line.get_gid() in drawing.titles
    }


@pytest.fixture(autouse=True)
def style():
    with styled():
        yield


def test_a_curve_goes_through_the_means_of_its_epochs(findings: Findings) -> None:
    info = curves_info(findings)[1]
    drawn = series(curves.draw(info, findings.metric, PALETTE))
    ours = {text: points for text, points in drawn.items() if not text.startswith("published")}
    assert [text.split(":")[0] for text in ours] == ["rate 0", "rate 0.2", "rate 0.4", "rate 0.6", "rate 0.8"]
    for curve, points in zip(info.curves, ours.values(), strict=True):
        assert [y for _, y in points] == pytest.approx((100 * curve.mean).tolist())
        assert [x for x, _ in points] == list(range(1, 51))


def test_the_band_is_the_interval_and_the_legend_tells_how_many_seeds(findings: Findings) -> None:
    info = curves_info(findings)[1]
    figure = curves.draw(info, findings.metric, PALETTE).figure
    bands = figure.axes[0].patches
    assert len(bands) == 5
    corners = bands[2].get_path().vertices
    assert corners[:50, 1] == pytest.approx(np.clip(100 * info.curves[2].low, 0, 100))
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == ["unpruned (n=3)", "rate 0.2 (n=3)", "rate 0.4 (n=3)", "rate 0.6 (n=2)", "rate 0.8 (n=3)",
                     "published (SVHN)"]  # fmt: skip


def test_published_curves_are_laid_over_recipes_of_their_kind(findings: Findings) -> None:
    drawn = series(curves.draw(curves_info(findings)[1], findings.metric, PALETTE))
    assert drawn["published, rate 0.8: 33.1 %"][-1] == pytest.approx((50, 100 * 8622 / 26032))
    unstructured = series(curves.draw(curves_info(findings)[0], findings.metric, PALETTE))
    assert unstructured["published, rate 0.8: 93.0 %"][-1] == pytest.approx((50, 100 * 24213 / 26032))


def test_final_accuracy_starts_at_the_unpruned_network(findings: Findings) -> None:
    drawn = series(summary.draw(summary_info(findings), RECIPES, findings.metric, PALETTE))
    (unpruned,) = [row.metric for row in summary_info(findings) if row.recipe is None]
    assert unpruned is not None
    assert len(drawn) == 5
    for points in drawn.values():
        assert points[0] == pytest.approx((0, 100 * unpruned.mean))
        assert len(points) == 5


def test_losses_are_marked_in_points(findings: Findings) -> None:
    drawn = series(losses.draw(losses_info(findings), findings.metric, PALETTE))
    assert len(drawn) == 20
    expected = loss_of(findings)["reference-structured", 0.8].difference
    assert expected is not None
    (text,) = [text for text in drawn if text.startswith("reference-structured, rate 0.8")]
    assert drawn[text][0][0] == pytest.approx(100 * expected.mean)
    assert text.endswith("lower")


def test_costs_are_drawn_dense_and_effective(findings: Findings) -> None:
    drawing = bops.draw(costs_info(findings), findings.metric, PALETTE)
    dense, effective = series(drawing, 0), series(drawing, 1)
    cost = cost_of(findings)["unstructured", 0.8]
    found = [points for text, points in effective.items() if text.startswith("unstructured, rate 0.8")]
    assert cost.metric is not None
    assert found[0] == [(cost.effective_bops, pytest.approx(100 * cost.metric.mean))]
    assert len(dense) == len(effective) == 21
    assert len({points[0][0] for text, points in dense.items() if "unstructured" in text}) == 1  # zeros are executed


def test_the_front_goes_through_the_networks_on_it(findings: Findings) -> None:
    axes = bops.draw(costs_info(findings), findings.metric, PALETTE).figure.axes[1]
    (front,) = [line for line in axes.lines if line.get_label() == "front"]
    on_it = {cost.effective_bops for cost in costs_info(findings) if cost.on_effective_front}
    assert on_it <= set(front.get_xdata())


def test_latencies_are_drawn_in_their_setting(findings: Findings) -> None:
    settings = settings_info(findings)
    drawing = latencies.draw(latencies_info(findings), settings, PALETTE)
    for index, setting in enumerate(settings):
        info = latency_of(findings).get(("structured", 0.8, setting))
        assert info is not None
        assert info.ratio is not None
        found = [points for text, points in series(drawing, index).items() if text.startswith("structured, rate 0.8")]
        assert [points[0][0] for points in found] == [pytest.approx(info.ratio.mean)]


def test_speedups_are_drawn_against_theory(findings: Findings) -> None:
    settings = settings_info(findings)
    drawing = speedups.draw(speedups_info(findings), settings, PALETTE)
    points = [point for index in range(len(settings)) for marks in series(drawing, index).values() for point in marks]
    assert sorted(points) == sorted((one.theoretical, one.measured) for one in speedups_info(findings))


def test_bars_reach_the_ceiling_and_marks_the_accuracy(findings: Findings) -> None:
    drawing = classes.draw(cut_off_info(findings), PALETTE)
    heights = [bar.get_height() for bar in drawing.figure.axes[0].patches]
    assert heights == pytest.approx([100 * (info.ceiling or 0) for info in cut_off_info(findings)])
    marks = [points[0][1] for points in series(drawing).values()]
    assert marks == pytest.approx([100 * (info.accuracy or 0) for info in cut_off_info(findings)])
