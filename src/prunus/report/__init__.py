"""What a study found: analysis of its rows, figures, and one self-contained page; needs no torch."""
