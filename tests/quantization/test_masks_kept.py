"""Zeros under all that moves weights at once: AdamW, weight decay, an average of them, replicas, and rounding."""

import os
from copy import deepcopy

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import prunus
from prunus.quantization import quantized_layers

EPOCHS, STEPS, RATE = 5, 6, 0.6


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(96, 3)
    )


RECIPE = prunus.Recipe(
    name="both",
    pattern="element",
    schedule={"name": "one_shot", "at": 0.2},
    bits={"weights": 4, "activations": 8, "first_last": 4, "when": "aware", "begin": 0.4},
)


def _replica(rank, port, folder):
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=2)
    try:
        batch = torch.randn(32, 1, 8, 8, generator=torch.Generator().manual_seed(rank))
        targets = torch.arange(32) % 3
        model = network()
        pruner = prunus.Pruner(
            model, RECIPE, batch, rate=RATE, epochs=EPOCHS, steps_per_epoch=STEPS, samples=[(batch, targets)]
        )
        # Ranges take no part in the loss before rounding begins.
        replica = DistributedDataParallel(model, find_unused_parameters=True)
        averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
        optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.1)
        for _ in range(EPOCHS * STEPS):
            optimizer.zero_grad()
            nn.functional.cross_entropy(replica(batch), targets).backward()
            optimizer.step()
            pruner.step(optimizer)
            averaged.update_parameters(model)
        masks = pruner.masks()
        prunus.apply_masks(averaged.module, masks)
        layers = quantized_layers(model)
        integers = {name: one.weight_quantizer.integers(one.weight) for name, one in layers.items()}
        weights = {name: model.get_parameter(name).detach().clone() for name in masks}
        means = {name: averaged.module.get_parameter(name).detach().clone() for name in masks}
        found = {"masks": masks, "weights": weights, "means": means, "integers": integers}
        torch.save(deepcopy(found), f"{folder}/{rank}.pt")
    finally:
        dist.destroy_process_group()


@pytest.mark.timeout(240)
def test_after_five_epochs_of_everything_not_one_zero_has_come_back(tmp_path):
    mp.spawn(_replica, (29900 + os.getpid() % 500, str(tmp_path)), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert sum(int((~mask).sum()) for mask in first["masks"].values()) == round(RATE * 36) + round(RATE * 216)
    for name, mask in first["masks"].items():
        layer = name.rpartition(".")[0]
        for found in (first, second):
            assert torch.equal(found["masks"][name], mask)
            assert not found["weights"][name][~mask].view(torch.int32).any()  # not even a minus
            assert not found["means"][name][~mask].view(torch.int32).any()
            assert not found["integers"][layer][~mask].any()
            assert found["integers"][layer].abs().max() <= 7
        assert torch.equal(first["weights"][name], second["weights"][name])
        assert torch.equal(first["integers"][layer], second["integers"][layer])
        assert first["weights"][name][mask].all()
