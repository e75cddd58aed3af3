"""What a stranger's model may end a process with is done in a process of its own, where that is one clear error.

ONNX and ONNX Runtime check some of what they read by assertions, and a failed assertion aborts the whole process.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from prunus.errors import InputError
from prunus.sparse.folding import fold, write_message
from prunus.sparse.onnx_file import read_onnx
from prunus.sparse.plan import ExecutionPlan, OnnxPart
from prunus.sparse.rehearsed import digest_of, is_recorded, record
from prunus.system import memory, onnx_rehearsal
from prunus.system.children import child_environment, python_command
from prunus.system.onnx_rehearsal import REFUSAL, REFUSED, refusing, words
from prunus.system.onnx_session import open_session

if TYPE_CHECKING:
    import onnx

GIVEN, FOLDED = "given.onnx", "folded.onnx"
"""What is read and written in the folder of a task."""
LEAST_OPSET = 17
"""The first in which layer normalisation is one operation, and weights are quantised for each output channel."""


def fold_apart(proto: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """`folding.fold` of a model that may be a stranger's, with half of the memory at most."""
    with TemporaryDirectory(prefix="prunus-") as folder:
        write_message(proto, Path(folder) / GIVEN)
        _run_apart(Path(folder), name, __name__, "fold")
        return read_onnx(Path(folder) / FOLDED)


def simplify_apart(proto: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """As `fold_apart`, of a model that is brought to `LEAST_OPSET` first where it is older, and loaded whole."""
    with TemporaryDirectory(prefix="prunus-") as folder:
        write_message(proto, Path(folder) / GIVEN)
        _run_apart(Path(folder), name, __name__, "simplify")
        return read_onnx(Path(folder) / FOLDED)


def rehearse(plan: ExecutionPlan, name: str) -> None:
    """Load the parts for ONNX Runtime, with half of the memory at most, and run them once on zeros.

    What went well here before is not done again. name: what the user calls the model. Raises `InputError` where a part
    cannot be loaded, or ends the process. That it fails while it runs may be the zeros' fault, and is left to those who
    run it on data of their own.
    """
    models = [part.complete_model() for part in plan.parts if isinstance(part, OnnxPart)]
    if not models:
        return
    digest = digest_of(models)
    if is_recorded(digest):
        return
    with TemporaryDirectory(prefix="prunus-") as folder:
        for number, model in enumerate(models):
            (Path(folder) / f"{number}.onnx").write_bytes(model)
        _run_apart(Path(folder), name, onnx_rehearsal.__name__)
    record(digest)


def _run_apart(folder: Path, name: str, module: str, *task: str) -> None:
    command = python_command(module, *task, str(folder), name, str(memory.half_of_memory()))
    done = subprocess.run(  # noqa: S603
        command, stdin=subprocess.DEVNULL, capture_output=True, check=False, env=child_environment()
    )
    if done.returncode == REFUSED:
        what, why, do = (folder / REFUSAL).read_text(encoding="utf-8").split("\0")
        raise InputError(what, why, do)
    if done.returncode:
        raise InputError(
            f"{name} cannot be loaded",
            f"the process in which ONNX Runtime loaded it ended with {_ending(done.returncode)}",
            "the file is damaged, or was made to do that",
        )


def _ending(code: int) -> str:
    """How a process ended.

    >>> _ending(-6), _ending(1)
    ('the signal SIGABRT', 'the exit code 1')
    """
    return f"the signal {signal.Signals(-code).name}" if code < 0 else f"the exit code {code}"


def _fold(folder: Path, name: str) -> None:
    write_message(fold(read_onnx(folder / GIVEN), name), folder / FOLDED)


def _simplify(folder: Path, name: str) -> None:
    write_message(fold(_converted(read_onnx(folder / GIVEN), name), name), folder / FOLDED)
    for file in (GIVEN, FOLDED):
        open_session(folder / file)  # with all rewrites, as it will be


def _converted(proto: onnx.ModelProto, name: str) -> onnx.ModelProto:
    import onnx

    opset = next((entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")), 1)
    if opset >= LEAST_OPSET:
        return proto
    try:
        return onnx.version_converter.convert_version(proto, LEAST_OPSET)
    except Exception as error:  # of the library, which has no common class
        what = f"{name} is of opset {opset}, and cannot be brought to {LEAST_OPSET}"
        raise InputError(what, words(error), "export it again, with a newer opset") from error


TASKS: dict[str, Callable[[Path, str], None]] = {"fold": _fold, "simplify": _simplify}


if __name__ == "__main__":
    FOLDER, NAME = Path(sys.argv[2]), sys.argv[3]
    sys.exit(refusing(partial(TASKS[sys.argv[1]], FOLDER, NAME), FOLDER, NAME, int(sys.argv[4])))
