"""Non-contrastive self-supervised losses between projections of two views."""

from ncvqvae.tokenizer.ssl.barlow_twins import BarlowTwins
from ncvqvae.tokenizer.ssl.loss import SSLLoss
from ncvqvae.tokenizer.ssl.projector import Projector, pool
from ncvqvae.tokenizer.ssl.vibcreg import VIbCReg

__all__ = ["BarlowTwins", "Projector", "SSLLoss", "VIbCReg", "pool"]
