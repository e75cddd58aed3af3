"""Sessions of ONNX Runtime, all with the same settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prunus.system.memory import loading


def open_session(
    model: bytes | str | Path, threads: int = 1, settings: Mapping[str, str] | None = None, **options: Any
) -> Any:
    """An `InferenceSession` on the CPU with so many threads, which logs nothing.

    settings: entries of the session's configuration. options: of `SessionOptions`, and `disabled_optimizers`.
    Raises the library's own errors, which have no common class, where it cannot run the model.
    """
    from onnxruntime import InferenceSession, SessionOptions  # type: ignore[attr-defined]

    disabled = options.pop("disabled_optimizers", None)
    chosen = SessionOptions()
    chosen.intra_op_num_threads, chosen.inter_op_num_threads = threads, 1
    chosen.log_severity_level = 4
    for name, value in options.items():
        setattr(chosen, name, value)
    # Without VNNI, the fastest kernels sum two 8-bit products in 16 bits, which overflow; this takes exact ones there.
    chosen.add_session_config_entry("session.x64quantprecision", "1")
    for name, value in (settings or {}).items():
        chosen.add_session_config_entry(name, value)
    with loading():
        return InferenceSession(model, chosen, providers=["CPUExecutionProvider"], disabled_optimizers=disabled)
