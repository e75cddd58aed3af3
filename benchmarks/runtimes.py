"""Networks of 8 bits with zeros in blocks, beside what users would pick: each runtime alone in its own process.

    python benchmarks/runtimes.py                                   # ResNet-50, batches 1 and 16, 80, 90 and 95 %
    python benchmarks/runtimes.py vgg11 resnet18 --batch 64 --rung 4x4
    python benchmarks/runtimes.py resnet50 --no-amx --rung 4x4      # of all runtimes: a machine with VNNI alone
    python benchmarks/runtimes.py mobilenet_v2 bert --batch 1

Weights are random; of each layer but the last the blocks of least magnitude are zero: of 1, 4 or 16 outputs x 4 inputs
at one place of the kernel. The file of 8 bits is that of onnxruntime.quantization: static, per channel, QDQ, calibrated
on random inputs. Its zeros are those of the fp32 file, which the runtimes of fp32 and bf16 are given.

Every runtime is loaded in a process that sleeps while another is timed. A round times each of them once, in an order
that is drawn anew; a time is the median of the rounds, each of which gives the median of some runs. During each timing
the processor's time of all other processes is taken from /proc/stat: a round in which it is more than 8 % of the cores
is dropped, and counted. The last column is the time of the best dense runtime divided by ours.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MOST_FOREIGN = 0.08
"""Share of all cores that other processes may take in a round that counts."""

RUNTIMES = ("prunus", "ort-fp32", "ort-int8", "openvino-fp32", "openvino-bf16", "openvino-int8", "torch")
OF_8_BITS = ("prunus", "ort-int8", "openvino-int8")
NO_AMX = {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_VNNI", "PRUNUS_ISA": "avx512-vnni"}


# Networks -------------------------------------------------------------------------------------------------------------


def build(name: str) -> tuple[Any, tuple[Any, ...]]:
    """The network in evaluation mode, and inputs of one element of a batch."""
    import torch
    import torchvision
    from torch import nn

    from prunus import build_model
    from prunus.spec import Part

    torch.manual_seed(0)
    if name == "bert":
        from transformers import BertConfig, BertModel

        return BertModel(BertConfig(), add_pooling_layer=False).eval(), (torch.randint(0, 30_000, (1, 128)),)
    if name == "resnet18":  # for images of 32 pixels
        model = torchvision.models.resnet18(num_classes=10)
        model.conv1, model.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
        return model.eval(), (torch.randn(1, 3, 32, 32),)
    if name == "vgg11":
        return build_model(Part(name="vgg11"), (3, 32, 32), 10).eval(), (torch.randn(1, 3, 32, 32),)
    return getattr(torchvision.models, name)().eval(), (torch.randn(1, 3, 224, 224),)


def prune(model: Any, outputs: int, sparsity: float) -> None:
    """Make the blocks of least magnitude zero in every layer but the last, depthwise ones excepted."""
    import torch
    from torch import nn

    layers = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    for layer in layers[:-1]:
        weight = layer.weight.data
        if weight.shape[1] < 4:
            continue
        lines = weight.movedim(1, -1)
        padded = nn.functional.pad(
            lines, (0, -lines.shape[-1] % 4, *[0, 0] * (lines.dim() - 2), 0, -len(lines) % outputs)
        )
        blocks = padded.reshape(len(padded) // outputs, outputs, -1, padded.shape[-1] // 4, 4)
        sizes = blocks.abs().sum((1, 4), keepdim=True)
        limit = (
            sizes.flatten().kthvalue(max(1, round(sparsity * sizes.numel()))).values if sparsity else torch.tensor(-1.0)
        )
        kept = (blocks * (sizes > limit)).reshape(padded.shape)[: len(lines), ..., : lines.shape[-1]]
        layer.weight.data = kept.movedim(-1, 1).contiguous()


def write_files(name: str, outputs: int, sparsity: float, folder: Path) -> None:
    """The fp32 file and that of 8 bits."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    from prunus import write_onnx

    model, example = build(name)
    prune(model, outputs, sparsity)
    write_onnx(model, example, folder / "fp32.onnx")

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        left = 2

        def get_next(self) -> dict[str, Any] | None:
            self.left -= 1
            return {"input": inputs_of(name, 2, self.left + 1)} if self.left >= 0 else None

    quant_pre_process(str(folder / "fp32.onnx"), str(folder / "prepared.onnx"), skip_symbolic_shape=True)
    quantize_static(
        str(folder / "prepared.onnx"),
        str(folder / "int8.onnx"),
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )


