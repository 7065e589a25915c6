"""A trained model as four ONNX files, for programs without PyTorch. Randomness stays with the caller.

| file | in | out |
|---|---|---|
| ``encoder.onnx`` | ``series`` (n, C, T) float32, in their own units | ``tokens`` (n, N) int64 |
| ``embedding.onnx`` | ``series`` (n, C, T) float32, in their own units | ``embeddings`` (n, d) float32 |
| ``decoder.onnx`` | ``tokens`` (n, N) int64 | ``series`` (n, C, T) float32, in their own units |
| ``prior.onnx`` | ``tokens`` (n, N), ``classes`` (n,) int64 | ``logits`` (n, N, K): one step of the sampling |

In ``prior.onnx`` an unknown token is K, and "no class" is the number of classes. ONNX has no inverse STFT, and both
directions are linear: here they are convolutions. Flat parts (``tokenizer.keep_flat``) are as the decoder draws them.
"""

from __future__ import annotations

import copy
import logging
import warnings
from pathlib import Path
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from ncvqvae.commands.run_folder import check_output
from ncvqvae.errors import InputError
from ncvqvae.files import all_replaced
from ncvqvae.model import NCVQVAE
from ncvqvae.tokenizer.spectrogram import Spectrogram
from ncvqvae.tokenizer.tokenizer import Tokenizer
from ncvqvae.tokenizer.transform import Transform


