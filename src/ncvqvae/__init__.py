"""Learn from and generate labelled time series with NC-VQVAE.

``NCVQVAE`` is the model, a scikit-learn transformer that also draws new series. ``load_dataset`` and ``load_splits``
read UCR/UEA names, files and tables. ``Samples`` and ``Draws`` are what the model gives back, ``InputError`` is what it
raises.
"""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ncvqvae.data import load_dataset, load_splits
    from ncvqvae.errors import InputError
    from ncvqvae.generation.draws import Draws
    from ncvqvae.generation.samples import Samples
    from ncvqvae.model import NCVQVAE

__all__ = ["NCVQVAE", "Draws", "InputError", "Samples", "load_dataset", "load_splits"]
__version__ = metadata.version("ncvqvae")

_HOME = {
    "NCVQVAE": "ncvqvae.model",
    "Draws": "ncvqvae.generation.draws",
    "Samples": "ncvqvae.generation.samples",
    "InputError": "ncvqvae.errors",
    "load_dataset": "ncvqvae.data",
    "load_splits": "ncvqvae.data",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for, so that ``import ncvqvae`` alone is quick."""
    if name not in _HOME:
        raise AttributeError(f"module 'ncvqvae' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