def inputs_of(name: str, batch: int, seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    if name == "bert":
        return draw.integers(0, 30_000, (batch, 128))
    pixels = 32 if name in ("vgg11", "resnet18") else 224
    return draw.standard_normal((batch, 3, pixels, pixels)).astype(np.float32)


# A runtime, in its own process ----------------------------------------------------------------------------------------


def load(
    runtime: str, name: str, folder: Path, batch: int, threads: int, settings: Sequence[str]
) -> tuple[Callable[[], Any], str]:
    """What runs the network once, and what it says about itself."""
    given = inputs_of(name, batch)
    file = folder / ("int8.onnx" if runtime in OF_8_BITS else "fp32.onnx")
    if runtime == "prunus":
        from prunus.sparse import from_onnx
        from prunus.sparse.native import isa

        engine = from_onnx(file, batch=batch, threads=threads)
        engine.run(given)
        if "explain" in settings:
            print(engine.explain(), file=sys.stderr)
        return lambda: engine.run(given), isa()
    if runtime.startswith("ort"):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        feed = {session.get_inputs()[0].name: given}
        return lambda: session.run(None, feed), onnxruntime.__version__
    if runtime.startswith("openvino"):
        import openvino

        core = openvino.Core()
        network = core.read_model(str(file))
        network.reshape(list(given.shape))
        kind = "bf16" if runtime.endswith("bf16") else "f32"
        asked = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": kind,
        }
        request = core.compile_model(network, "CPU", asked).create_infer_request()
        return lambda: request.infer([given]), openvino.__version__
    import torch

    torch.set_num_threads(threads)
    model, _ = build(name)
    tensor = torch.from_numpy(given)

    def run() -> Any:
        with torch.inference_mode():
            return model(tensor)

    return run, torch.__version__


def work(options: argparse.Namespace) -> None:
    """Load, say so, and time runs whenever a line comes: seconds of wall, and of this process's own processor time."""
    try:
        run, version = load(
            options.worker,
            options.networks[0],
            Path(options.folder),
            int(options.batch),
            options.threads,
            options.settings,
        )
        run()
    except Exception as error:  # of any runtime
        print(json.dumps({"failed": f"{type(error).__name__}: {error}".splitlines()[0]}), flush=True)
        return
    print(json.dumps({"version": version}), flush=True)
    for line in sys.stdin:
        runs, samples = int(line), []
        before = time.process_time()
        run()  # the caches and the cores' clocks are another's
        for _ in range(runs):
            start = time.perf_counter()
            run()
            samples.append(time.perf_counter() - start)
        print(json.dumps({"seconds": samples, "own": time.process_time() - before}), flush=True)


# The rounds -----------------------------------------------------------------------------------------------------------


