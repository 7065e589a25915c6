"""Rows of runs: what was asked for stands in them, however a run's files keep it."""

from pathlib import Path

import pandas as pd
import yaml
from tests.bench.folders import write_finished

from ncvqvae.bench.suites import ModelEntry, Suite
from ncvqvae.config import from_dict, load_config, to_dict
from ncvqvae.study.rows import collect_rows


def test_what_auto_became_is_no_setting_of_its_own(tmp_path: Path) -> None:
    entries = {"a": ModelEntry("a", "default", {"augmentation": "slice"}), "b": ModelEntry("b", "default", {})}
    runs = write_finished(Suite({"A": {"data": "A"}}, entries, [0]), tmp_path, lambda run: {"fid": 1.0})
    for run in runs:
        path = run.folder / "config.yaml"
        values = yaml.safe_load(path.read_text())
        values["model"]["augmentation"] = "slice"  # settled by the data, in run b
        path.write_text(yaml.safe_dump(values))
    of_format_1 = collect_rows(tmp_path)

    for run in runs:
        path = run.folder / "config.yaml"
        values = yaml.safe_load(path.read_text())
        became = from_dict(type(run.config()), values["model"])
        became.stage1.warped_share, became.prior.linear_rank, became.prior.input_mode = 0.5, 0, "token"
        became.tokenizer.codes_per_class = became.tokenizer.tokens_per_code = 0
        written = {"format": 2, "preset": "default", "asked": to_dict(run.config()), "model": to_dict(became)}
        path.write_text(yaml.safe_dump(written))
    pd.testing.assert_frame_equal(collect_rows(tmp_path), of_format_1)
    assert set(of_format_1["augmentation"]) == {"slice"}
    assert load_config("default").stage1.warped_share == "auto"  # so that 0.5 would have been a setting unlike it
