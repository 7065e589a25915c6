"""Verbs that write what a model says of series (encode, score), or the model itself (export)."""

from __future__ import annotations

from typing import Annotated, Literal

from ncvqvae.cli.given import GivenOptions, opened, reading
from ncvqvae.cli.parameters import ColumnOptions, Plugins, Switch, UserPath, whole_from
from ncvqvae.commands.next_step import free_name, next_line, say
from ncvqvae.commands.options import named_as_options
from ncvqvae.config import Device, EmbeddingKind
from ncvqvae.registry import load_plugins


def encode(
    run: UserPath,
    data: str,
    /,
    *,
    out: UserPath,
    split: Literal["train", "test"] = "train",
    embedding: EmbeddingKind | None = None,
    device: Device = "auto",
    overwrite: Switch = False,
    plugin: Plugins = None,
    source: ColumnOptions | None = None,
) -> None:
    """Write tokens and embeddings of the series in DATA, by the trained model in RUN, to a file.

    Args:
        run: Folder that fit wrote.
        data: UCR/UEA name, or a file.
        out: File to write: .parquet, .feather, .csv (label, token_0 …, z_0 …) or .npz (tokens, embeddings, y).
        split: Which half of the dataset. If a file has no other half, train is the whole file.
        embedding: What z_0 … are made of: every level of the encoder (encoder) or the mean of the code vectors
            (tokens) (default: the run's own).
        device: Where the network computes: auto, cpu, cuda or mps; auto is cuda or mps if there is one, else cpu.
        overwrite: Replaces the file if it exists.
    """
    from dataclasses import asdict

    from ncvqvae.commands.encode import encode_run
    from ncvqvae.commands.rows import check_rows_target
    from ncvqvae.commands.run_folder import check_output
    from ncvqvae.commands.terminal import console
    from ncvqvae.data import load_half
    from ncvqvae.hardware import resolve_device

    load_plugins(plugin or ())
    check_output(out, overwrite)
    check_rows_target(out)
    with named_as_options({"device": device}):
        resolve_device(device)  # one that is not there is said before any data is read
    half = load_half(data, split, **asdict(source or ColumnOptions()))
    if half.described:
        console().print(half.described, markup=False, highlight=False, soft_wrap=True)
    encode_run(run, half, out, device, embedding)
    console().print(f"tokens and embeddings of {len(half.X)} series in {out}", highlight=False)
    say(next_line("evaluate", run, plugins=plugin))


def score(
    run: UserPath,
    data: str,
    /,
    *,
    out: UserPath,
    masks: Annotated[int, whole_from(1, 10**6)] = 32,
    options: GivenOptions | None = None,
    source: ColumnOptions | None = None,
) -> None:
    """Write how likely each series in DATA is under the trained model in RUN; low scores are outliers.

    A score is a lower bound on the log-likelihood per token, in nats.

    Args:
        run: Folder that fit wrote.
        data: UCR/UEA name, or a file.
        out: File to write: .csv, .parquet, .feather (ids, label, score) or .npz (score, y, ids).
        masks: Number of random masks that a score is estimated from.
    """
    from ncvqvae.commands.filling import write_scores
    from ncvqvae.commands.rows import check_rows_target
    from ncvqvae.commands.run_folder import check_output
    from ncvqvae.commands.terminal import console

    options = options or GivenOptions()
    check_output(out, options.overwrite)
    check_rows_target(out)
    of = opened(run, data, options, source)
    scores = write_scores(of, out, masks, options.seed)
    console().print(f"scores of {len(scores)} series in {out}", highlight=False, soft_wrap=True)
    lowest = scores.argsort()[:5]
    named = lowest if of.half.ids is None else [of.half.ids[at] for at in lowest]
    console().print(f"lowest: {', '.join(map(str, named))}", markup=False, highlight=False, soft_wrap=True)
    target = free_name(out.with_suffix(".tokens.parquet"))
    say(next_line("encode", run, data, "--out", target, *reading(source), plugins=options.plugin))


def export(run: UserPath, /, *, out: UserPath, overwrite: Switch = False, plugin: Plugins = None) -> None:
    """Write the trained model in RUN as encoder.onnx, decoder.onnx, prior.onnx and embedding.onnx.

    Args:
        run: Folder that fit wrote.
        out: Folder to write them to.
        overwrite: Replaces files of these names.
    """
    from ncvqvae.commands.export import export_onnx
    from ncvqvae.commands.terminal import console
    from ncvqvae.model import NCVQVAE

    load_plugins(plugin or ())
    model = NCVQVAE.from_pretrained(run)
    if model.scaler_.flat_tolerance_:
        say("note: decoder.onnx leaves ripples in flat parts, which sample takes out (tokenizer.keep_flat)")
    for path in export_onnx(model, out, overwrite=overwrite):
        console().print(f"written: {path}", highlight=False, soft_wrap=True)
    say(next_line("sample", run, "-n", 500, "--out", free_name(out / "samples.npz"), plugins=plugin))
