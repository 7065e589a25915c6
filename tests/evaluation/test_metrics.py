"""The registry of metrics: nothing else holds a table of their names, and what it does not know harms nobody."""

import ast
import json
from pathlib import Path

import pytest
from rich.console import Console
from tests.report.contents import METRICS as SOME
from tests.report.contents import full_content

import ncvqvae.errors
from ncvqvae.commands.terminal import metrics_table
from ncvqvae.errors import InputError
from ncvqvae.evaluation.metric import GROUPS
from ncvqvae.evaluation.metric_files import read_metrics, write_metrics
from ncvqvae.evaluation.metric_list import METRICS, SHORT, STUDY
from ncvqvae.evaluation.metrics import glossary, metric_of, real_key, value_text
from ncvqvae.report.page import write_report

ROOT = Path(ncvqvae.errors.__file__).parent
REAL = {metric.real for metric in METRICS.values()}


def test_every_metric_says_all_there_is_to_say() -> None:
    for key, metric in METRICS.items():
        assert metric.key == key and metric.title and metric.group in GROUPS
        assert metric.meaning.endswith(".") and metric.meaning.count(". ") == 0  # one sentence
    assert len({metric.title for metric in METRICS.values()}) == len(METRICS)
    assert {*SHORT, *STUDY} <= METRICS.keys() | REAL


def known_keys(node: ast.AST) -> set[str]:
    """The metrics that a literal of constants names."""
    if not isinstance(node, ast.Dict | ast.Tuple | ast.List | ast.Set):
        return set()
    try:
        ast.literal_eval(node)
    except ValueError:
        return set()
    return {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)} & METRICS.keys()


def test_no_other_module_holds_a_table_of_metrics() -> None:
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        found[str(path.relative_to(ROOT))] = max((len(known_keys(node)) for node in nodes), default=0)
    assert found.pop("evaluation/metric_list.py") >= len(SHORT)  # the test sees one where there is one
    assert {name: n for name, n in found.items() if n >= 5} == {}


def test_what_is_best_follows_the_direction() -> None:
    values = [0.2, 0.45, 0.9, float("nan")]
    assert metric_of("fid").best(values) == 0.2 and metric_of("cas").best(values) == 0.9
    assert metric_of("c2st").best(values) == 0.45 and metric_of("c2st").better_text == "near 0.5"
    for key in ("copied", "perplexity_train", "unheard_of", "fid_real"):
        assert metric_of(key).best(values) is None


def test_the_value_for_real_data_has_the_title_of_its_metric() -> None:
    assert metric_of("fid_real").title == "FID, real data"
    assert metric_of("copied_real").title == "Copied, real data"
    assert value_text("copied_real", 0.05) == "5.0 %" and value_text("stage1_seconds", 130.0) == "130 s"
    assert real_key("cas_rocket_both", {"cas_rocket_real": 1.0, "cas_real": 0.5}) == "cas_rocket_real"


def test_unknown_keys_are_shown_by_their_name_and_break_nothing(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps(SOME | {"new": 0.5, "new_real": 0.25, "fid_low": 1.0, "note": "by hand", "parts": [1]}))
    metrics = read_metrics(path)
    assert metrics.keys() - SOME.keys() == {"new", "new_real", "fid_low"}
    console = Console(width=100)
    with console.capture() as terminal:
        console.print(metrics_table("run", metrics))
    assert "FID, label-first" in terminal.get() and "as real data" in terminal.get()
    write_report(full_content(metrics=metrics), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Further metrics" in page and page.count(">new<") == 1


@pytest.mark.parametrize("text", ["[1]", "{", '{"fid": "low"}', '{"fid": null}'])
def test_damaged_metrics_are_said(text: str, tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    path.write_text(text)
    with pytest.raises(InputError, match="is damaged"):
        read_metrics(path)


def test_what_could_not_be_computed_is_left_out(tmp_path: Path) -> None:
    write_metrics(tmp_path / "metrics.json", {"fid": 1.5, "cas": None, "spread": float("nan")})
    assert read_metrics(tmp_path / "metrics.json") == {"fid": 1.5}


def test_the_glossary_of_the_docs_is_that_of_the_code() -> None:
    page = Path(__file__).parents[2] / "docs" / "metrics.md"
    assert page.read_text(encoding="utf-8") == glossary() + "\n"
