"""Benches: they run suites of datasets, models and seeds, such as the study's, on one machine or many."""
