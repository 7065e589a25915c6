"""Rows of a bench to the study's tables and pictures, with the published results beside them.

"The chapter" is the results chapter of Mathisen, "You're your own best teacher: A Self-Supervised Learning Approach For
Expressive Representations" (thesis, 2024); tables and pictures bear its numbers.
"""
