"""Training of both stages: what `auto` settings become, the loop, its checkpoints."""
