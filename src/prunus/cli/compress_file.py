"""`prunus compress model.onnx`: from a file alone, and some inputs, to smaller and faster files."""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prunus.cli.terminal import plain, progress_lines
from prunus.errors import InputError
from prunus.system.reading import read_whole

if TYPE_CHECKING:
    from prunus.compress.file import FileSettings

InputsOption = Annotated[
    str | None,
    typer.Option(help="Of an ONNX file: its inputs, an .npz file, a folder of images or of .npz, or file.py:function."),
]
MetricOption = Annotated[
    str,
    typer.Option(
        help="Of an ONNX file: classes, decisions, cosine, closeness or file.py:function; auto goes by its outputs."
    ),
]
PatternOption = Annotated[str, typer.Option(help="Of an ONNX file: zeros are element, blocks such as 1x4, or 2:4.")]
MeanOption = Annotated[str, typer.Option(help="Of an ONNX file: what is taken off pixels from 0 to 1, by channel.")]
StdOption = Annotated[str, typer.Option(help="Of an ONNX file: what they are divided by, such as 0.5,0.5,0.5.")]

OF_FILES = ("inputs", "metric", "pattern", "mean", "std")
"""Options that only an ONNX file takes."""
ALSO_OF_FILES = ("model", "keep", "runtime", "formats", "threads", "protect", "seed", "out", "run_code")
"""Options that it takes besides."""
BESIDE_SETTINGS = ("model", "out", "run_code")
LARGEST_BYTES = 2**20


def is_given(context: typer.Context, name: str) -> bool:
    """Whether an option stands on the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def given_options(context: typer.Context, but: Collection[str]) -> list[str]:
    """The options that stand on the command line, as they are written there, but for some."""
    options = {each.name: each.opts[0] for each in context.command.params if each.name}
    return [option for name, option in options.items() if name not in but and is_given(context, name)]


def is_file_compression(model: str) -> bool:
    """Whether an ONNX file is named, or the settings of a compression of one."""
    if not model.endswith(".toml"):
        return model.endswith(".onnx")
    try:
        return "onnx" in tomllib.loads(read_whole(Path(model), LARGEST_BYTES).decode())
    except (OSError, ValueError, RecursionError):
        return False  # what is wrong with it is said where it is read


def refuse_of_files(context: typer.Context) -> None:
    """Raises `InputError` for an option that only an ONNX file takes."""
    others = [each.name for each in context.command.params if each.name and each.name not in OF_FILES]
    if given := given_options(context, but=others):
        raise InputError(f"{', '.join(given)} cannot be given here", "only an ONNX file takes it", "leave it out")


def compress_file(context: typer.Context, model: str, run_code: bool) -> None:
    """Run it, and print what came out."""
    from prunus.compress.file import run_file_compression

    if model.endswith(".toml"):
        settings, out = _repeated(context, Path(model), run_code)
    else:
        settings, out = _asked(context, model), context.params["out"]
    if out is None:
        raise InputError("--out must be given", "the files and the report need a folder", "add it")
    found = run_file_compression(settings, out, progress_lines())
    for sentence in found.sentences:
        typer.echo(str(plain(sentence)))
    typer.echo(str(plain(f"written: {out}")), err=True)


def _asked(context: typer.Context, model: str) -> FileSettings:
    """What the command line asks for, with all files named in full."""
    from prunus.compress.file import FileSettings

    if given := given_options(context, but=(*OF_FILES, *ALSO_OF_FILES)):
        raise InputError(
            f"{', '.join(given)} cannot be given for an ONNX file",
            "it is compressed without training and without labels",
            "leave it out",
        )
    asked = context.params
    if not asked["inputs"]:
        raise InputError("--inputs must be given", "an ONNX file is compressed and judged on inputs", "add it")
    runtimes = (asked["runtime"],) if is_given(context, "runtime") else ()
    return FileSettings(
        onnx=model,
        inputs=asked["inputs"],
        mean=_numbers("--mean", asked["mean"]),
        std=_numbers("--std", asked["std"]),
        metric=asked["metric"],
        keep=1.0 if asked["keep"] is None else asked["keep"],
        runtimes=tuple(dict.fromkeys([*runtimes, *(asked["formats"] or ())])),
        threads=asked["threads"],
        pattern=asked["pattern"],
        protect=tuple(asked["protect"] or ()),
        seed=asked["seed"],
    ).beside(Path.cwd())


def _numbers(option: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(each) for each in text.split(","))
    except ValueError:
        raise InputError(f"{option} {text!r} cannot be read", "", "write numbers such as 0.5,0.5,0.5") from None


def _repeated(context: typer.Context, path: Path, run_code: bool) -> tuple[FileSettings, Path]:
    """The settings of a file, which may come from a stranger, and the folder for what comes out."""
    from prunus.compress.file import FileSettings

    if given := given_options(context, but=BESIDE_SETTINGS):
        raise InputError(
            f"{', '.join(given)} cannot be given beside a file of settings", "the file says it", "change the file"
        )
    settings = FileSettings.from_toml(path)
    if settings.code and not run_code:
        raise InputError(
            f"{path} runs code: {', '.join(settings.code)}",
            "it may come from a stranger, and nothing but this command line can allow it to",
            "read that code, then pass --run-code",
        )
    return settings, context.params["out"] or path.parent
