"""Studies of other tasks than classification, each with a metric of another kind."""

from __future__ import annotations

import math
from collections.abc import Callable

from prunus.spec import Metric
from report.made_study import Made

SMALL = ("rates=[0,0.8]", "training.epochs=4", 'recipes=["structured"]')


def of(metric: Metric, task: str, value: Callable[[float], float], measured: str = "none") -> Made:
    """A small study; value: what the metric is where a classifier had this accuracy."""
    return Made(overrides=(*SMALL, f'task="{task}"'), metric=metric, value=value, measured=measured)


RMSE = of(
    Metric(name="RMSE", unit="°C", higher_is_better=False, margin=0.05),
    "regression",
    lambda share: 0.35 + 4 * (1 - share),
    measured="first",
)
PERPLEXITY = of(
    Metric(name="perplexity", unit="", higher_is_better=False, margin=2, relative=True),
    "language-model",
    lambda share: 28 * math.exp(6 * (1 - share)),
)
R_SQUARED = of(Metric(name="R²", unit="", margin=0.02), "regression", lambda share: 1.6 * share - 0.75)
MEAN_IOU = of(Metric(name="mean IoU", unit="%"), "segmentation", lambda share: 0.9 * share)
ERROR_RATE = of(
    Metric(name="word error rate", unit="%", higher_is_better=False), "file.py:Words", lambda share: 1.3 * (1 - share)
)
STUDIES = {"RMSE": RMSE, "perplexity": PERPLEXITY, "R²": R_SQUARED, "mean IoU": MEAN_IOU, "word error rate": ERROR_RATE}
