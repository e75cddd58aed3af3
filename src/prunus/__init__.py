"""Prune a PyTorch network, train it, and see what the pruning really bought.

The public names stand in `__init__.pyi`. Each is imported when it is first used: importing prunus imports no torch.
"""

import sys

from prunus.system.children import leave_working_folder, started_as_command

if started_as_command():
    leave_working_folder()  # before anything is imported that could be one of its files

import lazy_loader

from prunus import renamed

__version__ = "0.2.0.dev0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
renamed.provide(sys.modules[__name__])
