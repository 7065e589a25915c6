"""Data in and out: datasets by name, files of users, checks, scaling. Knows nothing of the model."""

from ncvqvae.data.checks import check_labels, check_pair, check_series
from ncvqvae.data.columns import TableOptions
from ncvqvae.data.scaling import GlobalScaler
from ncvqvae.data.splits import Splits, load_dataset, load_splits
from ncvqvae.data.tables import Series, read_series
from ncvqvae.data.writers import SeriesWriter, write_series

__all__ = [
    "GlobalScaler",
    "Series",
    "SeriesWriter",
    "Splits",
    "TableOptions",
    "check_labels",
    "check_pair",
    "check_series",
    "load_dataset",
    "load_splits",
    "read_series",
    "write_series",
]
