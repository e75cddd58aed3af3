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
