"""Drawing what the analysis found, and nothing else: one figure per file."""
