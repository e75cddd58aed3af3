"""Percentiles, ratios in the same rounds, memory and file sizes."""

from dataclasses import replace

import pytest

from prunus.report.latencies import Setting, latencies_info, settings_info
from prunus.report.memories import memories_info
from prunus.report.sizes import sizes_info
from prunus.report.speedups import speedups_info
from prunus.store import FileRow, LatencyRow, MemoryRow
from report.tiny import cost, grid


def timed(name: str, *milliseconds: float, runtime: str = "torch", batch: int = 1) -> list[LatencyRow]:
    return [LatencyRow(name, runtime, batch, 1, number, value) for number, value in enumerate(milliseconds)]


def test_percentiles_are_of_the_samples() -> None:
    (info,) = latencies_info(grid(latencies=timed("u0", *range(1, 101))))
    assert info.p50_ms == pytest.approx(50.5)
    assert info.p95_ms == pytest.approx(95.05)
    assert info.rounds == 100
    assert info.ratio is None


def test_the_ratio_is_to_the_unpruned_network_in_the_same_rounds() -> None:
    rows = timed("u0", 1.0, 2.0, 4.0) + timed("s0", 0.5, 1.0, 2.0)
    _, pruned = latencies_info(grid(latencies=rows))
    assert pruned.ratio is not None
    assert (pruned.ratio.mean, pruned.ratio.low, pruned.ratio.high, pruned.ratio.count) == (0.5, 0.5, 0.5, 3)


def test_readings_are_corrected_for_the_number_of_ratios() -> None:
    """The same rounds are read as faster alone, and as not shown among others that tell nothing."""
    rounds = [1.0, 1.0, 1.02, 0.98, 1.01, 0.99, 1.0, 1.01, 0.99, 1.0]
    own = [0.96, 0.97, 1.01, 0.95, 0.96, 1.0, 0.98, 0.97, 0.99, 0.94]
    alone = timed("u0", *rounds) + timed("s0", *own)
    others = [row for batch in range(2, 12) for name in ("u0", "s0") for row in timed(name, *rounds, batch=batch)]
    (read,) = [info for info in latencies_info(grid(latencies=alone)) if info.recipe]
    among = [info for info in latencies_info(grid(latencies=alone + others)) if info.recipe]
    assert read.reading == "faster"
    assert among[0].ratio == read.ratio
    assert {info.reading for info in among} == {"not shown"}


def test_one_round_has_no_interval_and_is_not_compared() -> None:
    _, pruned = latencies_info(grid(latencies=timed("u0", 1.0) + timed("s0", 0.5)))
    assert pruned.reading == "not compared"


def test_rounds_that_only_one_has_are_left_out() -> None:
    _, pruned = latencies_info(grid(latencies=timed("u0", 1.0, 1.0) + timed("s0", 0.5, 0.5, 99.0)))
    assert pruned.ratio is not None
    assert (pruned.ratio.mean, pruned.ratio.count) == (0.5, 2)
    assert pruned.rounds == 3


def test_settings_are_never_mixed() -> None:
    rows = timed("u0", 1.0) + timed("s0", 3.0, batch=64) + timed("s0", 2.0, runtime="onnxruntime")
    assert [info.ratio for info in latencies_info(grid(latencies=rows))] == [None, None, None]


def test_a_seed_whose_control_was_not_timed_is_compared_with_the_one_that_was() -> None:
    _, pruned = latencies_info(grid(latencies=timed("u0", 2.0, 2.0) + timed("s1", 1.0, 1.0)))
    assert pruned.ratio is not None
    assert pruned.ratio.mean == 0.5


def test_speedups_are_given_for_every_setting() -> None:
    tables = {
        "epochs": (),
        "costs": [cost("u0", 100, 100), cost("s0", 50, 25)],
        "latencies": timed("u0", 3.0) + timed("s0", 1.0) + timed("u0", 1.0, batch=64) + timed("s0", 2.0, batch=64),
    }
    study = grid(**tables)
    assert settings_info(study) == (Setting("torch", 1, 1), Setting("torch", 64, 1))
    found = speedups_info(study)
    assert [(one.setting.batch_size, one.theoretical, one.measured) for one in found] == [(1, 4.0, 3.0), (64, 4.0, 0.5)]


def test_memory_is_less_that_of_the_process_without_the_network() -> None:
    rows = [MemoryRow("u0", "torch", 1, 180, 100), MemoryRow("s0", "torch", 1, 120, 100)]
    unpruned, pruned = memories_info(grid(memories=rows))
    assert (unpruned.network_bytes, unpruned.ratio) == (80, 1.0)
    assert (pruned.network_bytes, pruned.ratio) == (20, 0.25)


def test_memory_below_the_baseline_has_no_ratio_to_it() -> None:
    rows = [MemoryRow("u0", "torch", 1, 90, 100), MemoryRow("s0", "torch", 1, 120, 100)]
    assert [info.ratio for info in memories_info(grid(memories=rows))] == [None, None]


def test_sizes_are_by_format_safetensors_first() -> None:
    file = FileRow("u0", "onnx", "a", 100, "0", 1e-7)
    files = [
        file,
        replace(file, format="safetensors", size_bytes=80, deviation=None),
        replace(file, trial="s0", size_bytes=25),
        replace(file, trial="s0", format="safetensors", size_bytes=40),
    ]
    infos = sizes_info(grid(files=files))
    assert [(info.recipe, info.format, info.ratio) for info in infos] == [
        (None, "safetensors", 1.0),
        (None, "onnx", 1.0),
        ("structured", "safetensors", 0.5),
        ("structured", "onnx", 0.25),
    ]
    assert infos[1].deviation == 1e-7
