"""A `Pruner` in the training loops of Lightning (`prunus[lightning]`) and Hugging Face (`prunus[transformers]`).

What stays out: pruning itself, which is the pruner's. Importing this package imports neither library; each file does
its own.
"""
