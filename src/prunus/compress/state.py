"""What a search has done by now, on disk: each change is written before anything builds on it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from prunus.compress.judging import Difference
from prunus.errors import StoreError
from prunus.spec.part import Frozen
from prunus.store import write_atomically
from prunus.system.reading import read_whole

LARGEST_BYTES = 2**26
FOLDER, FILE = "search", "state.json"


class Attempt(Frozen):
    """One network that was cut and trained on.

    Attributes:
        number: from 1.
        kind: `search` to find out, `final` with all the time that was left.
        began_from: the attempt whose network was cut further; 0 is the unpruned one.
        asked: what it was to cost, in the unit of the search.
        cost: what it costs, as measured (or counted) before its training.
        predicted: what the table of the layers said.
        widths: of its groups.
        chosen: how its widths were. learning_rate: of its training. compared: epochs of all trainings by which widths
            and rate were chosen, together.
        epochs: that it was trained for after that. seconds: that this took.
        metric: its value on the validation inputs.
        difference: to the unpruned network.
        accepted: whether it is within the margin; where a cost was asked for instead, always.
    """

    number: int
    kind: Literal["search", "final"]
    began_from: int
    asked: float
    cost: float
    predicted: float
    widths: dict[str, int]
    chosen: str = ""
    learning_rate: float
    compared: float = 0.0
    epochs: float
    seconds: float = 0.0
    metric: float | None = None
    difference: Difference | None = None
    accepted: bool = False


class SearchState(Frozen):
    """All of a search.

    settings: digest of what decides what is searched for. seconds: spent by now. running: the attempt in training.
    ended_at: the budget in seconds with which it came to its end, if it did.
    """

    settings: str
    seconds: float = 0.0
    attempts: tuple[Attempt, ...] = ()
    running: Attempt | None = None
    ended_at: float = 0.0

    @property
    def best(self) -> Attempt | None:
        """The accepted attempt of least cost."""
        accepted = [one for one in self.attempts if one.accepted]
        return min(accepted, key=lambda one: (one.cost, -one.number), default=None)


class SearchFolder:
    """The folder in which a search keeps its state and its networks."""

    def __init__(self, out: Path) -> None:
        self.path = out / FOLDER
        self.path.mkdir(parents=True, exist_ok=True)

    def network(self, number: int) -> Path:
        """The trained network of an attempt."""
        return self.path / f"attempt-{number}.safetensors"

    def untrained(self, number: int) -> Path:
        """The network of an attempt before its training."""
        return self.path / f"attempt-{number}-cut.safetensors"

    @property
    def checkpoint(self) -> Path:
        """The training that runs, in the middle."""
        return self.path / "checkpoint.safetensors"

    def read(self, settings: str) -> SearchState:
        """The state of a search with these settings, or a fresh one. Raises `StoreError` for one with others."""
        path = self.path / FILE
        if not path.exists():
            return SearchState(settings=settings)
        try:
            state = SearchState.model_validate_json(read_whole(path, LARGEST_BYTES))
        except (OSError, ValidationError) as error:
            raise StoreError(
                f"The search in {self.path} cannot be continued", str(error).splitlines()[0], "delete the folder"
            ) from None
        if state.settings != settings:
            raise StoreError(
                f"The folder {self.path.parent} holds another search",
                "network, data, task or settings were others when it began",
                "name another folder (--out), or delete this one",
            )
        return state

    def write(self, state: SearchState) -> SearchState:
        """Keep the state."""
        write_atomically(self.path / FILE, state.model_dump_json(indent=1).encode())
        return state
