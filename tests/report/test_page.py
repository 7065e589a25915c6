import hashlib
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from ncvqvae.errors import InputError
from ncvqvae.evaluation.metrics import generated_keys, number_text, real_value, value_text
from ncvqvae.report.comparison_table import run_titles
from ncvqvae.report.content import ReportContent
from ncvqvae.report.page import write_comparison, write_report

from .contents import METRICS, NAUGHTY, RIVALS, full_content, minimal_content, sines

PLOTLY = files("ncvqvae.report").joinpath("assets/plotly-cartesian.min.js").read_text(encoding="utf-8")


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
    assert page.count(PLOTLY) == 1
    own = page.replace(PLOTLY, "")
    assert not re.search(r"(?:https?:)?//[\w.-]+\.\w+", own)
    assert not re.search(r"<link[^>]+href=\"(?!data:)", page) and not re.search(r"<(script|img)[^>]+src=", own)
    assert "default-src 'none'" in page and "form-action 'none'" in page
    assert len(page.encode()) < 3_000_000 and len(own) < 1_000_000


def test_plotly_is_the_published_file_with_its_licence() -> None:
    # plotly.js-cartesian-dist-min 4.1.1 of npm
    digest = "79542150855a52c567260e3137095dbe2b744e6d702a5cabe67da246942fba7a"
    assert hashlib.sha256(PLOTLY.encode()).hexdigest() == digest
    assert "</script" not in PLOTLY.lower()
    assert files("ncvqvae.report").joinpath("assets/plotly-LICENSE").read_text().startswith("MIT License")


def test_names_and_labels_are_text_not_markup(page: str) -> None:
    assert NAUGHTY not in page
    assert page.count("&lt;img src=x onerror=alert(1)&gt;") >= 3
    assert "\\u003cimg src=x" in page


def test_first_screen_says_what_it_is_and_has_three_metrics_beside_real_data(page: str) -> None:
    text = words(page)
    assert re.search(r"ncvqvae Report on generated series: run .* This page compares 60", text)
    assert "This page compares 60 generated series with 120 real ones that were held out" in text
    assert "Adding 60 generated series moved a classifier from 0.850 to 0.950 ± 0.010." in text and "✓ Fine" in text
    cards = re.findall(r'<article class="card.*?</article>', page, flags=re.S)
    assert len(cards) == 3
    for card, expected in zip(
        map(words, cards),
        ("0.950 ± 0.01", "FID, label-first 0.600 real data 0.300", "Copied 6.0 % real data 5.0 %"),
        strict=True,
    ):
        assert expected in card and card.endswith("n = 60 generated, 120 held-out series")
    assert text.index("Fine") < text.index("FID, label-first") < text.index("Generated against real series")


