"""How the cost grows: seconds per step and peak memory against cases, length, channels and tokens, `default` preset.

python benchmarks/scaling.py            writes benchmarks/scaling.csv, .md and .png
python benchmarks/scaling.py --short    two small points of each kind, for CI; writes nothing

Each point runs in a process of its own, so that its peak memory is its own. The exponent in the table is the slope of
log(seconds) over log(size) between the two largest points: 1 is linear growth.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Point:
    """Data of ``n_cases`` series (n_channels, n_timepoints), cut into about 5 x ``latent_width`` tokens."""

    n_cases: int = 500
    n_timepoints: int = 128
    n_channels: int = 1
    latent_width: int = 8


GROWTH: dict[str, list[int]] = {
    "n_cases": [100, 1_000, 10_000, 100_000],
    "n_timepoints": [64, 256, 1_024, 4_096, 16_384],
    "n_channels": [1, 4, 16, 32],
    "latent_width": [8, 16, 32, 64],
}
BASES = {"latent_width": Point(n_timepoints=1_024)}


def measure(point: Point, repetitions: int) -> dict[str, float]:
    """Median seconds of a step of each stage and of sampling 256 series, tokens N, and the peak memory in GB."""
    import numpy as np
    import torch

    from ncvqvae import NCVQVAE
    from ncvqvae.codec import Codec
    from ncvqvae.config import SamplingConfig
    from ncvqvae.fitting import settled_unseen
    from ncvqvae.generation.generator import SeriesGenerator
    from ncvqvae.hardware import keep_freed_pages
    from ncvqvae.training.stages import prior_stage, tokenizer_stage
    from timing import peak_gb
    from works import bare_step

    rng = np.random.default_rng(0)
    X = rng.standard_normal((point.n_cases, point.n_channels, point.n_timepoints), dtype=np.float32)
    y = np.arange(point.n_cases) % 5
    keep_freed_pages()  # as in training
    model = NCVQVAE("default", settings={"tokenizer.latent_width": point.latent_width})
    train = model.prepare(X, y)
    config = settled_unseen(model.asked_, train.facts).config
    tokenizer, stage1 = tokenizer_stage(config, train)
    figures = {"stage1_s": _median_seconds(bare_step(stage1), repetitions)}
    prior, stage2 = prior_stage(config, train, Codec(train.facts, train.series.scaler, tokenizer))
    figures["stage2_s"] = _median_seconds(bare_step(stage2), repetitions)
    generator = SeriesGenerator(tokenizer.eval(), prior.eval(), train.facts)
    sampling, source = SamplingConfig(choice_temperature=16.0), torch.Generator().manual_seed(0)
    classes = torch.arange(256) % 5
    figures["sampling_s"] = _median_seconds(lambda: generator.draw(classes, sampling, source), 1)
    figures["n_tokens"] = tokenizer.n_tokens
    figures["peak_gb"] = peak_gb()
    return figures


def _median_seconds(run: Callable[[], object], repetitions: int) -> float:
    run()
    seconds = []
    for _ in range(repetitions):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def in_own_process(point: Point, repetitions: int) -> dict[str, float]:
    """:func:`measure` in a new process."""
    command = [sys.executable, __file__, "--point", json.dumps(asdict(point)), "--repetitions", str(repetitions)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def exponents(rows: pd.DataFrame) -> dict[str, float]:
    """Slope of log(cost) over log(size) between the two largest sizes, of each cost."""
    size = "n_tokens" if rows["grows"].iloc[0] == "latent_width" else "size"
    last, least = rows.iloc[-1], rows.iloc[-2]
    return {
        cost: math.log(last[cost] / least[cost]) / math.log(last[size] / least[size])
        for cost in ("stage1_s", "stage2_s", "sampling_s", "peak_gb")
    }


def markdown(table: pd.DataFrame) -> str:
    """A table as Markdown."""
    lines = [list(table.columns), ["---"] * len(table.columns), *table.to_numpy().tolist()]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def write(table: pd.DataFrame) -> None:
    """The CSV, the Markdown table and the plot."""
    import matplotlib.pyplot as plt

    table.to_csv(HERE / "scaling.csv", index=False, float_format="%.4g")
    parts = []
    figure, axes = plt.subplots(1, len(GROWTH), figsize=(14, 3.6), layout="constrained")
    for ax, (grows, rows) in zip(axes, table.groupby("grows", sort=False), strict=True):
        slopes = exponents(rows)
        last = {"grows": "exponent", **{cost: f"{slope:.2f}" for cost, slope in slopes.items()}}
        shown = pd.concat([rows.map(lambda v: f"{v:.3g}" if isinstance(v, float) else v), pd.DataFrame([last])])
        parts.append(markdown(shown.fillna("")))
        size = rows["n_tokens"] if grows == "latent_width" else rows["size"]
        for cost, label in (("stage1_s", "stage 1, s/step"), ("stage2_s", "stage 2, s/step"), ("peak_gb", "peak, GB")):
            ax.loglog(size, rows[cost], "o-", label=label)
        ax.set_xticks(size, [f"{at:,.0f}" for at in size])
        ax.minorticks_off()
        ax.set_xlabel("n_tokens" if grows == "latent_width" else grows)
    axes[0].legend()
    figure.savefig(HERE / "scaling.png", dpi=110)
    (HERE / "scaling.md").write_text("\n\n".join(parts) + "\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="two small points of each kind, nothing is written")
    parser.add_argument("--repetitions", type=int, default=3, metavar="N", help="timings of each step (default 3)")
    parser.add_argument("--point", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.point:
        print(json.dumps(measure(Point(**json.loads(options.point)), options.repetitions)))
        return
    rows = []
    for grows, sizes in GROWTH.items():
        for size in sizes[:1] if options.short else sizes:
            point = replace(BASES.get(grows, Point()), **{grows: size})
            if options.short:
                point = replace(point, n_cases=20, n_timepoints=64)
            rows.append({"grows": grows, "size": size, **in_own_process(point, options.repetitions)})
            print(rows[-1], flush=True)
    if not options.short:
        write(pd.DataFrame(rows))


if __name__ == "__main__":
    main()
