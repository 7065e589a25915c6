"""The supervised fully convolutional network (FCN) behind FID, IS and CAS: they use its features and predictions."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from einops import reduce
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialized
from torch import Tensor, nn

from ncvqvae.errors import InputError
from ncvqvae.evaluation.resampling import seeded_cpu
from ncvqvae.files import replaced
from ncvqvae.hardware import CPU, fast_bf16, fp32_products

WIDTHS = (128, 256, 128)
KERNELS = (8, 5, 3)
N_FEATURES = WIDTHS[-1]
CACHE_VERSION = 3  # raise it whenever train_fcn gives other weights for the same settings
POINTS_PER_CHUNK = 4096  # on a CPU, twice as fast as 64 times more
GPU_POINTS_PER_CHUNK = 64 * POINTS_PER_CHUNK


class Features(NamedTuple):
    """Output of the FCN for n series: `features` (n, 128) and class `probabilities` (n, n_classes), both float64."""

    features: np.ndarray
    probabilities: np.ndarray


class ConvBlock(nn.Module):
    """Convolution that keeps the length, batch norm, ReLU: (B, C_in, L) → (B, C_out, L)."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(in_channels, out_channels, kernel_size)
        self.norm = nn.BatchNorm1d(out_channels)
        # an even kernel needs one sample more on one side: the right one (kernel 8: 3 left, 4 right)
        self.padding = ((kernel_size - 1) // 2, kernel_size // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Map series (B, C_in, L) to (B, C_out, L)."""
        return torch.relu(self.norm(self.conv(nn.functional.pad(x, self.padding))))


class FCN(nn.Module):
    """Fully convolutional classifier: three convolution blocks (128-256-128), mean over time, linear head.

    Reference: Wang, Yan, Oates, "Time series classification from scratch with deep neural networks" (2017).

    Args:
        n_channels: channels C of the series.
        n_classes: number of classes; the head's columns follow the sorted class labels.
    """

    def __init__(self, n_channels: int, n_classes: int) -> None:
        super().__init__()
        self.n_channels, self.n_classes = n_channels, n_classes
        widths = (n_channels, *WIDTHS)
        for i, kernel_size in enumerate(KERNELS):
            self.add_module(f"block{i}", ConvBlock(widths[i], widths[i + 1], kernel_size))
        self.head = nn.Linear(N_FEATURES, n_classes)

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self.head.weight.device

    def features(self, x: Tensor) -> Tensor:
        """Global-average features (B, 128) of scaled series `x` (B, C, L); steps that are all NaN do not count."""
        ended = x.isnan().all(1, keepdim=True)
        if ended.any():
            for i in range(len(KERNELS)):
                x = self.get_submodule(f"block{i}")(x.masked_fill(ended, 0.0))
            return x.masked_fill(ended, 0.0).sum(-1) / (~ended).sum(-1)
        for i in range(len(KERNELS)):
            x = self.get_submodule(f"block{i}")(x)
        return reduce(x, "batch width time -> batch width", "mean")

    def forward(self, x: Tensor) -> Tensor:
        """Class logits (B, n_classes) of scaled series `x` (B, C, L)."""
        return self.head(self.features(x))


@dataclass(frozen=True)
class FCNTraining:
    """Settings of `train_fcn`: AdamW with a one-cycle schedule; the number of steps follows from the epochs, in bounds.

    Attributes:
        epochs: passes over the series.
        min_steps: least number of optimiser steps; a small data set then gets more epochs.
        max_steps: greatest number of optimiser steps.
        max_points: greatest total of time steps passed through the network (steps · batch · L); it bounds long series.
        batch_size: series per step (all of them where there are fewer).
        lr: peak learning rate of the one-cycle schedule.
        weight_decay: decoupled weight decay.
    """

    epochs: int = 100
    min_steps: int = 600
    max_steps: int = 2400
    max_points: int = 32_000_000
    batch_size: int = 16
    lr: float = 5e-3
    weight_decay: float = 1e-2

    def n_steps(self, n_cases: int, n_timepoints: int) -> int:
        """Number of optimiser steps for `n_cases` series of length `n_timepoints`."""
        batch_size = self.batch_of(n_cases)
        wanted = max(self.min_steps, self.epochs * n_cases // batch_size)
        return max(1, min(wanted, self.max_steps, self.max_points // (batch_size * n_timepoints)))

    def batch_of(self, n_cases: int) -> int:
        """Series per step; batch norm needs two."""
        return max(2, min(self.batch_size, n_cases))


def train_fcn(
    X: np.ndarray,
    y_index: np.ndarray,
    n_classes: int,
    *,
    seed: int,
    training: FCNTraining | None = None,
    device: torch.device = CPU,
) -> FCN:
    """Train an FCN on labelled series; the same seed gives the same weights on a machine.

    Convolutions and norms run in bf16 where that is fast; the head and the loss run in fp32. The global random state
    stays as it was.

    The features are scaled so that their variance over the training series is 1 on average. This makes FID and KID
    comparable between datasets. They are not comparable with those of other FCNs: FID grows with the square of the
    features' scale.

    Args:
        X: scaled series (n, C, L).
        y_index: class indices (n,) in 0 … n_classes − 1.
        n_classes: number of classes.
        seed: seed of the weights and of the order of the series.
        training: budget and optimiser settings.
        device: device of the training; batches are moved to it one by one.

    Returns:
        The FCN in eval mode, on `device`.
    """
    training = training or FCNTraining()
    series = torch.from_numpy(np.ascontiguousarray(X, np.float32))
    targets = torch.from_numpy(np.ascontiguousarray(y_index, np.int64))
    fcn = _new_fcn(series.shape[1], n_classes, seed).to(device)
    steps = training.n_steps(len(series), series.shape[-1])
    optimizer = torch.optim.AdamW(fcn.parameters(), lr=training.lr, weight_decay=training.weight_decay, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=training.lr, total_steps=steps + 1, cycle_momentum=False
    )
    batches = _shuffled_batches(len(series), training.batch_of(len(series)), torch.Generator().manual_seed(seed))
    fcn.train()
    with fp32_products("high", device):
        for _ in range(steps):
            rows = next(batches)
            with torch.autocast(device.type, torch.bfloat16, fast_bf16(device.type)):
                pooled = fcn.features(series[rows].to(device))
            loss = nn.functional.cross_entropy(fcn.head(pooled.float()), targets[rows].to(device))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
    _to_unit_variance(fcn, extract(fcn, X).features)
    return fcn.eval()


@torch.no_grad()
def _to_unit_variance(fcn: FCN, features: np.ndarray) -> None:
    """Scale the FCN's `features` (n, 128) to variance 1 on average; its class probabilities do not change.

    ReLU lets a positive factor through, so the last norm is multiplied by it and the head divided by it.
    """
    scale = float(max(features.var(axis=0).mean(), 1e-5)) ** -0.5
    last = fcn.get_submodule(f"block{len(KERNELS) - 1}.norm")
    for parameter in last.parameters():
        parameter.mul_(scale)
    fcn.head.weight.div_(scale)


def _shuffled_batches(n: int, batch_size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Endless batches of row numbers; every row is used once before any is used again."""
    queue = torch.empty(0, dtype=torch.long)
    while True:
        while len(queue) < batch_size:
            queue = torch.cat([queue, torch.randperm(n, generator=generator)])
        rows, queue = queue[:batch_size], queue[batch_size:]
        yield rows


@torch.no_grad()
def extract(fcn: FCN, X: np.ndarray, batch_size: int | None = None) -> Features:
    """Features and class probabilities of series, computed in eval mode and in chunks; the FCN does not change.

    Args:
        fcn: a trained FCN.
        X: scaled series (n, C, L).
        batch_size: series per chunk; by default few enough that a layer's output stays in a CPU's cache, more on a GPU.
    """
    points = POINTS_PER_CHUNK if fcn.device.type == "cpu" else GPU_POINTS_PER_CHUNK
    batch_size = batch_size or max(1, points // X.shape[-1])
    was_training = fcn.training
    fcn.eval()
    features, probabilities = [], []
    for start in range(0, len(X), batch_size):
        series = torch.from_numpy(np.ascontiguousarray(X[start : start + batch_size], np.float32))
        pooled = fcn.features(series.to(fcn.device))
        features.append(pooled.cpu().double().numpy())
        probabilities.append(fcn.head(pooled).cpu().double().softmax(dim=1).numpy())
    fcn.train(was_training)
    return Features(np.concatenate(features), np.concatenate(probabilities))


def load_fcn(path: str | Path, *, n_channels: int | None = None, n_classes: int | None = None) -> FCN:
    """Read an FCN from a safetensors file, in eval mode.

    Args:
        path: the file.
        n_channels: number of channels that the FCN must have; None leaves it unchecked.
        n_classes: number of classes that the FCN must have; None leaves it unchecked.

    Raises:
        InputError: if the file is missing, damaged, holds another network, or does not fit the data.
    """
    weights = _read_weights(Path(path))
    found_channels, found_classes = weights["block0.conv.weight"].shape[1], weights["head.weight"].shape[0]
    for what, found, wanted in (("channel", found_channels, n_channels), ("class", found_classes, n_classes)):
        if wanted is not None and found != wanted:
            raise InputError(
                f"{path}: this FCN was trained for {found} {what}(s) but the data has {wanted}; "
                "give the weights of this dataset, or none to train an FCN here"
            )
    fcn = _new_fcn(found_channels, found_classes, seed=0)
    fcn.load_state_dict(weights, strict=False)
    return fcn.eval()


def _read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of an FCN file, with names and shapes checked against the architecture."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the path of an FCN's .safetensors file")
    try:
        weights = load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"{path}: not a readable safetensors file ({error}); give an FCN's .safetensors file"
        ) from error
    if not _is_fcn(weights):
        raise InputError(f"{path}: holds another network than the FCN (128-256-128, kernels 8-5-3); give an FCN's file")
    return weights


def _is_fcn(weights: dict[str, Tensor]) -> bool:
    """Tell whether names and shapes are those of an FCN, of any number of channels and classes."""
    first, head = weights.get("block0.conv.weight"), weights.get("head.weight")
    if first is None or head is None or first.ndim != 3 or head.ndim != 2:
        return False
    expected = fcn_weights(_new_fcn(first.shape[1], head.shape[0], seed=0))
    return {name: w.shape for name, w in weights.items()} == {name: w.shape for name, w in expected.items()}


def _new_fcn(n_channels: int, n_classes: int, seed: int) -> FCN:
    """Make an FCN with seeded weights; the global random state stays as it was."""
    with seeded_cpu(seed):
        return FCN(n_channels, n_classes)


def fcn_weights(fcn: FCN) -> dict[str, Tensor]:
    """Weights and statistics of an FCN under their published names."""
    return {
        name: w.detach().contiguous().cpu()
        for name, w in fcn.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


def save_fcn(fcn: FCN, path: str | Path) -> None:
    """Write an FCN to a safetensors file, whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced(path) as temporary:
        temporary.write_bytes(serialized(fcn_weights(fcn)))  # safetensors' own writer makes files for their owner alone


def cached_fcn(
    X: np.ndarray,
    y_index: np.ndarray,
    n_classes: int,
    seed: int,
    cache_dir: str | Path | None,
    training: FCNTraining | None = None,
    device: torch.device = CPU,
) -> FCN:
    """Train an FCN, or load it from `cache_dir` if it was trained there with the same data, seed and settings.

    Args:
        X: scaled series (n, C, L).
        y_index: class indices (n,).
        n_classes: number of classes.
        seed: as in `train_fcn`.
        cache_dir: folder of the cache; None trains without one. One that cannot be written is a warning.
        training: as in `train_fcn`.
        device: as in `train_fcn`; other devices give other weights.
    """
    training = training or FCNTraining()
    if cache_dir is None:
        return train_fcn(X, y_index, n_classes, seed=seed, training=training, device=device)
    path = Path(cache_dir) / f"fcn-{_content_key(X, y_index, n_classes, seed, training, device)}.safetensors"
    with suppress(InputError, OSError):  # an entry that is not there, not readable or damaged is made anew
        return load_fcn(path, n_channels=X.shape[1], n_classes=n_classes).to(device)
    fcn = train_fcn(X, y_index, n_classes, seed=seed, training=training, device=device)
    try:
        save_fcn(fcn, path)
    except (InputError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error).partition(";")[0]
        warnings.warn(
            f"the FCN is not kept in {cache_dir} ({reason}), so the next evaluation trains it again; "
            "set NCVQVAE_CACHE_DIR to a folder with space that you may write to",
            stacklevel=2,
        )
    return fcn


def _content_key(
    X: np.ndarray, y_index: np.ndarray, n_classes: int, seed: int, training: FCNTraining, device: torch.device
) -> str:
    """Hash of everything the trained weights depend on."""
    series, targets = np.ascontiguousarray(X, np.float32), np.ascontiguousarray(y_index, np.int64)
    settings = (CACHE_VERSION, fast_bf16(device.type), series.shape, n_classes, seed, sorted(asdict(training).items()))
    digest = hashlib.sha256(repr(settings).encode())
    if device.type != "cpu":
        digest.update(device.type.encode())
    digest.update(series.tobytes())
    digest.update(targets.tobytes())
    return digest.hexdigest()[:32]
