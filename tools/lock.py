"""Write the lock files from what is installed and what pyproject.toml asks for.

`lock.py trackers`, run in the environment of `make trackers`, writes what lies in front of `.venv` there.
"""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

OF_TORCH = re.compile(r"^(nvidia-|cuda-|triton$)")  # torch pins these itself, differently per platform


def name_of(requirement: str) -> str:
    """`Jinja2>=3; extra` -> `jinja2`."""
    return re.split(r"[\s<>=!~;\[(]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def extras_of(requirement: str) -> frozenset[str]:
    """`fsspec[http]>=2022` -> `http`."""
    found = re.match(r"[\w.-]+\s*\[([^\]]*)\]", requirement)
    return frozenset(name.strip() for name in found[1].split(",")) if found else frozenset()


def closure(requirements: list[str]) -> dict[str, str]:
    """All packages that these requirements need here, with their versions."""
    found: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(name_of(one), extras_of(one)) for one in requirements]
    while waiting:
        name, extras = asked = waiting.pop()
        if asked in seen or OF_TORCH.match(name):
            continue
        seen.add(asked)
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue  # for another platform or Python
        waiting += [(name_of(one), extras_of(one)) for one in requires(name) or [] if is_needed(one, extras)]
    return found


def is_needed(requirement: str, extras: frozenset[str]) -> bool:
    """Whether a package that is installed with these extras needs it."""
    of = re.search(r"extra == ['\"]([^'\"]*)['\"]", requirement)
    return of is None or of[1] in extras


def write(path: Path, packages: dict[str, str]) -> None:
    """One pin a line, in alphabetical order."""
    lines = [f"{name}=={version.split('+')[0]}" for name, version in sorted(packages.items())]
    path.write_text("# Written by `make lock`.\n" + "\n".join(lines) + "\n")


TRACKERS = ("tensorboard", "mlflow", "wandb", "trackio", "optuna")


def pins(*paths: Path) -> set[str]:
    """The lines of lock files."""
    return {line for path in paths for line in path.read_text().splitlines() if "==" in line}


def lock_trackers(root: Path, extras: dict[str, list[str]]) -> None:
    """What trackers need and `.venv` has not, or in another version."""
    packages = closure([requirement for name in TRACKERS for requirement in extras[name]])
    under = pins(root / "requirements.lock", root / "requirements-dev.lock")
    others = {name: pin for name, pin in packages.items() if f"{name}=={pin.split('+')[0]}" not in under}
    write(root / "requirements-trackers.lock", others)


def main() -> None:
    """Lock what the product needs, then what developing, clusters, callbacks and the documentation need on top."""
    root = Path(__file__).parent.parent
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    if sys.argv[1:] == ["trackers"]:
        lock_trackers(root, extras)
        return
    product = closure(project["dependencies"])
    developing = closure(extras["dev"] + ["scikit-build-core", "nanobind"])
    clusters = closure(extras["ray"] + extras["slurm"])
    write(root / "requirements.lock", product)
    write(root / "requirements-dev.lock", {name: pin for name, pin in developing.items() if name not in product})
    others = product | developing
    write(root / "requirements-clusters.lock", {name: pin for name, pin in clusters.items() if name not in others})
    callbacks = closure(extras["lightning"] + extras["transformers"] + extras["datasets"])
    others |= clusters
    write(root / "requirements-callbacks.lock", {name: pin for name, pin in callbacks.items() if name not in others})
    documentation = closure(extras["docs"])
    others |= callbacks
    write(root / "requirements-docs.lock", {name: pin for name, pin in documentation.items() if name not in others})


if __name__ == "__main__":
    main()
