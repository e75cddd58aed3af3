from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "numpy", "sklearn", "scipy", "torchvision", "timm", "PIL")
LIST = """
import prunus.data, prunus.models
prunus.data.data_names(), prunus.models.model_names()
"""
VALIDATE = """
from prunus.data import data_source
from prunus.models import MODELS, model_source
from prunus.spec import Part
for name in (*MODELS, "torchvision:resnet18", "timm:resnet18"):
    model_source(Part(name=name))
for name in ("digits", "fashion-mnist", "svhn", "cifar10"):
    data_source(Part(name=name))
"""


@pytest.mark.parametrize("code", [LIST, VALIDATE], ids=["list", "validate"])
def test_listing_and_validating_import_nothing_heavy(code: str) -> None:
    code += f"import sys; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


PRUNE = """
import torch
from torch import nn
from prunus.channels.by_name import prune_channels
prune_channels(nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2)), torch.randn(1, 2), 0.5)
"""


def test_pruning_by_channels_does_not_bring_in_the_compiler() -> None:
    code = PRUNE + "import sys; print([name for name in ('torch._dynamo', 'sympy') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
