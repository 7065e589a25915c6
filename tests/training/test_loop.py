"""The training loop: which series a step sees, and that an interrupted training ends where an unbroken one does."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ncvqvae.augmentations import augment
from ncvqvae.config import PriorConfig, Stage1Config, Stage2Config, TokenizerConfig, TrainingConfig
from ncvqvae.prior.objective import PriorObjective
from ncvqvae.tokenizer.objective import TokenizerObjective
from ncvqvae.training.build import build_prior, build_tokenizer
from ncvqvae.training.loop import CHUNK, Plan, Trained, TrainingError, train

# ---------------------------------------------------------------- which series a step sees


def plan(n_cases: int, seed: int = 0, **settings: int) -> Plan:
    return Plan(n_cases, TrainingConfig(**settings), seed)  # type: ignore[arg-type]


@pytest.mark.parametrize("batch_size", [1, 2, 5, 8, 100])
@pytest.mark.parametrize("n_cases", [2, 3, 8, 9, 17, 40])
def test_every_epoch_shows_each_series_exactly_once(n_cases: int, batch_size: int) -> None:
    steps = plan(n_cases, batch_size=batch_size)
    for epoch in range(3):
        batches = [steps.batch(epoch * steps.steps_per_epoch + i) for i in range(steps.steps_per_epoch)]
        assert sorted(torch.cat(batches).tolist()) == list(range(n_cases))
        assert batch_size == 1 or min(map(len, batches)) > 1
        assert max(map(len, batches)) <= batch_size + 1


@pytest.mark.parametrize(
    ("n_cases", "sizes"), [(16, [8, 8]), (17, [8, 9]), (18, [8, 8, 2]), (9, [9]), (8, [8]), (3, [3])]
)
def test_a_last_batch_of_one_joins_its_neighbour(n_cases: int, sizes: list[int]) -> None:
    steps = plan(n_cases, batch_size=8)
    assert [len(steps.batch(i)) for i in range(steps.steps_per_epoch)] == sizes


@pytest.mark.parametrize(
    ("settings", "n_steps"),
    [
        ({"epochs": 10}, 30),
        ({"epochs": 10, "min_steps": 31}, 31),
        ({"epochs": 10, "min_steps": 29}, 30),
        ({"epochs": 10, "max_steps": 7}, 7),
        ({"epochs": 10, "max_steps": 99}, 30),
    ],
)
def test_number_of_steps(settings: dict[str, int], n_steps: int) -> None:
    assert plan(24, batch_size=8, **settings).n_steps == n_steps


def test_a_batch_is_a_function_of_seed_and_step_alone() -> None:
    forward, backward, other = plan(30, batch_size=4), plan(30, batch_size=4), plan(30, seed=1, batch_size=4)
    batches = [forward.batch(step) for step in range(40)]
    for step in reversed(range(40)):
        other.batch(step)
        assert torch.equal(backward.batch(step), batches[step])
    assert any(not torch.equal(other.batch(step), batches[step]) for step in range(8))
    assert not torch.equal(torch.cat(batches[:8]), torch.cat(batches[8:16]))  # each epoch is shuffled anew


# ---------------------------------------------------------------- training and resuming


class Line(nn.Module):
    """Fits y = a x + b to noisy points; one term is named, the other has no gradient."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(3, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        error = (self.layer(x + 0.1 * torch.randn_like(x)) - x.sum(1, keepdim=True)).square().mean()
        return {"error": error, "constant": torch.tensor(2.0)}


X = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
SERIES = torch.randn(20, 1, 32, generator=torch.Generator().manual_seed(0))


def line(n_steps: int, **settings: float) -> Callable[..., Trained]:
    """A training of ``n_steps`` on :class:`Line`, still to be called with the objective."""
    config = TrainingConfig(batch_size=8, epochs=10**6, max_steps=n_steps, **settings)  # type: ignore[arg-type]
    return lambda objective, **how: train("line", objective, lambda rows: (X[rows],), Plan(20, config, 3), **how)


class Killed(Exception):
    """Stands for the end of the process."""


def killer(at: int) -> Callable[[int, int, dict[str, float]], None]:
    def report(step: int, n_steps: int, terms: dict[str, float]) -> None:
        if step == at:
            raise Killed

    return report


def assert_same_weights(a: nn.Module, b: nn.Module) -> None:
    theirs = b.state_dict()
    assert [name for name, value in a.state_dict().items() if not torch.equal(value, theirs[name])] == []


def test_training_lowers_the_loss_and_reports_every_term() -> None:
    objective, seen = Line(), []
    trained = line(40, learning_rate=0.1)(objective, report=lambda *given: seen.append(given))
    assert [step for step, *_ in seen] == list(range(1, 41)) and {n for _, n, _ in seen} == {40}
    assert [{"stage": "line", "step": step, **terms} for step, _, terms in seen] == trained.history
    rows = trained.history
    assert all(row["loss"] == pytest.approx(row["error"] + row["constant"]) for row in rows)  # type: ignore[operator]
    assert float(rows[-1]["error"]) < 0.2 * float(rows[0]["error"])
    assert trained.seconds > 0
    assert not objective.training


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_memory_that_a_step_left_behind_is_given_back() -> None:
    between, resident = [], {}

    def report(step: int, n_steps: int, terms: dict[str, float]) -> None:
        if step == 50:
            blocks = []
            for _ in range(200):  # freed below, but lie between others that are not
                blocks.append(torch.ones(2**18))
                between.append(torch.ones(2**10))
        resident[step] = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    line(150)(Line(), report=report)
    if resident[60] - resident[49] < 100 * 2**20:
        pytest.skip("an earlier test ran out of memory on purpose, so this thread's blocks are given back one by one")
    assert resident[110] - resident[49] < 50 * 2**20


