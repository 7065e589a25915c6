"""The study's tables and pictures, made from the rows of a bench, with the published results beside them.

"The study" and "the chapter" are the results chapter of Mathisen, "You're your own best teacher: A Self-Supervised
Learning Approach For Expressive Representations" (thesis, 2024). Tables and pictures are numbered as in that chapter.
All sources are listed in docs/references.md.
"""
