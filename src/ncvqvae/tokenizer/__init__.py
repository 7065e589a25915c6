"""Stage 1: series to tokens."""
