"""One small file for each runtime; they are registered in the folder above.

What stays out: timing. A runtime writes, loads and runs a network; each imports its library at its first use.
"""
