"""Every setting of the system: small dataclasses, filled from recipes (YAML), keywords or the command line.

A recipe may hold a block ``naive``: settings that replace its own when ``ssl`` is ``none``. The published study trained
its two kinds of model differently, and this keeps the pair in one file.
"""

from __future__ import annotations

import dataclasses
import difflib
import reprlib
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, TypeVar

from ncvqvae.errors import InputError

SSL = Literal["none", "barlowtwins", "vibcreg"]
Augmentation = Literal["none", "warp", "slice", "gauss", "auto"]
Schedule = Literal["cosine", "linear", "square", "cubic"]
Precision = Literal["auto", "32-true", "bf16-mixed"]
InputMode = Literal["token", "codebook", "codebook-finetuned", "auto"]


FEW_CASES = 32
"""Training series below which settings that are ``auto`` take what suits tiny data."""


@dataclass
class TokenizerConfig:
    """The architecture of stage 1: series to tokens and back."""

    n_fft: int = 8
    """Window of the short-time Fourier transform, in time steps."""
    hop_length: int = 2
    """Hop of the short-time Fourier transform, in time steps."""
    latent_width: int = 8
    """Aimed width of the token grid; time is halved int(log2(n_frames / latent_width)) times."""
    hidden_channels: int = 64
    """Channels of the convolutions, and the width of a code."""
    n_residual_blocks: int = 4
    """Residual blocks after the encoder's and before the decoder's resampling."""
    codebook_size: int = 32
    """Number of codes, unless ``codes_per_class`` or ``tokens_per_code`` asks for more."""
    codes_per_class: int = 0
    """Codes for each class of the train split, where these are more than ``codebook_size``."""
    tokens_per_code: int = 0
    """One code for so many tokens of the train split, up to 512 codes, where these are more; 0 asks for none."""
    codebook_decay: float = 0.9
    """Decay of the codebook's exponential moving average."""
    commitment_weight: float = 1.0
    """Weight of the commitment loss."""
    kmeans_init: bool = False
    """Start the codebook from k-means of the first batch's latents."""
    dead_code_threshold: float = 0.0
    """Codes whose moving count falls below this are drawn anew from the batch; 0 never revives one."""
    rotation_trick: bool = False
    """Rotate and rescale the gradient through the quantizer instead of the straight-through estimate."""
    keep_standardised: bool = False
    """Standardise decoded series, each on its own, where every training series has mean 0 and standard deviation 1."""


@dataclass
class TrainingConfig:
    """What both stages' training loops share."""

    epochs: int = 1000
    """Passes over the training split (see ``max_steps``)."""
    min_steps: int = 0
    """Train for at least this many optimizer steps, however few series there are."""
    max_steps: int = 0
    """Train for at most this many optimizer steps; 0 for no such limit."""
    batch_size: int = 128
    """Series per optimizer step."""
    learning_rate: float = 1e-3
    """Peak learning rate of AdamW; a cosine takes it to 0 over the training."""
    weight_decay: float = 1e-3
    """Decoupled weight decay of AdamW."""
    precision: Precision = "32-true"
    """Arithmetic of the matrix products; auto takes bf16 where this machine multiplies faster in it (measured)."""


@dataclass
class Stage1Config(TrainingConfig):
    """Objective and training of the tokenizer."""

    ssl_weight: float = 1.0
    """Weight of the self-supervised loss (VIbCReg's own factor 0.01 comes on top)."""
    augmented_weight: float = 0.1
    """Weight of the augmented view's reconstruction (the chapter's augmentation reconstruction weight)."""
    patch_weight: float = 0.0
    """Weight of the distance between the short patches of series and reconstruction, near their place in time."""
    projector_width: int = 4096
    """Width of the projector's three layers."""
    warped_share: float | Literal["auto"] = 0.0
    """Share of the series of a batch that are warped (the chapter's ``warp``) before all else, so that the tokenizer
    learns more series than there are; auto: 0.5, or 0 for fewer than 32 training series."""


