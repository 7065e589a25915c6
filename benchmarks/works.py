"""What is compared: every work builds our side from the library as users run it, and the plain reference beside it."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from ncvqvae import NCVQVAE
from ncvqvae.augmentations import augment
from ncvqvae.codec import Codec
from ncvqvae.evaluation.fcn import FCNTraining, train_fcn
from ncvqvae.fitting import settled_unseen
from ncvqvae.hardware import resolve_precision
from ncvqvae.training.loop import Plan, Stage, train
from ncvqvae.training.stages import prior_stage, tokenizer_stage
from reference.augmentations import AUGMENTATIONS, AugmentedDataset
from reference.prior import StageTwo
from reference.tokenizer import StageOne
from timing import Contest, Limit


@dataclass(frozen=True)
class Size:
    """Shape of a train split, and so all that ``default`` makes of it: codes, linear map, share of warped series."""

    n_cases: int
    n_timepoints: int
    n_classes: int

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Series (n_cases, 1, n_timepoints), a noisy wave per class, and their labels."""
        rng = np.random.default_rng(0)
        y = np.arange(self.n_cases) % self.n_classes
        time = np.linspace(0, 2 * np.pi, self.n_timepoints)
        x = np.sin(time * (1 + y[:, None])) + 0.3 * rng.normal(size=(self.n_cases, self.n_timepoints))
        return x[:, None].astype(np.float32), y


@dataclass(frozen=True)
class Work:
    """A line of the table. ``build(short)`` makes its sides; ``repetitions`` overrides the command line's."""

    name: str
    target: float
    build: Callable[[bool], Contest | Limit]
    repetitions: int | None = None


TINY = Size(8, 64, 2)
SHORT_SETTINGS: dict[str, Any] = {"stage1.projector_width": 128}


ECG5000 = Size(512, 140, 5)  # 500 and 3601 in truth: rounded to whole batches, so that both sides have the same
FORDA = Size(3584, 500, 2)


# ---------------------------------------------------------------------------------------------------- our side


class OurStages:
    """Both stages as :meth:`NCVQVAE.fit` builds them."""

    def __init__(self, size: Size, preset: str, ssl: str, augmentation: str = "gauss", **settings: Any) -> None:
        X, y = size.data()
        model = NCVQVAE(preset, ssl=ssl, augmentation=augmentation, settings=settings)
        train = model.prepare(X, y)
        config = settled_unseen(model.asked_, train.facts).config
        tokenizer, self.stage1 = tokenizer_stage(config, train)
        _, self.stage2 = prior_stage(config, train, Codec(train.facts, train.series.scaler, tokenizer))


def bare_step(parts: Any) -> Callable[[], object]:
    """One optimizer step of a stage without the training loop: batch, augmentation, loss, gradient, AdamW."""
    plan: Plan = parts.plan
    stage = Stage(parts.objective.train(), parts.get_batch, plan, plan.config)
    configured = stage.configure_optimizers()
    optimizer, scheduler = configured["optimizer"], configured["lr_scheduler"]["scheduler"]
    bf16 = resolve_precision(plan.config.precision, torch.device("cpu")) == "bf16-mixed"

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = stage.training_step()["loss"]
        loss.backward()
        optimizer.step()
        scheduler.step()

    return step


# ---------------------------------------------------------------------------------------------------- contests


def stage1(full: Size, preset: str, ssl: str, augmentation: str = "gauss") -> Any:
    """A step of the tokenizer's training with its share of data loading and augmentation, batch 128."""

    def build(short: bool) -> Contest:
        size = TINY if short else full
        X = size.data()[0][:128]
        settings = SHORT_SETTINGS if short else {}
        reference = StageOne(1, size.n_timepoints, ssl, projection=128 if short else 4096)
        step = bare_step(OurStages(size, preset, ssl, augmentation, **settings).stage1)
        if ssl == "none":
            x = torch.from_numpy(X)
            return Contest(step, lambda: reference.step(x[torch.randperm(len(x))]))
        loader = DataLoader(AugmentedDataset(X, augmentation), batch_size=128, shuffle=True)
        return Contest(step, lambda: [reference.step(x, view) for x, view in loader])

    return build


