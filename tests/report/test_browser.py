"""The pages in a real browser: no message on the console, hover, keys and choices work, every width fits."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.accessibility import grave_findings

from ncvqvae.report.page import write_comparison, write_report

from .browser import CHROMIUM, Browser
from .contents import METRICS, NAUGHTY, RIVALS, full_content, minimal_content

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages")
    write_report(full_content(channels=2, n_test=30, metrics=METRICS | RIVALS), path / "report.html")
    write_report(minimal_content(), path / "minimal.html")
    write_comparison([full_content(n_test=30), full_content(seed=1, n_test=30)], path / "comparison.html")
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


def place_of(browser: Browser, selector: str) -> dict[str, float]:
    """Middle of an element in the window, after scrolling to it."""
    box: dict[str, float] = browser.evaluate(
        f"""(() => {{
          const node = document.querySelector({selector!r});
          node.scrollIntoView({{block: "center"}});
          const box = node.getBoundingClientRect();
          return {{x: box.x + box.width / 2, y: box.y + box.height / 2}};
        }})()"""
    )
    return box


def select(browser: Browser, selector: str, value: str) -> None:
    """Choose an option, as a reader does."""
    browser.evaluate(
        f"""(() => {{
          const node = document.querySelector({selector!r});
          node.value = {value!r};
          node.dispatchEvent(new Event("change"));
        }})()"""
    )
    browser.frames()


def press_button(browser: Browser, view: str, name: str) -> None:
    """Press a button of a view by its name."""
    buttons = f"[...document.querySelectorAll('[data-view={view}] button')]"
    browser.evaluate(f"{buttons}.find(node => node.textContent === {name!r}).click()")
    browser.frames()


def see(browser: Browser, chart: str) -> None:
    """Unfold the part with a chart, scroll to it and wait until it is drawn."""
    drawn = browser.evaluate(
        f"""(async () => {{
          const node = document.querySelector({chart!r});
          for (let part = node.closest("details"); part; part = part.parentElement.closest("details")) part.open = true;
          for (let i = 0; i < 300 && !node.classList.contains("drawn"); i++) {{
            node.scrollIntoView({{block: "center"}});
            await new Promise(done => setTimeout(done, 50));
          }}
          return node.classList.contains("drawn");
        }})()"""
    )
    assert drawn, f"{chart} was not drawn: {browser.messages}"
    browser.frames()


def open_at(browser: Browser, path: Path, chart: str, width: int = 1200, **media: str) -> None:
    browser.open(path, width, **media)
    see(browser, chart)


def unfold(browser: Browser) -> None:
    """Open every folded part and see every chart."""
    browser.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
    browser.evaluate(
        """(async () => {
          for (let i = 0; i < 300; i++) {
            const node = document.querySelector(".chart:not(.drawn)");
            if (!node) break;
            node.scrollIntoView({block: "center"});
            await new Promise(done => setTimeout(done, 20));
          }
        })()"""
    )
    browser.frames()


def shown(browser: Browser) -> dict[str, Any]:
    """What the preview shows: id, caption and number of lines of its first channel."""
    found: dict[str, Any] = browser.evaluate(
        """(() => {
          const figure = document.querySelector("#preview");
          const text = figure.querySelector("figcaption").textContent;
          return {id: Number(figure.dataset.id), text, lines: figure.querySelector(".chart").data.length};
        })()"""
    )
    return found


def points(browser: Browser, chart: str = "#plane .chart") -> list[int]:
    """Ids of the points that a plane shows."""
    found: list[int] = browser.evaluate(
        f"document.querySelector({chart!r}).data.filter(part => part.visible !== 'legendonly')"
        ".flatMap(part => part.customdata || [])"
    )
    return found


def place_of_point(browser: Browser, number: int, chart: str = "#plane .chart") -> dict[str, float]:
    """Where the point `number` of a chart's first trace stands in the window."""
    place_of(browser, chart)  # scrolls
    found: dict[str, float] = browser.evaluate(
        f"""(() => {{
          const node = document.querySelector({chart!r}), {{xaxis, yaxis}} = node._fullLayout;
          const box = node.getBoundingClientRect(), [trace] = node.data;
          return {{id: trace.customdata[{number}], x: box.x + xaxis._offset + xaxis.d2p(trace.x[{number}]),
            y: box.y + yaxis._offset + yaxis.d2p(trace.y[{number}])}};
        }})()"""
    )
    return found


def every(browser: Browser, selector: str, value: str) -> list[Any]:
    """`value`, an expression of `node`, for every element that fits the selector."""
    found: list[Any] = browser.evaluate(f"[...document.querySelectorAll({selector!r})].map(node => {value})")
    return found


