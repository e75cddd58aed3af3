"""prunus."""