@dataclass
class PriorConfig:
    """The architecture of stage 2: a bidirectional transformer over tokens."""

    width: int = 256
    """Width of the transformer."""
    n_layers: int = 4
    """Transformer blocks."""
    n_heads: int = 2
    """Attention heads."""
    head_width: int = 64
    """Width of one attention head."""
    feedforward_factor: float = 1.0
    """Hidden width of the feed-forward layers, in widths of the transformer."""
    dropout: float = 0.0
    """Dropout in attention and feed-forward layers."""
    input_mode: InputMode = "token"
    """Learned token table tied to the output, the frozen code vectors, or a fine-tuned copy of them; auto: the first up
    to 64 codes, the last from there on."""
    linear_rank: int | Literal["auto"] = 0
    """Rank of a linear map from the code vectors of all known tokens to every position, added to the transformer's
    input; with it, the head is a plain projection that predicts a code vector. 0 for neither; auto: 256, or 0 for fewer
    than 1000 training series, which it would learn by heart."""
    scale_tied_logits: bool = True
    """Divide the logits of a tied output by the root of the code's width, so that training starts near chance."""


@dataclass
class Stage2Config(TrainingConfig):
    """Objective and training of the prior."""

    batch_size: int = 256
    """Series per optimizer step."""
    schedule: Schedule = "cosine"
    """Mask schedule in training."""
    schedule_gives: Literal["masked", "kept"] = "masked"
    """What the schedule's value is: the share masked (mean 0.64 for cosine), or the share kept (0.36 masked)."""
    loss_on: Literal["masked", "all"] = "masked"
    """Tokens on which the cross-entropy is taken."""
    label_smoothing: float = 0.0
    """Label smoothing of the cross-entropy."""
    class_drop: float = 0.2
    """Probability that a series is shown without its class (classifier-free guidance)."""
    stochastic_tokens: bool = True
    """Draw training tokens from softmax(-distance^2 / temperature) instead of taking the nearest code."""
    token_temperature: float | Literal["auto"] = 1.0
    """Temperature of that draw; auto: 1 for fewer than 32 training series, which need the variety, else 0.1."""


@dataclass
class SamplingConfig:
    """How new token grids are drawn."""

    n_steps: int = 10
    """Steps T of the parallel decoding."""
    schedule: Schedule = "cosine"
    """Share still masked after each step."""
    temperature: float = 1.0
    """Temperature of the token distribution."""
    choice_temperature: float = 4.0
    """Gumbel noise on the confidence at the first step; falls linearly to 0 at the last."""
    guidance_scale: float = 1.0
    """Classifier-free guidance; 1 takes the class-conditional distribution as it is."""
    residual_neighbours: int = 0
    """Add a residual drawn from those of this many training series with the nearest tokens, but of no more than a class
    has on average (2 at least). 0 keeps and adds none."""
    residual_scale: float | Literal["auto"] = 1.0
    """Factor of the residuals; auto: that of 0, 0.25, 0.5, 0.75 and 1 which makes imitations of training series hardest
    to tell from these, and 0 unless that is clearly harder than without."""
    redraws: int = 0
    """Draw a series again, up to so many times, that copies one of the training series kept with the residuals."""
    redraw_heating: float = 0.0
    """Share of the temperature that each redraw adds: what the prior knows by heart it would only recite again."""
    chunk_size: int = 256
    """Series generated at a time."""
    precision: Precision = "32-true"
    """Arithmetic of the matrix products; auto takes bf16 where this machine multiplies faster in it (measured)."""


@dataclass
class Config:
    """A complete model: what ``config.yaml`` of a run holds."""

    ssl: SSL = "vibcreg"
    """Self-supervised loss of stage 1; none is the naive VQVAE."""
    augmentation: Augmentation = "gauss"
    """Augmentation set of the second view; auto: warp or slice, whichever leaves training series easier to classify, or
    gauss for fewer than 32 of them (:mod:`ncvqvae.training.auto`)."""
    seed: int = 0
    """Seed of everything drawn at random."""
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    stage1: Stage1Config = field(default_factory=Stage1Config)
    prior: PriorConfig = field(default_factory=PriorConfig)
    stage2: Stage2Config = field(default_factory=Stage2Config)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)