def hover(browser: Browser, place: dict[str, float]) -> None:
    """Point at a place for as long as Plotly takes to look up what is there."""
    browser.move(place["x"] - 1, place["y"])
    browser.evaluate("new Promise(done => setTimeout(done, 200))")
    browser.move(place["x"], place["y"])
    browser.evaluate("new Promise(done => setTimeout(done, 200))")


@pytest.mark.parametrize("name", ["report", "minimal", "comparison"])
@pytest.mark.parametrize("width", [390, 820, 1400])
def test_page_opens_silently_and_fits_the_width(browser: Browser, folder: Path, name: str, width: int) -> None:
    browser.open(folder / f"{name}.html", width)
    unfold(browser)
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
    charts = every(
        browser, ".chart", "[node.classList.contains('drawn'), node.clientWidth, node.querySelector('svg').clientWidth]"
    )
    assert len(charts) >= (3 if name == "minimal" else 8)
    assert all(drawn and chart == box for drawn, box, chart in charts)
    assert not any("NaN" in path for path in every(browser, ".chart [d]", "node.getAttribute('d')"))
    assert browser.messages == []


def test_the_listener_hears_what_goes_wrong(browser: Browser, folder: Path) -> None:
    bad = folder / "bad.html"
    ready = "document.documentElement.dataset.ready = ''"
    bad.write_text(
        f"<script>{ready}; console.error('one'); nowhere()</script><img src='https://example.invalid/x.png'>"
    )
    browser.open(bad)
    browser.frames()
    assert len(browser.messages) >= 3 and any("example.invalid" in message for message in browser.messages)


def test_pointing_at_a_point_shows_its_series(browser: Browser, folder: Path) -> None:
    open_at(browser, folder / "report.html", "#plane .chart")
    seen = set()
    for number in range(0, 30, 6):
        point = place_of_point(browser, number)
        hover(browser, point)
        assert shown(browser)["id"] == point["id"]
        marked = every(browser, "#plane .chart", "node.data.at(-1).x.length")
        assert marked == [1] and every(browser, "#plane .chart", "Number(node.dataset.selected)") == [point["id"]]
        seen.add(point["id"])
    assert len(seen) == 5
    assert browser.messages == []


def test_keys_go_from_point_to_point(browser: Browser, folder: Path) -> None:
    open_at(browser, folder / "report.html", "#plane .chart")
    browser.evaluate("document.querySelector('#plane .chart').focus()")
    first = shown(browser)
    browser.press("ArrowRight")
    second = shown(browser)
    browser.press("ArrowLeft")
    assert second["id"] != first["id"] and second["text"] != first["text"]
    assert shown(browser)["id"] == first["id"]


def test_neighbours_are_laid_over_a_generated_series_if_wanted(browser: Browser, folder: Path) -> None:
    open_at(browser, folder / "report.html", "#plane .chart")
    option = every(browser, "#pick option", "node.value")[3]
    select(browser, "#pick", option)
    assert shown(browser)["id"] == int(option) and shown(browser)["lines"] == 4
    assert "Nearest training series at distance" in shown(browser)["text"]
    browser.click(**place_of(browser, "#overlay"))
    assert shown(browser)["lines"] == 1


def test_chosen_classes_are_shown_in_the_grid(browser: Browser, folder: Path) -> None:
    def rows() -> list[str]:
        return every(browser, ".grid figure", "node.dataset.label")

    browser.open(folder / "report.html")
    assert rows() == ["0", "1", "-1"]
    browser.click(**place_of(browser, "[data-view=grid] input[value='0']"))
    assert rows() == ["1", "-1"]
    press_button(browser, "grid", "All")
    assert rows() == ["0", "1", "-1"]


def test_chosen_classes_and_sources_are_shown_in_the_plane(browser: Browser, folder: Path) -> None:
    open_at(browser, folder / "report.html", "#plane .chart")
    assert len(points(browser)) == 60 + 30 + 60
    place_of(browser, "#plane .chart")
    browser.click(**place_of(browser, "#plane .legendtoggle"))
    browser.evaluate("new Promise(done => setTimeout(done, 500))")  # a second click would single the class out
    assert len(points(browser)) == 30 + 15 + 30
    browser.click(**place_of(browser, "[data-view=planes] input[value='generated']"))
    assert len(points(browser)) == 30 + 15
    assert browser.messages == []


