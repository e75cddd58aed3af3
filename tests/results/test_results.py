"""A study's results in Python: data frames, a figure, the network to take, and what a notebook shows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from prunus.errors import InputError, MissingError
from prunus.results import Results, read_results
from prunus.results.frames import frame_of
from report.made_study import Made, made_study
from report.tiny import cost, epochs, rows
from system.test_travelling import in_a_notebook

MADE = Made(
    overrides=('recipes=["unstructured", "structured"]', "rates=[0,0.4,0.8]", "training.epochs=20"), running=(3,)
)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return read_results(made_study(tmp_path_factory.mktemp("results"), MADE))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_tables_are_data_frames(results: Results, library: str) -> None:
    pytest.importorskip(library)
    frame = results.frame("epochs", library)
    assert type(frame).__module__.partition(".")[0] == library
    assert len(frame) == len(results.rows.epochs)
    assert [*frame.columns][-3:] == ["recipe", "rate", "seed"]
    first = results.rows.epochs[0]
    trial = next(one for one in results.rows.trials if one.trial == first.trial)
    assert (frame["metric"][0], frame["rate"][0], frame["seed"][0]) == (first.metric, trial.rate, trial.seed)
    assert len(results.frame("trials", library)) == len(results.rows.trials)
    assert len(results.frame("sessions", library)) == 2


def test_an_unknown_table_or_library_is_named(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"'epoch'. Did you mean 'epochs'"):
        results.frame("epoch")
    with pytest.raises(InputError, match="panda"):
        results.frame("epochs", "panda")
    monkeypatch.setattr("prunus.results.frames.find_spec", lambda _: None)
    with pytest.raises(MissingError, match="pandas or polars is not installed"):
        frame_of({"a": [1]})


def test_the_best_network_costs_least_among_those_that_keep_the_metric() -> None:
    """Pruned, 0.4 and 0.6 points are lost, half a point in the mean."""
    told = (*epochs("u0", 900), *epochs("s0", 896), *epochs("u1", 910), *epochs("s1", 904))
    costs = (cost("u0", 100, 100), cost("s0", 100, 50), cost("u1", 100, 100), cost("s1", 100, 50))
    results = Results(rows(epochs=told, costs=costs))
    best = results.best(keep=0.51)
    assert (best.recipe, best.rate, best.seed) == ("structured", 0.5, 0)
    assert best.metric == pytest.approx(89.6)
    assert str(best) == "structured 0.5, seed 0"
    assert results.best().recipe == "structured"  # the study's margin is one point
    assert results.best(keep=0.49).recipe is None
    with pytest.raises(MissingError, match="is not in the folder"):
        best.path  # noqa: B018


def test_the_front_is_a_figure_of_matplotlib(results: Results) -> None:
    figure = results.plot.front()
    assert isinstance(figure, Figure)
    assert figure.axes[0].get_ylabel() == "final test accuracy, %"


def test_a_notebook_shows_answer_figure_and_table(results: Results) -> None:
    shown = results._repr_html_()
    assert shown.count("<img") == 1
    assert 3 <= shown.count("<tr>") <= 9
    assert len(shown) < 200_000
    assert "<script" not in shown


def test_a_study_without_results_has_something_to_show(tmp_path: Path) -> None:
    made = Made(overrides=('recipes=["structured"]', "rates=[0,0.8]", "seeds=[0]"), waiting=(0, 1))
    results = read_results(made_study(tmp_path, made))
    assert "0 of 2 trials finished" in results._repr_html_()
    with pytest.raises(InputError, match="has no network yet"):
        results.best()
    with pytest.raises(InputError, match="nothing to draw"):
        results.plot.front()


def test_reading_results_imports_no_torch(tmp_path: Path) -> None:
    made_study(tmp_path / "made", MADE)
    code = (
        f"import sys, prunus; prunus.read_results({str(tmp_path / 'made')!r}).best(1.0); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_study_of_functions_runs_and_gives_its_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From functions of a notebook to the network that is worth it, in processes of their own."""
    import torch

    import prunus

    monkeypatch.chdir(tmp_path)
    cell = """
        import torch
        from torch import nn

        import prunus

        WIDTH = 12


        class Net(nn.Sequential):
            def __init__(self, inside, classes):
                super().__init__(nn.Flatten(), nn.Linear(inside, WIDTH), nn.ReLU(), nn.Linear(WIDTH, classes))


        def build(input_shape, classes):
            return Net(input_shape[0], classes)


        def load():
            x = torch.randn(64, 5, generator=torch.Generator().manual_seed(0))
            y = (x[:, 0] > 0).long()
            return x[:48].numpy(), y[:48].numpy(), x[48:].numpy(), y[48:].numpy()


        study = prunus.Study(
            name="mine", model=build, data=load, recipes=["structured"], rates=[0.5], seeds=[0], controls=False,
            training={"epochs": 2, "batch_size": 16}, measurement={"select": "none"},
        )
        """
    with in_a_notebook(cell, tmp_path) as names:
        study = names["study"]
    results = study.run(progress=False)
    assert isinstance(results, prunus.Results)
    assert results.folder == Path("studies") / "mine"
    assert (results.folder / "report.html").exists()
    assert [one.status for one in results.rows.trials] == ["finished", "finished"]
    best = results.best(keep=100)
    assert (best.recipe, best.rate) == ("structured", 0.5)
    model = best.model()
    assert model(torch.zeros(3, 5)).shape == (3, 2)
    assert model[1].weight.shape == (6, 5)  # half of twelve
    with pytest.raises(InputError, match=r"no option 'worker'. Did you mean 'workers'"):
        study.run(worker=2)
