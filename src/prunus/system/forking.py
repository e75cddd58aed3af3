"""Forking a process that may have computed on threads."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterable
from contextlib import suppress

HARD = 2
"""OpenMP 5.0, `omp_pause_hard`: the threads end; the next computation starts new ones."""


_fork_at_hand = threading.local()


def fork(*, shares: bool = False) -> int:
    """`os.fork`, after which both processes can compute on threads. Returns the child's id, and 0 in the child.

    shares: whether the child holds open what `keep_from_forks` keeps from others.

    A forked process has one thread, but GNU's OpenMP, with which torch computes, goes on to believe in those of its
    parent: the child's first computation on threads would wait for them for ever. So they are ended before the fork.
    """
    with suppress(AttributeError):  # no OpenMP is loaded, or one from before 5.0
        ctypes.CDLL(None).omp_pause_resource_all(HARD)
    _fork_at_hand.shares = shares
    try:
        return os.fork()
    finally:
        _fork_at_hand.shares = False


def keep_from_forks(descriptors: Iterable[int]) -> None:
    """Have processes that are forked from here on, by a user's code for instance, not hold these descriptors open.

    Such a process may live on: a folder would stay locked, and whoever waits for the end of a pipe would wait, as long
    as it does. The numbers must stay taken in this process, and in those that share them.
    """
    kept = tuple(descriptors)

    def after_fork() -> None:
        if not getattr(_fork_at_hand, "shares", False):
            let_go(kept)

    os.register_at_fork(after_in_child=after_fork)


def let_go(descriptors: Iterable[int]) -> None:
    """Have descriptors stand for nothing; their numbers stay taken, since objects still hold them."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in descriptors:
        os.dup2(nowhere, descriptor, inheritable=False)
    os.close(nowhere)
