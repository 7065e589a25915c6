"""Stage 1's objective: which terms there are, and what each is made of."""

import warnings
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from ncvqvae.config import Stage1Config, TokenizerConfig
from ncvqvae.tokenizer.objective import CollapseWarning, TokenizerObjective
from ncvqvae.tokenizer.ssl import pool
from ncvqvae.tokenizer.tokenizer import reconstruction_error
from ncvqvae.training.build import build_tokenizer

CONFIG = Stage1Config(projector_width=16)


def objective(ssl: str, config: Stage1Config = CONFIG) -> TokenizerObjective:
    torch.manual_seed(0)
    tokenizer = build_tokenizer(TokenizerConfig(hidden_channels=8, n_residual_blocks=1, codebook_size=8), 1, 32)
    return TokenizerObjective(tokenizer, config, ssl).train()


def batch() -> tuple[Tensor, Tensor]:
    x = torch.randn(6, 1, 32, generator=torch.Generator().manual_seed(1))
    return x, x + 0.3


class Recorder(nn.Module):
    """Keeps what the loss is given, and returns 1."""

    def forward(self, z1: Tensor, z2: Tensor) -> Tensor:
        self.given = z1, z2
        return torch.ones(())


@pytest.mark.parametrize(
    ("ssl", "names"),
    [
        ("none", ["recon", "commit"]),
        ("barlowtwins", ["recon", "commit", "recon_view", "ssl"]),
        ("vibcreg", ["recon", "commit", "recon_view", "ssl"]),
    ],
)
def test_terms_by_name(ssl: str, names: list[str]) -> None:
    x, view = batch()
    terms = objective(ssl)(x) if ssl == "none" else objective(ssl)(x, view)
    assert list(terms) == names
    assert all(value.ndim == 0 and torch.isfinite(value) for value in terms.values())


def test_patches_are_compared_where_they_have_a_weight() -> None:
    x, _ = batch()
    terms = [objective("none", replace(CONFIG, patch_weight=weight))(x) for weight in (1.0, 0.5)]
    assert list(terms[0]) == ["recon", "commit", "patches"] and terms[0]["patches"] > 0.1
    torch.testing.assert_close(terms[0]["patches"], 2 * terms[1]["patches"])


def test_patches_that_were_not_observed_do_not_count() -> None:
    x, _ = batch()
    observed = torch.ones_like(x, dtype=torch.bool)
    observed[:, :, 20:] = False
    whole, part = (
        objective("none", replace(CONFIG, patch_weight=1.0))(x, observed=given) for given in (None, observed)
    )
    assert 0 < part["patches"] < 0.9 * whole["patches"]


def test_every_parameter_is_reached_by_the_loss() -> None:
    module = objective("vibcreg")
    torch.stack(list(module(*batch()).values())).sum().backward()
    assert [name for name, parameter in module.named_parameters() if parameter.grad is None] == []


def test_ssl_compares_quantized_latents_with_unquantized_ones_of_the_view() -> None:
    module = objective("vibcreg")
    module.projectors, module.ssl_loss = nn.ModuleList([nn.Identity()]), Recorder()  # type: ignore[assignment]
    tokenizer, (x, view) = module.tokenizer.eval(), batch()  # in eval mode the network stays as it is
    module(x, view)
    z, z_view = (tokenizer.latents(tokenizer.transform(series))[0] for series in (x, view))
    torch.testing.assert_close(module.ssl_loss.given[0], pool(tokenizer.quantize([z]).latents[0]))
    torch.testing.assert_close(module.ssl_loss.given[1], pool(z_view))
    assert not torch.allclose(module.ssl_loss.given[0], pool(z))


def test_the_view_is_decoded_from_unquantized_latents() -> None:
    module = objective("vibcreg")
    module.tokenizer.eval()
    x, view = batch()
    tokenizer = module.tokenizer
    u = tokenizer.transform(view)
    expected = 0.1 * reconstruction_error(u, view, tokenizer.reconstruct(tokenizer.latents(u)))
    torch.testing.assert_close(module(x, view)["recon_view"], expected)


def test_weights_scale_their_terms_and_nothing_else() -> None:
    plain = objective("barlowtwins")(*batch())
    weighted = objective("barlowtwins", replace(CONFIG, ssl_weight=3.0, augmented_weight=0.5))(*batch())
    torch.testing.assert_close(weighted["ssl"], 3 * plain["ssl"])
    torch.testing.assert_close(weighted["recon_view"], 5 * plain["recon_view"])
    assert weighted["recon"] == plain["recon"] and weighted["commit"] == plain["commit"]
    assert "recon_view" not in objective("barlowtwins", replace(CONFIG, augmented_weight=0.0))(*batch())


def test_naive_model_has_no_projector() -> None:
    assert {name.split(".")[0] for name, _ in objective("none").named_parameters()} == {"tokenizer"}


def test_perplexity_counts_the_codes_in_use() -> None:
    module = objective("none")
    counts = module.tokenizer.bands[0].quantizer.vq._codebook.cluster_size
    counts.copy_(torch.tensor([[5.0, 5, 5, 5, 0, 0, 0, 0]]))
    assert module.monitor(0.5)["perplexity"] == pytest.approx(4)


def test_a_collapsing_codebook_is_said_once_and_not_at_the_start() -> None:
    module = objective("none")
    module.tokenizer.bands[0].quantizer.vq._codebook.cluster_size.copy_(torch.tensor([[9.0] + [0.0] * 7]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        module.monitor(0.01)
    with pytest.warns(CollapseWarning, match="1 of 8 codes"):
        module.monitor(0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        module.monitor(0.6)