@dataclass
class Worker:
    """A process with a runtime. why: of one that cannot run the network."""

    runtime: str
    process: subprocess.Popen[str]
    version: str = ""
    why: str = ""

    def answer(self) -> dict[str, Any]:
        """The next line that it says."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"failed": f"its process ended with {self.process.wait()}"}

    def time(self, runs: int) -> tuple[float, float]:
        """Median seconds of a run, and the share of all cores that other processes took meanwhile."""
        assert self.process.stdin
        busy, own, start = busy_seconds(), time.process_time(), time.perf_counter()
        self.process.stdin.write(f"{runs}\n")
        self.process.stdin.flush()
        answer = self.answer()
        wall = time.perf_counter() - start
        foreign = busy_seconds() - busy - answer["own"] - (time.process_time() - own)
        return statistics.median(answer["seconds"]), max(foreign, 0.0) / (wall * (os.cpu_count() or 1))


def busy_seconds() -> float:
    """Of all cores, since the machine was started: all but what they were idle or waited for disks."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def workers(name: str, folder: Path, batch: int, options: argparse.Namespace) -> Iterator[list[Worker]]:
    environment = os.environ | {"OMP_NUM_THREADS": str(options.threads)} | (NO_AMX if options.no_amx else {})
    started = []
    try:
        for runtime in options.runtimes.split(","):
            command = [
                sys.executable,
                __file__,
                name,
                "--worker",
                runtime,
                "--folder",
                str(folder),
                "--batch",
                str(batch),
            ]
            command += ["--threads", str(options.threads), *(["--settings", "explain"] if options.explain else [])]
            worker = Worker(
                runtime,
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment),
            )
            started.append(worker)
            answer = worker.answer()  # one after the other: loading disturbs
            worker.version, worker.why = answer.get("version", ""), answer.get("failed", "")
        yield started
    finally:
        for worker in started:
            worker.process.kill()
            worker.process.wait()


def measure(running: list[Worker], options: argparse.Namespace) -> tuple[dict[str, float], int, int]:
    """Runtime -> median seconds; rounds that counted, and that were dropped."""
    able = [worker for worker in running if not worker.why]
    runs = {worker.runtime: max(3, min(100, round(0.3 / worker.time(1)[0]))) for worker in able}
    rounds: list[dict[str, float]] = []
    dropped = 0
    while len(rounds) < options.rounds and dropped < 10 * options.rounds:
        order = random.sample(able, len(able))
        timed = {worker.runtime: worker.time(runs[worker.runtime]) for worker in order}
        if max(foreign for _, foreign in timed.values()) > MOST_FOREIGN:
            dropped += 1
            continue
        rounds.append({runtime: seconds for runtime, (seconds, _) in timed.items()})
    medians = (
        {worker.runtime: statistics.median(each[worker.runtime] for each in rounds) for worker in able}
        if rounds
        else {}
    )
    return medians, len(rounds), dropped


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=["resnet50"])
    parser.add_argument("--batch", default="1,16")
    parser.add_argument("--rung", default="1x4,4x4,16x4", help="1x4, 4x4, 16x4: outputs x inputs of a block")
    parser.add_argument("--sparsity", default="0.8,0.9,0.95")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--runtimes", default=",".join(RUNTIMES))
    parser.add_argument("--no-amx", action="store_true", help="all runtimes as on a machine with VNNI and no AMX")
    parser.add_argument("--explain", action="store_true", help="every layer of ours: rung, zeros, blocks left")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--settings", nargs="*", default=[], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options)
        return
    asked = options.runtimes.split(",")
    columns = (
        "network",
        "batch",
        "rung",
        "zeros",
        *(f"{runtime} ms" for runtime in asked),
        "rounds",
        "dropped",
        "best dense / ours",
    )
    print(
        f"{options.threads} threads, AMX {'off' if options.no_amx else 'on'}\n",
        f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}",
        sep="",
    )
    told: dict[str, str] = {}
    for name in options.networks:
        for rung in options.rung.split(","):
            for sparsity in map(float, options.sparsity.split(",")):
                with tempfile.TemporaryDirectory() as folder:
                    write_files(name, int(rung.split("x")[0]), sparsity, Path(folder))
                    for batch in map(int, options.batch.split(",")):
                        with workers(name, Path(folder), batch, options) as running:
                            medians, kept, dropped = measure(running, options)
                            told |= {worker.runtime: worker.why or worker.version for worker in running}
                        dense = min((medians[one] for one in medians if one != "prunus"), default=float("nan"))
                        cells = [f"{1e3 * medians[one]:.2f}" if one in medians else "" for one in asked]
                        cells += [str(kept), str(dropped)]
                        cells.append(f"{dense / medians['prunus']:.2f}" if "prunus" in medians else "")
                        print(f"| {' | '.join((name, str(batch), rung, f'{sparsity:.0%}', *cells))} |", flush=True)
    for runtime, text in told.items():
        print(f"{runtime}: {text}")


if __name__ == "__main__":
    main()
