"""Look inside a trained model: where its prior attends, and which directions its latents have."""

from ncvqvae.analysis.attention import Attended, attention_maps, draw_attention
from ncvqvae.analysis.directions import class_direction, decode_latents, latents, move, pair_direction

__all__ = [
    "Attended",
    "attention_maps",
    "class_direction",
    "decode_latents",
    "draw_attention",
    "latents",
    "move",
    "pair_direction",
]
