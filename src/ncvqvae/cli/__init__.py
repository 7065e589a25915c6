"""The command line: verbs only. Every setting of :mod:`ncvqvae.config` is an option with its dotted name."""

from ncvqvae.cli.program import app, main

__all__ = ["app", "main"]
