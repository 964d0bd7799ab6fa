"""The page in a real browser: sorts, filters, opens, explains itself, and asks nobody for anything.

Skipped where there is no Chromium (Debian: ``apt-get install chromium``). The accessibility check
is axe-core's, from the package axe-core-python; ``AXE_CORE=path/to/axe.min.js`` takes another copy.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Error

from genobench.report.page import render

from .browser import Browser, installed
from .made import CARDS, EVIL, FIT, tables

CHROMIUM = installed()
AXE = Path(os.environ.get("AXE_CORE") or str(files("axe_core_python") / "axe.min.js"))
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH"),
    pytest.mark.xdist_group("browser"),
]
COMMITTED = Path(__file__).parents[2] / "leaderboards" / "index.html"
FIRST = "document.querySelector('#results .block')"
TABLE = f"{FIRST}.querySelector('table.main')"
NEVER_IDLE = "window.requestIdleCallback = () => 0"
MADE = "document.querySelector('noscript') === null"
OPEN_ALL = "document.querySelectorAll('details').forEach(d => { d.open = true; })"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(render(tables(), CARDS), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def started() -> Iterator[Browser]:
    assert CHROMIUM is not None
    with closing(Browser(CHROMIUM)) as browser:
        yield browser


@pytest.fixture
def browser(started: Browser, address: str) -> Browser:
    """A page that was just opened; nothing was told before."""
    started.open("about:blank")
    started.asked.clear()
    started.complaints.clear()
    started.prefer("light")
    started.open(address)
    return started


def _column(browser: Browser, heading: str) -> str:
    """Selector of the button above a column of the first table."""
    found = browser.run(
        f"[...{TABLE}.querySelectorAll('thead th')]"
        f".findIndex(th => th.textContent.trim().startsWith({json.dumps(heading)}))"
    )
    assert found >= 0
    return f"{TABLE}.querySelectorAll('thead th')[{found}].querySelector('button')"


def _models(browser: Browser, part: str) -> list[str]:
    """Models of a part of the first table, from above."""
    names: list[str] = browser.run(
        f"[...{TABLE}.querySelectorAll('tbody.{part} th a:first-child')].map(a => a.textContent)"
    )
    return names


def _open_all(browser: Browser) -> None:
    """All that can be opened, and what can be opened in it; laid out however far down it is."""
    rule = "* { content-visibility: visible !important }"
    browser.run(f"document.styleSheets[0].insertRule({json.dumps(rule)})")
    browser.run(OPEN_ALL)
    browser.until(MADE)
    browser.run(OPEN_ALL)


def test_sorts_within_generators_and_within_controls(browser: Browser) -> None:
    """By numbers that are written as durations: fastest first, then slowest first."""
    before = _models(browser, "controls")
    button = _column(browser, "Fit")
    browser.run(f"{button}.click()")
    fastest = sorted((m for m in FIT if m not in before), key=lambda m: FIT[m])
    assert _models(browser, "entrants") == fastest
    assert _models(browser, "controls") == before, "equal values stay as they were"
    assert browser.run(f"{button}.parentElement.getAttribute('aria-sort')") == "ascending"
    browser.run(f"{button}.click()")
    assert _models(browser, "entrants") == fastest[::-1]
    assert browser.run(f"{TABLE}.querySelectorAll('[aria-sort]').length") == 1


def test_headline_sorts_by_its_best(browser: Browser) -> None:
    """Of an attack, nearest to chance; its heading spans two columns."""
    browser.run(f"{_column(browser, 'Model')}.click()")
    assert _models(browser, "entrants") == sorted(_models(browser, "entrants"))
    browser.run(f"{_column(browser, 'strongest attack')}.click()")
    first = _models(browser, "entrants")
    assert first[0] in ("wgan_gp", "snpgen")
    assert first[-1] == EVIL


def test_sorts_by_the_keyboard(browser: Browser) -> None:
    """Enter on a heading does what a click does."""
    before = _models(browser, "entrants")
    browser.run(f"{_column(browser, 'Fit')}.focus()")
    browser.press("Enter")
    assert _models(browser, "entrants") == sorted(before, key=lambda m: FIT[m])


def test_filters_data_sets_and_suites(browser: Browser) -> None:
    """Tables, plots and what models say of other data sets go; the rest stays."""
    count = "[...document.querySelectorAll('#results > .block')].filter(b => !b.hidden).length"
    choose = (
        "((name, value) => { const s = document.querySelector(`select[name=${name}]`);"
        " s.value = value; s.dispatchEvent(new Event('change', {bubbles: true})); })"
    )
    assert browser.run(count) == 2
    browser.run(f"{choose}('data', {json.dumps(EVIL)})")
    assert browser.run(count) == 1
    assert browser.run("document.querySelector('.block:not([hidden])').dataset.data") == EVIL
    assert browser.run("document.querySelector('.filter output').textContent") == "1 of 2 shown"
    browser.run(f"{choose}('suite', 'smoke')")
    assert browser.run(count) == 0
    assert browser.run("[...document.querySelectorAll('.model')].every(m => m.hidden)") is True
    browser.run(f"{choose}('data', '')")
    assert browser.run(count) == 1


def test_table_of_all_metrics_has_bars_when_opened(browser: Browser) -> None:
    """One under every number, where its value lies between the ends of its column."""
    part = f"{FIRST}.querySelector('details.all')"
    assert browser.run(f"{part}.querySelectorAll('svg.bar').length") == 0
    for _ in range(2):
        browser.run(f"{part}.open = true")
        browser.until(f"{part}.querySelectorAll('svg.bar').length > 0")
        browser.run(f"{part}.open = false")
    numbers = browser.run(
        f"[...{part}.querySelectorAll('tbody td')].map(td => [td.firstChild.data,"
        " td.cellIndex, td.querySelector('circle')?.getAttribute('cx')])"
    )
    shown = [(text, column, cx) for text, column, cx in numbers if text != "–"]
    assert shown
    assert all(cx is not None and 3 <= float(cx) <= 61 for _, _, cx in shown)
    first = [(float(t.split(" ")[0].replace("−", "-")), float(cx)) for t, c, cx in shown if c == 1]
    assert sorted(cx for _, cx in first) == [cx for _, cx in sorted(first)]
    assert first[0][1] != first[-1][1]
    assert browser.run(f"{part}.querySelector('.bars').hidden") is False


def test_first_data_set_of_a_model_is_open(browser: Browser) -> None:
    """The others open by their headings."""
    sets = "document.querySelectorAll('#model-vae .appearance')"
    assert browser.run(f"[...{sets}].map(part => part.open)") == [True, False]


def test_link_in_a_table_opens_the_model(browser: Browser) -> None:
    """Its section opens, comes into view and takes the focus; so does a second time."""
    link = f"[...{TABLE}.querySelectorAll('th a')].find(a => a.textContent === 'snpgen')"
    opened = "document.getElementById('model-snpgen').open"
    for _ in range(2):
        assert browser.run(opened) is False
        browser.run(f"{link}.click()")
        browser.until(opened)
        browser.until("document.activeElement.parentElement.id === 'model-snpgen'")
        browser.until("document.activeElement.getBoundingClientRect().top < innerHeight")
        browser.run("document.getElementById('model-snpgen').open = false")


def test_address_of_a_model_opens_it(browser: Browser, address: str) -> None:
    """A link that somebody was sent."""
    browser.open("about:blank")
    browser.open(f"{address}#model-vae")
    browser.until("document.readyState === 'complete' && location.hash === '#model-vae'")
    assert browser.run("document.getElementById('model-vae').open") is True
    assert browser.run("[...document.querySelectorAll('.model[open]')].length") == 1


@pytest.mark.parametrize("target", ["model-tilted", "metrics", "table-mice-small-privacy"])
def test_link_to_a_far_place_arrives(started: Browser, target: str) -> None:
    """On the committed page, of which what lies between is laid out on the way only."""
    top = f"document.getElementById('{target}').getBoundingClientRect().top"
    started.open("about:blank")
    started.open(f"{COMMITTED.as_uri()}#{target}")
    started.until(f"0 <= {top} && {top} < 100")
    started.page.wait_for_timeout(500)
    assert 0 <= started.run(top) < 100
    started.open(COMMITTED.as_uri())
    started.run(f"location.hash = '#{target}'")
    started.until(f"0 <= {top} && {top} < 100")
    started.page.wait_for_timeout(500)
    assert 0 <= started.run(top) < 100


def test_closed_parts_are_made_when_opened(browser: Browser, address: str) -> None:
    """Of an opened model the data set that is open, and the next when it is opened."""
    parts = "[...document.querySelectorAll('#model-vae .appearance')]"
    is_made = f"{parts}.map(part => part.querySelector('table, svg') !== null)"
    with browser.beside(address, first=NEVER_IDLE) as page:
        others = page.locator("noscript").count() - 2
        assert page.evaluate(is_made) == [False, False]
        page.locator("#model-vae > summary").click()
        page.locator("#model-vae .appearance[open] table").wait_for()
        assert page.evaluate(is_made) == [True, False]
        page.locator("#model-vae .appearance:not([open]) > summary").click()
        page.locator("#model-vae .appearance:last-child table").wait_for()
        assert page.locator("noscript").count() == others


def test_address_of_a_model_has_made_it(browser: Browser, address: str) -> None:
    """Before anything else happens."""
    with browser.beside(f"{address}#model-vae", first=NEVER_IDLE) as page:
        assert page.evaluate("document.querySelector('#model-vae table') !== null")
        assert page.evaluate("document.querySelectorAll('.model table').length") == 1


def test_table_of_all_metrics_sorts(browser: Browser, address: str) -> None:
    """Though it is made after the page was opened."""
    first = "document.querySelector('table.wide tbody.entrants th a').textContent"
    with browser.beside(address, first=NEVER_IDLE) as page:
        page.locator("details.all > summary").first.click()
        names = page.locator("table.wide").first.locator("tbody.entrants th a").all_inner_texts()
        page.locator("table.wide th button").first.click()
        assert page.evaluate(first) == min(names)
        page.locator("table.wide th button").first.click()
        assert page.evaluate(first) == max(names)


def test_search_finds_what_is_closed(browser: Browser) -> None:
    """Soon after the page was opened, all of it is there."""
    browser.until(MADE)
    assert browser.run("document.querySelectorAll('.model[open]').length") == 0
    assert "genobench run --models vae" in browser.run(
        "document.getElementById('model-vae').textContent"
    )


def test_without_scripts_nothing_is_missing(browser: Browser, address: str) -> None:
    """A reader who forbids scripts opens the same parts, and the same words stand in them."""
    parts = "[...document.querySelectorAll('details, section')]"
    words = f"{parts}.map(part => part.textContent)"
    browser.until(MADE)
    with browser.beside(address, scripts=False) as page:
        assert page.evaluate(words) == browser.run(words)
        page.locator("#model-vae > summary").click()
        assert page.locator("#model-vae .appearance[open] table").is_visible()
        assert page.locator("#model-vae .appearance[open] svg").first.is_visible()


def test_flag_says_its_sentence_on_focus_and_on_hover(browser: Browser) -> None:
    """Escape puts it away; the sentence is also below the table."""
    flag = "document.querySelector('#results .flag')"
    sentence = browser.run(
        f"document.getElementById({flag}.getAttribute('aria-describedby')).textContent"
    )
    assert len(sentence) > 20
    shown = "!document.getElementById('tip').hidden"
    browser.run(f"{flag}.focus()")
    assert browser.run(shown) is True
    assert browser.run("document.getElementById('tip').textContent") == sentence
    browser.press("Escape")
    assert browser.run(shown) is False
    browser.run(f"{flag}.blur(); {flag}.scrollIntoView({{block: 'center'}})")
    x, y = browser.run(f"(({{x, y, width, height}}) => [x + width / 2, y + height / 2])"
                       f"({flag}.getBoundingClientRect())")  # fmt: skip
    browser.move(x, y)
    browser.until(shown)


def test_heading_without_sorting_says_its_sentence(browser: Browser) -> None:
    """Of ties, on focus; its link leads to the same sentence."""
    link = f"[...{TABLE}.querySelectorAll('th a')].find(a => a.textContent === 'Ties')"
    browser.run(f"{link}.focus()")
    sentence = browser.run("document.getElementById('read-ties').textContent")
    assert "cannot be told apart" in sentence
    assert browser.run("document.getElementById('tip').textContent") == sentence


def test_everything_is_reached_by_tab(browser: Browser) -> None:
    """The skip link comes first, then contents, filters, data sets, and headings that sort."""
    reached = []
    for _ in range(11):
        browser.press("Tab")
        reached.append(browser.run("document.activeElement.textContent.trim().slice(0, 30)"))
    assert reached[0] == "Skip to the results"
    assert reached[1:5] == ["Results", "Models", "Metrics", "How to read"]
    assert reached[8] == "default, smoke"
    tags = browser.run("document.activeElement.tagName")
    assert tags == "BUTTON"


@pytest.mark.parametrize("width", [375, 768, 1280])
def test_no_width_scrolls_sideways(browser: Browser, address: str, width: int) -> None:
    """With everything open; wide tables scroll by themselves."""
    browser.open(address, width=width, height=812)
    _open_all(browser)
    page = "document.documentElement"
    assert browser.run(f"{page}.scrollWidth") <= browser.run(f"{page}.clientWidth") <= width


def test_light_and_dark(browser: Browser) -> None:
    """The page follows the system, and paper is white."""
    paper = "getComputedStyle(document.body).backgroundColor"
    light = browser.run(paper)
    browser.prefer("dark")
    dark = browser.run(paper)
    browser.prefer("dark", media="print")
    assert light == browser.run(paper) == "rgb(255, 255, 255)"
    assert dark != light


def test_policy_stops_what_does_not_belong(browser: Browser) -> None:
    """Were an element put in, neither its script nor its style nor its picture would."""
    browser.run(
        "(() => { const s = document.createElement('img'); s.src = 'https://example.org/x.png';"
        " document.body.append(s); const b = document.createElement('div');"
        " b.setAttribute('style', 'width: 7px'); b.id = 'put'; document.body.append(b);"
        " })()"
    )
    with pytest.raises(Error, match="TrustedScript"):
        browser.run("document.getElementById('put').setAttribute('onclick', 'window.bad = 1')")
    assert browser.run("document.getElementById('put').getBoundingClientRect().width > 7")
    assert any("Content Security Policy" in text for text in browser.complaints)


@pytest.mark.parametrize(
    ("attempt", "refused"),
    [
        ("document.body.insertAdjacentHTML('beforeend', '<b>put</b>')", "TrustedHTML"),
        ("trustedTypes.createPolicy('parts', {createHTML: text => text})", "already exists"),
        ("trustedTypes.createPolicy('others', {createHTML: text => text})", "disallowed"),
    ],
)
def test_no_text_but_the_page_becomes_elements(
    browser: Browser, attempt: str, refused: str
) -> None:
    """Neither directly nor by a policy beside the page's own."""
    with pytest.raises(Error, match=refused):
        browser.run(attempt)


