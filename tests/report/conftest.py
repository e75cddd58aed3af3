"""Made-up studies that several tests read."""

from pathlib import Path

import pytest

from prunus.report.findings import Findings
from prunus.store import StudyRows, read_study
from report.made_study import Made, made_study


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study like `digits`, with one trial that failed and one that runs."""
    return made_study(tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="session")
def findings(digits: Path) -> Findings:
    """What follows from it."""
    return Findings(read_study(digits))


@pytest.fixture(scope="session")
def complete(tmp_path_factory: pytest.TempPathFactory) -> StudyRows:
    """The rows of a small study in which every trial finished: rates 0, 0.4 and 0.8, twenty epochs."""
    made = Made(overrides=("rates=[0,0.4,0.8]", "training.epochs=20"))
    return read_study(made_study(tmp_path_factory.mktemp("complete"), made))
