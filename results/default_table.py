"""The table of the ``default`` preset in README.md, from ``default.csv``: ``python results/default_table.py``."""

from pathlib import Path

import pandas as pd

from ncvqvae.bench.rows import published_rows, timevqvae_means

ROWS = Path(__file__).with_name("default.csv")
HEADER = (
    "dataset",
    "seeds",
    "FID unconditional (best NC / TimeVQVAE)",
    "FID label-first (target; real)",
    "FID, IS of reconstructions",
    "IS label-first (real)",
    "CAS (real; best NC / TimeVQVAE)",
    "KNN, SVM (best NC)",
    "copied",
    "worst class copied (real)",
    "copied_raw (real)",
    "minutes of training (authors' stage 1 on a GPU)",
)


def table() -> str:
    """Markdown: a row a dataset, mean ± sd over its seeds, in bold where the mean meets the target."""
    rows = pd.read_csv(ROWS)
    body = [f"| {' | '.join(_cells(name, of_dataset))} |\n" for name, of_dataset in rows.groupby("dataset")]
    return f"| {' | '.join(HEADER)} |\n|{'---|' * len(HEADER)}\n" + "".join(body)


def _cells(dataset: str, rows: pd.DataFrame) -> list[str]:
    published = published_rows()
    nc = published[(published["dataset"] == dataset) & (published["ssl"] != "none")]
    means = nc.groupby("model").mean(numeric_only=True)
    peer = timevqvae_means().loc[dataset]
    mean = rows.mean(numeric_only=True)
    fid = min(means["fid"].min(), peer["fid"])
    half = max(fid / 2, 1.5 * mean["fid_real"])
    cas = max(means["cas"].max(), peer["cas"], 0.95 * mean["cas_real"])
    minutes = (rows["stage1_seconds"] + rows["stage2_seconds"]) / 60
    on_gpu = means["stage1_seconds_on_gpu"].min() / 60
    spread = f"{minutes.min():.0f}" if len(rows) == 1 else f"{minutes.min():.0f} to {minutes.max():.0f}"
    probes = [_cell(rows[name], 3, mean[name] >= means[name].max()) for name in ("knn", "svm")]
    return [
        dataset,
        ", ".join(map(str, rows["seed"])),
        f"{_cell(rows['fid'], 2, mean['fid'] < fid)} ({means['fid'].min():.2f} / {peer['fid']:g})",
        f"{_cell(rows['fid_labelled'], 2, mean['fid_labelled'] <= half)} ({half:.2f}; {mean['fid_real']:.2f})",
        f"{mean['fid_reconstructed']:.2f}, {mean['is_reconstructed']:.2f}",
        f"{_cell(rows['is_labelled'], 2, mean['is_labelled'] >= 0.9 * mean['is_real'])} ({mean['is_real']:.2f})",
        f"{_cell(rows['cas'], 3, mean['cas'] > cas)} "
        f"({mean['cas_real']:.3f}; {means['cas'].max():.3f} / {peer['cas']:.3f})",
        f"{', '.join(probes)} ({means['knn'].max():.3f}, {means['svm'].max():.3f})",
        _cell(rows["copied"], 3, mean["copied"] <= 0.07),
        f"{_cell(rows['copied_worst_class'], 3, mean['copied_worst_class'] <= 0.15)} "
        f"({mean['copied_worst_class_real']:.2f})",
        f"{mean['copied_raw']:.3f} ({mean['copied_raw_real']:.3f})",
        f"{_bold(spread, minutes.max() < on_gpu)} ({on_gpu:.0f})",
    ]


def _cell(values: pd.Series, digits: int, met: bool) -> str:
    sd = f" ± {values.std():.{digits}f}" if len(values) > 1 else ""
    return _bold(f"{values.mean():.{digits}f}{sd}", met)


def _bold(text: str, met: bool) -> str:
    return f"**{text}**" if met else text


if __name__ == "__main__":
    print(table(), end="")
