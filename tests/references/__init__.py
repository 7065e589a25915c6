"""Slow NumPy transcriptions of the equations: independent witnesses for the library's own implementations.

Nothing here imports the library. Everything is float64, one series or one sequence at a time where that is clearer,
and every random draw is an explicit argument, so that a test can hand the same draws to both sides.
"""
