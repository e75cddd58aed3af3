"""Being sent away by Slurm: a run inside a job that is told so by SIGUSR2 has the job queued again."""

from __future__ import annotations

import os
import subprocess

JOB = "SLURM_JOB_ID"


def requeue() -> str:
    """Have the job that this process runs in queued again, and say so; in words, too, why not."""
    job = os.environ.get(JOB)
    if not job:
        return f"not queued again: this is no Slurm job ({JOB} is not set)"
    try:
        answer = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True)  # noqa: S603, S607
    except FileNotFoundError:
        return f"job {job} is not queued again: there is no scontrol"
    if answer.returncode:
        return f"job {job} is not queued again: {answer.stderr.strip()}"
    return f"job {job} is queued again"