def test_another_plane_moves_the_points(browser: Browser, folder: Path) -> None:
    def places() -> list[str]:
        return every(browser, "#plane .chart", "JSON.stringify(node.data.map(({x, y}) => [x, y]))")

    open_at(browser, folder / "report.html", "#plane .chart")
    before, n = places(), len(points(browser))
    select(browser, "#plane select", "2")
    assert len(points(browser)) == n and places() != before and len(places()) == 1
    assert "PCA of series" in every(browser, "#plane .chart", "node.getAttribute('aria-label')")[0]


def test_charts_zoom_and_go_back_and_save(browser: Browser, folder: Path) -> None:
    def ranges() -> list[list[float]]:
        return every(browser, ".grid .chart", "node._fullLayout.xaxis.range")[:1]

    open_at(browser, folder / "report.html", ".grid .chart")
    before, middle = ranges(), place_of(browser, ".grid .chart .nsewdrag")
    browser.drag(middle["x"] - 40, middle["y"] - 20, middle["x"] + 40, middle["y"] + 20)
    zoomed = ranges()
    assert zoomed[0][1] - zoomed[0][0] < 0.7 * (before[0][1] - before[0][0])
    browser.evaluate(
        "document.querySelector('.grid .chart [data-title^=Reset]').dispatchEvent(new Event('click', {bubbles: true}))"
    )
    browser.frames()
    assert ranges() == before
    png = browser.evaluate(
        "Plotly.toImage(document.querySelector('.grid .chart'), {format: 'png', width: 300, height: 200})"
    )
    assert png.startswith("data:image/png;base64,") and len(png) > 2000
    assert browser.messages == []


def test_no_button_sends_data_away(browser: Browser, folder: Path) -> None:
    open_at(browser, folder / "report.html", ".grid .chart")
    titles = set(every(browser, ".modebar-btn", "node.dataset.title"))
    assert {title.split(" ")[0] for title in titles} == {"Download", "Zoom", "Pan", "Reset"}
    assert not any("Share" in title or "Cloud" in title for title in titles)


HOSTILE = (
    NAUGHTY,
    "</script><script>alert(1)//",
    "<b>bold</b>",
    "<a href='//e.invalid'>x</a>",
    "$x^2$ &lt;i&gt;",
    "_hidden %{y}",
    "a<br>b",
    "",
)


def test_labels_with_markup_stay_text_in_every_chart(browser: Browser, folder: Path, tmp_path: Path) -> None:
    y = np.array(HOSTILE, dtype=object)[np.arange(60) % len(HOSTILE)]
    named = full_content(
        channels=2,
        n_test=30,
        y_train=y,
        y_test=y[:30],
        y_labelled=y,
        name=HOSTILE[2],
        metrics=METRICS | RIVALS,
        folder=HOSTILE[1],
    )
    named.channels = HOSTILE[2:4]
    write_report(named, tmp_path / "report.html")
    write_comparison(
        [named, full_content(seed=1, n_test=30, y_train=y, y_test=y[:30], y_labelled=y, folder=HOSTILE[3])],
        tmp_path / "comparison.html",
    )
    for name in ("report", "comparison"):
        browser.open(tmp_path / f"{name}.html")
        unfold(browser)
        assert browser.evaluate("document.images.length") == 0
        assert browser.evaluate("document.querySelectorAll('svg a, svg tspan[style*=bold]').length") == 0
        assert every(browser, "a[href]:not([href^='#'])", "node.href") == []
        legend = set(every(browser, ".legendtext", "node.textContent"))
        assert {label or "(empty)" for label in HOSTILE} <= legend
        assert browser.messages == []


def test_dark_and_light_follow_the_reader(browser: Browser, folder: Path) -> None:
    def colours() -> list[str]:
        return [
            *every(browser, "body", "getComputedStyle(node).backgroundColor"),
            *every(browser, ".grid .chart .js-line", "getComputedStyle(node).stroke")[:1],
            *every(browser, ".grid .chart .main-svg", "getComputedStyle(node).backgroundColor")[:1],
        ]

    open_at(browser, folder / "report.html", ".grid .chart", prefers_color_scheme="light")
    light = colours()
    open_at(browser, folder / "report.html", ".grid .chart", prefers_color_scheme="dark")
    dark = colours()
    assert light[0] == light[2] == "rgb(255, 255, 255)" and dark[0] == dark[2] == "rgb(18, 21, 27)"
    assert light[1] != dark[1]


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
@pytest.mark.parametrize("name", ["report", "comparison"])
def test_a_page_can_be_read_by_all(browser: Browser, folder: Path, name: str, width: int, scheme: str) -> None:
    browser.open(folder / f"{name}.html", width, prefers_color_scheme=scheme)
    unfold(browser)
    assert grave_findings(browser) == []


