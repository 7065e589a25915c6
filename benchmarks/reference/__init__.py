"""The plain reference: the method written down in the most direct PyTorch, for the benchmark to divide by.

fp32 throughout, every D x D matrix formed, augmentations one series at a time in NumPy inside a Dataset, encoding
inside the stage-2 step, two network passes at guidance scale 1, AdamW with its default settings. Nothing here imports
the library, and nothing is slowed down on purpose.
"""
