"""Rows in, frozen findings out; nothing here draws or writes."""