def test_everything_that_can_be_used_has_a_name(browser: Browser, folder: Path) -> None:
    browser.open(folder / "report.html")
    name = (
        "node.labels?.length || node.getAttribute('aria-label') || node.getAttribute('aria-labelledby')"
        " || node.textContent.trim()"
    )
    usable = "input, select, button, [tabindex], .chart"
    nameless = every(browser, usable, f"({name}) ? '' : node.outerHTML.slice(0, 80)")
    assert len(nameless) > 20 and set(nameless) == {""}
    assert set(every(browser, ".chart", "node.getAttribute('role')")) == {"figure", "application"}


def test_a_link_opens_the_part_that_it_leads_to(browser: Browser, folder: Path) -> None:
    browser.open(folder / "report.html")
    assert every(browser, "details.group[open]", "1") == []
    browser.evaluate("document.querySelector('a[href=\"#loss-title\"]').click()")
    assert every(browser, "details.group[open] h2", "node.id") == ["loss-title"]


def test_rivals_are_drawn_beside_the_generated_series(browser: Browser, folder: Path) -> None:
    open_at(browser, folder / "report.html", "[data-view=rivals] .chart")
    (names,) = every(browser, "[data-view=rivals] .chart", "node._fullLayout.yaxis.ticktext")
    assert names == ["Generated series", "Copies of the training series", "Jitter", "Time warp", "Mixup within a class"]
    (values,) = every(browser, "[data-view=rivals] .chart", "node.data[0].x")
    assert values == [0.95, 0.85, 0.86, 0.88, 0.87]


def test_the_class_table_is_whole_on_a_phone(browser: Browser, folder: Path, tmp_path: Path) -> None:
    write_report(full_content(copied_per_class={"slow": 0.5}), tmp_path / "report.html")
    browser.open(tmp_path / "report.html", 390)
    browser.evaluate("document.querySelector('.classes').closest('details').open = true")
    ((left, right, cells),) = every(
        browser,
        ".classes",
        "[node.getBoundingClientRect().left, node.getBoundingClientRect().right, node.rows[0].cells.length]",
    )
    assert left >= 0 and right <= 390 and cells == 7
    assert set(every(browser, ".classes th, .classes td", "node.scrollWidth <= node.clientWidth")) == {True}


def test_runs_are_compared_side_by_side(browser: Browser, folder: Path) -> None:
    open_at(browser, folder / "comparison.html", ".planes-part .chart")
    (headings,) = every(
        browser,
        ".grid figure:first-child .chart",
        "node._fullLayout.annotations.map(({text}) => text.split('<br>')[0])",
    )
    assert headings == ["held-out series", "seed 0", "seed 1"]
    planes = ".planes-part .chart[role=application]"
    assert len(every(browser, planes, "1")) == 2
    point = place_of_point(browser, 5, planes)
    hover(browser, point)
    assert every(browser, planes, "Number(node.dataset.selected)") == [point["id"]] * 2
    assert browser.messages == []


def test_another_metric_plane_and_loss_can_be_chosen_in_the_comparison(browser: Browser, folder: Path) -> None:
    open_at(browser, folder / "comparison.html", ".losses-part .chart")
    for part in ("bars", "planes", "losses"):
        see(browser, f".{part}-part .chart")
        before = every(browser, f".{part}-part .chart", "node.getAttribute('aria-label') + JSON.stringify(node.data)")
        select(browser, f".{part}-part select", "2" if part == "planes" else "1")
        after = every(browser, f".{part}-part .chart", "node.getAttribute('aria-label') + JSON.stringify(node.data)")
        assert len(after) == len(before) > 0 and after != before
    assert len(points(browser, ".planes-part .chart")) == 60
    assert browser.messages == []


def test_a_matrix_names_its_codes(browser: Browser, folder: Path) -> None:
    open_at(browser, folder / "report.html", "[data-view=matrices] .chart")
    (trace,) = every(browser, "[data-view=matrices] .chart", "node.data[0]")
    assert trace["type"] == "heatmap" and trace["x"] == trace["y"] == [str(code) for code in range(8)]
    assert [trace["z"][i][i] for i in range(8)] == [1.0] * 8


@pytest.mark.parametrize("name", ["report", "comparison"])
def test_page_prints_on_few_pages_in_light_colours(browser: Browser, folder: Path, name: str) -> None:
    browser.open(folder / f"{name}.html", prefers_color_scheme="dark")
    unfolded = browser.evaluate("document.documentElement.scrollHeight")
    pdf = base64.b64decode(browser.call("Page.printToPDF", paperWidth=8.27, paperHeight=11.69)["data"])
    n_pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
    assert unfolded > 1500 and 1 <= n_pages <= 5
    assert browser.messages == []
