"""How long `prunus.reconstruct` takes on a ResNet-18 for 32x32 images with 256 inputs, and what it gains per layer.

python benchmarks/reconstruct_time.py
"""

from __future__ import annotations

import time

import torch

import prunus
from prunus.spec import Part


def main() -> None:
    """Print the seconds, and the layers' output errors beside those of magnitude."""
    torch.manual_seed(0)
    model = prunus.build_model(Part(name="torchvision:resnet18"), (3, 32, 32), 10)
    inputs = torch.randn(256, 3, 32, 32)
    smooth = torch.nn.functional.avg_pool2d(inputs, 5, 1, 2)  # as neighbouring pixels of images are alike
    began = time.perf_counter()
    found = prunus.reconstruct(model, smooth.split(64), 0.8)
    seconds = time.perf_counter() - began
    for row in found.layers:
        print(
            f"{row.layer:24} {row.gone:>9,} of {row.weights:>9,}  {row.error:.4f}  magnitude {row.magnitude_error:.4f}"
        )
    mean = sum(row.error / row.magnitude_error for row in found.layers) / len(found.layers)
    print(f"{seconds:.0f} s with {torch.get_num_threads()} threads; mean error / magnitude's {mean:.2f}")


if __name__ == "__main__":
    main()