C = TypeVar("C")


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
        InputError: for an unknown preset or key (naming the nearest), a value of the wrong type, or an unreadable file.
    """
    if preset not in preset_names():
        raise InputError(f"unknown preset {preset!r}; {suggestion(preset, preset_names())}")
    text = (resources.files("ncvqvae") / "recipes" / f"{preset}.yaml").read_text()
    layers = [parse_yaml(text, f"preset {preset}")]
    if file is not None:
        layers.append(read_yaml(Path(file)))
    layers.append(_nested(settings or {}))
    is_naive = [layer["ssl"] for layer in layers if "ssl" in layer][-1:] == ["none"]
    merged: dict[str, Any] = {}
    for layer in layers:
        naive = layer.pop("naive", {})
        for values in (layer, naive):
            from_dict(Config, _group(values, "naive"))  # each on its own, so that no layer hides another's mistake
        merged = _merge(_merge(merged, layer), naive if is_naive else {})
    if is_naive:
        merged["augmentation"] = "none"
    return check_ranges(from_dict(Config, merged))


AT_LEAST = {
    "seed": 0,
    "tokenizer.n_fft": 2,
    "tokenizer.hop_length": 1,
    "tokenizer.latent_width": 1,
    "tokenizer.hidden_channels": 1,
    "tokenizer.codebook_size": 1,
    "tokenizer.codes_per_class": 0,
    "tokenizer.tokens_per_code": 0,
    "stage1.epochs": 1,
    "stage1.batch_size": 2,
    "stage1.projector_width": 1,
    "prior.width": 1,
    "prior.n_heads": 1,
    "prior.linear_rank": 0,
    "prior.head_width": 1,
    "stage2.epochs": 1,
    "stage2.batch_size": 1,
    "sampling.n_steps": 1,
    "sampling.residual_neighbours": 0,
    "sampling.redraws": 0,
    "sampling.chunk_size": 1,
}
WITHIN = {
    "tokenizer.n_residual_blocks": (0, 1000),
    "prior.n_layers": (1, 1000),
    "tokenizer.codebook_decay": (0.0, 1.0),
    "prior.dropout": (0.0, 0.999),
    "stage2.label_smoothing": (0.0, 1.0),
    "stage1.warped_share": (0.0, 1.0),
    "stage2.class_drop": (0.0, 1.0),
    "stage1.learning_rate": (1e-12, 10.0),
    "stage2.learning_rate": (1e-12, 10.0),
    "stage2.token_temperature": (1e-6, 1e6),
    "sampling.temperature": (1e-6, 1e6),
    "sampling.choice_temperature": (0.0, 1e6),
    "sampling.redraw_heating": (0.0, 1e3),
    "sampling.residual_scale": (0.0, 1e6),
}


def check_ranges(config: C) -> C:
    """Return ``config`` (or one of its groups, given by its own names) if every number is in its range.

    Raises:
        InputError: naming the first that is not, and its range.
    """
    values = _dotted(dataclasses.asdict(config))  # type: ignore[call-overload]
    for name, low in AT_LEAST.items():
        if values.get(name, low) != "auto" and values.get(name, low) < low:
            raise InputError(f"setting {name!r} is {values[name]}; give at least {low}")
    for name, (least, most) in WITHIN.items():
        if name in values and values[name] != "auto" and not least <= values[name] <= most:
            raise InputError(f"setting {name!r} is {values[name]}; give a number from {least:g} to {most:g}")
    if values.get("tokenizer.n_fft", 2) % 2:
        raise InputError(f"setting 'tokenizer.n_fft' is {values['tokenizer.n_fft']}; give an even number")
    if values.get("tokenizer.hop_length", 1) * 2 > values.get("tokenizer.n_fft", 2):
        raise InputError("setting 'tokenizer.hop_length' is more than half of n_fft, which loses part of the series")
    return config


def _dotted(values: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _dotted(value, f"{where}{key}.") if isinstance(value, Mapping) else {f"{where}{key}": value}
    return flat


def _group(values: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(values, Mapping):
        raise InputError(f"setting {name!r} is a group of settings, not {reprlib.repr(values)}")
    return values


def parse_yaml(text: str, where: str) -> dict[str, Any]:
    """Parse a mapping from YAML text (safe loader); ``where`` names it in errors."""
    import yaml

    try:
        values = yaml.safe_load(text) or {}
    except (yaml.YAMLError, ValueError, LookupError, TypeError, RecursionError) as error:  # PyYAML lets some through
        raise InputError(f"{where} is not valid YAML: {' '.join(str(error).split())[:300]}") from None
    _check_unfolded(values, where)
    if not isinstance(values, dict):
        raise InputError(f"{where} holds a {type(values).__name__}; a configuration is a mapping of names to values")
    return values


def read_yaml(path: Path) -> dict[str, Any]:
    """Parse a mapping from a YAML file (safe loader).

    Raises:
        InputError: if the file cannot be read, is not YAML, or holds no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read {path}: {reason}; check the path, and that it is UTF-8 text") from None
    return parse_yaml(text, str(path))


