"""A report in a real browser: nothing is loaded, nothing runs, nothing sticks out."""

from __future__ import annotations

import pytest

from rolloutctl.core.state import Phase
from rolloutctl.ui.report.html import report_html
from servers.browser import browser
from ui.report_worlds import WORLDS, told

pytestmark = pytest.mark.real
#: Relative luminance and contrast: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio
CONTRASTS = """
const rgb = text => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
const lum = c => { const [r, g, b] = rgb(c).map(v => { v /= 255;
  return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
  return .2126 * r + .7152 * g + .0722 * b; };
const ground = lum(getComputedStyle(document.body).backgroundColor);
return Math.min(...[...document.querySelectorAll('p,td,th,dt,dd,h1,h2,h3,summary,svg text')]
  .map(e => { const s = getComputedStyle(e), l = lum(e.closest('svg') ? s.fill : s.color);
    return (Math.max(l, ground) + .05) / (Math.min(l, ground) + .05); }));
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    with browser(folder) as page:
        page.folder = folder
        yield page


@pytest.fixture
def opened(page):
    """Opens the report of a rollout in this phase."""

    def open_report(phase):
        path = page.folder / f"{phase.value}.html"
        path.write_text(report_html(told(WORLDS[phase]())), "utf-8")
        page.tell("Emulation.setEmulatedMedia", media="", features=[])
        page.open(path)
        return page

    return open_report


@pytest.mark.parametrize("phase", list(WORLDS), ids=str)
def test_nothing_runs_and_nothing_is_loaded(opened, phase):
    """Whatever a name or a reason says; the console is empty."""
    page = opened(phase)

    assert page.run("return window.hurt === undefined")
    assert page.run("return performance.getEntriesByType('resource').length") == 0
    assert page.run("return document.scripts.length + document.images.length") == 0
    assert page.complaints == []


@pytest.mark.parametrize("width", [360, 800, 1400])
def test_nothing_sticks_out_of_the_page(opened, width):
    """A telephone scrolls the charts, not the page."""
    page = opened(Phase.KILLED)
    page.sized(width, 900)

    assert page.run("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_in_light_and_dark(opened, scheme):
    """4.5 to 1 at least, as WCAG 2.2 asks for."""
    page = opened(Phase.ROLLED_BACK)
    page.coloured(scheme)

    dark = page.run("return matchMedia('(prefers-color-scheme:dark)').matches")
    assert dark == (scheme == "dark")
    assert page.run(CONTRASTS) >= 4.5
    assert page.picture()[:4] == b"\x89PNG"


def test_whoever_does_not_see_the_charts_is_told_them(opened):
    """A text for each drawing, a scope for each header, and every scrolled part by keyboard."""
    page = opened(Phase.ROLLED_BACK)

    silent = "svg:not([role=img]),svg:not([aria-label]),th:not([scope]),.scroll:not([tabindex])"
    assert page.run(f"return document.querySelectorAll('{silent}').length") == 0
    assert page.run("return document.querySelectorAll('svg,th,.scroll').length") > 10


def test_paper_has_what_the_screen_folds(opened):
    """Nobody can unfold a printed page: numbers, tables and the playbook are all there."""
    page = opened(Phase.ROLLED_BACK)
    heights = "return [...document.querySelectorAll('details')].map(one => one.offsetHeight)"
    folded = page.run(heights)

    page.printed()

    assert all(after > before for before, after in zip(folded, page.run(heights), strict=True))