def test_no_complaint_and_no_request(browser: Browser, address: str) -> None:
    """After all of it was used: the console is empty, and the page is all that was loaded."""
    _open_all(browser)
    browser.run("document.querySelectorAll('th button').forEach(b => b.click())")
    browser.run("document.querySelectorAll('.flag').forEach(f => f.focus())")
    assert browser.complaints == []
    asked = {url for url in browser.asked if not url.startswith(("data:", "about:"))}
    assert asked == {address}


def test_opens_quickly(browser: Browser) -> None:
    """From the request to the end of loading."""
    took = browser.run("performance.getEntriesByType('navigation')[0].loadEventEnd")
    assert 0 < took < 10_000  # milliseconds, on a busy machine


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_accessibility_violation(browser: Browser, scheme: Literal["light", "dark"]) -> None:
    """Of any severity, with everything open."""
    browser.prefer(scheme)
    browser.enforce_policy(False)
    _open_all(browser)
    browser.run(f"{AXE.read_text(encoding='utf-8')}; 0")
    passed, violated = browser.run(
        "axe.run().then(r => [r.passes.map(p => p.id), r.violations.map(v => [v.impact, v.id])])"
    )
    browser.enforce_policy(True)
    assert violated == []
    assert {"color-contrast", "button-name", "link-name", "td-headers-attr"} <= set(passed)
