"""Zeros and bits without training: a ResNet-20 for Fashion-MNIST, 256 of its inputs, no labels.

    python benchmarks/joint_bits.py train resnet20.safetensors
    python benchmarks/joint_bits.py post resnet20.safetensors

`train` takes 3 epochs of SGD in bfloat16, some 6 minutes of one core with AMX. `post` draws the inputs three times, or
as often as a number behind the file says; no label of theirs is looked at.
"""

import copy
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
import torchao.quantization.pt2e.quantizer.x86_inductor_quantizer as x86
from onnxruntime.quantization import CalibrationDataReader, QuantType, quant_pre_process, quantize_static
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.functional import cross_entropy
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

import prunus
from prunus.data import Dataset
from prunus.quantization import detach
from prunus.spec import Part
from prunus.system.onnx_session import open_session

EPOCHS, BATCH, PEAK_RATE, SEED = 3, 128, 0.2, 0
INPUTS = 256
HALVES = (
    ("elements", "element", 8),
    ("2:4", {"name": "nm", "n": 2, "m": 4}, 8),
    ("1x4", {"name": "block", "rows": 1, "columns": 4}, 8),
    ("elements", "element", 4),
)


def network() -> nn.Module:
    return prunus.build_model(Part(name="resnet20"), (1, 28, 28), 10)


def data() -> Dataset:
    return prunus.load_data(Part(name="fashion-mnist"))


def train(path: Path) -> None:
    torch.manual_seed(SEED)
    model, dataset = network().to(memory_format=torch.channels_last), data()
    inputs, targets = dataset.prepare(dataset.train.inputs), dataset.train.targets
    optimizer = torch.optim.SGD(model.parameters(), lr=PEAK_RATE, momentum=0.9, nesterov=True, weight_decay=5e-4)
    steps = len(inputs) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, total_steps=EPOCHS * steps)
    for epoch in range(EPOCHS):
        order, began = torch.randperm(len(inputs)), time.perf_counter()
        for step in range(steps):
            at = order[step * BATCH : (step + 1) * BATCH]
            flipped = torch.where(torch.rand(BATCH, 1, 1, 1) < 0.5, inputs[at], inputs[at].flip(-1))
            with torch.autocast("cpu", torch.bfloat16):
                loss = cross_entropy(model(flipped.contiguous(memory_format=torch.channels_last)), targets[at])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        seconds = time.perf_counter() - began
        print(f"epoch {epoch}: {correct(model.eval(), dataset).float().mean():.2%} ({seconds:.0f} s)", flush=True)
        model.train()
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, path)


@torch.no_grad()
def correct(model: Callable, dataset: Dataset) -> torch.Tensor:
    """(test inputs,): whether each is given its class."""
    inputs = dataset.prepare(dataset.test.inputs)
    return torch.cat([model(batch).argmax(1) for batch in inputs.split(500)]) == dataset.test.targets


def calibration(dataset: Dataset, seed: int) -> list[torch.Tensor]:
    """256 training inputs in batches, without their labels."""
    chosen = torch.randperm(len(dataset.train), generator=torch.Generator().manual_seed(seed))[:INPUTS]
    return list(dataset.prepare(dataset.train.inputs[chosen]).split(64))


class Calibration(CalibrationDataReader):
    """The same inputs, one batch after another, as onnxruntime.quantization asks for them."""

    def __init__(self, batches: list[torch.Tensor]) -> None:
        self.batches = iter(batches)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next batch."""
        batch = next(self.batches, None)
        return None if batch is None else {"input": batch.numpy()}


def by_onnxruntime(model: nn.Module, batches: list[torch.Tensor], folder: Path) -> Callable:
    """Static and per channel, with QuantizeLinear and DequantizeLinear."""
    plain, small = folder / "plain.onnx", folder / "small.onnx"
    prunus.write_onnx(model, batches[0][:2], plain)
    quant_pre_process(plain, folder / "ready.onnx")
    types = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
    quantize_static(folder / "ready.onnx", small, Calibration(batches), per_channel=True, **types)
    return in_onnxruntime(small)


def in_onnxruntime(path: Path) -> Callable:
    session = open_session(str(path))
    return lambda batch: torch.from_numpy(session.run(None, {"input": batch.numpy()})[0])


def by_torchao(model: nn.Module, batches: list[torch.Tensor]) -> Callable:
    """torchao's PT2E flow with its quantiser for x86: static, weights per channel."""
    size = torch.export.Dim("batch", min=2, max=1000)
    exported = torch.export.export(model, (batches[0],), dynamic_shapes=({0: size},)).module()
    quantizer = x86.X86InductorQuantizer().set_global(x86.get_default_x86_inductor_quantization_config())
    prepared = prepare_pt2e(exported, quantizer)
    for batch in batches:
        prepared(batch)
    return convert_pt2e(prepared)


