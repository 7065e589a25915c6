"""Data in and out: datasets by name, files of users, checks, scaling. Knows nothing of the model."""

from ncvqvae.data.checks import case_chunks, check_labels, check_pair, check_series
from ncvqvae.data.columns import TableOptions
from ncvqvae.data.forms import TableForm
from ncvqvae.data.masks import (
    ScaledSeries,
    are_unequal,
    beyond,
    cut_or_pad,
    fill,
    has_missing,
    length_counts,
    lengths_from_state,
    lengths_to_state,
    series_lengths,
)
from ncvqvae.data.scaling import GlobalScaler
from ncvqvae.data.splits import Splits, load_dataset, load_form, load_splits
from ncvqvae.data.tables import Series, read_series
from ncvqvae.data.writers import SeriesWriter, write_series

__all__ = [
    "GlobalScaler",
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
    "cut_or_pad",
    "fill",
    "has_missing",
    "length_counts",
    "lengths_from_state",
    "lengths_to_state",
    "load_dataset",
    "load_form",
    "load_splits",
    "read_series",
    "series_lengths",
    "write_series",
]
