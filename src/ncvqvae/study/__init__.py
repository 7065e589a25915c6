"""Rows of a bench to the study's tables and pictures, with the published results beside them."""
