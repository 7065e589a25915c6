"""Every setting of the system: small dataclasses, filled from recipes (YAML), keywords or the command line.

A recipe may hold a block ``naive``: settings that replace its own when ``ssl`` is ``none``. The published study trained
its two kinds of model differently, and this keeps the pair in one file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import field
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from ncvqvae.errors import InputError, SettingError, suggestion
from ncvqvae.registry import augmentations, quantizers, ssl_losses
from ncvqvae.validation import (
    GROUP,
    Flag,
    Number,
    Own,
    Whole,
    check_layer,
    check_own,
    from_dict,
    misfit,
    parse_yaml,
    read_yaml,
)

Auto = Literal["auto"]
Schedule = Literal["cosine", "linear", "square", "cubic"]
Precision = Literal["auto", "32-true", "bf16-mixed"]
EmbeddingKind = Literal["encoder", "tokens"]
Device = Literal["auto", "cpu", "cuda", "mps"]
InputMode = Literal["token", "codebook", "codebook-finetuned", "auto"]

Seed = Annotated[Whole, Field(ge=0, le=2**32 - 1)]  # scikit-learn takes no larger one
Size = Annotated[Whole, Field(ge=1, le=10**6)]
Limit = Annotated[Whole, Field(ge=0, le=10**6)]
Layers = Annotated[Whole, Field(ge=1, le=1000)]
Steps = Annotated[Whole, Field(ge=0, le=10**9)]
Passes = Annotated[Whole, Field(ge=1, le=10_000)]
Share = Annotated[Number, Field(ge=0.0, le=1.0)]
Weight = Annotated[Number, Field(ge=0.0, le=1e6)]
Temperature = Annotated[Number, Field(ge=1e-6, le=1e6)]

SAME = "same"
"""Word for the augmentation of the high band that is that of the low one."""

FEW_CASES = 32
"""Training series below which settings that are ``auto`` take what suits tiny data."""


@dataclass(config=GROUP)
class TokenizerConfig:
    """The architecture of stage 1: series to tokens and back."""

    transform: Literal["stft", "wavelet"] = "stft"
    """What stands before the encoder: the short-time Fourier transform (stft), or packets of wavelets (wavelet)."""
    n_fft: Annotated[Whole, Field(ge=2, le=10**6, multiple_of=2)] = 8
    """Window of the short-time Fourier transform, in time steps; an even number."""
    hop_length: Size = 2
    """Time steps from one window of the Fourier transform to the next; at most half of ``n_fft``."""
    wavelet: str = "sym4"
    """Name of the wavelet in PyWavelets, one of the orthogonal ones: haar, db2 and so on, sym4, coif1."""
    wavelet_levels: Annotated[Whole, Field(ge=1, le=10)] = 2
    """How often the wavelet transform splits the frequencies in two: 2 gives 4 rows, and a frame for each 4 steps."""
    bands: Annotated[Whole, Field(ge=1, le=2)] = 1
    """Number of bands of frequencies. With 2, the low and the high one have an encoder, a token grid, a codebook, a
    decoder and a self-supervised loss each, and the prior draws the low one first."""
    low_rows: Size = 1
    """Rows of the transform, from the lowest frequency on, that the low one of 2 bands gets."""
    latent_width: Size = 8
    """Number of places in time of the token grid, about: time is halved until the grid is about this wide."""
    high_latent_width: Size = 32
    """The same for the high band, if there are 2: its detail needs more places in time."""
    coarser_grids: Annotated[Whole, Field(ge=0, le=8)] = 0
    """Number of coarser token grids above the finest one, each half as wide as the one below. The prior draws the
    coarsest first, and each finer one from those before it."""
    hidden_channels: Size = 64
    """Channels of the convolutions, and the width of a code."""
    n_residual_blocks: Annotated[Whole, Field(ge=0, le=1000)] = 4
    """Residual blocks of the encoder, and of the decoder."""
    refinement_channels: Annotated[Whole, Field(ge=0, le=1024)] = 0
    """Channels of the convolutions over time that correct each decoded series, so that steps, spikes and flat parts are
    sharp. With 0 there are none."""
    codebook_size: Size = 32
    """Smallest number of codes; ``codes_per_class`` and ``tokens_per_code`` can raise it."""
    codes_per_class: Limit = 0
    """Raises the number of codes to this many for each class of the train split, but to no more than 512."""
    tokens_per_code: Annotated[Whole, Field(ge=0, le=10**9)] = 0
    """Raises the number of codes to the number of tokens in the train split, divided by this, but to no more than 512.
    With 0 the number of tokens does not count."""
    codebook_decay: Share = 0.9
    """Decay of the moving average that a code is: the share of the old value that each step keeps."""
    commitment_weight: Weight = 1.0
    """Weight of the commitment loss, which pulls latents to their codes."""
    kmeans_init: Flag = False
    """Starts the codebook from k-means of the first batch's latents, not from random numbers."""
    dead_code_threshold: Weight = 0.0
    """A code whose moving count falls below this number is drawn again from the batch. With 0 all codes stay."""
    rotation_trick: Flag = False
    """Rotates and rescales the gradient through the quantizer, in place of the straight-through estimate."""
    keep_standardised: Flag = False
    """Standardises each decoded series, if every training series has mean 0 and standard deviation 1."""
    keep_flat: Flag = False
    """Makes values that hardly differ equal where a decoded series is flat, if training series hold their values for
    long and decoded ones are more like them so."""
    quantizer: str = "ema"
    """Vector quantizer: ema, whose codes are moving averages, or that of a plug-in."""
    quantizer_settings: Own = field(default_factory=dict)
    """Settings of the quantizer's own by name. The quantizer ema has none (default: those of the plug-in)."""

    @property
    def n_rows(self) -> int:
        """Frequency rows of the transform."""
        return int(self.n_fft) // 2 + 1 if self.transform == "stft" else int(2**self.wavelet_levels)

    @model_validator(mode="after")
    def _check_bands(self) -> TokenizerConfig:
        if self.bands == 2 and self.low_rows >= self.n_rows:
            raise misfit(
                "low_rows", f"is {self.low_rows}, and the transform has {self.n_rows} rows; leave some to the high band"
            )
        return self

    @model_validator(mode="after")
    def _check_wavelet(self) -> TokenizerConfig:
        if self.transform == "wavelet" and not is_orthogonal(self.wavelet):
            raise misfit("wavelet", f"is {self.wavelet[:40]!r}; give an orthogonal one, such as haar, db2 or sym4")
        return self

    @model_validator(mode="after")
    def _check_hop(self) -> TokenizerConfig:
        if self.transform == "stft" and 2 * self.hop_length > self.n_fft:
            raise misfit(
                "hop_length",
                f"is {self.hop_length}, more than half of n_fft ({self.n_fft}), which loses part of the series; "
                "give a smaller hop or a larger window",
            )
        return self


