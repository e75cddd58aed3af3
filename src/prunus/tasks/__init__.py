"""What a network is for: the loss that it is trained with, and the metrics that it is judged by.

To add one: a frozen class in a file of its own, and one line here; `file.py:CLASS` names a user's own.

What stays out: networks, data and training. A task is given what a network returned, and the targets.
"""

from prunus.spec.trial import CLASSIFICATION
from prunus.tasks.classification import ClassCounts, Classification
from prunus.tasks.detection import Detection
from prunus.tasks.language_model import LanguageModel
from prunus.tasks.multilabel import Multilabel
from prunus.tasks.naming import TASKS, task_of
from prunus.tasks.regression import Regression
from prunus.tasks.segmentation import Segmentation
from prunus.tasks.task import Measure, Task

TASKS.register("classification", Classification)
TASKS.register("multilabel", Multilabel)
TASKS.register("regression", Regression)
TASKS.register("segmentation", Segmentation)
TASKS.register("detection", Detection)
TASKS.register("language-model", LanguageModel)

__all__ = [
    "CLASSIFICATION",
    "TASKS",
    "ClassCounts",
    "Classification",
    "Measure",
    "Task",
    "task_of",
]
