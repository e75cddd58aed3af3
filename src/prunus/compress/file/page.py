"""One page that says what came of a file: before and after, what was tried, its layers, and how to load it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prunus.compress.file.result import KINDS, CompressedFile, DeliveredFile, shown
from prunus.compress.file.settings import FileSettings
from prunus.compress.page import FILE
from prunus.measure.machine import describe_machine
from prunus.report.content import Block, Bullets, Listing, Paragraph
from prunus.report.forms import COUNT, MILLISECONDS, NAME, PERCENT, RATIO, SCIENTIFIC, TEXT, Bounds
from prunus.report.palette import Palette
from prunus.report.rendering import render, render_section
from prunus.report.tables import Column, Table
from prunus.store import write_atomically

LOADING = {
    "onnxruntime": """\
import numpy, onnxruntime
session = onnxruntime.InferenceSession("{path}")
outputs = session.run(None, {inputs})
""",
    "openvino": """\
import numpy, openvino
compiled = openvino.Core().compile_model("{path}/model.xml", "CPU")
outputs = compiled({inputs})
""",
    "prunus": """\
import numpy, prunus
engine = prunus.sparse.load("{path}"{batch})
outputs = engine.run(*{inputs}.values())
""",
}


def write_file_page(found: CompressedFile, settings: FileSettings) -> Path:
    """Write `report.html`."""
    palette = Palette((), ())
    sections: tuple[tuple[str, str, tuple[Block, ...]], ...] = (
        ("summary", "What came out", (Bullets(tuple(found.sentences)), *_measured(found))),
        ("tried", "What was tried", tuple(_tried(found))),
        ("layers", "What became of each layer", tuple(_layers(found))),
        ("loading", "How to load it", tuple(_loading(found))),
    )
    bodies = [render_section(anchor, title, blocks, {}, palette) for anchor, title, blocks in sections if blocks]
    path = found.out / FILE
    where = f"Compressed from the file alone, {settings.threads} thread{'s' * (settings.threads > 1)}."
    write_atomically(path, render(Path(settings.onnx).name, where, bodies, palette, kind="Compression").encode())
    return path


def _measured(found: CompressedFile) -> Iterator[Block]:
    columns = (
        Column("network", TEXT),
        Column("runtime", TEXT),
        Column("ms", MILLISECONDS, "measured"),
        Column("of the file as it was", Bounds(RATIO), "measured"),
        Column("bytes", COUNT, "measured"),
        Column("deviation", SCIENTIFIC, "measured"),
    )
    rows = tuple(
        (KINDS[row.kind], row.runtime, row.time.latency_ms, row.time.ratio, row.size_bytes, row.deviation)
        for row in found.rows
    )
    yield Table("measured", f"All that holds, timed in the same rounds on {describe_machine()['cpu']}", columns, rows)
    yield Paragraph(
        "The deviation is the largest difference of the outputs from those of ONNX Runtime for the same network, on "
        "one input, relative to the largest output."
    )


def _tried(found: CompressedFile) -> Iterator[Block]:
    calibrated, chose, kept = found.counts
    yield Paragraph(
        f"{calibrated} inputs calibrated, {chose} others chose, and {kept} were looked at once, in the end. Agreement "
        f"is {found.metric}: {found.why}. It may fall {found.margin:g} below 100."
    )
    columns = (
        Column("network", TEXT),
        Column("agreement", TEXT, "measured"),
        Column("", TEXT),
        Column("layers with zeros", COUNT),
        Column("on integers", COUNT),
        Column("with weights of 8 bits alone", COUNT),
    )
    rows = tuple(
        (
            KINDS[one.change.kind],
            shown(one.agreement),
            "holds" if one.holds else "does not hold",
            len(one.change.zeros),
            len(one.change.integer),
            len(one.change.rounded),
        )
        for one in found.tried
    )
    yield Table("tried", "The boldest network of each kind that holds, or the nearest to it", columns, rows)


def _layers(found: CompressedFile) -> Iterator[Block]:
    yield Paragraph(
        "Zeros are chosen so that what they save and what they are foretold to change at the outputs are in one "
        "proportion in all layers; where not all layers can be on integers, the most harmful are left out first."
    )
    columns = (
        Column("layer", NAME),
        Column("operator", TEXT),
        Column("weight", TEXT),
        Column("zeros", PERCENT),
        Column("its outputs change by", SCIENTIFIC, "measured"),
        Column("the network's, by its zeros alone", SCIENTIFIC, "computed"),
        Column("8 bits", TEXT),
        Column("the network's, by it alone on integers", SCIENTIFIC, "measured"),
    )
    rows = tuple(
        (
            row.layer,
            row.kind,
            " x ".join(map(str, row.shape)),
            row.rate,
            row.error,
            row.alone,
            row.bits,
            row.integer_alone,
        )
        for row in found.layers
    )
    yield Table("layers", "Squared changes, as shares", columns, rows, folded=True, most_rows=2000)


def _loading(found: CompressedFile) -> Iterator[Block]:
    for one in found.delivered:
        yield Paragraph(f"The {one.role}:")
        yield Listing("", loading(one, found))


def loading(one: DeliveredFile, found: CompressedFile) -> str:
    """A few lines that load a delivered file and run it."""
    example = found.example
    arrays = (f'"{port.name}": numpy.zeros({example[port.name].shape}, "{port.dtype}")' for port in found.ports)
    first = example[found.ports[0].name]
    batch = f", batch={first.shape[0]}" if first.ndim else ""
    return LOADING[one.row.runtime].format(path=one.path, inputs="{" + ", ".join(arrays) + "}", batch=batch)
