import re
from pathlib import Path

import pytest

from ncvqvae.errors import InputError
from ncvqvae.evaluation.metrics import generated_keys, number_text, real_value, value_text
from ncvqvae.report.page import write_comparison, write_report

from .contents import METRICS, NAUGHTY, full_content, minimal_content


def static(page: str) -> str:
    """The page without its scripts and styles."""
    return re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.S)


def words(page: str) -> str:
    """What a reader sees of a page's static part, as one line."""
    return " ".join(re.sub(r"<[^>]*>", " ", static(page)).split())


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "deep" / "report.html"
    write_report(full_content(channels=2), path)
    assert [other.name for other in path.parent.iterdir()] == ["report.html"]
    return path.read_text(encoding="utf-8")


def test_page_is_complete_and_asks_for_nothing(page: str) -> None:
    addresses = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"'<>]*", page))
    assert addresses == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<link[^>]+href=\"(?!data:)", page) and not re.search(r"<(script|img)[^>]+src=", page)
    assert "default-src 'none'" in page
    assert len(page) < 1_000_000


def test_names_and_labels_are_text_not_markup(page: str) -> None:
    assert NAUGHTY not in page
    assert page.count("&lt;img src=x onerror=alert(1)&gt;") >= 3
    assert "\\u003cimg src=x" in page


def test_first_screen_has_the_five_metrics_beside_real_data(page: str) -> None:
    text = words(page)
    assert "✓ Fine" in text
    for expected in (
        "FID, label-first 0.600 real data 0.300",
        "IS, label-first 1.80 real data 1.90",
        "CAS 0.950 real data 0.970",
        "Copied 6.0 % real data 5.0 %",
        "KNN / SVM 0.910 / 0.930 guessing 0.500",
    ):
        assert expected in text
    assert text.index("Fine") < text.index("FID, label-first") < text.index("Generated against real series")


def test_the_first_screen_takes_the_metrics_of_the_full_evaluation(tmp_path: Path) -> None:
    more = {"c2st": 0.75, "c2st_real": 0.5, "coverage": 0.8, "coverage_real": 0.9, "fid_labelled_low": 0.5}
    more |= {"fid_labelled_high": 0.7, "fid_real_low": 0.2, "fid_real_high": 0.4, "kid_minirocket_labelled": 0.25}
    write_report(full_content(metrics=METRICS | more), tmp_path / "report.html")
    text = words((tmp_path / "report.html").read_text(encoding="utf-8"))
    cards = (
        "FID, label-first 0.600 0.500 – 0.700 real data 0.300",
        "Two-sample test 0.750 real data 0.500",
        "Coverage 0.800",
    )
    assert all(card in text for card in cards)
    fidelity, utility = text.index("Fidelity:"), text.index("Utility:")
    assert fidelity < text.index("KID, MiniRocket, label-first") < utility < text.index("Diversity and memorisation")
    assert "0.300 0.200 – 0.400" in text[fidelity:utility]


def test_links_lead_to_parts_that_are_there(page: str) -> None:
    links = re.findall(r'<a href="#([^"]+)"', page)
    assert len(links) >= 6 and all(f'id="{link}"' in page for link in links)


def test_rules_of_the_verdict_stand_on_the_page(page: str) -> None:
    text = words(page)
    assert "twice the share among real series plus three standard errors" in text
    assert "less than 0.5 times as much as two real ones" in text
    assert "CAS more than 0.1 below" in text


def test_every_section_has_a_heading_and_every_table_cell_a_header(page: str) -> None:
    for name in re.findall(r'aria-labelledby="([^"]+)"', page):
        assert f'id="{name}"' in page
    assert '<html lang="en">' in page and "<main" in page and "<noscript>" in page
    assert len(re.findall(r"<th\b(?! scope)", static(page))) == 0


def test_sections_without_data_are_left_out(tmp_path: Path) -> None:
    write_report(minimal_content(), tmp_path / "report.html")
    text = words((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "Generated against real series" in text and "no labels" in text
    for missing in ("Reconstructions", "Use of the codebook", "Probability of the tokens", "All metrics"):
        assert missing not in text


def test_unlabelled_data_shows_the_unconditional_metrics(tmp_path: Path) -> None:
    write_report(minimal_content(metrics={"fid": 1.25, "fid_real": 0.5}), tmp_path / "report.html")
    text = words((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "FID, unconditional 1.25 real data 0.500" in text and "FID, label-first" not in text


def test_comparison_sets_runs_on_the_same_data_side_by_side(tmp_path: Path) -> None:
    better = full_content(seed=1, metrics=METRICS | {"fid_labelled": 0.4, "copied": 0.5})
    write_comparison([full_content(), better], tmp_path / "comparison.html")
    page = (tmp_path / "comparison.html").read_text(encoding="utf-8")
    assert static(page).count('data-view="comparison"') == 1 and NAUGHTY not in page
    assert [words(part) for part in re.findall(r"<article.*?</h3>", page, flags=re.S)] == ["seed 0", "seed 1"]
    assert "Copies" in page and "real data" in words(page)
    best = re.findall(r'<td class="best">([^<]+)', page)
    assert best == ["0.400"]


def test_runs_are_called_by_what_differs(tmp_path: Path) -> None:
    facts = [{"ssl": "vibcreg", "seed": "0"}, {"ssl": "none", "seed": "0"}, {"ssl": "none", "seed": "0"}]
    write_comparison([full_content(facts=part) for part in facts], tmp_path / "comparison.html")
    page = (tmp_path / "comparison.html").read_text(encoding="utf-8")
    heads = [words(part) for part in re.findall(r"<article.*?</h3>", page, flags=re.S)]
    assert heads == ["vibcreg", "ssl none (2)", "ssl none (3)"]


def test_comparison_of_other_data_has_its_own_table(tmp_path: Path) -> None:
    other = minimal_content()
    write_comparison([full_content(), other, full_content()], tmp_path / "comparison.html")
    page = (tmp_path / "comparison.html").read_text(encoding="utf-8")
    assert page.count("<table") == 2 and static(page).count('data-view="comparison"') == 2
    assert [words(part)[-3:] for part in re.findall(r"<article.*?</h3>", page, flags=re.S)] == ["(1)", "(2)", "mal"]


def test_comparison_of_nothing_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run"):
        write_comparison([], tmp_path / "comparison.html")
    assert list(tmp_path.iterdir()) == []


def test_metrics_find_their_real_row() -> None:
    assert real_value("fid_labelled", METRICS) == METRICS["fid_real"]
    assert real_value("copied_unconditional", METRICS) == METRICS["copied_real"]
    assert real_value("knn", METRICS) is None
    assert real_value("copied_raw", {"copied_raw": 0.3, "copied_raw_real": 0.05, "copied_real": 1.0}) == 0.05
    keys = generated_keys({"new": 1.0, "new_real": 2.0, "cas": 0.5, "fid_labelled": 1.0})
    assert keys == ["fid_labelled", "cas", "new"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (0.0512, "0.0512"),
        (1.0, "1.00"),
        (12.34, "12.3"),
        (123.4, "123"),
        (99.99, "100"),
    ],
)
def test_numbers_have_three_significant_digits(value: float | None, text: str) -> None:
    assert number_text(value) == text


def test_copies_are_given_in_per_cent() -> None:
    assert value_text("copied_unconditional", 0.055) == "5.5 %" and value_text("cas", 0.055) == "0.0550"
    assert value_text("copied", None) == "–"