def _check_unfolded(values: Any, where: str, limit: int = 1_000_000) -> None:
    """Refuse aliases that unfold without end, or to more than memory holds."""
    waiting, n_seen = [values], 0
    while waiting:
        value, n_seen = waiting.pop(), n_seen + 1
        if isinstance(value, dict | list):
            waiting.extend(value.values() if isinstance(value, dict) else value)
        if n_seen + len(waiting) > limit:
            raise InputError(f"{where} unfolds to more than {limit:,} values; write it without aliases (&, *)")


def to_dict(config: Any) -> dict[str, Any]:
    """The dataclass as plain nested dictionaries."""
    return dataclasses.asdict(config)


def from_dict(cls: type[C], values: Mapping[str, Any], where: str = "") -> C:
    """Build dataclass ``cls`` from nested values.

    Raises:
        InputError: for an unknown key (with the nearest name) or a value of the wrong type.
    """
    hints = typing.get_type_hints(cls)
    kwargs: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{where}{key}"
        if key not in hints:
            raise InputError(f"unknown setting {name!r}; {suggestion(str(key), list(hints))}")
        kwargs[key] = _checked(hints[key], value, name)
    return cls(**kwargs)


def suggestion(name: str, known: list[str]) -> str:
    """``did you mean 'x'?`` for the nearest known name, else the list of all."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"


def partial(cls: type) -> type:
    """A copy of dataclass ``cls`` in which every value may be missing (None), for options that override a preset."""
    hints = typing.get_type_hints(cls)
    fields: list[Any] = []
    for f in dataclasses.fields(cls):
        inner = partial(hints[f.name]) if dataclasses.is_dataclass(hints[f.name]) else hints[f.name]
        fields.append((f.name, inner | None, None))
    made = dataclasses.make_dataclass(f"{cls.__name__}Options", fields, kw_only=True)
    made.__module__, made.__doc__ = cls.__module__, field_help(cls)
    return made


def field_help(cls: type) -> str:
    """The help texts under the fields of ``cls`` (and its bases) as a docstring's ``Attributes`` section."""
    import ast
    import inspect
    import textwrap

    texts: dict[str, str] = {}
    for base in reversed(cls.__mro__[:-1]):
        body = typing.cast(ast.ClassDef, ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]).body
        for statement, after in pairwise(body):
            if isinstance(statement, ast.AnnAssign) and isinstance(after, ast.Expr):
                texts[statement.target.id] = after.value.value  # type: ignore[union-attr,attr-defined]
    lines = [f"    {name}: {text}" for name, text in texts.items()]
    return "\n".join([inspect.getdoc(cls) or "", "", "Attributes:", *lines])


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


def _checked(hint: Any, value: Any, name: str, words: Sequence[str] = ()) -> Any:
    """``value`` as the type ``hint`` says, or an InputError; ``words`` would have done as well."""
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if isinstance(value, hint):
            return value
        if not isinstance(value, Mapping):
            raise InputError(f"setting {name!r} is a group of settings, not {reprlib.repr(value)}")
        return from_dict(hint, value, f"{name}.")
    if typing.get_origin(hint) is Literal:
        choices = typing.get_args(hint)
        if value not in choices:
            raise InputError(f"setting {name!r} is {reprlib.repr(value)}; choose from {', '.join(map(str, choices))}")
        return value
    if typing.get_origin(hint) is list and isinstance(value, list):
        return [_checked(typing.get_args(hint)[0], item, name) for item in value]
    if typing.get_origin(hint) in (types.UnionType, typing.Union):  # a type first, then None or words for it
        of_type, *others = typing.get_args(hint)
        words = [word for other in others for word in typing.get_args(other)]
        if (value is None and type(None) in others) or (isinstance(value, str) and value in words):
            return value
        return _checked(of_type, value, name, words)
    if hint is float and isinstance(value, int | float | str) and not isinstance(value, bool):
        try:  # YAML reads 1e-3 as text
            return float(value)
        except (ValueError, OverflowError):
            pass
    elif isinstance(hint, type) and isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    valid = " or ".join([getattr(hint, "__name__", str(hint)), *words])
    raise InputError(f"setting {name!r} is {reprlib.repr(value)}, not a valid {valid}")
