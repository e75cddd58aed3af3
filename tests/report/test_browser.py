"""The page in a real browser: it asks for nothing, and names in it do nothing."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from prunus.report.build import build_report
from prunus.spec import Metric
from report.hostile_names import PAYLOADS, hostile
from report.made_study import Made, made_study
from report.other_metrics import of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.browser

WATCH = """
window.violations = [];
document.addEventListener('securitypolicyviolation', event =>
    window.violations.push(event.violatedDirective));
"""


def no_browser(reason: str) -> NoReturn:
    """Skip, unless a browser was asked for."""
    if os.environ.get("PRUNUS_REQUIRE_BROWSER") == "1":
        pytest.fail(f"PRUNUS_REQUIRE_BROWSER=1, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        no_browser("the package playwright is not installed (pip install playwright)")
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        no_browser("there is no Chromium on the path (Debian: apt install chromium)")
    arguments = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield browser
        browser.close()


class Visit:
    """One page opened with the network blocked, and everything it did."""

    def __init__(self, context: BrowserContext, path: Path) -> None:
        self.requests: list[str] = []
        self.messages: list[str] = []
        self.dialogs: list[str] = []
        self.page: Page = context.new_page()
        context.route("**/*", lambda route: route.continue_() if route.request.url == path.as_uri() else route.abort())
        self.page.add_init_script(WATCH)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.messages.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))
        self.page.goto(path.as_uri(), wait_until="load")

    def assert_quiet(self, path: Path) -> None:
        """One request, for the page itself; nothing on the console, no violation, no dialog."""
        asked = [url for url in self.requests if not url.startswith("data:")]
        assert asked == [path.as_uri()]
        assert self.messages == []
        assert self.dialogs == []
        assert self.page.evaluate("window.violations") == []


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Made(overrides=("seeds=[0,1]", "training.epochs=6"), failed=(4,), running=(5,))
    return build_report(made_study(tmp_path_factory.mktemp("page"), made))


def test_what_watches_the_page_sees_what_it_should(browser: Browser, report: Path, tmp_path: Path) -> None:
    """The same page with the markup that a name would have to smuggle in: the policy stops it, and the watch tells."""
    smuggled = (
        '<p style="color:red" onclick="1"></p><img src="http://localhost:9/a.png"><script>window.pwned=1</script>'
        '<link rel="stylesheet" href="http://localhost:9/a.css"><iframe src="http://localhost:9/"></iframe>'
    )
    path = tmp_path / "report.html"
    path.write_text(report.read_text().replace("</main>", f"{smuggled}</main>"))
    context = browser.new_context(offline=True)
    visit = Visit(context, path)
    stopped = set(visit.page.evaluate("window.violations"))
    assert stopped >= {"style-src-attr", "script-src-attr", "script-src-elem", "img-src", "style-src-elem", "frame-src"}
    assert visit.page.evaluate("window.pwned") is None
    with pytest.raises(AssertionError):
        visit.assert_quiet(path)
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_asks_for_nothing_and_complains_of_nothing(browser: Browser, report: Path, scheme: str) -> None:
    context = browser.new_context(offline=True, color_scheme=scheme)  # type: ignore[arg-type]
    visit = Visit(context, report)
    visit.page.locator("footer").scroll_into_view_if_needed()
    for summary in visit.page.locator("summary").all():
        summary.click()
    visit.assert_quiet(report)
    context.close()


def test_dark_figures_follow_the_page(browser: Browser, report: Path) -> None:
    colors = {}
    for scheme in ("light", "dark"):
        context = browser.new_context(offline=True, color_scheme=scheme)  # type: ignore[arg-type]
        page = Visit(context, report).page
        colors[scheme] = page.evaluate(
            """() => [
                getComputedStyle(document.body).backgroundColor,
                getComputedStyle(document.querySelector('svg.drawing text')).fill,
                getComputedStyle(document.querySelector('svg.drawing .series path')).stroke,
                getComputedStyle(document.querySelector('.swatch')).backgroundColor,
            ]"""
        )
        context.close()
    assert all(light != dark for light, dark in zip(colors["light"], colors["dark"], strict=True))
    assert colors["dark"][0] == "rgb(21, 24, 28)"


EVERYTHING = " ".join(payload[:200] for payload in PAYLOADS.values())


@pytest.mark.parametrize(
    "payload", [PAYLOADS["script"], PAYLOADS["svg title"], EVERYTHING], ids=["script", "svg", "all"]
)
def test_hostile_names_are_inert(browser: Browser, payload: str, tmp_path: Path) -> None:
    path = build_report(hostile(tmp_path, payload))
    context = browser.new_context(offline=True)
    visit = Visit(context, path)
    page = visit.page
    page.mouse.move(400, 400)
    for head in page.locator("th button").all()[:3]:
        head.click()
    visit.assert_quiet(path)
    assert page.evaluate("window.pwned") is None
    assert page.locator("script, style").count() == 2
    assert page.locator("img, iframe, object, embed, form, base, link:not([rel=icon])").count() == 0
    assert page.evaluate("document.querySelectorAll('[onload],[onerror],[style]').length") == 0
    assert page.locator("section[data-failed]").count() == 0
    context.close()


def test_it_can_be_read_without_scripts(browser: Browser, report: Path) -> None:
    context = browser.new_context(offline=True, java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.locator("h2").all_inner_texts() == [
        "What to ship",
        "Every network",
        "Accuracy while training",
        "Accuracy lost",
        "Bit operations",
        "What it bought",
        "Discussion",
        "Diagnoses",
        "Provenance",
    ]
    assert page.locator("svg.drawing").first.is_visible()
    assert page.locator("table.data").first.is_visible()
    assert not page.locator("#accuracy").is_visible()
    page.locator("summary", has=page.locator("#accuracy-heading")).click()
    curve = page.locator("figure:has(.toggle) .reference").first
    assert curve.is_visible()
    page.locator(".toggle").first.click()
    assert not curve.is_visible()  # the published curves are switched off without a script
    table = page.locator("#accuracy details table").first
    assert not table.is_visible()
    page.locator("#accuracy details:has(table) summary").first.click()
    assert table.is_visible()
    context.close()


OPEN = "document.querySelectorAll('details').forEach(one => one.open = true)"
TOO_WIDE = """() => [...document.querySelectorAll('.scroll, .frame, pre, dl, table, svg.drawing, p, li, figcaption')]
    .filter(one => one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).display !== 'inline'
        && !one.classList.contains('hidden') && !one.closest('caption'))
    .map(one => `${one.tagName} ${one.className.baseVal ?? one.className}: ${one.textContent.slice(0, 60)}`)"""


@pytest.mark.parametrize("width", [390, 800, 1200, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_or_scrolls_sideways(browser: Browser, report: Path, width: int, scheme: str) -> None:
    context = browser.new_context(offline=True, viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page = Visit(context, report).page
    for action in ("0", OPEN):
        page.evaluate(action)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.evaluate(TOO_WIDE) == []
    context.close()


def test_the_first_page_is_two_screens_and_two_sheets(browser: Browser, report: Path) -> None:
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 800})
    page = Visit(context, report).page
    assert page.evaluate("document.querySelector('#summary').getBoundingClientRect().bottom") <= 2 * 800
    assert page.locator("#summary figure svg.wide").is_visible()
    assert page.locator("#summary tbody tr").count() <= 8
    assert page.locator("#summary .findings li").count() <= 4
    assert page.locator("details.section[open]").count() == 0
    assert len(re.findall(rb"/Type /Page\b", page.pdf(format="A4"))) <= 2
    context.close()


def test_figures_are_drawn_for_a_telephone_too(browser: Browser, report: Path) -> None:
    context = browser.new_context(offline=True, viewport={"width": 390, "height": 800})
    page = Visit(context, report).page
    figure = page.locator("#summary figure")
    assert figure.locator("svg.narrow").is_visible()
    assert not figure.locator("svg.wide").is_visible()
    smallest = """svg => Math.min(...[...svg.querySelectorAll('text')].map(text =>
        parseFloat(getComputedStyle(text).fontSize) * svg.getScreenCTM().a))"""
    assert figure.locator("svg.narrow").evaluate(smallest) >= 7.5
    context.close()


def test_what_is_folded_opens_where_a_link_leads_into_it(browser: Browser, report: Path) -> None:
    context = browser.new_context(offline=True, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{report.as_uri()}#bops")
    page.wait_for_function("document.querySelector('#bops').closest('details').open")
    context.close()


@pytest.mark.parametrize("width", [390, 1200])
def test_the_page_of_another_metric_fits_as_well(browser: Browser, width: int, tmp_path: Path) -> None:
    path = build_report(made_study(tmp_path, of(Metric(name="W" * 40, unit="°C"), "own", lambda share: 3000 * share)))
    context = browser.new_context(offline=True, viewport={"width": width, "height": 900})
    visit = Visit(context, path)
    visit.page.evaluate(OPEN)
    assert visit.page.evaluate("document.documentElement.scrollWidth") == width
    visit.assert_quiet(path)
    context.close()


def test_long_names_do_not_stick_out_either(browser: Browser, tmp_path: Path) -> None:
    path = build_report(hostile(tmp_path, "W" * 400))
    context = browser.new_context(offline=True, viewport={"width": 375, "height": 900})
    page = Visit(context, path).page
    page.evaluate(OPEN)
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    context.close()


def test_tables_sort_by_a_click_and_missing_values_stay_last(browser: Browser, report: Path) -> None:
    context = browser.new_context(offline=True, viewport={"width": 1440, "height": 900})
    page = Visit(context, report).page
    page.evaluate(OPEN)
    table = page.locator("#networks table.data").first
    head = table.locator("th", has_text="to unpruned").locator("button")
    values = "rows => rows.map(row => row.cells[5].dataset.sort)"
    for direction, sign in (("ascending", 1), ("descending", -1)):
        head.click()
        assert table.locator("th", has_text="to unpruned").get_attribute("aria-sort") == direction
        keys = table.locator("tbody tr").evaluate_all(values)
        numbers = [sign * float(key) for key in keys if key]
        assert numbers == sorted(numbers)
        assert keys[-1] == ""  # the unpruned network has no difference to itself
        assert len(numbers) > 10
    context.close()


def test_sliders_grey_out_what_loses_or_costs_too_much(browser: Browser, report: Path) -> None:
    context = browser.new_context(offline=True, viewport={"width": 1440, "height": 900})
    visit = Visit(context, report)
    page = visit.page
    page.evaluate(OPEN)
    assert page.locator("#networks tr.fails").count() == 0
    sliders = page.locator("#networks .limits input[type=range]")
    assert sliders.count() == 4
    lost, bops = sliders.nth(0), page.locator("#networks .limits label", has_text="BOPs").locator("input")
    rows = page.locator("#networks table.data tbody tr")
    for slider, column in ((lost, "to unpruned, points"), (bops, "effective BOPs, %")):
        slider.focus()
        for _ in range(8):
            slider.press("ArrowLeft")
        limit = slider.evaluate("one => one.parentElement.querySelector('output').textContent")
        assert limit
        cells = rows.evaluate_all(
            """(rows, column) => rows.map(row => [row.classList.contains('fails'),
                [...row.cells].find(cell => cell.dataset.head === column).dataset.sort])""",
            column,
        )
        failing = [float(value) for fails, value in cells if fails and value]
        kept = [float(value) for fails, value in cells if not fails and value]
        assert failing
        assert kept
        if column.startswith("to unpruned"):
            assert max(failing) < min(kept)
    visit.assert_quiet(report)
    context.close()


def test_long_tables_filter(browser: Browser, report: Path) -> None:
    context = browser.new_context(offline=True)
    page = Visit(context, report).page
    page.evaluate(OPEN)
    field = page.locator(".filter input").first
    field.fill("onnxruntime structured 0.8")
    rows = page.locator("details:has(.filter) table").first.locator("tbody tr:visible")
    texts = rows.all_inner_texts()
    assert texts
    assert all("onnxruntime" in text and "structured" in text and "0.8" in text for text in texts)
    context.close()


def test_a_reader_of_the_screen_finds_names_for_everything(browser: Browser, report: Path) -> None:
    context = browser.new_context(offline=True)
    page = Visit(context, report).page
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.evaluate(
        """() => [...document.querySelectorAll('svg[role=img]')].every(svg =>
            svg.getAttribute('aria-labelledby').split(' ').every(id => document.getElementById(id).textContent))"""
    )
    assert page.evaluate("[...document.querySelectorAll('table')].every(table => table.caption.textContent.trim())")
    assert page.evaluate("[...document.querySelectorAll('th')].every(head => head.scope === 'col')")
    identities = page.evaluate("[...document.querySelectorAll('[id]')].map(element => element.id)")
    assert len(identities) == len(set(identities))
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(heading => +heading.tagName[1])")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    context.close()


def test_it_prints_what_is_open_with_its_tables(browser: Browser, report: Path) -> None:
    context = browser.new_context(offline=True, color_scheme="dark")
    page = Visit(context, report).page
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("#networks").is_visible()
    page.evaluate("document.querySelector('#networks').closest('details').open = true")
    assert page.locator("#networks details table").first.is_visible()
    assert not page.locator("#bops").is_visible()
    context.close()


def test_a_page_of_a_running_study_reads_itself_anew(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prunus.report.build.RELOAD_SECONDS", 1)
    made = Made(overrides=('recipes=["structured"]', "rates=[0,0.5]", "seeds=[0]", "training.epochs=2"), running=(1,))
    path = build_report(made_study(tmp_path, made), while_running=True)
    context = browser.new_context(offline=True)
    page = Visit(context, path).page
    page.get_by_text("Every network").click()
    path.write_text(path.read_text().replace("while the study runs", "for the second time"))
    page.get_by_text("for the second time").wait_for(timeout=10_000)
    assert page.locator("details.section[open]").count() == 1  # what was open stays open
    page.locator("#networks th button").first.click()  # who sorts is left alone
    assert not page.get_by_label("reload every 1 s").is_checked()
    path.write_text(path.read_text().replace("for the second time", "for the third time"))
    page.wait_for_timeout(2500)
    assert page.get_by_text("for the third time").count() == 0
    page.get_by_label("reload every 1 s").check()
    page.get_by_text("for the third time").wait_for(timeout=10_000)
    assert page.evaluate("window.violations") == []
    context.close()
