"""One page that says what came out: before and after, what was tried, and how to load it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prunus.compress.result import Compressed
from prunus.compress.settings import Settings
from prunus.measure.stopwatch import Place
from prunus.measure.variant import InputKind
from prunus.report.content import Block, Bullets, Group, Listing, Paragraph
from prunus.report.forms import COUNT, NAME, SCIENTIFIC, TEXT, Bounds, Number
from prunus.report.palette import Palette
from prunus.report.rendering import render, render_section
from prunus.report.tables import Column, Table
from prunus.store import write_atomically

FILE = "report.html"
SIGNED = Number(digits=2, signed=True)
EPOCHS = Number(written=lambda value: f"{value:.3g}")
COST = Number(written=lambda value: f"{value:.4g}".replace("-", "−"))

LOADING = {
    "onnxruntime": """\
import numpy, onnxruntime
session = onnxruntime.InferenceSession("{out}/model.onnx")
inputs = [{arrays}]
outputs = session.run(None, dict(zip([each.name for each in session.get_inputs()], inputs)))
""",
    "openvino": """\
import numpy, openvino
compiled = openvino.Core().compile_model("{out}/model.openvino/model.xml", "CPU")
outputs = compiled([{arrays}])
""",
    "prunus": """\
import numpy, prunus
engine = prunus.sparse.load("{out}/model.prunus", batch={batch})
outputs = engine.run({arrays})
""",
}
IN_PYTORCH = """\
import prunus, torch
model = prunus.load("{out}/model.safetensors", build)  # build() makes the network as it was
outputs = model({tensors})
"""
"""How a network is loaded, by runtime; and in PyTorch, whatever the runtime is."""


def write_page(found: Compressed, settings: Settings) -> Path:
    """Write `report.html`."""
    palette = Palette((), ())
    sections = (
        ("summary", "What came out", _summary(found)),
        ("tried", "What was tried", _tried(found)),
        ("groups", "What groups of channels cost", _groups(found)),
        ("loading", "How to load it", _loading(found, settings)),
    )
    shown = [render_section(anchor, title, blocks, {}, palette) for anchor, title, blocks in sections if blocks]
    name = settings.model.name if settings.model else type(found.model).__name__
    where = Place(runtime=settings.runtime, batch_size=settings.batch_sizes[0], threads=settings.threads)
    path = found.out / FILE
    write_atomically(path, render(name, f"Compressed for {where}.", shown, palette, kind="Compression").encode())
    return path


def _summary(found: Compressed) -> tuple[Block, ...]:
    blocks: list[Block] = [Bullets(tuple(found.sentences))]
    if rows := tuple(_before_and_after(found)):
        columns = (
            Column("", TEXT),
            Column("before", TEXT, "measured"),
            Column("after", TEXT, "measured"),
            Column("after / before", TEXT, "measured"),
        )
        blocks.append(Table("before-and-after", "The unpruned network and the compressed one", columns, rows))
    if found.delivered is not None and found.delivered.problems:
        blocks.append(Group("What could not be had", (Bullets(found.delivered.problems),)))
    return tuple(blocks)


def _before_and_after(found: Compressed) -> Iterator[tuple[str, str, str, str]]:
    if found.tested is None or found.delivered is None:
        return
    before, after, lost = found.tested
    shown = SIGNED.show(lost.interval)
    yield f"{found.metric.name}, test", found.metric.text(before), found.metric.text(after), f"difference {shown}"
    for time in found.delivered.times:
        ratio = Number(digits=3).show(time.ratio)
        what = f"latency, batch {time.batch_size}"
        yield what, f"{time.before_ms:.4g} ms", f"{time.after_ms:.4g} ms", ratio
    unpruned = {file.format: file.size_bytes for file in found.delivered.before}
    for file in found.delivered.files:
        size = unpruned.get(file.format)
        share = f"{file.size_bytes / size:.3f}" if size else ""
        yield f"bytes, {file.format}", f"{size:,}" if size else "", f"{file.size_bytes:,}", share
    if found.delivered.memory is not None:
        whole, small = found.delivered.memory
        share = f"{small / whole:.3f}" if whole > 0 else ""
        yield "peak memory of the network", f"{whole / 1e6:.1f} MB", f"{small / 1e6:.1f} MB", share


def _tried(found: Compressed) -> tuple[Block, ...]:
    told = Paragraph(
        f"Judged on {found.chosen_by}; unpruned, the network comes to {found.metric.text(found.unpruned)} there and "
        f"costs {found.goal} = {found.whole:.4g}. Each cut is made at widths that were chosen in several ways; those "
        "that lost least after a short training of all stay, as does the learning rate the first time. Epochs count "
        "all of these trainings."
    )
    columns = (
        Column("attempt", COUNT),
        Column("cut out of", COUNT),
        Column(found.goal, COST, "asked"),
        Column(found.goal, COST, "computed"),
        Column(found.goal, COST, "measured"),
        Column("widths chosen", TEXT),
        Column("learning rate", COST),
        Column("epochs", EPOCHS),
        Column(f"difference in {found.metric.name}", Bounds(SIGNED), "measured"),
        Column("", TEXT),
    )
    rows = tuple(
        (
            one.number,
            one.began_from,
            one.asked,
            one.predicted,
            one.cost,
            one.chosen,
            one.learning_rate,
            one.epochs + one.compared,
            one.difference.interval if one.difference else None,
            "delivered" if one == found.best else "holds" if one.accepted else "does not hold",
        )
        for one in found.attempts
    )
    return told, Table("attempts", "Networks that were cut and trained on", columns, rows, empty="None was.")


def _groups(found: Compressed) -> tuple[Block, ...]:
    told = Paragraph(
        "What the whole network would cost more or less if one group of coupled channels alone were narrowed, and by "
        "how much its loss is estimated to rise before any training. The knapsack chooses among these, and anew "
        "around what it chose, since what a group costs depends on its neighbours."
    )
    left = found.best.widths if found.best else {}
    columns = (
        Column("group", NAME),
        Column("width", COUNT),
        Column(found.goal, COST, "computed"),
        Column("loss", SCIENTIFIC, "computed"),
        Column("", TEXT),
    )
    rows = tuple(
        (row.group, width, cost, loss, "chosen" if left.get(row.group) == width else "")
        for row in found.table
        for width, cost, loss in zip(row.widths, row.costs, row.losses, strict=True)
    )
    return told, Table("groups", "Costs and losses of groups", columns, rows, folded=True, most_rows=2000)


def _loading(found: Compressed, settings: Settings) -> tuple[Block, ...]:
    if found.delivered is None:
        return ()
    batch = settings.batch_sizes[0]
    filled = {
        "out": str(found.out),
        "batch": batch,
        "arrays": ", ".join(_zeros(kind, batch, "numpy") for kind in found.inputs),
        "tensors": ", ".join(
            (f"{kind.name}=" if kind.name else "") + _zeros(kind, batch, "torch") for kind in found.inputs
        ),
    }
    text = LOADING.get(settings.runtime) if found.delivered.times else None
    ways = [Listing("", text.format(**filled))] if text else []
    return (*ways, Paragraph("In PyTorch:"), Listing("", IN_PYTORCH.format(**filled)))


def _zeros(kind: InputKind, batch: int, library: str) -> str:
    """An input of zeros, as a program makes it.

    >>> _zeros(InputKind(shape=(3, 8, 8)), 1, "numpy"), _zeros(InputKind(shape=(16,), low=0, high=9), 2, "torch")
    ('numpy.zeros((1, 3, 8, 8), numpy.float32)', 'torch.zeros((2, 16), dtype=torch.int64)')
    """
    keyword = "dtype=" if library == "torch" else ""
    kind_of_number = "float32" if kind.low is None else "int64"
    return f"{library}.zeros({(batch, *kind.shape)}, {keyword}{library}.{kind_of_number})"
