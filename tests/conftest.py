"""For all tests."""

import os

from hypothesis import settings

# As many processes test as there are cores; with threads of their own they would wait for each other. Before torch.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Tests start hundreds of processes; each would compile prunus anew, 0.3 s, where nothing compiled may be kept.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# How long an example takes says more of the machine than of the code.
settings.register_profile("prunus", deadline=None)
settings.load_profile("prunus")

LONGEST_FIRST = (
    "contracts/test_executors.py",
    "sweep/test_interruption.py",
    "faults/test_clusters.py",
    "cli/test_run_command.py",
    "sparse/test_networks.py",
    "sweep/test_run.py",
    "docs/test_guide.py",
    "sweep/test_latency_targets.py",
    "train/test_resume.py",
    "train/test_latency_target.py",
)


def pytest_collection_modifyitems(items):
    """Files that take long come first, so that no process is left with one at the end while the others have nothing."""
    places = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get("/".join(item.path.parts[-2:]), len(places)))
