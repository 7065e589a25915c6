"""The pages in a real browser: no message on the console, hover, keys and choices work, every width fits."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ncvqvae.report.page import write_comparison, write_report

from .browser import CHROMIUM, Browser
from .contents import NAUGHTY, full_content, minimal_content

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages")
    write_report(full_content(channels=2), path / "report.html")
    write_report(minimal_content(), path / "minimal.html")
    write_comparison([full_content(), full_content(seed=1)], path / "comparison.html")
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


def shown(browser: Browser) -> dict[str, Any]:
    """What the preview shows: id, caption and number of lines of its first channel."""
    found: dict[str, Any] = browser.evaluate(
        """(() => {
          const figure = document.querySelector("#preview");
          const text = figure.querySelector("figcaption").textContent;
          const lines = figure.querySelector("svg.chart g").children.length;
          return {id: Number(figure.dataset.id), text, lines};
        })()"""
    )
    return found


def every(browser: Browser, selector: str, value: str) -> list[Any]:
    """`value`, an expression of `node`, for every element that fits the selector."""
    found: list[Any] = browser.evaluate(f"[...document.querySelectorAll({selector!r})].map(node => {value})")
    return found


@pytest.mark.parametrize("name", ["report", "minimal", "comparison"])
@pytest.mark.parametrize("width", [390, 820, 1400])
def test_page_opens_silently_and_fits_the_width(browser: Browser, folder: Path, name: str, width: int) -> None:
    browser.open(folder / f"{name}.html", width)
    browser.frames()
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert browser.evaluate("document.querySelectorAll('.panel path').length") > 10
    assert not any("NaN" in path for path in every(browser, "[d]", "node.getAttribute('d')"))
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
    browser.open(folder / "report.html")
    seen = set()
    for place in every(browser, ".plane [data-id]", "node.dataset.id")[:60:10]:
        middle = place_of(browser, f".plane [data-id='{place}']")
        browser.move(middle["x"] + 1, middle["y"])
        now = shown(browser)["id"]
        (ring,) = every(browser, ".plane .ring", "node.getAttribute('transform')")
        (point,) = every(browser, f".plane [data-id='{now}']", "node.getAttribute('transform')")
        numbers = [[float(number) for number in text[10:-1].split(",")] for text in (ring, point)]
        assert numbers[0] == pytest.approx(numbers[1], abs=0.1)
        seen.add(now)
    assert len(seen) >= 4
    assert browser.messages == []


def test_keys_go_from_point_to_point(browser: Browser, folder: Path) -> None:
    browser.open(folder / "report.html")
    browser.evaluate("document.querySelector('.plane').focus()")
    first = shown(browser)
    browser.press("ArrowRight")
    second = shown(browser)
    browser.press("ArrowLeft")
    assert second["id"] != first["id"] and second["text"] != first["text"]
    assert shown(browser)["id"] == first["id"]


def test_neighbours_are_laid_over_a_generated_series_if_wanted(browser: Browser, folder: Path) -> None:
    browser.open(folder / "report.html")
    option = every(browser, "#pick option", "node.value")[3]
    select(browser, "#pick", option)
    assert shown(browser)["id"] == int(option) and shown(browser)["lines"] == 4
    assert "Nearest training series at distance" in shown(browser)["text"]
    browser.click(**place_of(browser, "#overlay"))
    assert shown(browser)["lines"] == 1


def test_chosen_classes_are_shown_in_the_grid(browser: Browser, folder: Path) -> None:
    def rows() -> list[str]:
        return every(browser, ".grid tbody", "node.dataset.label")

    browser.open(folder / "report.html")
    assert rows() == ["0", "1", "-1"]
    browser.click(**place_of(browser, "[data-view=grid] input[value='0']"))
    assert rows() == ["1", "-1"]
    press_button(browser, "grid", "All")
    assert rows() == ["0", "1", "-1"]


def test_chosen_classes_and_sources_are_shown_in_the_plane(browser: Browser, folder: Path) -> None:
    def count() -> int:
        return len(every(browser, ".plane [data-id]", "1"))

    browser.open(folder / "report.html")
    assert count() == 24 + 30 + 60
    browser.click(**place_of(browser, "[data-view=planes] .choices input[value='1']"))
    assert count() == 12 + 15 + 30
    browser.click(**place_of(browser, "[data-view=planes] input[value='generated']"))
    assert count() == 12 + 15
    press_button(browser, "planes", "None")
    assert count() == 0
    assert browser.messages == []


def test_another_plane_moves_the_points(browser: Browser, folder: Path) -> None:
    def places() -> list[str]:
        return sorted(every(browser, ".plane [data-id]", "node.dataset.id + node.getAttribute('transform')"))

    browser.open(folder / "report.html")
    before = places()
    select(browser, "#which", "2")
    assert len(places()) == len(before) and places() != before
    assert "PCA of series" in every(browser, ".plane", "node.getAttribute('aria-label')")[0]


def test_labels_with_markup_stay_text(browser: Browser, folder: Path) -> None:
    for name in ("report", "comparison"):
        browser.open(folder / f"{name}.html")
        assert browser.evaluate("document.images.length") == 0
        assert browser.evaluate(f"document.body.textContent.includes({NAUGHTY!r})")


def test_dark_and_light_follow_the_reader(browser: Browser, folder: Path) -> None:
    def colours() -> list[str]:
        return [
            *every(browser, "body", "getComputedStyle(node).backgroundColor"),
            *every(browser, ".panel g", "getComputedStyle(node).stroke")[:1],
        ]

    browser.open(folder / "report.html", prefers_color_scheme="light")
    light = colours()
    browser.open(folder / "report.html", prefers_color_scheme="dark")
    dark = colours()
    assert light[0] == "rgb(255, 255, 255)" and dark[0] == "rgb(18, 21, 27)" and light[1] != dark[1]


def test_everything_that_can_be_used_has_a_name(browser: Browser, folder: Path) -> None:
    browser.open(folder / "report.html")
    name = (
        "node.labels?.length || node.getAttribute('aria-label') || node.getAttribute('aria-labelledby')"
        " || node.textContent.trim()"
    )
    usable = "input, select, button, [tabindex], svg:not([aria-hidden])"
    nameless = every(browser, usable, f"({name}) ? '' : node.outerHTML.slice(0, 80)")
    assert len(nameless) > 20 and set(nameless) == {""}
    assert set(every(browser, "svg:not([aria-hidden])", "node.getAttribute('role')")) == {"img", "application"}


def test_runs_are_compared_side_by_side(browser: Browser, folder: Path) -> None:
    browser.open(folder / "comparison.html")
    assert every(browser, ".grid thead th", "node.textContent") == ["held-out series", "seed 0", "seed 1"]
    assert len(every(browser, ".plane", "1")) == 2
    point = place_of(browser, ".plane [data-id]:nth-of-type(5)")
    browser.move(point["x"], point["y"])
    assert every(browser, ".ring", "node.getAttribute('visibility')") == ["visible", "visible"]
    assert browser.messages == []


def test_another_figure_plane_and_loss_can_be_chosen_in_the_comparison(browser: Browser, folder: Path) -> None:
    browser.open(folder / "comparison.html")
    for part, drawn in (("bars", ".bars svg"), ("planes", ".plane"), ("losses", "svg.chart")):
        before = every(browser, f".{part}-part {drawn}", "node.outerHTML")
        select(browser, f".{part}-part select", "1")
        after = every(browser, f".{part}-part {drawn}", "node.outerHTML")
        assert len(after) == len(before) > 0 and after != before
    assert len(every(browser, ".planes-part .plane [data-id]", "1")) == 60
    assert browser.messages == []


def test_pointing_at_a_matrix_reads_its_cell(browser: Browser, folder: Path) -> None:
    browser.open(folder / "report.html")
    place = place_of(browser, "[data-view=matrices] .matrix")  # the middle of 8 codes is the corner of code 4
    browser.move(place["x"] + 2, place["y"] + 2)
    assert every(browser, "[data-view=matrices] .readout", "node.textContent")[0] == "Codes 4 and 4: 1"
    assert browser.messages == []


def test_page_prints(browser: Browser, folder: Path) -> None:
    browser.open(folder / "report.html")
    assert len(browser.call("Page.printToPDF")["data"]) > 10_000
    assert browser.messages == []
