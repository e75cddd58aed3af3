"""The command line: one command per file, each a thin shell over a pure function."""
