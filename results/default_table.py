"""The tables of the ``default`` preset: of its newest rows, ``default_now.csv``, and of older ones, ``default.csv``.

``python results/default_table.py`` prints those of README.md and former.md in this folder, then the short one of the
project's README.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from ncvqvae.evaluation.metric_list import RIVALS
from ncvqvae.evaluation.metrics import of_rival
from ncvqvae.study.rows import collect_rows, published_rows, timevqvae_means

NEWEST, OLDER, OF_RIVALS = (Path(__file__).with_name(f"{name}.csv") for name in ("default_now", "default", "rivals"))
NEWEST_HEADER = (
    "dataset",
    "training series",
    "seeds, version",
    "FID unconditional (best NC / TimeVQVAE)",
    "FID label-first (target; time warp)",
    "IS unconditional, label-first (real)",
    "CAS by an FCN (real; best NC / TimeVQVAE)",
    "CAS by MiniRocket (real; best rival)",
    "accuracy with 500 added (real alone; best rival)",
    "nearer to train, by MiniRocket, by DTW",
    "coverage (real)",
    "AUC of the attack",
    "embedding: linear probe, 5-NN (MiniRocket by the same)",
    "minutes of training",
)
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
SHORT_HEADER = (
    "dataset",
    "trainings",
    "distance to real series (FID): ours",
    "best published NC-VQVAE",
    "TimeVQVAE",
    "accuracy after learning from generated series",
    "from time-warped ones",
    "from real ones",
    "copies",
)


class OfDataset(NamedTuple):
    """Our rows, their mean, and what is published: means of the six NC models, of TimeVQVAE."""

    name: str
    rows: pd.DataFrame
    mean: pd.Series
    nc: pd.DataFrame
    peer: pd.Series

    @property
    def published_fid(self) -> float:
        """The better of the two published FIDs."""
        return float(min(self.nc["fid"].min(), self.peer["fid"]))

    def fid_cell(self) -> str:
        """Unconditional FID beside both published ones; below both is the target."""
        shown = _cell(self.rows["fid"], 2, self.mean["fid"] < self.published_fid)
        return f"{shown} ({self.nc['fid'].min():.2f} / {self.peer['fid']:g})"


def newest_table() -> str:
    """Markdown: a row a dataset, mean ± sd over its seeds, in bold where the mean meets the target."""
    return _markdown(NEWEST_HEADER, map(_newest_cells, _datasets(collect_rows(NEWEST))))


def older_table() -> str:
    """The same of the older rows, with the targets that they were made for."""
    return _markdown(HEADER, map(_cells, _datasets(collect_rows(OLDER))))


def short_table() -> str:
    """Markdown: a row a dataset, means over its seeds; of datasets without newest rows, older ones and `rivals.csv`."""
    newest, older = collect_rows(NEWEST), collect_rows(OLDER)
    older = older[~older["dataset"].isin(newest["dataset"])]
    rivals = pd.read_csv(OF_RIVALS).query("rival == 'timewarp'").groupby("dataset")["cas_rocket"].mean()
    rows = pd.concat([newest, older.assign(cas_rocket_of_timewarp=older["dataset"].map(rivals))])
    return _markdown(SHORT_HEADER, map(_short_cells, _datasets(rows)))


def _datasets(of_all: pd.DataFrame) -> Iterable[OfDataset]:
    published, peers = published_rows(), timevqvae_means()
    nc = published[published["ssl"] != "none"].groupby(["dataset", "model"]).mean(numeric_only=True)
    for name, rows in of_all.groupby("dataset"):
        of = str(name)
        yield OfDataset(of, rows, rows.mean(numeric_only=True), nc.loc[[of]].droplevel("dataset"), peers.T[of])


def _newest_cells(of: OfDataset) -> list[str]:
    rows, mean, nc, peer = of.rows, of.mean, of.nc, of.peer
    half, time_warp = of.published_fid / 2, mean["fid_labelled_of_timewarp"]
    nearest = 0.6 if mean["n_train"] >= 100 else 0.7
    minutes = (rows["stage1_seconds"] + rows["stage2_seconds"]).mean() / 60

    def of_rivals(key: str) -> float:
        keys = [of_rival(key, rival) for rival in RIVALS if rival != "train"]
        return max(mean[name] for name in keys if name in mean)

    def pair(keys: Sequence[str], digits: int, met: Callable[[float], bool] = lambda value: False) -> str:
        return ", ".join(_cell(rows[key], digits, met(mean[key])) for key in keys)

    cas_rocket = max(mean["cas_rocket_real"] - 0.02, of_rivals("cas_rocket"))
    return [
        of.name,
        f"{mean['n_train']:.0f}",
        f"{', '.join(map(str, rows['seed']))}; {' and '.join(rows['commit'].unique())}",
        of.fid_cell(),
        f"{_cell(rows['fid_labelled'], 2, mean['fid_labelled'] <= min(half, time_warp))} ({half:.2f}; {time_warp:.2f})",
        f"{pair(('is', 'is_labelled'), 2, lambda value: value >= 0.9 * mean['is_real'])} ({mean['is_real']:.2f})",
        f"{_cell(rows['cas'], 3, mean['cas'] >= mean['cas_real'] - 0.02)} "
        f"({mean['cas_real']:.3f}; {nc['cas'].max():.3f} / {peer['cas']:.3f})",
        f"{_cell(rows['cas_rocket'], 3, mean['cas_rocket'] >= cas_rocket)} "
        f"({mean['cas_rocket_real']:.3f}; {of_rivals('cas_rocket'):.3f})",
        f"{_cell(rows['utility_both'], 3)} ({mean['utility_real']:.3f}; {of_rivals('utility_both'):.3f})",
        pair(("nearer_rocket", "nearer_dtw"), 2, lambda value: value <= nearest),
        f"{_cell(rows['coverage'], 2)} ({mean['coverage_real']:.2f})",
        _cell(rows["membership_auc"], 2),
        f"{pair(('embedding_linear', 'embedding_knn'), 3)} "
        f"({mean['linear_minirocket']:.3f}, {mean['knn_minirocket']:.3f})",
        f"{minutes:.0f}",
    ]


def _cells(of: OfDataset) -> list[str]:
    rows, mean, nc, peer = of.rows, of.mean, of.nc, of.peer
    half = max(of.published_fid / 2, 1.5 * mean["fid_real"])
    cas = max(nc["cas"].max(), peer["cas"], 0.95 * mean["cas_real"])
    minutes = (rows["stage1_seconds"] + rows["stage2_seconds"]) / 60
    on_gpu = nc["stage1_seconds_on_gpu"].min() / 60
    spread = f"{minutes.min():.0f}" if len(rows) == 1 else f"{minutes.min():.0f} to {minutes.max():.0f}"
    probes = [_cell(rows[name], 3, mean[name] >= nc[name].max()) for name in ("knn", "svm")]
    return [
        of.name,
        ", ".join(map(str, rows["seed"])),
        of.fid_cell(),
        f"{_cell(rows['fid_labelled'], 2, mean['fid_labelled'] <= half)} ({half:.2f}; {mean['fid_real']:.2f})",
        f"{mean['fid_reconstructed']:.2f}, {mean['is_reconstructed']:.2f}",
        f"{_cell(rows['is_labelled'], 2, mean['is_labelled'] >= 0.9 * mean['is_real'])} ({mean['is_real']:.2f})",
        f"{_cell(rows['cas'], 3, mean['cas'] > cas)} "
        f"({mean['cas_real']:.3f}; {nc['cas'].max():.3f} / {peer['cas']:.3f})",
        f"{', '.join(probes)} ({nc['knn'].max():.3f}, {nc['svm'].max():.3f})",
        _cell(rows["copied"], 3, mean["copied"] <= 0.07),
        f"{_cell(rows['copied_worst_class'], 3, mean['copied_worst_class'] <= 0.15)} "
        f"({mean['copied_worst_class_real']:.2f})",
        f"{mean['copied_raw']:.3f} ({mean['copied_raw_real']:.3f})",
        f"{_bold(spread, minutes.max() < on_gpu)} ({on_gpu:.0f})",
    ]


def _short_cells(of: OfDataset) -> list[str]:
    digits = {"fid": 2, "best NC": 2, "TimeVQVAE": 1}
    digits |= dict.fromkeys(("cas_rocket", "cas_rocket_of_timewarp", "cas_rocket_real", "copied_raw"), 3)
    values = {**of.mean, "best NC": of.nc["fid"].min(), "TimeVQVAE": of.peer["fid"]}
    return [of.name, str(len(of.rows)), *(f"{values[name]:.{places}f}" for name, places in digits.items())]


def _cell(values: pd.Series, digits: int, met: bool = False) -> str:
    sd = f" ± {values.std():.{digits}f}" if len(values) > 1 else ""
    return _bold(f"{values.mean():.{digits}f}{sd}", met)


def _bold(text: str, met: bool) -> str:
    return f"**{text}**" if met else text


def _markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return f"| {' | '.join(header)} |\n|{'---|' * len(header)}\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows)


if __name__ == "__main__":
    print(newest_table(), older_table(), short_table(), sep="\n", end="")