def plain_prior(size: Size) -> StageTwo:
    """The reference's two stages, untrained."""
    tokenizer = StageOne(1, size.n_timepoints)
    n_tokens = tokenizer.encode(torch.zeros(1, 1, size.n_timepoints)).shape[1]
    return StageTwo(tokenizer, n_tokens, size.n_classes)


def stage2(full: Size, preset: str, ssl: str = "vibcreg") -> Any:
    """A step of the prior's training from series (reference) or cached latents (ours), batch 256 on both sides."""

    def build(short: bool) -> Contest:
        size = TINY if short else full
        x, y = (torch.from_numpy(part[:256]) for part in size.data())
        reference = plain_prior(size)
        step = bare_step(OurStages(size, preset, ssl, **(SHORT_SETTINGS | {"stage2.batch_size": 256})).stage2)

        def plain_step() -> None:
            rows = torch.randperm(len(x))
            reference.step(x[rows], y[rows])

        return Contest(step, plain_step)

    return build


def sampling(full: Size, conditional: bool) -> Any:
    """256 series, tokens and decoding, in 10 steps on both sides.

    Copies are not drawn again: the reference does not look for them, and untrained models would make little else.
    """

    def build(short: bool) -> Contest:
        size, n = (TINY, 8) if short else (full, 256)
        X, y = size.data()
        settings = {
            **SHORT_SETTINGS,
            "stage1.max_steps": 1,
            "stage2.max_steps": 1,
            "sampling.n_steps": 10,
            "sampling.redraws": 0,
        }
        model = NCVQVAE("default", settings=settings).fit(X, y)
        reference = plain_prior(size)
        if conditional:
            return Contest(lambda: model.sample(n, labels=y[0]), lambda: reference.sample(n, label=0))
        return Contest(lambda: model.sample(n, unconditional=True), lambda: reference.sample(n))

    return build


def augmentation(kind: str) -> Any:
    """An augmented view of a batch of 128 series of 500 steps; each side starts from its own kind of array."""

    def build(short: bool) -> Contest:
        X, _ = (TINY if short else Size(128, 500, 2)).data()
        x, rng, calls = torch.from_numpy(X), np.random.default_rng(0), 1 if short else 10
        one_at_a_time = AUGMENTATIONS[kind]
        return Contest(
            lambda: [augment(x, kind) for _ in range(calls)],
            lambda: [np.stack([one_at_a_time(series, rng) for series in X]) for _ in range(calls)],
            calls,
        )

    return build


def loop_overhead(n_cases: int) -> Any:
    """The whole training loop, checkpoints and TensorBoard included, against the bare step (both ours), per step."""

    def build(short: bool) -> Contest:
        from lightning.pytorch.loggers import TensorBoardLogger

        n_steps = 2 if short else 200
        size = TINY if short else replace(ECG5000, n_cases=n_cases)
        settings = {**(SHORT_SETTINGS if short else {}), "stage1.max_steps": n_steps}
        looped = OurStages(size, "default", "vibcreg", **settings).stage1
        step = bare_step(OurStages(size, "default", "vibcreg", **settings).stage1)

        def loop() -> None:
            with tempfile.TemporaryDirectory() as folder:
                logger = TensorBoardLogger(folder)
                train(
                    "stage1", looped.objective, looped.get_batch, looped.plan, checkpoints=Path(folder), logger=logger
                )

        return Contest(loop, lambda: [step() for _ in range(n_steps)], n_steps, plain=False)

    return build


# ---------------------------------------------------------------------------------------------------- limits


def fcn_training(short: bool) -> Limit:
    """The classifier behind FID and CAS, at ECG5000's size."""
    X, y = (TINY if short else ECG5000).data()
    training = FCNTraining(max_steps=2) if short else FCNTraining()

    def seconds() -> float:
        start = time.perf_counter()
        train_fcn(X, y, int(y.max()) + 1, seed=0, training=training)
        return time.perf_counter() - start

    return Limit(seconds, 60.0)


