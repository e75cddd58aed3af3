"""One small file for each runtime; they are registered in the folder above."""
