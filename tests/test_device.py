"""The setting device: what auto becomes, that everything stands on it, and that files do not keep it.

There is a GPU on few machines, so a second device stands in for it (tests/elsewhere.py); the last test asks a real one.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from tests.elsewhere import DEVICE, Elsewhere, second_device
from tests.waves import SMALL, two_classes

from ncvqvae import NCVQVAE, hardware
from ncvqvae.bench import local
from ncvqvae.bench.driver import make_backend
from ncvqvae.bench.job import is_finished
from ncvqvae.bench.local import LocalBackend
from ncvqvae.bench.suites import load_suite
from ncvqvae.cli import main
from ncvqvae.commands.score import score_model
from ncvqvae.config import to_dict
from ncvqvae.data import ScaledSeries, Splits
from ncvqvae.errors import InputError
from ncvqvae.evaluation.fcn import FCNTraining, cached_fcn, extract, train_fcn
from ncvqvae.evaluation.sets import Extent
from ncvqvae.generation.residuals import keep_residuals, kept_residuals
from ncvqvae.hardware import fp32_products, resolve_device, resolve_precision
from ncvqvae.training import loop
from ncvqvae.training.auto import choose_residual_scale

X, Y = two_classes()
SETTINGS = SMALL | {"sampling.precision": "32-true", "sampling.residual_neighbours": 2, "sampling.redraws": 1}
CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("device") / "run"
    gaps = X.copy()
    gaps[::3, 5:9] = np.nan
    NCVQVAE("quick", settings=SETTINGS).fit(gaps, Y).save_pretrained(folder)
    return folder


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    with second_device(monkeypatch) as found:
        yield found


# ---------------------------------------------------------------- what auto becomes


@pytest.mark.parametrize(
    ("cuda", "mps", "name"), [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_auto_takes_the_fastest_that_is_there(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, name: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert resolve_device("auto").type == name
    assert resolve_device("cpu") == CPU  # whatever else is there
    for other, there in (("cuda", cuda), ("mps", mps)):
        if there:
            assert resolve_device(other).type == other
        else:
            with pytest.raises(InputError, match=f"'device' is '{other}', and PyTorch finds none here; give auto"):
                resolve_device(other)


def test_precision_is_asked_of_the_device_and_not_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(hardware, "fast_bf16", lambda device: device == "cuda")
    assert resolve_precision("auto", resolve_device("auto")) == "bf16-mixed"
    assert resolve_precision("auto", resolve_device("cpu")) == "32-true"
    assert resolve_precision("bf16-mixed", CPU) == "bf16-mixed"


@pytest.mark.parametrize("amx", [True, False])
@pytest.mark.parametrize("bf16", [True, False])
def test_instructions_and_not_a_timing_say_whether_bf16_is_fast(
    monkeypatch: pytest.MonkeyPatch, amx: bool, bf16: bool
) -> None:
    """A timing differs between two processes of a busy machine: a bench that went on after a kill had other rows."""
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: bf16)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bf16 or including_emulation)
    assert hardware.fast_bf16("cpu") is (amx and bf16)
    assert hardware.fast_bf16("cuda") is bf16
    assert not hardware.fast_bf16("mps")


def test_mps_never_takes_bf16_by_itself() -> None:
    assert resolve_precision("auto", torch.device("mps")) == "32-true"


def test_tf32_is_for_cuda_and_for_the_time_of_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_float32_matmul_precision()
    with fp32_products("high", CPU):
        assert torch.get_float32_matmul_precision() == before
    with fp32_products("high", CUDA):
        assert torch.get_float32_matmul_precision() == "high"
        with fp32_products("highest", CUDA):  # distances to the codes
            assert torch.get_float32_matmul_precision() == "highest"
        assert torch.get_float32_matmul_precision() == "high"
    assert torch.get_float32_matmul_precision() == before


# ---------------------------------------------------------------- everything stands on it


def test_the_second_device_refuses_what_a_gpu_refuses(asked: list[str]) -> None:
    there = torch.ones(3).to(DEVICE)
    assert isinstance(there, Elsewhere) and there.cpu().tolist() == [1, 1, 1]
    with pytest.raises(AssertionError, match="mixes devices"):
        there + torch.ones(3)
    with pytest.raises(AssertionError, match="indices of another device"):
        torch.ones(3)[torch.zeros(1, dtype=torch.long, device=DEVICE)]
    with pytest.raises((TypeError, RuntimeError, NotImplementedError)):
        there.numpy()


def test_a_model_gives_the_same_on_the_second_device(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = NCVQVAE.from_pretrained(run, device="cpu")
    holed = X.copy()
    holed[0, :20] = np.nan

    def answers(model: NCVQVAE) -> dict[str, Any]:
        tokens = model.encode(holed)
        return {
            "tokens": tokens,
            "embedded": model.transform(holed),
            "decoded": model.decode(tokens),
            "reconstructed": model.reconstruct(X, residual_neighbours=2),
            "sampled": model.sample(40).X,
            "unconditional": model.sample(8, unconditional=True).X,
            "losses": [model.reconstruction_loss(holed), model.prior_loss(holed, Y)],
            "steps": np.nan_to_num(model.decoding_steps(8).probabilities),
        }

    here = answers(model)
    with second_device(monkeypatch) as asked:
        moved = NCVQVAE.from_pretrained(run, device="cuda")
        networks = (moved.tokenizer_, moved.prior_)
        assert all(isinstance(w, Elsewhere) for network in networks for w in network.state_dict().values())
        there = answers(moved)
    for name, value in here.items():
        np.testing.assert_allclose(there[name], value, atol=1e-4, err_msg=name)
    assert set(asked) == {"meta"}  # the CPU was asked for no bf16


def test_what_follows_the_training_stands_on_the_device(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = NCVQVAE.from_pretrained(run, device="cpu")
    scaled = ScaledSeries(X[:, None].astype(np.float32), model.scaler_)

    def kept(model: NCVQVAE) -> tuple[Any, ...]:
        keep_residuals(model.tokenizer_, scaled, torch.zeros(len(scaled), dtype=torch.int64), seed=0)
        scale = choose_residual_scale(model._generator, 2, 0, lambda series: series)
        found = kept_residuals(model.tokenizer_)
        assert found is not None
        return scale, found.tokens, found.values

    here = kept(model)
    with second_device(monkeypatch):
        there = kept(NCVQVAE.from_pretrained(run, device="cuda"))
        assert isinstance(there[1], Elsewhere) and isinstance(there[2], Elsewhere)
        tokens, values = (part.cpu() for part in there[1:])
    assert there[0] == here[0]
    assert torch.equal(tokens, here[1])
    torch.testing.assert_close(values, here[2])


def test_the_estimate_trains_both_stages_on_the_device(asked: list[str]) -> None:
    seconds = NCVQVAE("quick", settings=SETTINGS | {"device": "cuda"}).estimate_seconds(X, Y)
    assert min(seconds.values()) > 0
    assert set(asked) == {"meta"}


def test_lightning_gets_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(loop.L, "Trainer", lambda **settings: given.update(settings))
    monkeypatch.setattr(hardware, "fast_bf16", lambda device: device == "cuda")
    plan = loop.Plan(8, loop.TrainingConfig(precision="auto"), 0)
    loop._trainer(plan, CUDA, [], False)
    assert (given["accelerator"], given["devices"], given["precision"]) == ("cuda", 1, "bf16-mixed")
    loop._trainer(plan, CPU, [], False)
    assert (given["accelerator"], given["precision"]) == ("cpu", "32-true")


def test_the_fcn_is_trained_and_asked_on_the_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    series, classes, few = X[:, None].astype(np.float32), (Y == "slow").astype(int), FCNTraining(max_steps=3)
    here = train_fcn(series, classes, 2, seed=0, training=few)
    monkeypatch.setattr("ncvqvae.evaluation.fcn.fast_bf16", lambda device: False)
    cached_fcn(series, classes, 2, 0, tmp_path, few)
    with second_device(monkeypatch) as asked:
        there = cached_fcn(series, classes, 2, 0, tmp_path, few, DEVICE)
        assert there.device == DEVICE and set(asked) == {"meta"}
        again = cached_fcn(series, classes, 2, 0, tmp_path, few, DEVICE)
        assert again.device == DEVICE
        found, kept = extract(there, series), extract(again, series)
    np.testing.assert_array_equal(found.features, kept.features)
    assert here.device == CPU
    assert len(list(tmp_path.iterdir())) == 2  # other devices give other weights


@pytest.mark.slow
def test_an_evaluation_stands_on_the_device(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FCNTraining, "n_steps", lambda *_: 1)
    monkeypatch.setattr("ncvqvae.commands.score.cache_dir", lambda: None)
    splits = Splits("waves", X[:20, None], Y[:20], X[20:, None], Y[20:], "")
    with second_device(monkeypatch) as asked:
        model = NCVQVAE.from_pretrained(run, device="cuda")
        scores = score_model(model, splits, extent=Extent(cas=True))
    assert {"fid", "is", "cas", "prior_loss", "val_recon", "copied"} <= scores.metrics.keys()
    assert set(asked) == {"meta"}


# ---------------------------------------------------------------- files do not keep it


def test_no_file_keeps_the_device(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with second_device(monkeypatch):
        NCVQVAE.from_pretrained(run, device="cuda").save_pretrained(tmp_path / "moved")
    values = yaml.safe_load((tmp_path / "moved/config.yaml").read_text())
    assert "device" not in values["asked"] and "device" not in values["model"]
    for name in ("tokenizer.safetensors", "prior.safetensors"):
        assert (tmp_path / "moved" / name).read_bytes() == (run / name).read_bytes()
    model = NCVQVAE.from_pretrained(tmp_path / "moved", device="cpu")
    assert model.config_.device == model.asked_.device == "cpu"


def test_an_interrupted_fit_goes_on_on_another_device(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    NCVQVAE("quick", settings=SETTINGS | {"device": "auto"}).fit(X, Y, checkpoints=folder)
    NCVQVAE("quick", settings=SETTINGS | {"device": "cpu"}).fit(X, Y, checkpoints=folder)
    with pytest.raises(InputError, match="checkpoints of other data or settings"):
        NCVQVAE("quick", settings=SETTINGS | {"prior.dropout": 0.3}).fit(X, Y, checkpoints=folder)


def test_the_command_line_resumes_on_another_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ncvqvae.commands.fit.draw_pictures", lambda *_: None)
    data, out = tmp_path / "waves.npz", tmp_path / "run"
    np.savez(data, X=X, y=Y)
    options = [word for name, value in SETTINGS.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    main(["fit", str(data), "--out", str(out), "--preset", "quick", "--device", "auto", *options])
    assert "device" not in yaml.safe_load((out / "data.yaml").read_text())["settings"]
    main(["fit", "--out", str(out), "--resume", "--device", "cpu"])  # it is whole: the same settings are enough
    main(["encode", str(out), str(data), "--out", str(tmp_path / "z.npz"), "--device", "cpu"])
    main(["sample", str(out), "-n", "3", "--out", str(tmp_path / "new.npz"), "--device", "cpu"])
    assert np.load(tmp_path / "new.npz")["X"].shape == (3, 1, 32)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize(
    "command",
    [
        ["fit", "{0}/no.npz"],
        ["sample", "{0}/run", "--out", "{0}/x.npz"],
        ["encode", "{0}/run", "{0}/no.npz", "--out", "{0}/x.npz"],
        ["evaluate", "{0}/run"],
        ["evaluate", "--samples", "{0}/no.npz", "--data", "{0}/no.npz"],
        ["bench", "--suite", "smoke", "--out", "{0}/bench"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_a_device_that_is_not_there_is_said_in_one_line(
    run: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([word.format(run.parent) for word in command] + ["--device", "cuda"])
    said = capsys.readouterr().err.strip()
    assert ended.value.code == 2
    assert said == "ncvqvae: --device is 'cuda', and PyTorch finds none here; give auto, or one of: " + (
        "mps, cpu" if torch.backends.mps.is_available() else "cpu"
    )


# ---------------------------------------------------------------- GPUs of a bench


class FakeProcess:
    def __init__(self, number: int) -> None:
        self.answers, self.returncode = number, None


class FakeWorker:
    """A worker without a process; ends when it is told to."""

    made: list["FakeWorker"]

    def __init__(self, task: str, log: Path, environment: dict[str, str], gpu: str | None = None) -> None:
        self.gpu, self.run, self.answers, self.process = gpu, None, object(), FakeProcess(len(self.made))
        self.made.append(self)

    def begin(self, run: Any) -> None:
        self.run = run

    def take(self) -> Any:
        run, self.run = self.run, None
        return run


@pytest.fixture
def three_gpus(monkeypatch: pytest.MonkeyPatch) -> type[FakeWorker]:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(local, "wait", lambda readers, timeout: [r for r in readers if r in ready])
    ready: list[Any] = []
    FakeWorker.made, FakeWorker.ready = [], ready  # type: ignore[attr-defined]
    monkeypatch.setattr(local, "Worker", FakeWorker)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return FakeWorker


def test_one_run_at_a_time_on_each_gpu_and_a_dead_workers_gpu_is_free_again(tmp_path: Path, three_gpus: Any) -> None:
    backend = LocalBackend(tmp_path / "log", workers=8)
    assert backend.slots == 3
    for run in "abc":
        backend.start(run)  # type: ignore[arg-type]
    assert [worker.gpu for worker in three_gpus.made] == ["0", "1", "2"]
    dead = three_gpus.made[1]
    dead.process.returncode = -9
    three_gpus.ready.append(dead.answers)
    assert backend.finished(0) == ["b"]
    backend.start("d")  # type: ignore[arg-type]
    assert three_gpus.made[3].gpu == "1"
    three_gpus.ready[:] = [three_gpus.made[0].answers]
    assert backend.finished(0) == ["a"]
    backend.start("e")  # type: ignore[arg-type]
    assert len(three_gpus.made) == 4 and three_gpus.made[0].run == "e"  # an idle worker keeps its GPU


def test_a_bench_takes_the_gpus_that_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, three_gpus: Any
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6,7")
    assert LocalBackend(tmp_path / "log").free_gpus == ["4", "6", "7"]
    assert LocalBackend(tmp_path / "log", workers=2).slots == 2
    on_cpu = LocalBackend(tmp_path / "log", device="cpu", workers=5)
    assert on_cpu.free_gpus == [] and on_cpu.slots == 5


def test_a_worker_sees_its_gpu_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setattr(local.subprocess, "Popen", lambda *_, **given: seen.update(given) or FakePopen())
    local.Worker("m:f", tmp_path / "log", {**os.environ, "CUDA_VISIBLE_DEVICES": "4,6,7"}, "6")
    assert seen["env"]["CUDA_VISIBLE_DEVICES"] == "6"


class FakePopen:
    stdin = stdout = None


def test_a_bench_hands_its_device_to_the_runs_and_knows_what_another_device_made(tmp_path: Path) -> None:
    suite = load_suite("smoke")
    on_cpu, anywhere = (suite.runs(tmp_path, device=device) for device in ("cpu", "auto"))
    assert {run.config().device for run in on_cpu} == {"cpu"}
    assert {run.config().device for run in anywhere} == {"auto"}
    run = on_cpu[0]
    run.folder.mkdir(parents=True)
    config = {"model": to_dict(run.config()), "format": 2}
    (run.folder / "config.yaml").write_text(yaml.safe_dump(config))
    assert not is_finished(anywhere[0])  # not evaluated, but no other run's


def test_runs_on_ray_need_a_gpu_to_have_cuda(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give --gpus 1"):
        make_backend("ray", tmp_path, device="cuda", workers=None, address=None, cpus=1, gpus=0)


# ---------------------------------------------------------------- a real one


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
def test_fit_sample_and_evaluate_on_cuda(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FCNTraining, "n_steps", lambda *_: 5)
    monkeypatch.setattr("ncvqvae.commands.score.cache_dir", lambda: None)
    before = torch.get_float32_matmul_precision(), torch.cuda.get_rng_state()
    model = NCVQVAE("quick", settings=SETTINGS | {"device": "cuda"})
    assert min(model.estimate_seconds(X, Y).values()) > 0
    model.fit(X, Y, checkpoints=tmp_path / "checkpoints")
    assert model.tokenizer_.codebook.device.type == model.prior_.codes.device.type == "cuda"
    splits = Splits("waves", X[:20, None].astype(np.float32), Y[:20], X[20:, None].astype(np.float32), Y[20:], "")
    assert np.isfinite(
        [score_model(model, splits, extent=Extent(cas=True)).metrics[name] for name in ("fid", "cas", "prior_loss")]
    ).all()
    model.save_pretrained(tmp_path / "run")
    on_cpu = NCVQVAE.from_pretrained(tmp_path / "run", device="cpu")
    assert on_cpu.tokenizer_.codebook.device == CPU
    assert (on_cpu.encode(X) == model.encode(X)).mean() > 0.99
    tokens = model.encode(X)
    np.testing.assert_allclose(on_cpu.decode(tokens), model.decode(tokens), atol=1e-2)  # cuDNN convolves in TF32
    assert np.isfinite(on_cpu.sample(8).X).all() and np.isfinite(model.sample(8).X).all()
    assert torch.get_float32_matmul_precision() == before[0]
    assert torch.equal(torch.cuda.get_rng_state(), before[1])