class ConvolutionalSpectrogram(Transform):
    """The same transform as :class:`Spectrogram` and the same inverse, as convolutions with the windowed Fourier basis.

    Inverse: x[t] = sum_m w[t - m hop] irfft(u[m])[t - m hop] / sum_m w[t - m hop]^2 (Griffin and Lim 1984).
    """

    def __init__(self, original: Spectrogram) -> None:
        super().__init__()
        self.n_fft, self.hop_length, self.n_timepoints = original.n_fft, original.hop_length, original.n_timepoints
        self.n_parts, self.n_rows, self.n_frames = original.n_parts, original.n_rows, original.n_frames
        window, rows = original.window, original.n_rows
        basis = torch.fft.rfft(torch.diag(window))
        units = torch.eye(2 * rows)
        inverse_basis = torch.fft.irfft(torch.complex(units[:, :rows], units[:, rows:]), n=self.n_fft) * window
        energy = F.conv_transpose1d(
            torch.ones(1, 1, original.n_frames), window.square()[None, None], stride=self.hop_length
        )
        self.analysis: Tensor
        self.synthesis: Tensor
        self.energy: Tensor
        self.register_buffer("analysis", torch.cat([basis.real, basis.imag], dim=1).T[:, None].contiguous())
        self.register_buffer("synthesis", inverse_basis[:, None].contiguous())
        self.register_buffer("energy", self._cut(energy).contiguous())

    def _cut(self, padded: Tensor) -> Tensor:
        """Without the half window that centring put before the series, and with its length."""
        first = self.n_fft // 2
        return padded[..., first : first + self.n_timepoints]

    def forward(self, x: Tensor) -> Tensor:
        """Series (B, C, T) to spectrogram (B, 2 C, rows, frames)."""
        padded = F.pad(x, (self.n_fft // 2, self.n_fft // 2), mode="reflect")
        u = F.conv1d(rearrange(padded, "b c t -> (b c) 1 t"), self.analysis, stride=self.hop_length)
        return rearrange(u, "(b c) (part f) m -> b (part c) f m", c=x.shape[1], part=2)

    def inverse(self, u: Tensor) -> Tensor:
        """Spectrogram (B, 2 C, rows, frames) to series (B, C, T)."""
        frames = rearrange(u, "b (part c) f m -> (b c) (part f) m", part=2)
        x = self._cut(F.conv_transpose1d(frames, self.synthesis, stride=self.hop_length)) / self.energy
        return rearrange(x, "(b c) 1 t -> b c t", c=u.shape[1] // 2)


class _Half(nn.Module):
    """What both directions share: a tokenizer free of the STFT, and the scaling to and from the data's units."""

    def __init__(self, model: NCVQVAE) -> None:
        super().__init__()
        self.tokenizer: Tokenizer = copy.deepcopy(model.tokenizer_).cpu()
        if isinstance(self.tokenizer.transform, Spectrogram):
            self.tokenizer.transform = ConvolutionalSpectrogram(self.tokenizer.transform)
        self.case_ddof = model.scaler_.case_ddof_
        self.mean: Tensor
        self.scale: Tensor
        self.spread: Tensor
        scaler = model.scaler_
        for name, values in (("mean", scaler.mean_), ("scale", scaler.scale_), ("spread", scaler.spread_)):
            self.register_buffer(name, torch.as_tensor(values, dtype=torch.float32)[:, None])


class _Encoder(_Half):
    def forward(self, series: Tensor) -> Tensor:
        return self.tokenizer.encode((series - self.mean) / self.scale)


class _Embedding(_Half):
    def forward(self, series: Tensor) -> Tensor:
        reduction = self.tokenizer.reduction
        assert reduction is not None
        return reduction(self.tokenizer.pooled((series - self.mean) / self.scale))


class _Decoder(_Half):
    def forward(self, tokens: Tensor) -> Tensor:
        series = self.tokenizer.decode(tokens) * self.spread + self.mean
        if self.case_ddof is None:
            return series
        centred = series - series.mean(2, keepdim=True)
        variance = centred.square().sum(2, keepdim=True) / (series.shape[2] - self.case_ddof)
        return centred / torch.where(variance > 0, variance.sqrt(), 1.0)


def export_onnx(model: NCVQVAE, folder: str | Path, *, overwrite: bool = False) -> list[Path]:
    """Write ``encoder.onnx``, ``decoder.onnx``, ``prior.onnx`` and ``embedding.onnx``, all of them or none.

    The number of series is free. A model without embeddings by its encoder leaves out ``embedding.onnx``. With coarser
    grids the prior is a file for each grid, ``prior_1.onnx`` for the coarsest: it takes the tokens up to that grid.

    Args:
        model: the model.
        folder: where to, made if needed.
        overwrite: replace files of these names.

    Raises:
        InputError: if a file exists or cannot be written, the extra ``onnx`` is not installed, or series differ in
            length.
    """
    if model.facts_.unequal:
        raise InputError("a model of series of unequal lengths cannot be exported; fit it on series of one length")
    folder = Path(folder)
    ends = model.prior_.ends
    priors = {"prior" if len(ends) == 1 else f"prior_{level}": end for level, end in enumerate(ends, start=1)}
    for name in ("encoder", "decoder", *priors, "embedding"):
        check_output(folder / f"{name}.onnx", overwrite)
    series = torch.zeros(2, model.n_channels_, model.n_timepoints_)
    tokens = torch.zeros(2, model.tokenizer_.n_tokens, dtype=torch.int64)
    classes = torch.zeros(2, dtype=torch.int64)
    parts: dict[str, tuple[nn.Module, dict[str, Tensor], str]] = {
        "encoder": (_Encoder(model), {"series": series}, "tokens"),
        "decoder": (_Decoder(model), {"tokens": tokens}, "series"),
    }
    for name, end in priors.items():
        prior = copy.deepcopy(model.prior_).cpu()
        parts[name] = prior, {"tokens": tokens[:, :end], "classes": classes}, "logits"
    if model.tokenizer_.reduction is not None:
        parts["embedding"] = (_Embedding(model), {"series": series}, "embeddings")
    programs = {folder / f"{name}.onnx": _program(*part) for name, part in parts.items()}
    folder.mkdir(parents=True, exist_ok=True)
    with all_replaced(*programs) as places:  # an encoder and a decoder of two models would fit each other
        for place, program in zip(places, programs.values(), strict=True):
            program.save(place)
    return list(programs)


def _program(network: nn.Module, inputs: dict[str, Tensor], output: str) -> Any:
    n = torch.export.Dim("n", min=1)
    # says for each of its operators that torchvision is not installed
    logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # notes on the exporter's own inner life
            program = torch.onnx.export(
                network.eval(),
                kwargs=inputs,
                input_names=list(inputs),
                output_names=[output],
                dynamic_shapes={name: {0: n} for name in inputs},
                dynamo=True,
                verbose=False,
            )
    except ModuleNotFoundError as error:
        raise InputError(f"ONNX export needs {error.name}; pip install 'ncvqvae[onnx]'") from None
    assert program is not None
    return program
