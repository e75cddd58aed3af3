import json
import subprocess
import sys

from prunus.measure import machine
from prunus.system.processor import fields_of


def test_what_is_known_is_plausible_and_json():
    described = machine.describe_machine()
    assert json.loads(json.dumps(described)) == described
    assert described["cpu"]
    assert 1 <= described["cores"] <= 4096
    assert described["memory_bytes"] > 2**28
    assert described["python"] == ".".join(map(str, sys.version_info[:3]))
    assert len(described["load_average"]) == 3


def test_versions_are_those_of_the_installed_packages():
    import torch

    versions = machine.package_versions()
    assert versions["torch"] == torch.__version__.partition("+")[0] or versions["torch"] == torch.__version__
    assert set(versions) <= set(machine.PACKAGES)


def test_limits_of_a_container(monkeypatch):
    files = {"/sys/fs/cgroup/cpu.max": "150000 100000", "/sys/fs/cgroup/memory.max": "1073741824"}
    monkeypatch.setattr(machine, "_read", files.get)
    described = machine.describe_machine()
    assert described["cpu_limit"] == 1.5
    assert described["memory_limit_bytes"] == 2**30


def test_limits_of_version_one_and_none(monkeypatch):
    old = {
        "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000",
        "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
    }
    monkeypatch.setattr(machine, "_read", old.get)
    assert machine.describe_machine()["cpu_limit"] == 2
    assert machine.describe_machine()["memory_limit_bytes"] is None
    monkeypatch.setattr(
        machine, "_read", {"/sys/fs/cgroup/cpu.max": "max 100000", "/sys/fs/cgroup/memory.max": "max"}.get
    )
    assert machine.describe_machine()["cpu_limit"] is None
    assert machine.describe_machine()["memory_limit_bytes"] is None


def test_an_arm_core(monkeypatch):
    text = "processor\t: 0\nBogoMIPS\t: 48\nFeatures\t: fp asimd asimddp sve\n\nprocessor\t: 1\n"
    monkeypatch.setattr(machine, "processor_info", lambda: fields_of(text))
    assert machine.describe_machine()["instruction_sets"] == ["neon", "sve", "dotprod"]


def test_it_imports_no_torch():
    command = "from prunus.measure.machine import *; describe_machine(); import sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