def test_metrics_are_folded_by_group_with_their_intervals(tmp_path: Path) -> None:
    more = {"c2st": 0.75, "c2st_real": 0.5, "coverage": 0.8, "coverage_real": 0.9, "fid_labelled_low": 0.5}
    more |= {"fid_labelled_high": 0.7, "fid_real_low": 0.2, "fid_real_high": 0.4, "kid_minirocket_labelled": 0.25}
    write_report(full_content(metrics=METRICS | more), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    text = words(page)
    assert "FID, label-first 0.600 0.500 – 0.700 real data 0.300" in text
    groups = {
        title: words(body) for title, body in re.findall(r"<h3>(\w+).*?</summary>(.*?)</details>", page, flags=re.S)
    }
    assert "KID, MiniRocket, label-first" in groups["Fidelity"] and "0.300 0.200 – 0.400" in groups["Fidelity"]
    assert "Coverage" in groups["Diversity"] and "interval" in text


def test_no_sentence_stands_where_it_does_not_fit(page: str, tmp_path: Path) -> None:
    write_report(minimal_content(X_unconditional=None, metrics={"val_recon": 1.0}), tmp_path / "report.html")
    page_of_nothing = (tmp_path / "report.html").read_text(encoding="utf-8")
    bare = words(re.sub(r'<details class="plain">.*?</details>', "", page_of_nothing, flags=re.S))  # the rules
    for absent in ("interval", "Generated against", "smooth", "rivals", "dashed", "model"):
        assert absent not in bare, absent
    assert "Generated series are smooth" not in words(page) and "interval." not in words(page)


def test_too_few_held_out_series_are_said_on_each_card(tmp_path: Path) -> None:
    content = minimal_content(metrics={"fid": 1.25, "fid_real": 0.5, "copied_raw": 0.1})
    write_report(content, tmp_path / "report.html")
    text = words((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert text.count("cannot be judged 10 held-out series are too few") == 2
    assert "n = 20 generated, 10 held-out series" in text and "FID, unconditional cannot be judged" in text


def test_rivals_stand_beside_the_generated_series(tmp_path: Path, page: str) -> None:
    assert "rivals" not in words(page)
    write_report(full_content(metrics=METRICS | RIVALS), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    body = page[page.index('id="rivals-title"') : page.index('id="grid-title"')]
    rows = [
        [words(cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", row)]
        for row in re.findall(r"<tr>(.*?)</tr>", body, re.S)
    ]
    names = [
        "Generated series",
        "Copies of the training series",
        "Jitter",
        "Time warp",
        "Mixup within a class",
        "Real data",
    ]
    assert [row[0] for row in rows[1:]] == names
    assert rows[1][1] == "0.950" and rows[4][1] == "0.880" and rows[2][2] == "–"
    assert "No cheap augmentation does as well as the generated series" in words(body)
    assert "_of_timewarp" not in words(page)
    write_report(full_content(metrics=METRICS | RIVALS | {"utility_both_of_jitter": 0.95}), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert re.search("The cheapest thing that does as well as the generated series, by [^:]+: jitter", words(page))


def test_the_page_carries_the_digest_of_its_model(tmp_path: Path) -> None:
    write_report(full_content(digest="0123456789abcdef" * 4), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "model 0123456789ab" in words(page) and "of the model " + "0123456789abcdef" * 4 in words(page)


def test_links_lead_to_parts_that_are_there(page: str) -> None:
    links = re.findall(r'<a href="#([^"]+)"', page)
    assert len(links) >= 6 and all(f'id="{link}"' in page for link in links)


def test_rules_of_the_verdict_stand_on_the_page(page: str) -> None:
    text = words(page)
    assert "twice the share among real series plus three standard errors" in text
    assert "no cheap augmentation does as well" in text
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
    assert "Generated against real series" in text
    for missing in ("Reconstructions", "Use of the codebook", "Probability of the tokens", "All metrics"):
        assert missing not in text


def test_unlabelled_data_shows_the_unconditional_metrics(tmp_path: Path) -> None:
    X, _ = sines(120)
    metrics = {"fid": 1.25, "fid_real": 0.5}
    write_report(minimal_content(X_test=X, metrics=metrics), tmp_path / "report.html")
    text = words((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "FID, unconditional 1.25 real data 0.500" in text and "FID, label-first" not in text


def compared(contents: list[ReportContent], folder: Path) -> str:
    write_comparison(contents, folder / "comparison.html")
    return (folder / "comparison.html").read_text(encoding="utf-8")


def heads(page: str) -> list[str]:
    """Titles of the runs on a comparison page."""
    return [words(part) for part in re.findall(r'<article class="verdict.*?</h3>', page, flags=re.S)]


def test_comparison_sets_runs_on_the_same_data_side_by_side(tmp_path: Path) -> None:
    better = full_content(seed=1, metrics=METRICS | {"fid_labelled": 0.4, "copied": 0.5})
    page = compared([full_content(), better], tmp_path)
    assert static(page).count('data-view="comparison"') == 1 and NAUGHTY not in page
    assert heads(page) == ["seed 0", "seed 1"]
    assert "✗ Copies" in words(page) and "real data" in words(page)
    assert words(page).count("Adding 60 generated series moved a classifier") == 2
    assert 'class="best"' not in page and "with one seed of a setting, a lead may be chance" in words(page)


def run_of(preset: str, seed: int, fid: float, **given: Any) -> ReportContent:
    settings = {"preset": preset, "seed": str(seed), "stage1.max_steps": "100", **given.pop("settings", {})}
    metrics = METRICS | {"fid_labelled": fid}
    return full_content(settings=settings, folder=f"runs/{preset}-{seed}", metrics=metrics, **given)


def test_a_setting_wins_only_by_two_seeds_and_a_lead_beyond_chance(tmp_path: Path) -> None:
    fids = {("a", 0): 0.6, ("a", 1): 0.62, ("b", 0): 0.4, ("b", 1): 0.41}
    page = compared([run_of(*key, fid) for key, fid in fids.items()], tmp_path)
    assert re.findall(r'<td class="best">([^<]+)', page) == ["0.400", "0.410"]  # equal metrics have no winner
    noisy = compared([run_of(*key, fid) for key, fid in {**fids, ("b", 1): 0.75}.items()], tmp_path)
    single = compared([run_of(*key, fid) for key, fid in fids.items() if key != ("b", 1)], tmp_path)
    assert 'class="best"' not in noisy and 'class="best"' not in single


def test_comparison_names_runs_by_folder_and_shows_how_settings_differ(tmp_path: Path) -> None:
    page = compared([run_of("a", 0, 0.6), run_of("b", 0, 0.4, settings={"ssl": NAUGHTY})], tmp_path)
    assert heads(page) == ["a-0", "b-0"] and NAUGHTY not in page
    (table,) = re.findall(r"<h3>Settings that differ</h3>.*?</table>", page, flags=re.S)
    assert "preset a b" in words(table) and "ssl – &lt;img" in words(table)
    assert "max_steps" not in table and "seed" not in words(table)


def test_runs_are_called_by_what_differs() -> None:
    facts = [{"ssl": "vibcreg", "seed": "0"}, {"ssl": "none", "seed": "0"}, {"ssl": "none", "seed": "0"}]
    assert run_titles([full_content(facts=part) for part in facts]) == ["vibcreg", "ssl none (2)", "ssl none (3)"]
    folders = ["runs/a/x", "runs/b/x", "runs/c/y"]
    assert run_titles([full_content(folder=folder) for folder in folders]) == ["a/x", "b/x", "c/y"]
    assert run_titles([full_content(folder=folder) for folder in ("x", "x", "/y/test")]) == [
        "x (1)",
        "x (2)",
        "test (3)",
    ]


def test_comparison_of_other_data_has_its_own_table(tmp_path: Path) -> None:
    other = minimal_content()
    write_comparison([full_content(), other, full_content()], tmp_path / "comparison.html")
    page = (tmp_path / "comparison.html").read_text(encoding="utf-8")
    assert static(page).count('data-view="comparison"') == 2
    assert [head[-3:] for head in heads(page)] == ["(1)", "(2)", "mal"]


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