def test_the_learning_rate_falls_to_zero_along_a_cosine() -> None:
    # with a gradient of constant sign, AdamW moves by the learning rate itself
    class Slope(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.zeros(1))

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"w": self.w.sum()}

    trained = line(10, learning_rate=0.1, weight_decay=0.0)(Slope())
    places = [float(row["w"]) for row in trained.history]
    steps = -np.diff(places)
    np.testing.assert_allclose(steps, 0.05 * (1 + np.cos(np.pi * np.arange(9) / 10)), rtol=1e-4)


LONG = CHUNK + 5


@pytest.fixture(scope="module")
def unbroken() -> tuple[Line, Trained]:
    objective = Line()
    return objective, line(LONG)(objective)


@pytest.mark.parametrize("kill_at", [2, CHUNK, CHUNK + 1])
def test_killed_and_resumed_ends_as_unbroken(kill_at: int, unbroken: tuple[Line, Trained], tmp_path: Path) -> None:
    with pytest.raises(Killed):
        line(LONG)(Line(), checkpoints=tmp_path, checkpoint_seconds=0, report=killer(kill_at))
    resumed, steps = Line(), []
    trained = line(LONG)(resumed, checkpoints=tmp_path, report=lambda step, *_: steps.append(step))
    assert steps == list(range(kill_at, LONG + 1))  # the step that was lost is done again, no other
    assert_same_weights(resumed, unbroken[0])
    assert trained.history == unbroken[1].history


def tokenizer_objective() -> tuple[TokenizerObjective, Callable[[Tensor], Sequence[Tensor]], TrainingConfig]:
    torch.manual_seed(0)
    config = Stage1Config(batch_size=8, max_steps=8, projector_width=16)
    tokenizer = build_tokenizer(
        TokenizerConfig(hidden_channels=8, n_residual_blocks=1, codebook_size=8, kmeans_init=True), 1, 32
    )
    objective = TokenizerObjective(tokenizer, config, "vibcreg")
    return objective, lambda rows: (SERIES[rows], augment(SERIES[rows], "warp")), config


def prior_objective() -> tuple[PriorObjective, Callable[[Tensor], Sequence[Tensor]], TrainingConfig]:
    torch.manual_seed(0)
    config = Stage2Config(batch_size=8, max_steps=8)
    prior = build_prior(PriorConfig(width=16, n_layers=1, head_width=8, dropout=0.2), torch.randn(8, 4), [(1, 10)], 2)
    return PriorObjective(prior, config), lambda rows: (torch.randint(0, 8, (len(rows), 10)), rows % 2), config


@pytest.mark.parametrize("build", [tokenizer_objective, prior_objective])
def test_both_stages_resume_bit_for_bit(
    build: Callable[[], tuple[nn.Module, Callable[[Tensor], Sequence[Tensor]], TrainingConfig]], tmp_path: Path
) -> None:
    """Augmentations, drawn tokens, masks and dropout are all drawn anew, and come out the same."""

    def run(**how: object) -> tuple[nn.Module, Trained]:
        objective, get_batch, config = build()
        return objective, train("stage", objective, get_batch, Plan(20, config, 0), **how)  # type: ignore[arg-type]

    unbroken, expected = run()
    with pytest.raises(Killed):
        run(checkpoints=tmp_path, checkpoint_seconds=0, report=killer(5))
    torch.manual_seed(99)  # another process has another generator
    resumed, trained = run(checkpoints=tmp_path)
    assert_same_weights(resumed, unbroken)
    assert trained.history == expected.history


def test_a_finished_training_is_not_continued(tmp_path: Path) -> None:
    first, again, steps = Line(), Line(), []
    line(5)(first, checkpoints=tmp_path, checkpoint_seconds=0)
    line(5)(again, checkpoints=tmp_path, report=lambda step, *_: steps.append(step))
    assert steps == []
    assert_same_weights(again, first)


def test_seconds_add_up_over_an_interruption(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        line(20)(Line(), checkpoints=tmp_path, checkpoint_seconds=0, report=killer(18))
    stored = torch.load(tmp_path / "line.ckpt", weights_only=True)["callbacks"]["Clock"]["seconds"]
    assert 0 < stored < line(20)(Line(), checkpoints=tmp_path).seconds


def test_training_leaves_the_global_generators_alone() -> None:
    objective = Line()
    states = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    line(3)(objective)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.random.get_state()[1].tolist() == states[1]  # noqa: NPY002


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_names_its_step(value: float) -> None:
    class Failing(Line):
        calls = 0

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            self.calls += 1
            terms = super().forward(x)
            return {"good": terms["error"], "bad": terms["constant"] * (value if self.calls == 4 else 1)}

    with pytest.raises(TrainingError, match=r"not finite at step 3 \(good .*, bad (nan|inf)\)"):
        line(10)(Failing())


def test_each_step_draws_anew_and_by_the_seed() -> None:
    def draws(seed: int) -> list[float]:
        seen: list[float] = []

        def get_batch(rows: Tensor) -> Sequence[Tensor]:
            seen.append(float(torch.rand(())))
            return (X[rows],)

        train("line", Line(), get_batch, plan(20, seed, batch_size=8, max_steps=6))
        return seen

    assert len(set(draws(0))) == 6
    assert draws(0) == draws(0)
    assert set(draws(0)).isdisjoint(draws(1))


def test_parameters_that_are_frozen_stay() -> None:
    objective = Line()
    objective.layer.bias.requires_grad_(False)
    before = objective.layer.bias.clone()
    line(5, weight_decay=0.5)(objective)
    assert torch.equal(objective.layer.bias, before)
