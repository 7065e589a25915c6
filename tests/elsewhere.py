"""A second device for machines that have only a CPU: real values, on a device of their own, never mixed with others.

A tensor that is elsewhere says that it is on ``meta``, cannot become an array, and meets no tensor of the CPU but
single numbers and indices, as on a GPU.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only

import ncvqvae.hardware

DEVICE = torch.device("meta")
BETWEEN = {torch.ops.aten.copy_.default, torch.ops.aten._to_copy.default}
INDEXING = {torch.ops.aten.index.Tensor, torch.ops.aten.index_put_.default, torch.ops.aten._index_put_impl_.default}


class Elsewhere(Tensor):
    """A tensor on the second device."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> "Elsewhere":
        made = Tensor._make_wrapper_subclass(
            cls, inner.shape, strides=inner.stride(), storage_offset=0, dtype=inner.dtype, device=DEVICE
        )
        made.inner = inner
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return computed(func, args, kwargs or {})

    __torch_function__ = torch._C._disabled_torch_function_impl


def computed(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """The result of an operation, on the device of its tensors or where it is told to be."""
    tensors = [each for each in tree_flatten((args, kwargs))[0] if isinstance(each, Tensor)]
    there = [each for each in tensors if isinstance(each, Elsewhere)]
    wanted = kwargs.get("device")
    if there and func not in BETWEEN | INDEXING:
        strangers = [each for each in tensors if not isinstance(each, Elsewhere) and each.ndim]
        assert not strangers, f"{func} mixes devices: {[tuple(each.shape) for each in tensors]}"
    if func in INDEXING and there:
        assert isinstance(args[0], Elsewhere), f"{func} takes from the CPU by indices of another device"
    inner = tree_map_only(Elsewhere, lambda each: each.inner, (args, kwargs))
    result = func(*inner[0], **({**inner[1], "device": torch.device("cpu")} if wanted is not None else inner[1]))
    is_there = bool(there) if wanted is None else torch.device(wanted) == DEVICE
    if func is torch.ops.aten.copy_.default or func._schema.name.split("::")[1].endswith("_"):
        return args[0]
    known = {id(each.inner): each for each in there}
    return tree_map_only(Tensor, lambda each: known.get(id(each)) or Elsewhere(each), result) if is_there else result


class Mode(TorchDispatchMode):
    """Lets tensors be made, and moved, elsewhere."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return computed(func, args, kwargs or {})


@contextmanager
def second_device(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """``cuda`` is the second device meanwhile; gives the list of device types that autocast was asked of."""
    asked: list[str] = []

    def autocast(device_type: str, *_: Any, **__: Any) -> Any:
        asked.append(device_type)
        return nullcontext()

    resolve, adamw = ncvqvae.hardware.resolve_device, torch.optim.AdamW

    def resolved(device: str) -> torch.device:
        return DEVICE if device == "cuda" else resolve(device)

    for module in ("model", "fitting", "storage.methods"):
        monkeypatch.setattr(f"ncvqvae.{module}.resolve_device", resolved)
    monkeypatch.setattr("ncvqvae.training.stages.wait_for", lambda device: None)
    monkeypatch.setattr(torch, "autocast", autocast)
    plain: Callable[..., Any] = lambda *args, fused, **kwargs: adamw(*args, foreach=False, **kwargs)  # noqa: E731
    monkeypatch.setattr(torch.optim, "AdamW", plain)
    before = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(True)  # so that tied weights stay tied
    try:
        with Mode():
            yield asked
    finally:
        torch.__future__.set_swap_module_params_on_conversion(before)
