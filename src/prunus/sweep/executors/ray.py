"""Tasks on an existing Ray cluster (Ray Core; the study's store keeps the truth)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

from prunus.errors import InputError, MissingError
from prunus.sweep.executors.executor import Capabilities, Terms
from prunus.sweep.executors.shared_folder import SharedFolder, as_text
from prunus.sweep.leases import Job

CAUSES = {"OutOfMemoryError": "OutOfMemory", "WorkerCrashedError": "WorkerCrashed", "NodeDiedError": "NodeDied"}


class Ray(SharedFolder):
    """One task per trial on the cluster at `--address`, with a token (`RAY_AUTH_MODE`)."""

    capabilities = Capabilities(other_machines=True, memory_limit=True)

    def __init__(self, folder: Path, terms: Terms) -> None:
        super().__init__(folder.absolute(), terms)
        if not terms.address:
            do = "pass --address, such as HOST:6379, or auto for the cluster that this machine belongs to"
            raise InputError("The executor 'ray' needs the address of a cluster", "it starts none", do)
        os.environ.setdefault("RAY_AUTH_MODE", "token")  # who reaches an open cluster can run any code on it
        try:
            import ray
        except ImportError:
            do = "pip install 'prunus[ray]'"
            raise MissingError("The executor 'ray' needs Ray", "it is not installed", do) from None
        self._ray = ray
        self._tasks: dict[Any, str] = {}  # reference -> token

    @property
    def workers(self) -> int:
        """As many as the cluster has room for at this moment; nodes come and go."""
        return self.terms.workers or max(1, self._room())

    def start(self, keep_open: tuple[int, ...] = ()) -> None:  # noqa: D102
        try:
            with chdir("/"):  # Ray has its workers import from the working folder first; nobody else writes there
                self._ray.init(address=self.terms.address, log_to_driver=False, configure_logging=False)
        except Exception as error:  # whatever Ray raises; it has no base of its own for this
            raise MissingError(
                f"The Ray cluster at {self.terms.address} cannot be used",
                f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}",
                "see that it runs and that RAY_AUTH_TOKEN or ~/.ray/auth_token hold its token; "
                "RAY_AUTH_MODE=disabled is for clusters without one",
            ) from None
        super().start(keep_open)

    def close(self) -> None:  # noqa: D102
        super().close()
        self._ray.shutdown()

    def _send(self, jobs: list[Job]) -> None:
        resources = self.terms.resources
        for job in jobs:
            cores = self._largest_node() if job.block else resources.cores if job.trial else 1
            # A process per task: a user's variables must not go on from one trial to the next.
            task = self._ray.remote(max_calls=1)(_work).options(
                num_cpus=cores,
                num_gpus=0 if job.block else resources.gpus,
                memory=None if job.block else resources.memory_bytes or None,
                max_retries=0,
                name=f"prunus {job.trial or 'measurement'}",
            )
            self._tasks[task.remote(str(self.folder), as_text(job))] = job.token

    def _ended(self) -> Iterator[tuple[str, str]]:
        if not self._tasks:
            return
        ready, _ = self._ray.wait(list(self._tasks), num_returns=len(self._tasks), timeout=0)
        for reference in ready:
            token = self._tasks.pop(reference)
            try:
                self._ray.get(reference)
                yield token, "no last words"
            except self._ray.exceptions.RayError as error:
                name = type(error).__name__
                yield token, CAUSES.get(name, name.removesuffix("Error"))

    def _kill(self, tokens: list[str]) -> None:
        for reference, token in list(self._tasks.items()):
            if token in tokens:
                self._ray.cancel(reference, force=True)
                del self._tasks[reference]

    def _room(self) -> int:
        """Trials that fit the cluster's living nodes at once."""
        asked = self.terms.resources
        return sum(
            asked.fit(int(node["Resources"].get("CPU", 0)), int(node["Resources"].get("GPU", 0)))
            for node in self._ray.nodes()
            if node["Alive"] and node["Resources"].get("CPU", 0) >= asked.cores
        )

    def _largest_node(self) -> int:
        """All cores of a node: nothing else may run beside a measurement."""
        return max((int(node["Resources"].get("CPU", 0)) for node in self._ray.nodes() if node["Alive"]), default=1)


def _work(folder: str, job: str) -> None:
    """What a task runs. Ray sends this function's name, and each node imports it from its own prunus."""
    from prunus.sweep.remote import work

    work(folder, job)
