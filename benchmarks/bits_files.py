"""Do the ONNX files of a study's quantised networks compute what was simulated? On all of its test inputs.

    prunus run bits --out studies/bits
    python benchmarks/bits_files.py studies/bits

Each file is run operation by operation, as ONNX defines it, and by ONNX Runtime's integer kernels. Printed are the
share of outputs within one step (an 8-bit grid from the lowest to the highest output), the inputs that are given
another class, those of them whose two best classes are more than a step apart, and the largest difference, relative to
the largest output.
"""

import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from onnxruntime import GraphOptimizationLevel
from torch import nn

from prunus.export import OnnxTemplates, read_network, read_scheme, write_onnx
from prunus.quantization import reattach
from prunus.store import INTEGERS_FORMAT, read_study
from prunus.sweep.final import builder
from prunus.sweep.folder import StudyFolder
from prunus.sweep.loaded import Loaded
from prunus.system.onnx_session import open_session
from prunus.train import batches

WAYS = {"as defined": GraphOptimizationLevel.ORT_DISABLE_ALL, "integer kernels": GraphOptimizationLevel.ORT_ENABLE_ALL}


def quantised(folder: StudyFolder, loaded: Loaded) -> Iterator[tuple[str, nn.Module]]:
    """Recipe and network of every finished trial that quantised."""
    for trial in loaded.trials.values():
        integers = folder.network(trial.digest, INTEGERS_FORMAT)
        if trial.recipe is not None and integers.exists():
            model = read_network(folder.network(trial.digest), builder(trial, loaded).build).eval()
            reattach(model, read_scheme(integers))
            yield trial.recipe.name, model


def compared(expected: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Share within a step, inputs of another class, those of them that are no tie, and the largest difference."""
    step, best = np.ptp(expected) / 255, np.sort(expected, axis=1)
    other = found.argmax(1) != expected.argmax(1)
    clear = best[:, -1] - best[:, -2] > step
    difference = np.abs(found - expected)
    return np.array(
        [(difference <= step).mean(), other.sum(), (other & clear).sum(), difference.max() / np.abs(expected).max()]
    )


def main(path: Path) -> None:
    folder, study = StudyFolder(path), read_study(path).study
    loaded = Loaded.of_resolved(study)
    inputs = torch.cat([batch for batch, _ in batches(loaded.dataset, loaded.dataset.test, torch.device("cpu"))])
    found, templates = defaultdict(list), OnnxTemplates()
    with TemporaryDirectory() as place, torch.no_grad():
        for name, model in quantised(folder, loaded):
            file = write_onnx(model, inputs[:2], f"{place}/q.onnx", templates)
            for way, level in WAYS.items():
                (outputs,) = open_session(file.path, graph_optimization_level=level).run(
                    None, {"input": inputs.numpy()}
                )
                found[name, way].append(compared(model(inputs).numpy(), outputs))
    for (name, way), rows in found.items():
        table = np.array(rows)
        print(
            f"{name:12} {way:16} {len(rows)} networks x {len(inputs)} inputs: {table[:, 0].min():.2%} within a step at "
            f"least, {table[:, 1].sum():.0f} of another class ({table[:, 2].sum():.0f} no ties), "
            f"largest difference {table[:, 3].max():.2%}"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
