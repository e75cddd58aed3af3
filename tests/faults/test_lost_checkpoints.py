"""Checkpoints that are lost between two runs: their trials start anew, end as ever, and the report names them."""

import signal

from prunus.report import build_report
from prunus.store import read_study
from prunus.sweep.events import TrialStarted
from small_study import rows_without_times, wait_for


def test_one_that_is_damaged_and_one_that_is_gone(run, start, study_file, tmp_path):
    out = tmp_path / "out"
    changes = (
        ("epochs = 5", "epochs = 200"),
        ("seeds = [0, 1]", "seeds = [0]"),
        (', "unstructured", "structured"]', "]"),
    )
    run(*changes, folder=tmp_path / "expected")
    # In a process of its own: a signal to the tests' own might come when nothing heeds it any more.
    process = start("run", study_file(*changes), "--out", out, "--workers", 2)
    wait_for(lambda: len(list(out.glob("trials/*/checkpoint.safetensors"))) == 2)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    damaged, gone = sorted(out.glob("trials/*/checkpoint.safetensors"))
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    gone.unlink()
    starts = []
    run(*changes, observe=lambda event: isinstance(event, TrialStarted) and starts.append(event))

    assert {event.epoch for event in starts} == {0}
    problems = {row.trial: row for row in read_study(out).problems}
    assert set(problems) == {damaged.parent.name, gone.parent.name}
    assert {(row.stage, row.kind) for row in problems.values()} == {("checkpoint", "lost")}
    assert "damaged" in problems[damaged.parent.name].message
    assert "is gone" in problems[gone.parent.name].message
    build_report(out)
    assert (out / "report.html").read_text().count("started anew") >= 2
    *found, _ = rows_without_times(out)
    *expected, _ = rows_without_times(tmp_path / "expected")
    assert found == expected