@dataclass(config=GROUP)
class TrainingConfig:
    """What the training loops of both stages share."""

    epochs: Annotated[Whole, Field(ge=1, le=10**9)] = 1000
    """Passes over the train split; ``min_steps`` and ``max_steps`` limit what they amount to."""
    min_steps: Steps = 0
    """Smallest number of optimizer steps, however few series there are."""
    max_steps: Steps = 0
    """Largest number of optimizer steps. With 0 there is no such limit."""
    batch_size: Size = 128
    """Series in each optimizer step."""
    learning_rate: Annotated[Number, Field(ge=1e-12, le=10.0)] = 1e-3
    """Peak learning rate of AdamW. A cosine takes it to 0 over the training."""
    weight_decay: Annotated[Number, Field(ge=0.0, le=100.0)] = 1e-3
    """Decoupled weight decay of AdamW."""
    precision: Precision = "32-true"
    """Arithmetic of the matrix products. The choice auto takes bf16 on processors that are made for it (AMX, or a CUDA
    GPU since Ampere), and fp32 on others."""

    @model_validator(mode="after")
    def _check_steps(self) -> TrainingConfig:
        if 0 < self.max_steps < self.min_steps:
            raise misfit(
                "min_steps",
                f"is {self.min_steps}, more than max_steps ({self.max_steps}); lower one or raise the other",
            )
        return self


