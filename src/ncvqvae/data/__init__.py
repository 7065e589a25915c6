"""Data in and out: datasets by name, files of users, checks, scaling. Knows nothing of the model."""

from ncvqvae.data.load import Half, Splits, load_dataset, load_half, load_splits
from ncvqvae.data.mapped import case_chunks
from ncvqvae.data.missing import (
    ScaledSeries,
    are_unequal,
    beyond,
    cut_note,
    cut_or_pad,
    fill,
    has_missing,
    length_counts,
    lengths_from_state,
    lengths_to_state,
    series_lengths,
)
from ncvqvae.data.read.files import Series, options_like, read_series
from ncvqvae.data.read.roles import Roles, TableOptions
from ncvqvae.data.scaling import GlobalScaler
from ncvqvae.data.validate import check_labels, check_pair, check_series
from ncvqvae.data.write.frame import frame_form, series_frame
from ncvqvae.data.write.table_form import TableForm
from ncvqvae.data.write.writer import SeriesWriter, write_series

__all__ = [
    "GlobalScaler",
    "Half",
    "Roles",
    "ScaledSeries",
    "Series",
    "SeriesWriter",
    "Splits",
    "TableForm",
    "TableOptions",
    "are_unequal",
    "beyond",
    "case_chunks",
    "check_labels",
    "check_pair",
    "check_series",
    "cut_note",
    "cut_or_pad",
    "fill",
    "frame_form",
    "has_missing",
    "length_counts",
    "lengths_from_state",
    "lengths_to_state",
    "load_dataset",
    "load_half",
    "load_splits",
    "options_like",
    "read_series",
    "series_frame",
    "series_lengths",
    "write_series",
]
