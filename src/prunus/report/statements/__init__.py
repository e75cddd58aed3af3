"""The reference experiment's statements, each with the rule by which a study's rows decide on it.

What stays out: verdicts that no rule in the row explains.
"""

from prunus.report.statements.statement import Judgement, Statement, StatementEvidence, judged
from prunus.report.statements.structured import STRUCTURED
from prunus.report.statements.training import TRAINING
from prunus.report.statements.unstructured import UNSTRUCTURED

STATEMENTS: tuple[Statement, ...] = (*TRAINING, *STRUCTURED, *UNSTRUCTURED)

__all__ = ["STATEMENTS", "Judgement", "Statement", "StatementEvidence", "judged"]
