"""The command line: one command per file, each a thin shell over a pure function.

What stays out: whatever can be done from Python as well. A command reads options, calls lower packages, and prints.
"""
