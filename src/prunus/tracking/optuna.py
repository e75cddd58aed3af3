"""A study's trials in a storage of Optuna, for its plots and its dashboard."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from prunus.errors import InputError, MissingError
from prunus.store import StudyRows
from prunus.tracking.following import epoch_values, final_values


def write_optuna(rows: StudyRows, storage: str | Path) -> int:
    """Write the trials that have ended into a storage of Optuna, as a study of two objectives.

    The objectives are the task's metric and the effective BOPs; parameters are recipe, rate and seed; what else is
    known of a final network are attributes, and curves are intermediate values of the metric.

    Args:
        rows: from `read_study`.
        storage: an SQLite file, or the address of another storage that Optuna knows, such as `mysql://...`.

    Returns:
        How many trials were written.

    Raises:
        InputError: the storage has a study of that name already.
        MissingError: Optuna is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise MissingError("Optuna is not installed", str(error), "pip install prunus[optuna]") from None
    metric = rows.study.metric
    address = str(storage) if "://" in str(storage) else f"sqlite:///{Path(storage).resolve()}"
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(
            storage=address,
            study_name=rows.study.name,
            directions=["maximize" if metric.higher_is_better else "minimize", "minimize"],
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names([metric.name, "effective_bops"])
        made = [one for row in rows.trials if (one := _trial(optuna, rows, row)) is not None]
        study.add_trials(made)
    except optuna.exceptions.DuplicatedStudyError:
        raise InputError(
            f"{storage} has a study called {rows.study.name!r} already",
            "what is in it may be of another run",
            "name another file",
        ) from None
    finally:
        optuna.logging.set_verbosity(level)
    return len(made)


def _trial(optuna: Any, rows: StudyRows, row: Any) -> Any:
    """The trial as Optuna has it; None for one that has not ended, or ended without a number."""
    curve = {one.epoch: epoch_values(one, "metric").get("metric") for one in rows.epochs if one.trial == row.trial}
    known = {epoch: value for epoch, value in curve.items() if value is not None}
    final = final_values(rows, row.trial)
    names = ["unpruned", *dict.fromkeys(one.recipe for one in rows.trials if one.recipe)]
    common: dict[str, Any] = {
        "params": {"recipe": row.recipe or "unpruned", "rate": row.rate, "seed": row.seed},
        "distributions": {
            "recipe": optuna.distributions.CategoricalDistribution(names),
            "rate": optuna.distributions.FloatDistribution(0.0, 1.0),
            "seed": optuna.distributions.IntDistribution(0, max(one.seed for one in rows.trials)),
        },
        "user_attrs": {"trial": row.trial, "seconds": row.seconds, **final},
        "intermediate_values": known,
    }
    if row.status == "failed":
        common["user_attrs"] |= {"error": row.error, "error_kind": row.error_kind}
        return optuna.trial.create_trial(state=optuna.trial.TrialState.FAIL, **common)
    if row.status != "finished" or not known or "effective_bops" not in final:
        return None
    return optuna.trial.create_trial(values=[known[max(known)], final["effective_bops"]], **common)
