"""MLflow, on a server or in a folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar

from prunus.tracking.tracker import Ended, Entry, TrackedTrial, Tracker

LONGEST_PARAMETER = 500
PATIENCE = {
    "MLFLOW_ALLOW_FILE_STORE": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
"""A folder is what offline users have, though MLflow would rather have a database; and no server is waited for long."""


class Mlflow(Tracker):
    """A run of MLflow for each trial; `uri` is a server's address, a database or a folder."""

    packages: ClassVar[tuple[str, ...]] = ("mlflow",)
    extra: ClassVar[str] = "mlflow"
    lone: ClassVar[str] = "uri"

    uri: str
    experiment: str = ""

    def open(self, trial: TrackedTrial, handle: str) -> Entry:
        """A run in the experiment of the study's name, unless it has another."""
        for name, value in PATIENCE.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        client: Any = MlflowClient(tracking_uri=self.uri)
        if handle:
            return _Run(client, handle)
        name = self.experiment or trial.study
        found = client.get_experiment_by_name(name)
        place = found.experiment_id if found else client.create_experiment(name)
        tags = {"mlflow.runName": trial.label, "prunus.trial": trial.digest}
        run = client.create_run(place, tags=tags).info.run_id
        for key, setting in trial.settings.items():
            client.log_param(run, key, str(setting)[:LONGEST_PARAMETER])
        return _Run(client, run)


class _Run(Entry):
    def __init__(self, client: Any, handle: str) -> None:
        self.client, self.handle = client, handle

    def epoch(self, number: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.client.log_metric(self.handle, name, value, step=number)

    def end(self, how: Ended, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.client.log_metric(self.handle, f"final.{name}", value)
        self.client.set_terminated(self.handle, "FINISHED" if how == "finished" else "FAILED")

    def pause(self) -> None:
        """It stays a running run, which the next session goes on with."""
