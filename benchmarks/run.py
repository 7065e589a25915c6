"""Speed as ratios: our implementation and the plain reference in turn, in one process.

python benchmarks/run.py            every work; writes benchmarks/latest.json and latest.md
python benchmarks/run.py --short    tiny sizes, one repetition, for CI: fails on a crash, never on a timing
python benchmarks/run.py --only "stage 2"    the works whose name holds the text; writes only with --out
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from timing import Contest, Row, compete, matmul_gflops, measure
from works import WORKS, Work

LATEST = Path(__file__).with_name("latest.json")


def run(work: Work, repetitions: int, short: bool) -> Row:
    """Build a work and time it. Everything it built is freed before the next one."""
    torch.manual_seed(0)
    sides = work.build(short)
    repetitions = 1 if short else work.repetitions or repetitions
    if isinstance(sides, Contest):
        return compete(work.name, sides, work.target, repetitions)
    return measure(work.name, sides, repetitions)


def matrix_rates(short: bool) -> dict[str, float]:
    """GFLOP/s of this machine's matrix products, by type."""
    largest = 128 if short else 2048
    return {str(dtype)[6:]: matmul_gflops(dtype, largest) for dtype in (torch.float32, torch.bfloat16)}


def machine(rates: dict[str, float]) -> str:
    """Threads and matrix rates of this machine, in one line."""
    figures = ", ".join(f"{name} {rate:.0f} GFLOP/s" for name, rate in rates.items())
    return f"torch {torch.__version__}, {torch.get_num_threads()} threads, matrix product: {figures}"


HEADER = (
    "| work | ours, s | reference, s | ratio | target | met | ratio at the matrix rate |\n|---|---|---|---|---|---|---|"
)


def line(row: Row, rate: float, short: bool) -> str:
    """One row of the Markdown table; targets and limits mean nothing at the short form's sizes.

    The last column is the ratio that our arithmetic would reach if all of it ran at ``rate`` GFLOP/s.
    """
    figures = f"| {row.work} | {row.ours_s:.3g} | {row.reference_s:.3g} | {row.ratio:.2f} |"
    if short:
        return f"{figures} | | |"
    met = "yes" if row.ratio >= row.target else "no"
    best = f"{row.reference_s * rate / row.gflop:.1f}" if row.gflop else ""
    return f"{figures} {row.target:.3g} | {met} | {best} |"


def write(rows: Sequence[Row], table: str, out: Path) -> None:
    """The rows as JSON, and the table beside them as Markdown."""
    out.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    out.with_suffix(".md").write_text(table + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="tiny sizes, one repetition")
    parser.add_argument("--only", default="", metavar="TEXT", help="works whose name holds TEXT")
    parser.add_argument("--repetitions", type=int, default=7, metavar="N", help="timings of each side (default 7)")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="default benchmarks/latest.json for a whole run")
    options = parser.parse_args(arguments)
    works = [work for work in WORKS if options.only.lower() in work.name.lower()]
    if not works:
        parser.error(f"no work's name holds {options.only!r}; there are: {'; '.join(work.name for work in WORKS)}")

    rates = matrix_rates(options.short)
    before, rate = machine(rates), max(rates.values())
    print(f"{before}\n\n{HEADER}", flush=True)
    rows = []
    for work in works:
        rows.append(run(work, options.repetitions, options.short))
        print(line(rows[-1], rate, options.short), flush=True)
    whole = not options.short and not options.only
    out = options.out or (LATEST if whole else None)
    if out is not None:
        lines = [line(row, rate, options.short) for row in rows]
        table = "\n".join([before, "", HEADER, *lines, "", f"After the run: {machine(matrix_rates(options.short))}"])
        write(rows, table, out)
        print(f"\nwritten to {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
