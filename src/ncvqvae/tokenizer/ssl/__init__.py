"""Non-contrastive self-supervised losses between projections of two views."""

from torch import nn

from ncvqvae.tokenizer.ssl.barlow_twins import BarlowTwins
from ncvqvae.tokenizer.ssl.projector import Projector, pool
from ncvqvae.tokenizer.ssl.vibcreg import VIbCReg

LOSSES: dict[str, type[nn.Module]] = {"barlowtwins": BarlowTwins, "vibcreg": VIbCReg}

__all__ = ["LOSSES", "BarlowTwins", "Projector", "VIbCReg", "pool"]
