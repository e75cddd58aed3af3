"""The results of a study, running or finished."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prunus.errors import InputError, MissingError, nearest
from prunus.report.answer import ChoiceInfo, choices_info
from prunus.report.failures import trial_label
from prunus.report.findings import Findings
from prunus.results.frames import frame_of
from prunus.results.page import as_html
from prunus.results.plots import Plots
from prunus.results.progress import showing
from prunus.spec import Study
from prunus.store import NETWORK_FORMAT, EpochRow, StudyRows, TrialRow, read_study
from prunus.store.schema import TABLES

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class FinalNetwork:
    """One trial of a study that has finished.

    Attributes:
        results: that it is of.
        trial: its row in the store.
        metric: what its task is judged by, as it is shown (percent of accuracy).
    """

    results: Results
    trial: TrialRow
    metric: float | None

    @property
    def recipe(self) -> str | None:
        """The recipe's name; None for the unpruned network."""
        return self.trial.recipe

    @property
    def rate(self) -> float:
        """The rate asked for."""
        return self.trial.rate

    @property
    def seed(self) -> int:
        """The seed."""
        return self.trial.seed

    @property
    def path(self) -> Path:
        """The file with its weights."""
        rows = self.results.rows
        found = (row for row in rows.files if row.trial == self.trial.trial and row.format == NETWORK_FORMAT)
        if (row := next(found, None)) is None:
            raise MissingError(
                f"The network of {self} is not in the folder", "its trial left none", "run that trial again"
            )
        return rows.folder / row.path

    def model(self) -> nn.Module:
        """The network itself, in evaluation mode; the data are loaded and the study's own code is run for it."""
        from prunus.export import read_network
        from prunus.sweep.final import builder
        from prunus.sweep.loaded import Loaded

        loaded = Loaded.of_resolved(self.results.rows.study)
        return read_network(self.path, builder(loaded.trials[self.trial.trial], loaded).build).eval()

    def __str__(self) -> str:
        return trial_label(self.recipe, self.rate, self.seed)


@dataclass(frozen=True)
class Results:
    """What a study came to so far; made by `read_results` and `Study.run`.

    A notebook shows it as the report's answer, figure and table.

    Attributes:
        rows: all rows of its store.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> import prunus
        >>> study = prunus.Study(
        ...     model={"name": "mlp", "hidden": [8]}, data="digits", recipes=["structured"], rates=[0.5], seeds=[0],
        ...     controls=False, training={"epochs": 1}, measurement={"select": "none"},
        ... )
        >>> with TemporaryDirectory() as folder:
        ...     results = study.run(folder, progress=False)
        ...     again = prunus.read_results(folder)
        ...     best = again.best(keep=100)
        ...     model = best.model()
        >>> str(best), next(model.parameters()).shape
        ('structured 0.5, seed 0', torch.Size([4, 64]))
    """

    rows: StudyRows

    @property
    def folder(self) -> Path:
        """Where the study lies, with `report.html` in it."""
        return self.rows.folder

    @cached_property
    def findings(self) -> Findings:
        """What follows from the rows, as the report has it."""
        return Findings(self.rows)

    @property
    def plot(self) -> Plots:
        """Figures of the report: `results.plot.front()`."""
        return Plots(self.findings)

    def frame(self, table: str = "trials", library: str = "") -> Any:
        """A table of the store as a data frame, with recipe, rate and seed in every row that is of a trial.

        Args:
            table: `trials`, `epochs`, `costs`, `layers`, `classes`, `metrics`, `files`, `latencies`, `memories`,
                `problems` or `sessions`.
            library: `pandas` or `polars`; left out, that which is there.

        Raises:
            InputError: there is no such table or library.
            MissingError: neither library is installed.
        """
        names = [one.name for one in TABLES if hasattr(self.rows, one.name)]
        if table not in names:
            raise InputError(f"There is no table {table!r}", "", nearest(table, names))
        row = next(one.row for one in TABLES if one.name == table)
        trials = {one.trial: one for one in self.rows.trials}
        of = [one.name for one in fields(row)]
        extra = ("recipe", "rate", "seed") if "trial" in of and table != "trials" else ()
        columns: dict[str, list[Any]] = {name: [] for name in (*of, *extra)}
        for one in getattr(self.rows, table):
            for name in of:
                columns[name].append(getattr(one, name))
            for name in extra:
                columns[name].append(getattr(trials.get(one.trial), name, None))
        return frame_of(columns, library)

    def best(self, keep: float | None = None) -> FinalNetwork:
        """The network of fewest effective bit operations whose mean over seeds loses no more than `keep`.

        Controls are no candidates, and the unpruned network is what is left where all lose more. Of its seeds the
        first is taken, since test data never choose. Whether what is lost is *shown* to be so little, the report says.

        Args:
            keep: what may be lost, in what the metric is shown in (points of accuracy); the study's margin if left out.

        Raises:
            InputError: no trial has finished.
        """
        metric = self.findings.metric
        most = metric.margin if keep is None else keep / metric.scale
        choices = [one for one in choices_info(self.findings) if one.control is None]
        if not choices:
            raise InputError(
                f"The study in {self.folder} has no network yet", "no trial has finished", "wait, or run it"
            )
        kept = [one for one in choices if self._lost(one) <= most]
        chosen = min(kept, key=_bops) if kept else choices[0]
        trials = [one for one in self.rows.trials if (one.recipe, one.rate) == (chosen.recipe, chosen.rate)]
        return self._final(next(one for one in trials if one.status == "finished"))

    def _lost(self, one: ChoiceInfo) -> float:
        if one.recipe is None:
            return 0.0
        difference = one.row.difference
        return float("inf") if difference is None else -self.findings.metric.gain(difference.mean)

    def _final(self, trial: TrialRow) -> FinalNetwork:
        last: EpochRow | None = None
        for row in self.rows.epochs:
            last = row if row.trial == trial.trial else last
        return FinalNetwork(self, trial, None if last is None else last.metric * self.findings.metric.scale)

    def _repr_html_(self) -> str:
        return as_html(self.findings)


def _bops(one: ChoiceInfo) -> float:
    share = one.row.effective_bops_share
    return share if share is not None else 1.0


def read_results(folder: str | Path) -> Results:
    """Read what a study came to, of a running or a finished study; needs no torch.

    Args:
        folder: of the study.

    Returns:
        Data frames, figures and networks of it.

    Raises:
        StoreError: there is no study, or nothing of it can be read.

    Example:
        >>> from prunus import StoreError
        >>> try:
        ...     read_results("no-study")
        ... except StoreError as error:
        ...     print(error.what)
        There is no study in no-study
    """
    return Results(read_study(folder))


def run(study: Study, folder: str | Path | None = None, *, progress: bool = True, **options: Any) -> Results:
    """Run a study and read what came out; `Study.run` says more."""
    from prunus.report import build_report
    from prunus.sweep.run import Options, run_study

    known = [one.name for one in fields(Options)]
    for name in options:
        if name not in known:
            raise InputError(f"A run has no option {name!r}", "", nearest(name, known))
    place = Path(folder) if folder is not None else Path("studies") / study.name
    with showing(progress) as observe:
        run_study(study, place, Options(**options), observe)
    build_report(place)
    return read_results(place)
