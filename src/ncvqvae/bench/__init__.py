"""The study's whole matrix: suites of runs, on one machine or many."""
