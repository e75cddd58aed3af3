"""One compression of a file, from reading it to the page that says what came out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prunus.compress.file.agreement import Agreement, agreement_of
from prunus.compress.file.candidates import Candidates, Change, Tried
from prunus.compress.file.inputs import Scaling, divide, read_feeds
from prunus.compress.file.layers import WeightedLayer, share_covered, weighted_layers
from prunus.compress.file.network import Feed, FileNetwork, read_network_file, run_over
from prunus.compress.file.observing import observe
from prunus.compress.file.page import write_file_page
from prunus.compress.file.progress import Steps
from prunus.compress.file.quantising import bits_here
from prunus.compress.file.removing import ZerosPattern
from prunus.compress.file.result import KINDS, SUITS, CompressedFile, DeliveredFile, LayerRow, Row, choose
from prunus.compress.file.settings import FileSettings
from prunus.compress.file.timing import BASELINE, Loaded, load_on, runtimes_here, time_all
from prunus.compress.timing import Tell
from prunus.errors import InputError, PrunusError
from prunus.store import write_atomically

SETTINGS = "compress.toml"
COVERED = 0.9
"""The share of the constants below which it is said how many cannot be changed."""
Place = tuple[str, str]
"""The kind of a network, and a runtime."""


def compress_file(
    path: str | Path,
    inputs: Any,
    *,
    out: str | Path,
    keep: float = 1.0,
    metric: str = "auto",
    runtimes: Sequence[str] = (),
    threads: int = 1,
    pattern: str = "element",
    protect: Sequence[str] = (),
    mean: Sequence[float] = (0.0,),
    std: Sequence[float] = (1.0,),
    seed: int = 0,
    tell: Tell = lambda _: None,
) -> CompressedFile:
    """Make an ONNX file smaller and faster without training and without labels, and write what is.

    Weights get zeros, where those that stay make up for them, or eight bits, or both; layers that bear it compute on
    integers. A third of the inputs says what layers are given; by another third is chosen how far that can go while the
    outputs still agree with the original's; the last third is looked at once. What holds is timed on the runtimes, and
    the fastest and the smallest are written.

    Args:
        path: of the ONNX file; it is untouched.
        inputs: a list of some hundred inputs, each what the network takes in one run (an array, a tuple of them or a
            dictionary); or an `.npz` file, a folder of them or of images, or `file.py:function`, which returns such
            a list.
        out: folder for the files and the report.
        keep: how far agreement with the original may fall below 100, in points.
        metric: `classes`, `decisions`, `cosine`, `closeness`, or `file.py:function` from two lists of outputs to a
            number from 0 to 1; `auto` goes by what the original's outputs look like, and says so.
        runtimes: of `onnxruntime`, `openvino` and `prunus`; without any, all that are here.
        threads: of the runtimes.
        pattern: of zeros: `element`, blocks such as `1x4`, or N:M such as `2:4`.
        protect: layers that stay as they are, by name or shell pattern.
        mean: what is taken off the pixels of images, which are between 0 and 1, for each channel.
        std: what they are divided by.
        seed: by which inputs are divided.
        tell: is called with a sentence on how it gets on.

    Returns:
        What was written, tried and measured; printing it tells what came out.

    Raises:
        InputError: the file is no ONNX file, is too old, or has no layer that can be changed; or the inputs do not fit.
        MissingError: a runtime that was asked for is not there.

    Example:
        >>> import torch
        >>> from prunus.export import write_onnx
        >>> network = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 4))
        >>> with TemporaryDirectory() as folder:
        ...     file = write_onnx(network, torch.zeros(1, 64), f"{folder}/net.onnx")
        ...     inputs = [torch.randn(1, 64).numpy() for _ in range(30)]
        ...     found = compress_file(file.path, inputs, out=f"{folder}/small", keep=20, runtimes=["onnxruntime"])
        >>> found.rows[0].kind, len(found.layers)
        ('original', 2)
    """
    settings = FileSettings(
        onnx=str(path),
        inputs=str(inputs) if isinstance(inputs, str | Path) else None,
        mean=tuple(mean),
        std=tuple(std),
        metric=metric,
        keep=keep,
        runtimes=tuple(runtimes),
        threads=threads,
        pattern=pattern,
        protect=tuple(protect),
        seed=seed,
    )
    given = None if settings.inputs else inputs
    return run_file_compression(settings, Path(out), tell, given)


def run_file_compression(
    settings: FileSettings, out: Path, tell: Tell, given: Iterable[Any] | None = None
) -> CompressedFile:
    """As `compress_file`, with all settings in one. given: inputs of Python, where the settings name none."""
    source = settings.inputs if given is None else given
    if source is None:
        raise InputError("Nothing says on which inputs", "a file is compressed and judged on inputs", "give --inputs")
    runtimes = runtimes_here(settings.runtimes)
    pattern = ZerosPattern.of(settings.pattern)
    tell(f"reading {settings.onnx}")
    network = read_network_file(Path(settings.onnx))
    feeds = read_feeds(source, network.ports, Scaling(settings.mean, settings.std))
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / SETTINGS, settings.to_toml().encode())
    with TemporaryDirectory(prefix="prunus-file-") as folder:
        found = _FileCompression(settings, network, feeds, runtimes, pattern, out, Path(folder), tell).run()
    write_file_page(found, settings)
    return found


@dataclass
class _FileCompression:
    """All that follows from a network, its inputs and what is asked."""

    settings: FileSettings
    network: FileNetwork
    feeds: tuple[Feed, ...]
    runtimes: tuple[str, ...]
    pattern: ZerosPattern
    out: Path
    folder: Path
    tell: Tell
    notes: list[str] = field(default_factory=list)

    def run(self) -> CompressedFile:
        """From layers to files."""
        layers, parts = self._layers(), divide(self.feeds, self.settings.seed)
        self.tell(f"running the original on {len(parts.choosing)} inputs")
        originals = list(run_over(self.network.path, parts.choosing))
        agreement = agreement_of(self.settings.metric, self.network, originals)
        self.tell(f"agreement is {agreement.words}: {agreement.why}")
        observed = observe(
            self.network, layers, parts.calibration, Steps(self.tell, "looking at what layers are given")
        )
        removed = self.folder / "removed"
        removed.mkdir()
        margin, bits = self.settings.keep, bits_here()
        candidates = Candidates(
            self.network, layers, observed, parts, agreement, originals, margin, self.pattern, bits, removed, self.tell
        )
        tried = tuple(candidates.all())
        loaded = dict(self._loaded(candidates, [one for one in tried if one.holds], typical(self.feeds)))
        rows = self._timed(loaded, typical(self.feeds))
        delivered = tuple(self._delivered(rows, agreement, parts.test))
        return CompressedFile(
            delivered,
            rows,
            tried,
            tuple(_layer_rows(layers, candidates, tried)),
            agreement.words,
            agreement.why,
            margin,
            (len(parts.calibration), len(parts.choosing), len(parts.test)),
            tuple(self.notes),
            self.network.ports,
            typical(self.feeds),
            self.out,
        )

    def _layers(self) -> tuple[WeightedLayer, ...]:
        """The layers that may change. Raises `InputError` where there is none."""
        protected = self.settings.protect
        found = weighted_layers(self.network)
        layers = tuple(one for one in found if not any(fnmatchcase(one.name, each) for each in protected))
        if not layers:
            none = "it has no convolution or matrix product with a weight of its own outside of branches and loops"
            why = "all are protected" if found else none
            raise InputError(f"{self.settings.onnx} has no layer that can be changed", why, "choose another network")
        if (covered := share_covered(self.network, layers)) < COVERED:
            self.notes.append(
                f"{100 * (1 - covered):.0f} % of its constants stay as they are: no layer of these holds them."
            )
        return layers

    def _model(self, kind: str) -> Path:
        """The ONNX file of a network."""
        return self.network.path if kind == "original" else self.folder / kind / "candidate.onnx"

    def _loaded(self, candidates: Candidates, holding: Sequence[Tried], feed: Feed) -> Iterator[tuple[Place, Loaded]]:
        """Every network that holds on every runtime where it can pay, and the file as it was; what fails is noted."""
        for one in holding:
            path = self._model(one.change.kind)
            path.parent.mkdir()
            path.write_bytes(candidates.made(one.change).SerializeToString())
        kinds = ("original", *(one.change.kind for one in holding))
        places = [("original", BASELINE)]
        places += [(kind, runtime) for runtime in self.runtimes for kind in kinds if kind in SUITS[runtime]]
        for kind, runtime in dict.fromkeys(places):
            self.tell(f"loading {kind} on {runtime}")
            folder = self.folder / runtime / kind
            try:
                yield (
                    (kind, runtime),
                    load_on(runtime, self._model(kind), folder, self.network, feed, self.settings.threads),
                )
            except PrunusError as error:
                self.notes.append(f"{KINDS[kind]} cannot be had on {runtime}. {error}")

    def _timed(self, loaded: dict[Place, Loaded], feed: Feed) -> tuple[Row, ...]:
        baseline, *others = loaded
        progress = Steps(self.tell, "timing all that holds, in the same rounds")
        times = time_all({" ".join(place): loaded[place] for place in others}, loaded[baseline], progress)
        return (
            Row(*baseline, loaded[baseline].file.size_bytes, times[""], 0.0),
            *(
                Row(
                    *place,
                    loaded[place].file.size_bytes,
                    times[" ".join(place)],
                    loaded[place].deviation(self._model(place[0]), feed),
                )
                for place in others
            ),
        )

    def _delivered(self, rows: tuple[Row, ...], agreement: Agreement, test: Sequence[Feed]) -> Iterator[DeliveredFile]:
        """The files that are chosen, written and run on the inputs that were kept."""
        if not (chosen := choose(rows)):
            return
        self.tell(f"looking at {len(test)} inputs that were kept, this once")
        originals = list(run_over(self.network.path, test))
        for role, row in chosen:
            model, folder = self._model(row.kind), self.out / role.split()[0]
            again = load_on(row.runtime, model, folder, self.network, typical(self.feeds), self.settings.threads)
            if row.runtime == "prunus":  # which is packed for one shape; the same network for others
                write_atomically(folder / "model.onnx", model.read_bytes())
            others = list(again.outputs(model, test))
            yield DeliveredFile(role, row, again.file.path, agreement.over(originals, others))


def typical(feeds: Sequence[Feed]) -> Feed:
    """The first of those inputs whose shapes are the most frequent."""
    shapes = [tuple(array.shape for array in feed.values()) for feed in feeds]
    most = max(dict.fromkeys(shapes), key=shapes.count)
    return feeds[shapes.index(most)]


def _layer_rows(layers: Sequence[WeightedLayer], candidates: Candidates, tried: Sequence[Tried]) -> Iterator[LayerRow]:
    """What became of each layer in the boldest networks that hold."""
    zeros = next((one.change.zeros for one in tried if one.change.kind == "zeros" and one.holds), {})
    bits = next((one.change for one in tried if one.change.kind == "int8" and one.holds), Change("int8"))
    harms = {one.layer: one.harm for one in candidates.choices}
    alone = candidates.integer_harms if "integer_harms" in vars(candidates) else {}
    for layer in layers:
        thinned = zeros.get(layer.name)
        yield LayerRow(
            layer.name,
            layer.kind,
            layer.shape,
            thinned.rate if thinned else 0.0,
            thinned.error if thinned else 0.0,
            thinned.error * harms[layer.name] if thinned else None,
            "on integers" if layer.name in bits.integer else "weights" if layer.name in bits.rounded else "",
            alone.get(layer.name),
        )
