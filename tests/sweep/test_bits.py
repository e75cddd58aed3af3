"""Studies that quantise: what their trials leave, and that others are as they were."""

import pytest

from prunus.errors import InputError
from prunus.export import read_scheme
from prunus.spec import load_study
from prunus.store import read_study
from prunus.sweep.loaded import Loaded
from prunus.sweep.run import run_study
from prunus.sweep.trial import begin
from prunus.train import checkpoint_bytes, fingerprint, load_checkpoint, train

STUDY = """
model = { name = "vgg", plan = [6, "M", 8], linear = [10], batch_norm = true }
data = "digits"
recipes = ["unstructured", "post", "aware", "cut"]
rates = [0.5]
seeds = [0]
controls = false
[recipe.post]
like = "unstructured"
bits = { weights = 8, activations = 8 }
[recipe.aware]
like = "unstructured"
bits = { weights = 4, activations = 4, when = "aware" }
[recipe.cut]
like = "structured"
bits = { weights = 8, activations = 8, when = "both" }
[training]
epochs = 4
batch_size = 128
learning_rate = 2e-3
[measurement]
runtimes = ["onnxruntime"]
batch_sizes = [1]
rounds = 30
memory = false
"""


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bits")
    (folder / "mine.toml").write_text(STUDY)
    run_study(load_study(folder / "mine.toml"), folder / "study")
    return read_study(folder / "study")


def by_cell(rows, table):
    cells = {trial.trial: (trial.recipe, trial.rate) for trial in rows.trials}
    found = {}
    for row in getattr(rows, table):
        found.setdefault(cells[row.trial], []).append(row)
    return found


def test_all_trials_finish_without_a_problem(rows):
    assert [trial.status for trial in rows.trials] == ["finished"] * 8
    assert not rows.problems


def test_bops_are_counted_with_each_layers_bits_and_zeros(rows):
    costs = {cell: found[0] for cell, found in by_cell(rows, "costs").items()}
    unpruned = costs[None, 0.0].dense_bops
    assert costs["post", 0.0].dense_bops * 16 == unpruned
    assert costs["aware", 0.0].dense_bops > unpruned / 64  # the first layer and the last have 8 bits
    assert costs["post", 0.5].effective_bops < 0.6 * costs["post", 0.5].dense_bops
    assert costs["cut", 0.5].shrunk
    assert costs["cut", 0.5].dense_bops < 0.5 * costs["cut", 0.0].dense_bops
    for cell, layers in by_cell(rows, "layers").items():
        assert sum(layer.effective_bops for layer in layers) == costs[cell].effective_bops
        for layer in layers:
            assert layer.dense_bops == layer.dense_macs * layer.weight_bits * layer.activation_bits
    widths = {cell: {layer.weight_bits for layer in layers} for cell, layers in by_cell(rows, "layers").items()}
    assert (widths[None, 0.0], widths["aware", 0.0]) == ({32}, {4, 8})


def test_the_metric_is_that_of_the_network_that_rounds(rows):
    """Four bits cost something, eight hardly anything, against the same recipe's epochs before."""
    epochs = by_cell(rows, "epochs")
    unpruned = epochs[None, 0.0]
    post = epochs["post", 0.0]
    assert [row.train_loss for row in post] == [row.train_loss for row in unpruned]
    assert [row.test_loss for row in post[:-1]] == [row.test_loss for row in unpruned[:-1]]
    assert 0 < abs(post[-1].test_loss - unpruned[-1].test_loss) < 0.05
    assert epochs["aware", 0.0][0].test_loss == unpruned[0].test_loss
    assert epochs["aware", 0.0][1].test_loss != unpruned[1].test_loss  # from half of the training on


def test_zeros_are_zeros_in_the_files(rows):
    files = by_cell(rows, "files")
    for cell in (("post", 0.5), ("aware", 0.5)):
        kinds = {row.format: row for row in files[cell]}
        assert kinds["integers"].size_bytes < 0.65 * kinds["safetensors"].size_bytes
        scheme = read_scheme(rows.folder / kinds["integers"].path)
        assert len(scheme) == 4
        assert all((one.weight_scale > 0).all() for one in scheme.values())
        nonzero = by_cell(rows, "costs")[cell][0].nonzero_weights
        assert nonzero <= by_cell(rows, "costs")["unstructured", 0.5][0].nonzero_weights
    assert {row.format for row in files["cut", 0.5]} == {"safetensors", "integers", "onnx"}
    assert by_cell(rows, "latencies").keys() == files.keys()


def test_a_training_goes_on_from_a_checkpoint_with_the_same_bits(rows):
    """Before the network rounds, and after, when it has learned ranges."""
    loaded = Loaded.of(rows.study)
    (trial,) = (one for one in loaded.trials.values() if one.label == "aware 0.5, seed 0")
    kept = {}

    def keep(state):
        kept[state.done] = checkpoint_bytes(state, trial.digest)

    def trained(state):
        return train(state, loaded.dataset, trial.training, seed=0, after_epoch=keep)

    trained(begin(trial, loaded.dataset))
    undisturbed = dict(kept)
    for epoch in (1, 3):
        state = begin(trial, loaded.dataset)
        load_checkpoint(undisturbed[epoch], state, trial.digest)
        again = fingerprint(trained(state))
        whole = begin(trial, loaded.dataset)
        load_checkpoint(undisturbed[4], whole, trial.digest)
        assert again == fingerprint(whole)


def test_a_name_that_no_layer_has_is_told_before_anything_is_trained(tmp_path):
    (tmp_path / "mine.toml").write_text(STUDY.replace("activations = 4,", 'activations = 4, ignore = ["features.9"],'))
    with pytest.raises(InputError, match=r"Recipe 'aware': the bits are said of 'features.9', which is not in the net"):
        Loaded.of(load_study(tmp_path / "mine.toml"))


def test_bits_and_going_back_to_earlier_weights_do_not_go_together(tmp_path):
    text = STUDY.replace(
        'like = "unstructured"',
        'pattern = "element"\nschedule = { name = "iterative", steps = 2, retrain_epochs = 1, rewind = "weights" }',
    )
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(InputError, match="does not fit bits"):
        Loaded.of(load_study(tmp_path / "mine.toml"))
