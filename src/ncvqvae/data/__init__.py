"""Data in and out: datasets by name, files of users, checks, scaling. Knows nothing of the model."""

from ncvqvae.data.checks import check_labels, check_pair, check_series
from ncvqvae.data.scaling import GlobalScaler
from ncvqvae.data.splits import Splits, load_dataset, load_splits
from ncvqvae.data.tables import Series, TableOptions, read_series

__all__ = [
    "GlobalScaler",
    "Series",
    "Splits",
    "TableOptions",
    "check_labels",
    "check_pair",
    "check_series",
    "load_dataset",
    "load_splits",
    "read_series",
]
