"""Stage 2: tokens to new tokens."""