def command_line_help(short: bool) -> Limit:
    """``ncvqvae --help``, the process from start to end."""
    command = [str(Path(sys.executable).with_name("ncvqvae")), "--help"]

    def seconds() -> float:
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start

    return Limit(seconds, 1.0)


def import_time(short: bool) -> Limit:
    """``import ncvqvae`` in a process that has imported torch."""
    code = "import time, torch; start = time.perf_counter(); import ncvqvae; print(time.perf_counter() - start)"

    def seconds() -> float:
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        return float(done.stdout)

    return Limit(seconds, 0.3)


def peak_memory(code: str) -> float:
    """Peak resident memory in GB of a Python process that runs ``code``."""
    lines = f"{code}\nfrom timing import peak_gb\nprint(peak_gb())"
    here = Path(__file__).parent
    done = subprocess.run([sys.executable, "-c", lines], check=True, capture_output=True, text=True, cwd=here)
    return float(done.stdout.split()[-1])


def fit_memory(short: bool) -> Limit:
    """``fit`` at ECG5000's size; a few steps of each stage, since memory does not grow with their number."""
    n_cases, steps = (8, 1) if short else (500, 5)
    code = f"""
import numpy as np
from ncvqvae import NCVQVAE
X = np.random.default_rng(0).normal(size=({n_cases}, 1, 140)).astype("float32")
model = NCVQVAE("default", settings={{"stage1.max_steps": {steps}, "stage2.max_steps": {steps}}})
model.fit(X, np.arange({n_cases}) % 5)
"""
    return Limit(lambda: peak_memory(code), 1.2)


WORKS = [
    Work("stage 1 naive, ECG5000, paper", 2, stage1(ECG5000, "paper", "none")),
    Work("stage 1 naive, ECG5000, default", 2, stage1(ECG5000, "default", "none")),
    Work("stage 1 VIbCReg + gauss, ECG5000, paper", 4, stage1(ECG5000, "paper", "vibcreg")),
    Work("stage 1 Barlow Twins + slice, ECG5000, paper", 4, stage1(ECG5000, "paper", "barlowtwins", "slice")),
    Work("stage 1 VIbCReg + warp, FordA, paper", 4, stage1(FORDA, "paper", "vibcreg", "warp")),
    Work("stage 1 VIbCReg + warp, ECG5000, default", 10, stage1(ECG5000, "default", "vibcreg", "warp")),
    Work("stage 1 VIbCReg + warp, FordA, default", 10, stage1(FORDA, "default", "vibcreg", "warp")),
    Work("stage 2, ECG5000, paper", 4, stage2(ECG5000, "paper")),
    Work("stage 2, ECG5000, default", 4, stage2(ECG5000, "default")),
    Work("stage 2, FordA, default", 4, stage2(FORDA, "default")),
    Work("sampling 256 unconditional, ECG5000", 5, sampling(ECG5000, conditional=False)),
    Work("sampling 256 conditional, ECG5000", 10, sampling(ECG5000, conditional=True)),
    Work("sampling 256 unconditional, FordA", 5, sampling(FORDA, conditional=False)),
    Work("sampling 256 conditional, FordA", 10, sampling(FORDA, conditional=True)),
    Work("augmentation warp, 128 x 500", 50, augmentation("warp")),
    Work("augmentation slice, 128 x 500", 50, augmentation("slice")),
    Work("augmentation gauss, 128 x 500", 50, augmentation("gauss")),
    Work("loop against bare step, 20 series", 1 / 1.1, loop_overhead(20), repetitions=3),
    Work("loop against bare step, 500 series", 1 / 1.1, loop_overhead(500), repetitions=3),
    Work("FCN training, ECG5000 (limit 60 s)", 1, fcn_training, repetitions=1),
    Work("peak memory of fit, ECG5000, default (GB, limit 1.2)", 1, fit_memory, repetitions=1),
    Work("ncvqvae --help (limit 1 s)", 1, command_line_help, repetitions=3),
    Work("import ncvqvae after torch (limit 0.3 s)", 1, import_time, repetitions=3),
]
