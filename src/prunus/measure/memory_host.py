"""The process in which memory is measured: it imports one runtime and forks for each measurement.

Started by `prunus.measure.memory` as `python -P -m prunus.measure.memory_host RUNTIME`; one JSON request per line on
stdin, one JSON answer per line on stdout. The host itself computes nothing, so that its forks start from one thread.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from prunus.errors import PrunusError
from prunus.measure._runtime import Runtime, runtime_of
from prunus.measure.peak import can_be_reset, peak_bytes, reset_peak, resident_file_ranges, touch
from prunus.measure.variant import Variant
from prunus.system.forking import fork

RUNS = 3
"""Runs of the network within a measurement: the first allocates, the later ones must not need more."""


def main(runtime_name: str) -> None:
    """Answer requests until stdin ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints must not come between the answers
    runtime = runtime_of(runtime_name)
    for line in sys.stdin:
        request = json.loads(line)
        forked = can_be_reset() and not request["fresh"]
        answer = _in_a_fork(runtime, request) if forked else _answer(runtime, request)
        print(json.dumps(answer), file=answers, flush=True)


def _in_a_fork(runtime: Runtime, request: dict[str, Any]) -> dict[str, Any]:
    try:
        runtime.prepare(Variant.model_validate(request["variant"]))  # in the host, where all forks inherit it
    except Exception as error:  # of the user's own function, or of a runtime
        return {"error": _described(error)}
    libraries = resident_file_ranges()
    reading, writing = os.pipe()
    child = fork()
    if child == 0:
        with os.fdopen(writing, "w") as answer:
            touch(libraries)
            reset_peak()
            json.dump(_answer(runtime, request), answer)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        text = answer.read()
    _, status = os.waitpid(child, 0)
    if not text:
        return {"error": _why(os.waitstatus_to_exitcode(status), request["seconds"])}
    result: dict[str, Any] = json.loads(text)
    return result


def _why(code: int, seconds: int) -> str:
    """Why a fork ended without an answer.

    >>> _why(-9, 60)
    'signal 9 ended the process, perhaps for want of memory'
    """
    if code == -signal.SIGALRM:
        return f"it took longer than {seconds} seconds"
    if code == -signal.SIGKILL:
        return "signal 9 ended the process, perhaps for want of memory"
    return f"the process ended with code {code}" if code >= 0 else f"signal {-code} ended the process"


def _answer(runtime: Runtime, request: dict[str, Any]) -> dict[str, Any]:
    """Load and run the network, if it is to be there, and say what the process's peak is."""
    signal.alarm(request["seconds"])  # ends this process, so that a network that hangs does not hang the study
    variant = Variant.model_validate(request["variant"])
    try:
        runtime.prepare(variant)
        inputs = variant.random_inputs(request["batch_size"])
        if request["with_network"]:
            with runtime.limited(request["threads"]):
                run = runtime.load(variant, inputs, request["threads"])
                for _ in range(RUNS):
                    run()
    except Exception as error:  # of the user's own function, or of a runtime
        return {"error": _described(error)}
    return {"peak_bytes": peak_bytes()}


def _described(error: Exception) -> str:
    return str(error) if isinstance(error, PrunusError) else f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    main(sys.argv[1])
