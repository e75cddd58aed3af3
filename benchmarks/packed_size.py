"""How much smaller a packed network is, beside other ways to store its tensors, and the memory of an engine with it.

    python benchmarks/packed_size.py [vgg11 resnet18] [--memory]

Weights are normal with a scale per channel drawn at random, pruned by magnitude to a uniform sparsity. Ratios: bytes of
the dense fp32 weights over bytes of the file. Memory: peak of a fresh process at batch 1 and at 64, over that of ONNX
Runtime with the dense file.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
import torchvision.models as tv
import zstandard
from torch import nn

from prunus.export import write_onnx
from prunus.measure import MemoryHost, Variant
from prunus.sparse import pack


def vgg11():
    return nn.Sequential(tv.vgg11_bn().features, nn.Flatten(), nn.Linear(512, 10))


def resnet18():
    network = tv.resnet18(num_classes=10)
    network.conv1, network.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
    return network


NETWORKS = {"vgg11": vgg11, "resnet18": resnet18}


def pruned(build, sparsity):
    torch.manual_seed(0)
    network = build().eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            weight = module.weight.data
            weight.normal_().mul_(torch.empty(len(weight)).log_normal_(-4, 0.5).reshape(-1, *[1] * (weight.dim() - 1)))
            if sparsity:
                weight.mul_(weight.abs() > weight.abs().flatten().kthvalue(int(sparsity * weight.numel())).values)
    return network


def zstd(content):
    return len(zstandard.ZstdCompressor(level=6).compress(content))


def alternatives(network):
    """Way of storing -> bytes of all tensors."""
    sizes = dict.fromkeys(("zstd of fp32", "16-bit gaps + fp32, zstd", "bitmask + fp32, zstd"), 0)
    for tensor in network.state_dict().values():
        flat = tensor.numpy().astype(np.float32).reshape(-1)
        places, values = np.flatnonzero(flat), flat[flat != 0].tobytes()
        gaps = np.minimum(np.diff(places, prepend=0), 65535).astype(np.uint16).tobytes()
        mask = np.packbits(flat != 0).tobytes()
        for name, size in zip(
            sizes, (zstd(flat.tobytes()), zstd(gaps) + zstd(values), zstd(mask) + zstd(values)), strict=True
        ):
            sizes[name] += size
    return sizes


def memory_bytes(runtime, files, batch):
    with MemoryHost(runtime) as host:
        return host.measure(Variant(input_shape=(3, 32, 32), files=files), batch_size=batch).network_bytes


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=list(NETWORKS))
    parser.add_argument("--memory", action="store_true")
    arguments = parser.parse_args()
    for name in arguments.networks:
        folder = Path(tempfile.mkdtemp(prefix="prunus-"))
        for sparsity in (0.0, 0.8, 0.9, 0.95):
            network = pruned(NETWORKS[name], sparsity)
            onnx = write_onnx(network, torch.zeros(1, 3, 32, 32), folder / f"{sparsity}.onnx").path
            packed = folder / f"{sparsity}.prunus"
            size = pack(onnx, packed, batches=(1, 64) if arguments.memory else ())
            dense = sum(4 * parameter.numel() for parameter in network.parameters())
            others = ", ".join(f"{way} {dense / value:.2f}" for way, value in alternatives(network).items())
            print(f"{name} {sparsity:.0%}: {dense:,} bytes dense, packed {dense / size:.2f} times smaller ({others})")
            for batch in (1, 64) if arguments.memory else ():
                ours = memory_bytes("prunus", {"prunus": packed}, batch)
                theirs = memory_bytes("onnxruntime", {"onnx": folder / "0.0.onnx"}, batch)
                print(f"  batch {batch}: {ours / 1e6:.1f} MB, ONNX Runtime on the dense file {theirs / 1e6:.1f} MB, "
                      f"ratio {ours / theirs:.2f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
