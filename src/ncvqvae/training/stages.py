"""The two stages: what each trains, on which batches, and how long that takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ncvqvae.augmentations import augment_observed, augment_share
from ncvqvae.codec import CHUNK, Codec, in_chunks, tensors
from ncvqvae.config import SAME, Config
from ncvqvae.data import ScaledSeries
from ncvqvae.data.facts import TrainFacts
from ncvqvae.errors import InputError
from ncvqvae.evaluation.resampling import seeded_cpu
from ncvqvae.hardware import fp32_products, resolve_precision, wait_for
from ncvqvae.labels import rows_by_class
from ncvqvae.prior.decoding import draw_tokens
from ncvqvae.prior.objective import PriorObjective, masked_token_loss
from ncvqvae.prior.prior import Prior
from ncvqvae.tokenizer.objective import TokenizerObjective
from ncvqvae.tokenizer.tokenizer import Tokenizer
from ncvqvae.training.build import build_prior, build_tokenizer
from ncvqvae.training.warps import with_warped_copies

if TYPE_CHECKING:  # Lightning takes seconds to import, and only training needs it
    from ncvqvae.training.loop import Plan

MAX_LATENTS = 2**26
"""Numbers in the latents of a train split that are kept for stage 2: 256 MB."""

Report = Callable[[str, int, int, dict[str, float]], None]
"""Called while training with stage, step, number of steps and loss terms."""


class TrainSet(NamedTuple):
    """The train split as both stages take it; class indices (n_cases,), ``facts.n_classes`` for "no class"."""

    series: ScaledSeries
    classes: Tensor
    facts: TrainFacts

    def first(self, n: int) -> TrainSet:
        """The first n series, with the facts of all."""
        return TrainSet(self.series.part(slice(n)), self.classes[:n], self.facts)


class StageParts(NamedTuple):
    """Input of the training loop: the plan of batches, the objective, and a function from rows to its arguments.

    ``heldout`` gives the loss of series that are not learned from, by name; None where there are none.
    """

    plan: Plan
    objective: nn.Module
    get_batch: Callable[[Tensor], Sequence[Tensor]]
    heldout: Callable[[], dict[str, float]] | None = None

    def monitor(self, progress: float) -> dict[str, float]:
        """Values to record beside the loss terms, when the share ``progress`` of the steps is done."""
        own = getattr(self.objective, "monitor", None)
        values = {} if own is None else own(progress)
        return values if self.heldout is None else values | self.heldout()


def learned_and_heldout(config: Config, train: TrainSet) -> tuple[Tensor, Tensor]:
    """Rows of the training series that the networks learn from, and of those held out: of each class the same share.

    At most 256 of the latter are given: their losses are computed hundreds of times.

    Raises:
        InputError: if the share of every class is less than a series.
    """
    if not config.heldout_share:
        return torch.arange(len(train.series)), torch.empty(0, dtype=torch.int64)
    rng, heldout = np.random.default_rng([config.seed, 6]), []
    for rows in rows_by_class(train.classes.numpy()).values():
        heldout.append(rng.permutation(rows)[: int(config.heldout_share * len(rows))])
    out = torch.from_numpy(np.sort(np.concatenate(heldout)))
    if not len(out):
        raise InputError(f"heldout_share {config.heldout_share:g} of no class is a whole series; give more, or 0")
    learned = torch.ones(len(train.series), dtype=torch.bool)
    learned[out] = False
    judged = np.sort(rng.permutation(out.numpy())[:CHUNK])
    return learned.nonzero().flatten(), torch.from_numpy(judged)


def tokenizer_stage(config: Config, train: TrainSet) -> tuple[Tokenizer, StageParts]:
    """Stage 1: an untrained tokenizer, shown series and their augmented views."""
    from ncvqvae.training.loop import Plan

    with _seeded(config.seed, 1):
        tokenizer = build_tokenizer(config.tokenizer, train.facts.n_channels, train.facts.n_timepoints)
        objective = TokenizerObjective(tokenizer, config.stage1, config.ssl)
    share = config.stage1.warped_share
    assert share != "auto"
    learned, out = learned_and_heldout(config, train)

    def heldout() -> dict[str, float]:
        x, observed = tensors(train.series, out.numpy(), tokenizer.codebook.device)
        present = None if observed is None else tokenizer.present(observed)
        with _judging(tokenizer):
            return {"heldout_recon": float(objective.reconstruction(x, observed, present)[1])}

    def get_batch(rows: Tensor) -> Sequence[Tensor]:
        x, observed = tensors(train.series, learned[rows].numpy())
        if share:
            x, observed = augment_share(x, observed, "warp", share)
        if config.ssl == "none" and observed is None:
            return (x,)
        kind = "none" if config.ssl == "none" else config.augmentation
        own = config.stage1.augmentation_settings
        view, view_observed = augment_observed(x, observed, kind, settings=own)
        high = config.stage1.high_augmentation
        if high != SAME and config.ssl != "none":  # the bands' views side by side
            high_view, high_observed = augment_observed(x, observed, high)
            view = torch.cat([view, high_view], dim=1)
            if view_observed is not None and high_observed is not None:
                view_observed = torch.cat([view_observed, high_observed], dim=1)
        return [part for part in (x, view, observed, view_observed) if part is not None]

    plan = Plan(len(learned), config.stage1, config.seed)
    return tokenizer, StageParts(plan, objective, get_batch, heldout if len(out) else None)


def prior_stage(config: Config, train: TrainSet, codec: Codec) -> tuple[Prior, StageParts]:
    """Stage 2: an untrained prior, shown tokens that are drawn anew from the latents of the trained tokenizer.

    With ``stage2.time_warp`` each series of a batch is either itself or one of its warped copies, at random.
    """
    from ncvqvae.training.loop import Plan

    tokenizer = codec.tokenizer
    with _seeded(config.seed, 2):
        facts, codebook = train.facts, tokenizer.codebook.cpu()
        prior = build_prior(config.prior, codebook, tokenizer.grids, facts.n_classes, unequal=facts.unequal)
        objective = PriorObjective(prior, config.stage2)
    tokenizer.eval()
    temperature = config.stage2.token_temperature
    assert temperature != "auto"
    device = tokenizer.codebook.device
    shown, n = train.series, len(train.series)
    strength = config.stage2.time_warp
    assert strength != "auto"
    if strength:
        shown = with_warped_copies(shown, strength, config.seed)
    latents_of = _latents(tokenizer, shown)
    special = codec.special_tokens(shown, prior.mask_token, prior.absent_token)
    learned, out = learned_and_heldout(config, train)

    def nearest(rows: Tensor) -> Tensor:
        with fp32_products("highest", device):
            codes = tokenizer.token_logits(latents_of(rows).to(device)).argmax(-1)
        return torch.maximum(tokenizer.tokens_of(codes), special[rows].to(device)).cpu()

    def heldout() -> dict[str, float]:
        with _judging(prior):
            loss = masked_token_loss(prior, nearest(out), train.classes[out], config.stage2.schedule, config.seed)
            return {"heldout_prior": loss}

    def get_batch(rows: Tensor) -> Sequence[Tensor]:
        rows = learned[rows]
        classes = train.classes[rows]
        if len(shown) > n:
            rows = rows + n * torch.randint(len(shown) // n, (len(rows),))
        with fp32_products("highest", device):
            logits = tokenizer.token_logits(latents_of(rows).to(device))
        if config.stage2.stochastic_tokens:
            codes = draw_tokens(logits.flatten(0, 1), temperature).tokens.view(logits.shape[:2])
        else:
            codes = logits.argmax(-1)
        return torch.maximum(tokenizer.tokens_of(codes), special[rows].to(device)), classes

    plan = Plan(len(learned), config.stage2, config.seed)
    return prior, StageParts(plan, objective, get_batch, heldout if len(out) else None)


@contextmanager
def _judging(network: nn.Module) -> Iterator[None]:
    """A network that neither learns nor draws at random for a while; afterwards it goes on as it was."""
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        network.train(was_training)


def _latents(tokenizer: Tokenizer, series: ScaledSeries) -> Callable[[Tensor], Tensor]:
    """Function from row numbers to latents: computed once for all series, or batch by batch where they are too many."""
    device, codebook = tokenizer.codebook.device, tokenizer.codebook

    def embed(part: ScaledSeries) -> Tensor:
        return in_chunks(tokenizer.embed, part, device)

    if len(series) * tokenizer.n_tokens * codebook.shape[1] <= MAX_LATENTS:
        return embed(series).__getitem__
    return lambda rows: embed(series.part(rows.numpy()))


def estimated_seconds(parts: StageParts, device: torch.device) -> float:
    """Expected seconds of a stage on `device`, from three steps without the optimizer's."""
    parts.objective.to(device).train()
    batch = [part.to(device) for part in parts.get_batch(parts.plan.batch(0))]
    bf16 = resolve_precision(parts.plan.config.precision, device) == "bf16-mixed"
    times = []
    for _ in range(3):
        start = time.perf_counter()
        with fp32_products("high", device):
            with torch.autocast(device.type, torch.bfloat16, bf16):
                loss = torch.stack(list(parts.objective(*batch).values())).sum()
            loss.backward()
            wait_for(device)
        times.append(time.perf_counter() - start)
    return min(times) * parts.plan.n_steps


def _seeded(seed: int, purpose: int) -> AbstractContextManager[None]:
    """Context in which torch's CPU generator starts from (seed, purpose); it is restored afterwards."""
    return seeded_cpu(int(np.random.SeedSequence([seed, purpose]).generate_state(1)[0]))


def relay(report: Report | None, stage: str) -> Callable[[int, int, dict[str, float]], None] | None:
    """``report`` for one stage."""
    return None if report is None else lambda step, n_steps, terms: report(stage, step, n_steps, terms)
