"""Drawings inside a page."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from matplotlib.lines import Line2D

from prunus.report.drawing import Drawing, new_figure, png, styled, svg
from prunus.report.inline_svg import inline_svg, shortened_path
from prunus.report.palette import DRAWN, Palette

RATES = (0.0, 0.2, 0.4, 0.6, 0.8)
PALETTE = Palette(RATES, ("a", "b"))


def drawing() -> Drawing:
    figure, (axes,) = new_figure(300, 200)
    axes.plot([1, 2, 3], [0.123456, 2, 1], color=PALETTE.rate(0.4), gid="series-0")
    axes.set_title("$\\frac{a}{b}$ <b>&")
    figure.legend(handles=[Line2D([], [], color=DRAWN["muted"], label="$x_1$")])
    return Drawing(figure, {"series-0": "<rate> 0.4"})


def inlined() -> str:
    with styled():
        one = drawing()
        return inline_svg(svg(one), "fig", "Title <i>", "What & how", one.titles, PALETTE.variable_of)


def test_nothing_needs_inline_style_or_a_namespace() -> None:
    text = inlined()
    assert "style" not in text
    assert "xlink" not in text
    assert "xmlns" not in text


def test_it_is_named_for_those_who_do_not_see_it() -> None:
    root = ElementTree.fromstring(inlined())
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "fig-title fig-description"
    assert [(child.tag, child.get("id"), child.text) for child in root[:2]] == [
        ("title", "fig-title", "Title <i>"),
        ("desc", "fig-description", "What & how"),
    ]


def test_colours_are_variables_and_series_are_named() -> None:
    root = ElementTree.fromstring(inlined())
    (series,) = root.findall(".//g[@class='series']")
    assert series.findtext("title") == "<rate> 0.4"
    (path,) = series.findall("path")
    assert path.get("stroke") == "var(--rate-2)"
    assert "#" not in "".join(element.get("fill", "") + element.get("stroke", "") for element in root.iter())


def test_mathematics_is_not_interpreted() -> None:
    texts = [element.text for element in ElementTree.fromstring(inlined()).iter("text")]
    assert "$\\frac{a}{b}$ <b>&" in texts
    assert "$x_1$" in texts


def test_every_reference_is_to_an_id_of_the_same_drawing() -> None:
    root = ElementTree.fromstring(inlined())
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    used = {element.get("href", "")[1:] for element in root.iter("use")}
    used |= {element.get("clip-path", "")[5:-1] for element in root.iter() if element.get("clip-path")}
    assert used <= set(ids)
    assert len(ids) == len(set(ids))
    assert all(identity.startswith("fig-") for identity in ids if identity)


def test_equal_figures_give_equal_bytes_without_a_date() -> None:
    with styled():
        first, second = svg(drawing()), svg(drawing())
    assert first == second
    assert b"date" not in first.lower()


def test_missing_glyphs_are_no_warning() -> None:
    with styled():
        figure, (axes,) = new_figure(300, 200)
        axes.set_title("刈り込み 🌸")
        assert png(Drawing(figure)).startswith(b"\x89PNG")


def test_short_paths_are_the_same_paths() -> None:
    assert shortened_path("M 0.04 -1.26 \nL 100 20.949 \nz\n") == "M0.0 -1.3L100 20.9z".replace("0.0 ", "0 ")


def luminance(color: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
def test_colours_can_be_seen_on_their_background(mode: int) -> None:
    paper = PALETTE.variables["paper"][mode]
    for name, pair in PALETTE.variables.items():
        if name in ("ink", "muted"):
            assert contrast(pair[mode], paper) >= 4.5, name
        elif name not in ("paper", "grid"):
            assert contrast(pair[mode], paper) >= 3, (name, pair[mode])


def test_rates_have_colours_of_their_own() -> None:
    assert len({PALETTE.rate(rate) for rate in RATES}) == len(RATES)
    assert PALETTE.rate(0.123) == DRAWN["muted"]