@dataclass(config=GROUP)
class Stage1Config(TrainingConfig):
    """Objective and training of the tokenizer."""

    batch_size: Annotated[Whole, Field(ge=2, le=10**6)] = 128
    """Series in each optimizer step."""
    ssl_weight: Weight = 1.0
    """Weight of the self-supervised loss."""
    augmented_weight: Weight = 0.1
    """Weight of the reconstruction of the augmented view (the study's augmentation reconstruction weight)."""
    patch_weight: Weight = 0.0
    """Weight of the distance between the short patches of a series and of its reconstruction, near their place in
    time."""
    projector_width: Size = 4096
    """Width of the three layers of the projector, in which the views are compared."""
    high_augmentation: str = SAME
    """Augmentation set of the high band, if there are 2: same (that of the low band), none, warp, slice, gauss, or that
    of a plug-in, with its default settings. With the ssl none there are no views, and this is same."""
    warped_share: Share | Auto = 0.0
    """Share of the series of a batch that are warped in time first, so that the tokenizer learns from more series than
    there are. The choice auto is 0.5, or 0 for fewer than 32 training series."""
    ssl_settings: Own = field(default_factory=dict)
    """Settings of the self-supervised loss's own by name, such as --stage1.ssl-settings.scale 0.02. The loss vibcreg
    has the weights of its terms (invariance 25, variance 25, covariance 100) and a factor of all of them (scale 0.01),
    the loss barlowtwins has off_diagonal_weight 0.005 (default: these)."""
    augmentation_settings: Own = field(default_factory=dict)
    """Settings of the augmentation's own by name, such as --stage1.augmentation-settings.sigma 0.1. The set warp has
    window_ratio 0.4, scales [0.9, 2] and sigma 0.2, the set slice has n_cuts 3, and gauss has sigma 0.05 (default:
    these)."""


@dataclass(config=GROUP)
class PriorConfig:
    """The architecture of stage 2: a bidirectional transformer over tokens."""

    width: Size = 256
    """Width of the transformer."""
    n_layers: Layers = 4
    """Number of transformer blocks."""
    n_heads: Annotated[Whole, Field(ge=1, le=1024)] = 2
    """Number of attention heads."""
    head_width: Size = 64
    """Width of an attention head."""
    feedforward_factor: Annotated[Number, Field(ge=1e-3, le=100.0)] = 1.0
    """Hidden width of the feed-forward layers, as a multiple of the transformer's width."""
    dropout: Annotated[Number, Field(ge=0.0, le=0.999)] = 0.0
    """Share of the values that attention and feed-forward layers drop in training."""
    input_mode: InputMode = "token"
    """What the transformer reads for a token: a learned table that is tied to the output (token), the fixed code vector
    (codebook), or a copy of the code vectors that is trained (codebook-finetuned). The choice auto is token for up to
    64 codes, and codebook-finetuned for more."""
    linear_rank: Limit | Auto = 0
    """Rank of a linear map from the code vectors of known tokens to every position, which is added to the input of the
    transformer; 0 for none. The choice auto is 256, or 0 for fewer than 1000 training series, where new series
    would follow their class less."""
    linear_span: Annotated[Whole, Field(ge=0, le=1000)] = 0
    """Columns of the token grid to each side from which the linear map reads: the same map for every column. With 0 it
    reads the whole grid, with numbers of its own for each place, and the output layer starts from the codebook."""
    relative_position_bias: Flag = False
    """Adds a learned number to the attention that a token pays to another, for how far apart the two lie in time and
    in frequency."""
    scale_tied_logits: Flag = True
    """Divides the logits of a tied output by the root of the code's width, so that training starts near chance."""

    @model_validator(mode="after")
    def _check_feedforward(self) -> PriorConfig:
        if round(self.feedforward_factor * self.width) < 1:
            raise misfit(
                "feedforward_factor",
                f"is {self.feedforward_factor:g}, which leaves nothing of width {self.width}; give a larger number",
            )
        return self