def to_nearest(model: nn.Module, batches: list[torch.Tensor], bits: dict) -> nn.Module:
    """Rounded to nearest, else as by `reconstruct`: the same ranges, and batch normalisation recalibrated."""
    clone = copy.deepcopy(model)
    prunus.quantize(clone, batches, {**bits, "activations": 32})
    prunus.recalibrate(clone, batches)
    detach(clone)
    prunus.quantize(clone, batches, {**bits, "weights": 32, "first_last": 8})
    return clone


def ways(model: nn.Module, batches: list[torch.Tensor], folder: Path) -> Iterator[tuple[str, Callable, list]]:
    """Each way by name, what it made of the network, and the errors of its layers where they are known."""
    yield "fp32", model, []
    yield "onnxruntime.quantization, 8 bits", by_onnxruntime(model, batches, folder), []
    yield "torchao (PT2E), 8 bits", by_torchao(model, batches), []
    eight = copy.deepcopy(model)
    prunus.quantize(eight, batches)
    yield "prunus.quantize, 8 bits", eight, []
    prunus.write_onnx(eight, batches[0][:2], folder / "eight.onnx")
    yield "the same, its file in ONNX Runtime", in_onnxruntime(folder / "eight.onnx"), []
    for weights in (8, 4, 3):
        bits = {"weights": weights, "activations": 8}
        yield f"to nearest, weights of {weights} bits", to_nearest(model, batches, bits), []
        found = prunus.reconstruct(model, batches, bits=bits)
        yield f"reconstruct, weights of {weights} bits", found.model, found.layers
    for name, pattern, weights in HALVES:
        bits = {"weights": weights, "activations": 8}
        found = prunus.reconstruct(model, batches, 0.5, pattern=pattern, protect=["output", "conv"], bits=bits)
        yield f"reconstruct, 50 % zeros ({name}), {weights} bits", found.model, found.layers


def post(path: Path, draws: int = 3) -> None:
    model, dataset = network().eval(), data()
    model.load_state_dict(load_file(path))
    rows: dict[str, list[tuple[torch.Tensor, list]]] = {}
    for seed in range(draws):
        with TemporaryDirectory() as folder:
            for name, made, layers in ways(model, calibration(dataset, seed), Path(folder)):
                rows.setdefault(name, []).append((correct(made, dataset), layers))
                print(f"draw {seed}: {line(name, rows[name], rows['fp32'][0][0])}", flush=True)
    for name, found in rows.items():
        print(line(name, found, rows["fp32"][0][0]))


def line(name: str, draws: list[tuple[torch.Tensor, list]], base: torch.Tensor) -> str:
    """Accuracy, its difference to fp32 with a 95 % interval over test inputs, and layers' errors over simpler ones."""
    differences = 100 * torch.stack([found.double() - base.double() for found, _ in draws]).mean(0)
    half = 1.96 * float(differences.std()) / len(differences) ** 0.5
    accuracy = 100 * float(torch.stack([found.double() for found, _ in draws]).mean())
    shares = [one.error / one.magnitude_error for _, layers in draws for one in layers if one.magnitude_error]
    errors = f"{statistics.median(shares):.2f} | {max(shares):.2f}" if shares else " | "
    return f"| {name} | {accuracy:.2f} | {float(differences.mean()):+.2f} ± {half:.2f} | {errors} |"


if __name__ == "__main__":
    {"train": train, "post": post}[sys.argv[1]](Path(sys.argv[2]), *map(int, sys.argv[3:]))
