"""Forking a process that may have computed on threads."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

HARD = 2
"""OpenMP 5.0, `omp_pause_hard`: the threads end; the next computation starts new ones."""


def fork() -> int:
    """`os.fork`, after which both processes can compute on threads. Returns the child's id, and 0 in the child.

    A forked process has one thread, but GNU's OpenMP, with which torch computes, goes on to believe in those of its
    parent: the child's first computation on threads would wait for them for ever. So they are ended before the fork.
    """
    with suppress(AttributeError):  # no OpenMP is loaded, or one from before 5.0
        ctypes.CDLL(None).omp_pause_resource_all(HARD)
    return os.fork()