@dataclass(config=GROUP)
class Stage2Config(TrainingConfig):
    """Objective and training of the prior."""

    batch_size: Size = 256
    """Series in each optimizer step."""
    schedule: Schedule = "cosine"
    """Schedule of the share of tokens that is masked in training."""
    schedule_gives: Literal["masked", "kept"] = "masked"
    """What the value of the schedule is: the share of tokens that is masked (on average 0.64 for the cosine), or the
    share that is kept (0.36 masked)."""
    loss_on: Literal["masked", "all"] = "masked"
    """Tokens that the cross-entropy is taken on."""
    label_smoothing: Share = 0.0
    """Label smoothing of the cross-entropy."""
    class_drop: Share = 0.2
    """Probability that a series is shown without its class (for classifier-free guidance)."""
    stochastic_tokens: Flag = True
    """Draws training tokens from softmax(-distance^2 / temperature), in place of the nearest code."""
    token_temperature: Temperature | Auto = 1.0
    """Temperature at which training tokens are drawn. The choice auto is 1 for fewer than 32 training
    series, which need the variety, and 0.1 for more."""
    time_warp: Weight | Auto = 0.0
    """Strength of the smooth random time warps of the training series whose tokens the prior learns. The choice auto
    is the least of 0, 0.05, 0.1, 0.2, 0.3 and 0.5 that brings one half of the train split 80 % of the possible way to
    the other half, and 0 where none clearly brings it nearer."""


@dataclass(config=GROUP)
class SamplingConfig:
    """How new token grids are drawn."""

    n_steps: Passes | Auto = 10
    """Number of steps T in which the tokens are drawn. The choice auto is made together with that of kept_share."""
    schedule: Schedule = "cosine"
    """Schedule of the share of tokens that is still masked after each step."""
    temperature: Temperature = 1.0
    """Temperature of the token distribution."""
    choice_temperature: Weight | Auto = 4.0
    """Size of the Gumbel noise on the confidence at the first step: with 0 the surest tokens are kept first, with more
    the order is looser. It falls linearly to 0 at the last step. The choice auto is made together with that of
    kept_share."""
    kept_share: Share | Auto = 0.0
    """Share of its tokens that a new series takes from a random training series of its class; the prior draws the
    others. With choice_temperature and n_steps, the choice auto is made after training, among a few combinations: the
    one whose series are distributed most like training series, without lying nearer to them than they lie to each
    other. It is 0 where neither residual_neighbours nor redraws keep training series."""
    time_warp: Weight | Auto = 0.0
    """Strength of a smooth random time warp that each new series gets last. The choice auto is made as that of
    stage2.time_warp, and 0 where stage 2 learns from warped series."""
    hidden_class: Flag = False
    """Draws each unconditional series for a class, by the shares of the train split, but without its label. Otherwise
    the prior draws it for no class."""
    guidance_scale: Annotated[Number, Field(ge=0.0, le=100.0)] = 1.0
    """Scale of the classifier-free guidance. With 1 the class-conditional distribution stays as it is."""
    residual_neighbours: Limit = 0
    """Number of training series with the nearest tokens, from which a residual is drawn and added. It is at most the
    mean size of a class (but 2 or more). With 0 no residuals are kept or added."""
    residual_scale: Weight | Auto = 1.0
    """Factor of the residuals. The choice auto takes that of 0, 0.25, 0.5, 0.75 and 1 which makes imitations of
    training series hardest to tell from these, and 0 unless that is clearly harder than without residuals."""
    redraws: Annotated[Whole, Field(ge=0, le=1000)] = 0
    """Number of times, at most, that a new series is drawn again while it copies a training series that the model
    keeps."""
    redraw_heating: Annotated[Number, Field(ge=0.0, le=1e3)] = 0.0
    """Share of the temperature that each redraw adds, so that the prior does not draw the same copy again."""
    chunk_size: Size = 256
    """Number of series that are generated at a time."""
    precision: Precision = "32-true"
    """Arithmetic of the matrix products. The choice auto takes bf16 on processors that are made for it (AMX, or a CUDA
    GPU since Ampere), and fp32 on others."""


