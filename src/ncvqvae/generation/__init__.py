"""New series from a trained tokenizer and prior."""
