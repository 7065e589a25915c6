"""ONNX files say what PyTorch says; the STFT as convolutions is the STFT."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ncvqvae import NCVQVAE, InputError
from ncvqvae.commands.export import ConvolutionalSpectrogram, export_onnx
from ncvqvae.tokenizer.spectrogram import Spectrogram

TINY = {
    "tokenizer": {"hidden_channels": 4, "n_residual_blocks": 1, "codebook_size": 8, "keep_standardised": True},
    "stage1": {"max_steps": 3, "batch_size": 8, "projector_width": 16, "precision": "32-true"},
    "prior": {"width": 8, "head_width": 8, "n_layers": 1},
    "stage2": {"max_steps": 3, "batch_size": 8, "precision": "32-true"},
}


@pytest.mark.parametrize(("n_fft", "hop"), [(8, 2), (8, 4), (6, 3), (4, 1), (16, 8)])
@pytest.mark.parametrize("length", [16, 17, 31, 100])
@pytest.mark.parametrize("channels", [1, 3])
def test_convolutions_are_the_transform_and_its_inverse(n_fft: int, hop: int, length: int, channels: int) -> None:
    plain = Spectrogram(n_fft, hop, length)
    made = ConvolutionalSpectrogram(plain)
    x = torch.randn(4, channels, length, generator=torch.Generator().manual_seed(0))
    u = plain(x)
    torch.testing.assert_close(made(x), u, atol=1e-5, rtol=1e-4)
    changed = u * torch.linspace(0.5, 2.0, u.shape[-1])  # no series has this spectrogram
    torch.testing.assert_close(made.inverse(changed), plain.inverse(changed), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("channels", "length", "standardised"), [(1, 33, False), (2, 40, False), (3, 40, False), (1, 40, True)]
)
def test_onnxruntime_says_what_pytorch_says(channels: int, length: int, standardised: bool, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    rng = np.random.default_rng(0)
    X = rng.normal(100, 10, size=(12, channels, length)).astype(np.float32)
    if channels == 3:
        X[:, 2] = 7  # a constant channel, which comes back as the constant
    if standardised:
        X = (X - X.mean(2, keepdims=True)) / X.std(2, keepdims=True)
    model = NCVQVAE(settings=TINY).fit(X, ["a", "b", "c"] * 4)
    assert (model.scaler_.case_ddof_ is not None) == standardised
    paths = export_onnx(model, tmp_path)
    assert [path.name for path in paths] == ["encoder.onnx", "decoder.onnx", "prior.onnx", "embedding.onnx"]
    encode, decode, step, embed = (onnxruntime.InferenceSession(path) for path in paths)

    tokens = model.encode(X[:5])
    assert np.array_equal(encode.run(None, {"series": X[:5]})[0], tokens)
    np.testing.assert_allclose(embed.run(None, {"series": X[:5]})[0], model.transform(X[:5]), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(decode.run(None, {"tokens": tokens})[0], model.decode(tokens), rtol=1e-4, atol=1e-3)
    masked = np.where(rng.random(tokens.shape) < 0.5, model.prior_.mask_token, tokens)
    classes = np.array([0, 1, 2, 3, 0])  # 3: no class
    with torch.no_grad():
        expected = model.prior_(torch.from_numpy(masked), torch.from_numpy(classes)).numpy()
    np.testing.assert_allclose(
        step.run(None, {"tokens": masked, "classes": classes})[0], expected, rtol=1e-4, atol=1e-5
    )


def test_series_of_unequal_lengths_are_refused(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(12, 1, 32)).astype(np.float32)
    X[::2, :, 24:] = np.nan
    model = NCVQVAE(settings=TINY).fit(X)
    with pytest.raises(InputError, match="unequal lengths"):
        export_onnx(model, tmp_path)
