"""What the command line does: one module a verb, and what they share of a run's folder and the terminal."""
