"""Every statement's rule, with rows for all three verdicts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from prunus.report.findings import Findings
from prunus.report.statements import STATEMENTS, judged
from prunus.report.statements.statement import Verdict
from prunus.store import StudyRows
from report.changed import (
    with_accuracy,
    with_latency,
    with_memory,
    with_recipes,
    with_seeds,
    with_size,
    with_threads,
    without,
)

Change = Callable[[StudyRows], StudyRows]
CLAIMS = {
    "1": "All unstructured rates start low",
    "2": "All unstructured rates end near",
    "3": "Structured: the higher the rate",
    "output": "The collapse under statement 3",
    "faster": "Structured pruning: hardware efficiency: faster",
    "memory": "Structured pruning: hardware efficiency: less memory",
    "simplicity": "Structured pruning: simplicity",
    "parallel": "Structured pruning: suits parallel",
    "falls": "Structured pruning: {name} {down}",
    "coarse": "Structured pruning: coarse",
    "fine": "Unstructured pruning: fine-grained",
    "sparsity": "Unstructured pruning: higher sparsity",
    "smaller": "Unstructured pruning: smaller",
    "irregular": "Unstructured pruning: irregular",
    "complex": "Unstructured pruning: complex",
    "support": "Unstructured pruning: little hardware support",
}
STRUCTURED = ("reference-structured", "reference-structured-protected", "structured")


def verdict(name: str, rows: StudyRows) -> Verdict:
    (statement,) = [one for one in STATEMENTS if one.claim.startswith(CLAIMS[name])]
    return judged(statement, Findings(rows)).verdict


def learning(final: float, start: float, converged: int, rate_loss: float = 0.0, slower: float = 0.0):
    """Straight up from `start` after one epoch to `final - rate_loss * rate` after `converged + slower * rate`."""

    def accuracy(rate: float, seed: int, epoch: int) -> float:
        end = final - rate_loss * rate + 0.0005 * seed * (1 + rate)
        ramp = converged + slower * rate
        return end if epoch >= ramp else start + (end - start) * (epoch - 1) / (ramp - 1)

    return accuracy


def changes(*steps: Change) -> Change:
    def apply(rows: StudyRows) -> StudyRows:
        for step in steps:
            rows = step(rows)
        return rows

    return apply


def only(*names: str) -> Change:
    return lambda rows: with_recipes(rows, *names)


def accuracy(recipe: str | None, *args: float, **kwargs: float) -> Change:
    return lambda rows: with_accuracy(rows, recipe, learning(*args, **kwargs))


def latency(recipe: str, ratio: float, threads: int | None = None) -> Change:
    return lambda rows: with_latency(rows, recipe, ratio, threads=threads)


def four_threads(rows: StudyRows) -> StudyRows:
    return with_threads(rows, 4)


def one_seed(rows: StudyRows) -> StudyRows:
    return with_seeds(rows, 0)


def empty(*tables: str) -> Change:
    return lambda rows: without(rows, *tables)


UNPRUNED = accuracy(None, 0.95, 0.4, 8)
CASES: dict[str, dict[Verdict, Change]] = {
    "1": {
        "supported": changes(only("unstructured"), UNPRUNED, accuracy("unstructured", 0.95, 0.4, 9)),
        "not supported": changes(only("unstructured"), UNPRUNED, accuracy("unstructured", 0.95, 0.7, 9)),
        "not measured": only("structured"),
    },
    "2": {
        "supported": changes(only("unstructured"), UNPRUNED, accuracy("unstructured", 0.95, 0.4, 8, slower=5)),
        "not supported": changes(only("unstructured"), UNPRUNED, accuracy("unstructured", 0.95, 0.4, 8, 0.1, 5)),
        "not measured": changes(only("unstructured"), one_seed),
    },
    "3": {
        "supported": changes(only("structured"), UNPRUNED, accuracy("structured", 0.95, 0.4, 8, 0.5)),
        "not supported": changes(only("structured"), UNPRUNED, accuracy("structured", 0.95, 0.4, 8)),
        "not measured": changes(only("structured"), one_seed),
    },
    "output": {
        "supported": changes(
            only("reference-structured", "reference-structured-protected"),
            accuracy("reference-structured", 0.95, 0.4, 8, 0.8),
            accuracy("reference-structured-protected", 0.95, 0.4, 8, 0.05),
        ),
        "not supported": changes(
            only("reference-structured", "reference-structured-protected"),
            accuracy("reference-structured", 0.95, 0.4, 8, 0.8),
            accuracy("reference-structured-protected", 0.95, 0.4, 8, 0.7),
        ),
        "not measured": only("reference-structured"),
    },
    "faster": {
        "supported": changes(only("structured"), latency("structured", 0.5)),
        "not supported": changes(only("structured"), latency("structured", 1.02)),
        "not measured": empty("latencies"),
    },
    "memory": {
        "supported": changes(only("structured"), lambda rows: with_memory(rows, "structured", 0.5)),
        "not supported": changes(only("structured"), lambda rows: with_memory(rows, "structured", 0.97)),
        "not measured": empty("memories"),
    },
    "simplicity": {"not measured": changes()},
    "parallel": {
        "supported": changes(
            only("structured"), four_threads, latency("structured", 0.5), latency("structured", 0.52, 4)
        ),
        "not supported": changes(
            only("structured"), four_threads, latency("structured", 0.5), latency("structured", 0.9, 4)
        ),
        "not measured": changes(),
    },
    "falls": {
        "supported": changes(only("structured"), UNPRUNED, accuracy("structured", 0.95, 0.4, 8, 0.1)),
        "not supported": changes(only("structured"), UNPRUNED, accuracy("structured", 0.95, 0.4, 8)),
        "not measured": one_seed,
    },
    "coarse": {
        "supported": only("structured"),
        "not supported": lambda rows: with_wide_layers(with_recipes(rows, "reference-structured-protected")),
        "not measured": empty("layers"),
    },
    "fine": {
        "supported": only("unstructured"),
        "not supported": lambda rows: with_half_pruned(with_recipes(rows, "unstructured")),
        "not measured": empty("layers"),
    },
    "sparsity": {
        "supported": changes(UNPRUNED, *(accuracy(name, 0.95, 0.4, 8, 0.5) for name in STRUCTURED),
                             accuracy("unstructured", 0.95, 0.4, 8)),
        "not supported": changes(UNPRUNED, *(accuracy(name, 0.95, 0.4, 8) for name in STRUCTURED),
                                 accuracy("unstructured", 0.95, 0.4, 8, 0.5),
                                 accuracy("reference-unstructured", 0.95, 0.4, 8, 0.5)),
        "not measured": only("unstructured"),
    },
    "smaller": {
        "supported": lambda rows: with_size(rows, "unstructured", 0.4),
        "not supported": lambda rows: with_size(with_size(rows, "unstructured", 1.0), "reference-unstructured", 0.97),
        "not measured": empty("files"),
    },
    "irregular": {"not measured": changes()},
    "complex": {"not measured": changes()},
    "support": {
        "supported": changes(only("unstructured"), latency("unstructured", 0.99)),
        "not supported": changes(only("unstructured"), latency("unstructured", 0.3)),
        "not measured": empty("latencies"),
    },
}  # fmt: skip


def with_wide_layers(rows: StudyRows) -> StudyRows:
    """Every layer has a hundred times as many units, as many of them empty in proportion."""
    layers = tuple(replace(row, units=100 * row.units, empty_units=100 * row.empty_units) for row in rows.layers)
    return replace(rows, layers=layers)


def with_half_pruned(rows: StudyRows) -> StudyRows:
    """Every asked layer has lost only half of what was asked."""
    layers = tuple(
        replace(row, nonzero_weights=round(row.weights * (1 - row.rate / 2))) if row.rate else row
        for row in rows.layers
    )
    return replace(rows, layers=layers)


@pytest.mark.parametrize(("name", "expected"), [(name, verdict) for name, cases in CASES.items() for verdict in cases])
def test_the_rule_decides(name: str, expected: Verdict, complete: StudyRows) -> None:
    assert verdict(name, CASES[name][expected](complete)) == expected


def test_every_statement_has_a_case_for_every_verdict_it_can_have() -> None:
    assert len(CASES) == len(STATEMENTS)
    unmeasurable = [name for name, cases in CASES.items() if set(cases) == {"not measured"}]
    assert unmeasurable == ["simplicity", "irregular", "complex"]
    assert all(len(CASES[name]) == 3 for name in CASES if name not in unmeasurable)


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement.claim[:40])
def test_nothing_is_judged_without_rows(statement, complete: StudyRows) -> None:
    nothing = without(complete, "trials", "epochs", "costs", "layers", "classes", "files", "latencies", "memories")
    judgement = judged(statement, Findings(nothing))
    assert judgement.verdict == "not measured"
    assert judgement.evidence
    assert all(len(evidence.text) > 20 for evidence in judgement.evidence)


def test_convergence_is_not_judged_before_it_can_be_seen(complete: StudyRows) -> None:
    short = complete.study.model_copy(update={"training": complete.study.training.model_copy(update={"epochs": 5})})
    assert verdict("1", replace(complete, study=short)) == "not measured"


def test_one_recipe_that_fails_refutes_a_statement_about_every_recipe(complete: StudyRows) -> None:
    change = changes(
        UNPRUNED,
        accuracy("unstructured", 0.95, 0.4, 8, slower=5),
        accuracy("reference-unstructured", 0.95, 0.4, 8, 0.2, 5),
    )
    assert verdict("2", change(complete)) == "not supported"


def test_one_recipe_that_does_supports_a_statement_about_what_is_possible(complete: StudyRows) -> None:
    change = changes(latency("structured", 0.5), latency("reference-structured", 1.1))
    assert verdict("faster", change(complete)) == "supported"


def test_recipes_that_prune_the_output_layer_do_not_show_what_structures_are_worth(complete: StudyRows) -> None:
    collapse = accuracy("reference-structured", 0.95, 0.4, 8, 0.9)
    kept = changes(UNPRUNED, collapse, *(accuracy(name, 0.95, 0.4, 8) for name in STRUCTURED[1:]))
    assert verdict("falls", kept(complete)) == "not supported"
    alone = changes(only("reference-structured"), UNPRUNED, collapse)
    assert verdict("falls", alone(complete)) == "supported"


def test_a_setting_in_which_it_is_slower_outweighs_those_in_which_it_is_faster(complete: StudyRows) -> None:
    faster = with_latency(with_recipes(complete, "structured"), "structured", 0.5)
    trials = {trial.trial for trial in faster.trials if trial.recipe == "structured"}
    slow = tuple(
        replace(row, latency_ms=3 * row.latency_ms)
        if row.trial in trials and (row.runtime, row.batch_size) == ("torch", 64)
        else row
        for row in faster.latencies
    )
    assert verdict("faster", faster) == "supported"
    assert verdict("faster", replace(faster, latencies=slow)) == "not supported"


def test_evidence_is_given_for_each_recipe_apart(complete: StudyRows) -> None:
    (statement,) = [one for one in STATEMENTS if one.key == "3"]
    evidence = judged(statement, Findings(complete)).evidence
    assert [one.recipe for one in evidence] == list(STRUCTURED)
    assert "masks let go, output layer pruned" in evidence[0].text
    assert "masks let go, output layer protected" in evidence[1].text
    assert "masks permanent, output layer protected" in evidence[2].text
