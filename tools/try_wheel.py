"""Try an installed wheel: its native part, a cut, a file and the command."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import torch

import prunus
from prunus import sparse


def main() -> None:
    """Prune channels of a small network, then run zeros in the sparse runtime, and compare with torch."""
    where = Path(prunus.__file__).resolve()
    assert Path(sys.prefix).resolve() in where.parents, f"prunus is imported from {where}, not from the wheel"
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 32, 3),
        torch.nn.ReLU(),
        torch.nn.Conv2d(32, 64, 3),
        torch.nn.Flatten(),
        torch.nn.Linear(64 * 144, 10),
    ).eval()
    example = torch.randn(2, 3, 16, 16)
    cut = prunus.prune_channels(model, example, 0.5).model
    with torch.no_grad():
        for weight in cut.parameters():
            weight[torch.rand_like(weight) < 0.9] = 0
        expected = cut(example)
        with tempfile.TemporaryDirectory() as folder:
            prunus.save(cut, Path(folder) / "cut.safetensors")
            assert torch.equal(prunus.load(Path(folder) / "cut.safetensors", lambda: model)(example), expected)
    found = torch.as_tensor(sparse.compile(cut, example).run(example))
    assert torch.allclose(found, expected, atol=1e-5), (found - expected).abs().max()
    command = Path(sys.executable).with_name("prunus")
    subprocess.run([command, "doctor"], check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    print(f"prunus {prunus.__version__} works on Python {sys.version.split()[0]}: {where.parent}")


if __name__ == "__main__":
    main()
