from pathlib import Path

import pytest
import torch

from prunus.measure import named_model
from prunus.measure.benchmark import benchmark
from prunus.models import build_model
from prunus.spec import Part


def measured(model, part, tmp_path, **changes):
    settings = {"runtimes": ("torch", "onnxruntime"), "batch_sizes": (1, 4), "threads": (1,), "rounds": 30, **changes}
    told = []
    result = benchmark(
        model,
        named_model(part, (1, 8, 8), 10),
        (1, 8, 8),
        folder=tmp_path,
        report=lambda what: lambda done, total: told.append((what, done, total)),
        **settings,
    )
    return result, told


def test_every_runtime_and_batch_has_its_row(tmp_path):
    part = Part(name="vgg-digits")
    result, told = measured(build_model(part, (1, 8, 8), 10), part, tmp_path)
    assert [(row.runtime, row.batch_size) for row in result.rows] == [
        ("torch", 1), ("torch", 4), ("onnxruntime", 1), ("onnxruntime", 4),
    ]  # fmt: skip
    assert all(0 < row.p50_ms <= row.p95_ms and row.memory.network_bytes > 0 for row in result.rows)
    assert {file.format: file.size_bytes for file in result.files} == {
        path.suffix[1:]: path.stat().st_size for path in Path(tmp_path).iterdir()
    }
    assert result.problems == ()
    assert told[-1] == ("onnxruntime, batch 4, threads 1", 35, 35)


def test_what_cannot_be_exported_is_still_measured_on_torch(tmp_path):
    (tmp_path / "own.py").write_text(
        "import torch\n"
        "class Branching(torch.nn.Sequential):\n"
        "    def forward(self, x):\n"
        "        return super().forward(x if x.sum() > 0 else -x)\n"
        "def make(input_shape, classes):\n"
        "    return Branching(torch.nn.Flatten(), torch.nn.Linear(64, classes))\n"
    )
    part = Part(name=f"{tmp_path / 'own.py'}:make")
    result, _ = measured(build_model(part, (1, 8, 8), 10), part, tmp_path, batch_sizes=(1,))
    assert [row.runtime for row in result.rows] == ["torch"]
    assert ["cannot be exported to ONNX" in result.problems[0], "no onnx file" in result.problems[1]] == [True, True]


@pytest.mark.parametrize("rounds", [29])
def test_too_few_rounds_are_a_problem_not_a_number(tmp_path, rounds):
    result, _ = measured(torch.nn.Linear(8, 2), Part(name="vgg-digits"), tmp_path, rounds=rounds, runtimes=("torch",))
    assert result.rows == ()
    assert "at least 30" in result.problems[-1]
