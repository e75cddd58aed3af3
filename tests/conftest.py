"""For all tests."""

import os

from hypothesis import settings

# As many processes test as there are cores; with threads of their own they would wait for each other. Before torch.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes says more of the machine than of the code.
settings.register_profile("prunus", deadline=None)
settings.load_profile("prunus")
