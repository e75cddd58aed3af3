"""Rehearsals of a resumption, for a process of their own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

from prunus.data import load_data
from prunus.spec import Part, Study, load_study
from prunus.sweep.checkpoints import why_not_exact
from prunus.sweep.loaded import build
from prunus.sweep.trial import begin
from prunus.tasks import task_of
from prunus.tasks.batch import example_inputs
from prunus.train import PruningScope


def why_not_of(file: Path, pruned: bool, restores: bool, training: dict[str, Any]) -> str:
    """Why a trial on the network of a file can't be resumed.

    restores: whether what the network keeps is restored; without that, one sees that it must be.
    """
    study = Study(
        name="kept",
        model=Part(name=f"{file}:build"),
        data=Part(name="digits"),
        recipes=load_study("digits").recipes[:1],
        rates=(0.5,),
        training={"epochs": 3, "batch_size": 64, **training},
    )
    trial = study.trials()[-1 if pruned else 0]
    dataset = load_data(study.data)
    anatomy = PruningScope.of(build(trial, dataset), trial.recipe, example_inputs(dataset, task_of(trial.task)))

    def ask() -> str:
        return why_not_exact(trial, dataset, lambda short: begin(trial, short, anatomy))

    if restores:
        return ask()
    with patch("prunus.train.checkpoint.restore_hidden", lambda *_: None):
        return ask()


def variables_of_the_file() -> tuple[Any, Any]:
    """What the variables of the file that was rehearsed hold in this process."""
    module = next(m for name, m in sys.modules.items() if name.startswith("prunus_user_") and hasattr(m, "K"))
    return module.K, module.N