KEEPS_SERIES = ("residual_neighbours", "redraws", "kept_share")
"""Settings of sampling for which a model keeps training series; it keeps none where each of them is 0."""


def keeps_series(config: SamplingConfig) -> bool:
    """Whether a model that is fitted with these settings keeps training series; a share of "auto" asks for none."""
    return any(getattr(config, name) not in (0, "auto") for name in KEEPS_SERIES)


OF_WHOLE_SERIES = ("kept_share", "time_warp", "hidden_class", "redraws", "redraw_heating")
"""Settings of sampling that nothing asks for where a part of each series is given, as in ``impute``."""

CHOSEN_BY_SAMPLES = ("n_steps", "choice_temperature", "kept_share", "residual_scale")
"""Settings of sampling whose "auto" is settled after training, by what the trained networks draw."""

CHOSEN_FOR_SAMPLES = (*CHOSEN_BY_SAMPLES, "time_warp")
"""Settings of sampling that can be "auto": a draw takes what the fit settled."""


@dataclass(config=GROUP)
class EmbeddingConfig:
    """What a series becomes for a classifier, a search or a clustering: what ``transform`` gives."""

    kind: EmbeddingKind = "encoder"
    """What embeddings are made of: statistics over time of every level of the encoder, reduced to what varies most
    among the training series (encoder), or the mean of the code vectors (tokens), as in the study's probes."""
    size: Annotated[Whole, Field(ge=1, le=4096)] = 512
    """Largest size of the kind encoder. It is also below the number of training series, whose differences it keeps."""
    parts_weight: Weight | Auto = "auto"
    """Weight of what stands where in time, the means of four parts of each series, beside statistics of the whole. The
    choice auto takes that of 0, 0.25, 0.5 and 1 from which a ridge regression predicts the classes of training series
    best, each left out in turn, and 0.25 where there are no classes."""


@dataclass(config=GROUP)
class Config:
    """A complete model: what ``config.yaml`` of a run holds."""

    ssl: str = "vibcreg"
    """Self-supervised loss of stage 1: none (the naive VQVAE), barlowtwins, vibcreg, or that of a plug-in."""
    augmentation: str = "gauss"
    """Augmentation set of the second view: none, warp, slice, gauss, or that of a plug-in. The choice auto is warp or
    slice, whichever leaves training series easier to classify, or gauss for fewer than 32 of them."""
    seed: Seed = 0
    """Seed of everything that is drawn at random."""
    device: Device = "auto"
    """Device of both networks. The choice auto is cuda if this machine has one, else mps if it has one, else cpu."""
    heldout_share: Annotated[Number, Field(ge=0.0, le=0.9)] = 0.0
    """Share of the training series, of each class alike, that neither network learns from. Their losses stand beside
    those of training, as heldout_recon and heldout_prior."""
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    stage1: Stage1Config = field(default_factory=Stage1Config)
    prior: PriorConfig = field(default_factory=PriorConfig)
    stage2: Stage2Config = field(default_factory=Stage2Config)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    embedding: EmbeddingConfig = field(default_factory=EmbeddingConfig)


def is_orthogonal(wavelet: str) -> bool:
    """Whether PyWavelets has an orthogonal wavelet of this name, whose filters give a series back exactly.

    It calls dmey one, too, whose filters are cut off and lose up to 2 % of a series.
    """
    import numpy as np
    import pywt

    if wavelet not in pywt.wavelist(kind="discrete") or not pywt.Wavelet(wavelet).orthogonal:
        return False
    low = np.array(pywt.Wavelet(wavelet).rec_lo)
    with_shifted = np.correlate(low, low, mode="full")[len(low) - 1 :: 2]
    return bool(abs(with_shifted[0] - 1) < 1e-5 and (abs(with_shifted[1:]) < 1e-5).all())


