"""A `Pruner` in the training loops of Lightning (`prunus[lightning]`) and Hugging Face (`prunus[transformers]`)."""
