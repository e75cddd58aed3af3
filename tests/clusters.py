"""Clusters for tests: the real ones where they can be started, with the reason where they cannot."""

from __future__ import annotations

import importlib.util
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from prunus.sweep.executors import EXECUTORS, Executor
from prunus.sweep.executors.slurm import Slurm
from prunus.sweep.run import Options
from slurm_cluster import slurm_cluster, why_not

TOKEN = secrets.token_hex(16)
"""One for all clusters of a process: Ray keeps the first that it reads."""


def need(package: str) -> None:
    """Skip, or fail where everything must be there, if a package is missing."""
    if importlib.util.find_spec(package) is not None:
        return
    reason = f"{package} is not installed: make clusters"
    if os.environ.get("PRUNUS_REQUIRE_CLUSTERS"):
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def ray_nodes(count: int = 2):
    """A Ray cluster of nodes of one core each on this machine, with a token; gives `ray.cluster_utils.Cluster`."""
    need("ray")
    names = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 80_000_000}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        for _ in range(count - 1):
            cluster.add_node(**node)
        cluster.wait_for_nodes()
        yield cluster
    finally:
        cluster.shutdown()
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


class SubmititLocal(Slurm):
    """Slurm's executor on submitit's own processes instead, for machines where Slurm cannot be started."""

    cluster = "local"

    def _states(self) -> dict[str, str]:
        return {job.job_id: "GONE" if job.done() else "RUNNING" for job in self._jobs.values()}


@contextmanager
def slurm_or_instead(folder: Path) -> Iterator[str]:
    """The name of an executor: `slurm` on a real cluster, or what stands in for it, with the reason printed."""
    need("submitit")
    reason = why_not()
    if not reason:
        cluster = slurm_cluster(folder)
        try:
            cluster.__enter__()
        except RuntimeError as error:
            reason = str(error)
        else:
            try:
                yield "slurm"
            finally:
                cluster.__exit__(None, None, None)
            return
    print(f"submitit's local processes instead of Slurm: {reason}")
    if "submitit-local" not in EXECUTORS:
        EXECUTORS.register("submitit-local", SubmititLocal)
    yield "submitit-local"


@contextmanager
def executor_options(name: str, folder: Path) -> Iterator[Options]:
    """How a study is run on an executor, with its cluster up."""
    if name == "ray":
        with ray_nodes() as cluster:
            yield Options(executor="ray", address=cluster.address)
    elif name == "slurm":
        with slurm_or_instead(folder) as instead:
            yield Options(executor=instead)
    else:
        yield Options(executor=name)


def kind_of(options: Options) -> type[Executor]:
    """The executor's class."""
    return EXECUTORS.get(options.executor)
