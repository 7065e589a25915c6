"""Networks' weights on disk: safetensors, checked against the network before memory is taken for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialized
from torch import nn

from ncvqvae.errors import InputError
from ncvqvae.files import replaced

if TYPE_CHECKING:  # Lightning takes seconds to import, and only training needs it
    from ncvqvae.training.loop import Trained


def write_weights(path: Path, network: nn.Module, metadata: dict[str, str] | None = None) -> None:
    """Write every tensor of ``network`` under its name."""
    # a tied weight would be refused as shared memory, and the row-major copy is what readers expect
    weights = {name: value.detach().clone().contiguous().cpu() for name, value in network.state_dict().items()}
    path.write_bytes(serialized(weights, metadata))  # a full disk is an OSError here, not in safetensors' own writer


Rename = Callable[[str], str]
"""From the name of a tensor in a file to what it is called now."""


def as_it_is(name: str) -> str:
    """The name of a tensor in a file of this format."""
    return name


def check_weights(path: Path, network: nn.Module, rename: Rename = as_it_is) -> None:
    """Refuse a file whose header names other tensors than ``network``, which may be on the meta device.

    Raises:
        InputError: naming the first difference.
    """
    expected = {name: list(value.shape) for name, value in network.state_dict().items()}
    with _opened(path) as file:
        found = {rename(name): file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
    different = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if different:
        name = different[0]
        raise InputError(
            f"{path} belongs to another model: {name[:80]} is {found.get(name, 'missing')} in the file and "
            f"{expected.get(name, 'missing')} in config.yaml; use the files of one run"
        )


def load_weights(path: Path, network: nn.Module, rename: Rename = as_it_is) -> dict[str, str]:
    """Load weights in place; return the file's metadata.

    Raises:
        InputError: if the file is missing, damaged, of another model or arithmetic, or holds NaN or infinite values.
    """
    with _opened(path) as file:
        metadata = file.metadata() or {}
        weights = {rename(name): file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        own = network.state_dict()
        for name, value in weights.items():
            if name in own and own[name].dtype != value.dtype:
                expected, found = (str(dtype).removeprefix("torch.") for dtype in (own[name].dtype, value.dtype))
                raise InputError(
                    f"{path} has {name} in {found}; the model's is {expected}: use the file that fit wrote"
                )
        network.load_state_dict(weights)
    for name, value in weights.items():
        if not value.isfinite().all():
            raise InputError(f"{path} is damaged: {name} is not finite; fit the run again")
    return metadata


def save_stage(path: Path, network: nn.Module, trained: Trained) -> None:
    """Weights of a finished stage, with its history, for a run that is resumed later."""
    record = {"history": json.dumps(trained.history), "seconds": repr(trained.seconds)}
    with replaced(path) as temporary:
        write_weights(temporary, network, record)


def load_stage(path: Path, network: nn.Module) -> Trained:
    """Load weights that :func:`save_stage` wrote into ``network``; return the history."""
    from ncvqvae.training.loop import Trained

    record = load_weights(path, network)
    try:
        return Trained(list(json.loads(record["history"])), float(record["seconds"]))
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path} is damaged: it lacks its history; delete it to train this stage anew") from None


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if not path.is_file():
        raise InputError(f"{path} is missing; the run is incomplete: fit it again, or continue it with --resume")
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, RuntimeError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path} is damaged or belongs to another model: {reason}") from None