def preset_names() -> list[str]:
    """Names of the recipes that come with the package."""
    folder = resources.files("ncvqvae") / "recipes"
    return sorted(Path(p.name).stem for p in folder.iterdir() if p.name.endswith(".yaml"))


def load_config(
    preset: str = "default",
    *,
    file: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Config:
    """Return the configuration of a preset, then of a file, then of single settings; the later wins.

    Args:
        preset: name of a recipe, see :func:`preset_names`.
        file: a YAML file of the same form as a recipe; may set just a few values.
        settings: nested or dotted, for example ``{"ssl": "none", "prior.dropout": 0.1}``; a value ``None`` sets
            nothing.

    Raises:
        InputError: for an unknown preset or key (naming the nearest), a value that the setting cannot have, or an
            unreadable file.
    """
    if preset not in preset_names():
        raise InputError(f"unknown preset {preset!r}; {suggestion(preset, preset_names())}")
    text = (resources.files("ncvqvae") / "recipes" / f"{preset}.yaml").read_text()
    layers = [parse_yaml(text, f"preset {preset}"), *_given(file, settings)]
    is_naive = [layer["ssl"] for layer in layers if "ssl" in layer][-1:] == ["none"]
    for layer in layers:
        naive = layer.get("naive", {})
        check_layer(Config, {name: value for name, value in layer.items() if name != "naive"})
        check_layer(Config, naive, "naive.")  # each on its own, so that no layer hides another's mistake
    merged = _merged(layers, is_naive)
    if is_naive:
        merged["augmentation"] = "none"
        merged["stage1"] = merged.get("stage1", {}) | {"high_augmentation": SAME}
    return from_dict(Config, merged)


IDLE: tuple[tuple[Mapping[str, Any], tuple[str, ...]], ...] = (
    (
        {"ssl": "none"},
        (
            "augmentation",
            "stage1.ssl_weight",
            "stage1.augmented_weight",
            "stage1.projector_width",
            "stage1.high_augmentation",
        ),
    ),
    ({"tokenizer.transform": "stft"}, ("tokenizer.wavelet", "tokenizer.wavelet_levels")),
    ({"tokenizer.transform": "wavelet"}, ("tokenizer.n_fft", "tokenizer.hop_length")),
    ({"tokenizer.bands": 1}, ("tokenizer.low_rows", "tokenizer.high_latent_width")),
    ({"prior.input_mode": "codebook"}, ("prior.scale_tied_logits",)),
    ({"prior.input_mode": "codebook-finetuned"}, ("prior.scale_tied_logits",)),
    ({"prior.linear_rank": 0}, ("prior.linear_span",)),
    ({"stage2.stochastic_tokens": False}, ("stage2.token_temperature",)),
    ({"sampling.n_steps": 1}, ("sampling.schedule", "sampling.choice_temperature")),
    ({"sampling.residual_neighbours": 0}, ("sampling.residual_scale",)),
    ({"sampling.redraws": 0}, ("sampling.redraw_heating",)),
    ({"unconditional": False}, ("sampling.hidden_class",)),
    ({"unconditional": True, "sampling.hidden_class": False}, ("sampling.guidance_scale",)),
)
"""Settings that change nothing while others have these values; ``unconditional`` is how new series are asked for."""


def idle_settings(
    preset: str, *, file: str | Path | None = None, settings: Mapping[str, Any] | None = None
) -> list[str]:
    """A line for each setting of the user's that changes nothing beside the others; arguments as for `load_config`.

    Values that are those of the preset are no one's wish.
    """
    config = load_config(preset, file=file, settings=settings)
    usual = load_config(preset, settings={"ssl": config.ssl})
    return _idle(_merged(_given(file, settings), config.ssl == "none"), to_dict(config), to_dict(usual))


def idle_in_draw(given: Mapping[str, Any], own: SamplingConfig, *, unconditional: bool | None = None) -> list[str]:
    """The same for settings of sampling that were given for one draw, of whatever value.

    Args:
        given: the settings by name.
        own: what holds without them.
        unconditional: whether unconditional series were asked for; None for what is not drawn anew.
    """
    values = {"sampling": {**to_dict(own), **given}, "unconditional": unconditional}
    return _idle({"sampling": given}, values, {})


def _idle(given: Mapping[str, Any], values: Mapping[str, Any], usual: Mapping[str, Any]) -> list[str]:
    asked, now, lines = different(given, usual), different(values, {}), []
    for others, names in IDLE:
        if all(now.get(other) == value for other, value in others.items()):
            why = " and ".join(f"{other} is {value}" for other, value in others.items())
            lines += [f"{name} {asked[name]} changes nothing: {why}" for name in names if name in asked]
    return lines


def different(values: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """Those values that others lack or have otherwise, section by section, by their dotted names."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= {f"{name}.{inner}": each for inner, each in different(value, others.get(name, {})).items()}
        elif name not in others or value != others[name]:
            found[name] = value
    return found


def check_parts(config: Config) -> Config:
    """The configuration, if there are parts of the names that it says, and their own settings are theirs.

    This is not a part of :func:`load_config`, since the settings of a run can be read where its plug-ins are not.

    Raises:
        InputError: for an unknown name (with the nearest one), or a setting that the part does not have.
    """
    stage1, tokenizer = config.stage1, config.tokenizer
    if stage1.high_augmentation != SAME:
        if tokenizer.bands == 1:
            raise SettingError("stage1.high_augmentation", "is of the high one of 2 bands; set tokenizer.bands 2")
        if stage1.high_augmentation == "auto":
            raise SettingError("stage1.high_augmentation", "is 'auto', which is not chosen by band; give a set's name")
        augmentations.check(stage1.high_augmentation, "stage1.high_augmentation")
    for registry, name, setting, own, where in (
        (ssl_losses, config.ssl, "ssl", stage1.ssl_settings, "stage1.ssl_settings"),
        (
            augmentations,
            config.augmentation,
            "augmentation",
            stage1.augmentation_settings,
            "stage1.augmentation_settings",
        ),
        (
            quantizers,
            tokenizer.quantizer,
            "tokenizer.quantizer",
            tokenizer.quantizer_settings,
            "tokenizer.quantizer_settings",
        ),
    ):
        registry.check(name, setting)
        if own and name in registry.words:
            raise SettingError(
                f"{where}.{next(iter(own))}", f"is a setting of a part, and {setting} is {name!r}; leave it out"
            )
        if own or name not in (*registry.words, *registry.builtin):
            check_own(registry[name], registry.given, own, where)
    return config


def to_dict(config: Any) -> dict[str, Any]:
    """The dataclass as plain nested dictionaries."""
    return dataclasses.asdict(config)


def kept(config: Config) -> dict[str, Any]:
    """What files keep of the settings: all but the device, which is asked anew on each machine."""
    return {name: value for name, value in to_dict(config).items() if name != "device"}


def _given(file: str | Path | None, settings: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """What the user sets beside the preset: a layer for the file, and one for single settings."""
    return [*([] if file is None else [read_yaml(Path(file))]), _nested(settings or {})]


def _merged(layers: Sequence[Mapping[str, Any]], is_naive: bool) -> dict[str, Any]:
    """The layers in one, the later above the earlier; their blocks ``naive`` count where ``is_naive``."""
    merged: dict[str, Any] = {}
    for layer in layers:
        naive = layer.get("naive", {}) if is_naive else {}
        merged = _merge(_merge(merged, {name: value for name, value in layer.items() if name != "naive"}), naive)
    return merged


def _nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for dotted, value in settings.items():
        if value is None:
            continue
        inner: Any = _nested(value) if isinstance(value, Mapping) else value
        for key in reversed(str(dotted).split(".")):
            inner = {key: inner}
        nested = _merge(nested, inner)
    return nested


def _merge(low: dict[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(low)
    for key, value in high.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if both else value
    return merged
