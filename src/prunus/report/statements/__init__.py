"""The reference experiment's statements, each with the rule by which a study's rows decide on it."""

from prunus.report.statements.statement import Evidence, Judgement, Statement, judged
from prunus.report.statements.structured import STRUCTURED
from prunus.report.statements.training import TRAINING
from prunus.report.statements.unstructured import UNSTRUCTURED

STATEMENTS: tuple[Statement, ...] = (*TRAINING, *STRUCTURED, *UNSTRUCTURED)

__all__ = ["STATEMENTS", "Evidence", "Judgement", "Statement", "judged"]
