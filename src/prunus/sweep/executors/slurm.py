"""Job arrays on a Slurm cluster, through submitit; a preempted job leaves a checkpoint and is queued again."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from prunus.errors import InputError, MissingError
from prunus.sweep.event_log import EventWriter
from prunus.sweep.events import TrialLost, TrialRequeued
from prunus.sweep.executors.executor import Capabilities, Terms
from prunus.sweep.executors.shared_folder import SharedFolder, as_text
from prunus.sweep.folder import StudyFolder
from prunus.sweep.leases import Job
from prunus.sweep.processes import cause_of_death
from prunus.system.children import child_environment, python_command

ASK_EVERY_SECONDS = 2.0
"""How often the controller is asked which jobs it has; it serves a whole cluster."""

PROCESS_GIB = 2
"""What Python, torch and the data may take of a job's memory beside the trial itself."""

PYTHON = f"{shlex.quote(sys.executable)} -P"  # submitit starts a module, which would import from the working folder
LARGEST_ARRAY = 1000  # Slurm's own default allows 1001
SETTINGS = ("partition", "account", "qos", "constraint", "gres", "exclude", "nodelist", "comment", "signal_delay_s")
CAUSES = {"OUT_OF_MEMORY": "OutOfMemory", "TIMEOUT": "TimeLimit", "NODE_FAIL": "NodeDied"}
LIVING = {"PENDING", "RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "REQUEUED", "STAGE_OUT", "PREEMPTED"}


class Slurm(SharedFolder):
    """Job arrays, one job per trial; `--workers` of them at once, or as many as the cluster likes."""

    capabilities = Capabilities(other_machines=True, memory_limit=True, settings=SETTINGS)

    def __init__(self, folder: Path, terms: Terms) -> None:
        super().__init__(folder.absolute(), terms)
        if terms.address:
            raise InputError("The executor 'slurm' takes no address", "sbatch knows its cluster", "leave out --address")
        try:
            from submitit import AutoExecutor
        except ImportError:
            do = "pip install 'prunus[slurm]'"
            raise MissingError("The executor 'slurm' needs submitit", "it is not installed", do) from None
        self._new_cluster = partial(
            AutoExecutor, folder=self.folder / "slurm", cluster=self.cluster, slurm_python=PYTHON
        )
        self._jobs: dict[str, Any] = {}  # token -> submitit's job
        self._asked_at = 0.0

    cluster = "slurm"

    @property
    def workers(self) -> int:
        """All trials are queued at once: how many run is for the array's limit and the cluster to say."""
        return LARGEST_ARRAY

    def _send(self, jobs: list[Job]) -> None:
        trials = [job for job in jobs if job.trial]
        for some in (trials[:LARGEST_ARRAY], *([job] for job in jobs if not job.trial)):
            if not some:
                continue
            try:
                cluster = self._new_cluster()  # parameters stay for good in one that has been used
                cluster.update_parameters(**self._parameters(exclusive=bool(some[0].block)))
                sent = cluster.map_array(Shepherd(), [str(self.folder)] * len(some), [as_text(job) for job in some])
            except Exception as error:  # submitit's, or that of the command that is not there
                what = "The jobs cannot be given to Slurm"
                raise MissingError(what, str(error).strip().partition("\n")[0], "see that sbatch works here") from None
            self._jobs |= {job.token: handle for job, handle in zip(some, sent, strict=True)}

    def _parameters(self, *, exclusive: bool) -> dict[str, Any]:
        """What sbatch is told; a measurement gets a whole node."""
        resources = self.terms.resources
        told: dict[str, Any] = {f"slurm_{name}": value for name, value in self.terms.settings.items()}
        told |= {"name": "prunus", "cpus_per_task": resources.cores}
        told["slurm_setup"] = [f"export PYTHONPATH={shlex.quote(child_environment()['PYTHONPATH'])}"]
        if self.terms.workers:
            told["slurm_array_parallelism"] = self.terms.workers
        else:
            told["slurm_array_parallelism"] = LARGEST_ARRAY
        if exclusive:
            told["slurm_additional_parameters"] = {"exclusive": True}
        elif resources.gpus:
            told["gpus_per_node"] = resources.gpus
        if resources.memory_bytes and not exclusive:
            told["mem_gb"] = resources.memory_bytes / 2**30 + PROCESS_GIB
        told["timeout_min"] = -(-int(resources.seconds) // 60) + 5 if resources.seconds else 7 * 24 * 60
        return told

    def _ended(self) -> Iterable[tuple[str, str]]:
        if not self._jobs or time.monotonic() - self._asked_at < ASK_EVERY_SECONDS:
            return []
        self._asked_at = time.monotonic()
        states = self._states()
        ended = [(token, states.get(job.job_id, "GONE")) for token, job in self._jobs.items()]
        ended = [(token, state) for token, state in ended if state not in LIVING]
        for token, _ in ended:
            del self._jobs[token]
        return [(token, CAUSES.get(state, state)) for token, state in ended]

    def _states(self) -> dict[str, str]:
        """Job -> state, of all jobs that the controller still knows of."""
        ids = ",".join(sorted({job.job_id.partition("_")[0] for job in self._jobs.values()}))
        command = ["squeue", "--noheader", "--array", "--states=all", "--format=%i %T", f"--jobs={ids}"]
        answer = subprocess.run(command, capture_output=True, text=True)  # noqa: S603
        # Jobs that ended long ago are unknown to the controller, and then gone; one that does not answer says nothing.
        if answer.returncode and "Invalid job id" not in answer.stderr:
            return {job.job_id: "RUNNING" for job in self._jobs.values()}  # the controller is away; ask again later
        return dict(line.split() for line in answer.stdout.splitlines())

    def _kill(self, tokens: list[str]) -> None:
        for token in tokens:
            if token in self._jobs:
                self._jobs.pop(token).cancel()


class Shepherd:
    """What runs in a job: starts a process of its own for the trial, and tells if that dies.

    submitit pickles an instance by its name alone; each node imports it from its own prunus.
    """

    def __call__(self, folder: str, job: str) -> None:
        """Do the job and wait for its end."""
        self.child = subprocess.Popen(  # noqa: S603
            python_command("prunus.sweep.start", "remote", folder, job),
            env=child_environment(),
            preexec_fn=partial(signal.signal, signal.SIGUSR2, signal.SIG_IGN),  # meant for this process alone
        )
        code = self.child.wait()
        trial, writer = _pen(folder, job)
        if code and trial:
            writer.tell(TrialLost(trial, cause_of_death(code)))

    def checkpoint(self, folder: str, job: str) -> Any:
        """Called by submitit before the job has to go: have a checkpoint written, and be queued again."""
        from submitit.helpers import DelayedSubmission

        self.child.terminate()
        with suppress(ChildProcessError):  # it has been waited for
            # This is a signal handler, and what it interrupted is `wait` with its lock: waiting there never ends.
            os.waitid(os.P_PID, self.child.pid, os.WEXITED | os.WNOWAIT)
        trial, writer = _pen(folder, job)
        if trial:
            writer.tell(TrialRequeued(trial))
        return DelayedSubmission(Shepherd(), folder, job)


def _pen(folder: str, job: str) -> tuple[str, EventWriter]:
    what = Job(**json.loads(job))
    return what.trial, EventWriter(StudyFolder(Path(folder)).words(what.token), what.token)
