"""Fuzzing of everything that reads a file which may be a stranger's."""
