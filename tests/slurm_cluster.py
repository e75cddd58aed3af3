"""A Slurm cluster of one node on this machine: munged, slurmctld and slurmd, started for the tests and ended after."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "srun")
CPUS = 2

CONFIGURATION = """
ClusterName=prunus
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,batch_sched_delay=0,defer_batch
JobRequeue=1
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
MinJobAge=300
SlurmctldTimeout=60
SlurmdTimeout=600
ReturnToService=2
InactiveLimit=0
KillWait=30
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=4000 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def why_not() -> str:
    """Why no cluster can be started here; empty if one can be tried."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    if missing:
        return f"Slurm is not installed ({', '.join(missing)}): apt-get install slurm-wlm"
    return "" if os.geteuid() == 0 else "slurmd needs to be started by root"


@contextmanager
def slurm_cluster(folder: Path) -> Iterator[None]:
    """Start the cluster and have `sbatch` and `squeue` of this process find it. Raises `RuntimeError` if it fails."""
    folder.mkdir(parents=True, exist_ok=True)
    before = {name: os.environ.get(name) for name in ("PATH", "SLURM_CONF")}
    started: list[subprocess.Popen[bytes]] = []
    try:
        os.environ.update(PATH=_path(), SLURM_CONF=str(_configure(folder)))
        for command in (
            [
                "munged",
                "-F",
                "--key-file",
                f"{folder}/munge.key",
                "--socket",
                f"{folder}/munge.socket",
                *_munge(folder),
            ],
            ["slurmctld", "-D", "-c"],
            ["slurmd", "-D", "-N", socket.gethostname().split(".")[0]],
        ):
            with (folder / f"{command[0]}.out").open("wb") as out:
                started.append(subprocess.Popen(command, stdout=out, stderr=out))
            if command[0] == "munged":
                _wait(lambda: (folder / "munge.socket").exists(), folder, started)
        _wait(lambda: "idle" in _run("sinfo", "--noheader", "--format=%t"), folder, started)
        yield
    finally:
        _run("scancel", "--me", "--full", "--signal=KILL")
        _run("scancel", "--me")
        _empty()
        for process in reversed(started):
            process.terminate()
        for process in started:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _empty() -> None:
    """Wait until no job is left: what runs them would outlive the daemons."""
    give_up = time.monotonic() + 30
    while _run("squeue", "--me", "--noheader") and time.monotonic() < give_up:
        time.sleep(0.2)


def _configure(folder: Path) -> Path:
    for name in ("state", "spool", "munge"):
        (folder / name).mkdir(exist_ok=True)
    folder.chmod(0o755)
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o400)
    path = folder / "slurm.conf"
    host = socket.gethostname().split(".")[0]
    ports = {"controller_port": _free_port(), "node_port": _free_port()}
    path.write_text(CONFIGURATION.format(folder=folder, host=host, user="root", cpus=CPUS, **ports))
    return path


def _munge(folder: Path) -> list[str]:
    files = {"log-file": "munge/log", "pid-file": "munge/pid", "seed-file": "munge/seed"}
    return ["--force", "--num-threads=2", *(f"--{name}={folder}/{file}" for name, file in files.items())]


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _wait(condition, folder: Path, started: list[subprocess.Popen[bytes]]) -> None:
    give_up = time.monotonic() + 60
    while not condition():
        if time.monotonic() > give_up or any(process.poll() is not None for process in started):
            logs = [*folder.glob("*.out"), *folder.glob("*.log"), folder / "munge" / "log"]
            said = "; ".join(line for log in logs if log.exists() for line in log.read_text().splitlines()[-3:])
            raise RuntimeError(f"Slurm did not start: {said}")
        time.sleep(0.1)


def _run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True).stdout


def _path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"
