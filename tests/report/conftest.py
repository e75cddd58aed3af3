"""Made-up studies that several tests read."""

from pathlib import Path

import pytest

from prunus.report.findings import Findings
from prunus.store import read_study
from report.made_study import made_study


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study like `digits`, with one trial that failed and one that runs."""
    return made_study(tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="session")
def findings(digits: Path) -> Findings:
    """What follows from it."""
    return Findings(read_study(digits))
