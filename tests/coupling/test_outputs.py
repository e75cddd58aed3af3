"""Which outputs keep their width: results by default, and what the user names."""

import copy
from collections import OrderedDict
from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.utils import _pytree as pytree

import prunus
from prunus.channels import masked
from prunus.channels.outputs import with_outputs_narrowed
from prunus.channels.removed import kept_after
from prunus.coupling import channel_groups, couple_model
from prunus.coupling.outputs import output_paths
from prunus.errors import InputError
from prunus.proof.outputs import relative_difference

X = torch.randn(3, 4)


class SeqOutput(OrderedDict):
    """An output class such as those of transformers."""


pytree.register_pytree_node(
    SeqOutput,
    lambda held: (list(held.values()), list(held)),
    lambda values, keys: SeqOutput(zip(keys, values, strict=True)),
)


@dataclass
class Result:
    hidden_states: torch.Tensor
    logits: torch.Tensor


class Encoding(nn.Module):
    """An encoder whose result is an output beside that of a head which reads it."""

    def __init__(self, returned):
        super().__init__()
        self.encoder, self.head, self.aside = nn.Linear(4, 8), nn.Linear(8, 2), nn.Linear(8, 6)
        self.returned = returned

    def forward(self, x):
        hidden = self.encoder(x)
        return self.returned(self.head(hidden.relu()), hidden, self.aside(hidden))


def as_class(logits, hidden, aside):
    return SeqOutput(logits=logits, encoder_last_hidden_state=hidden, hidden_states=(hidden, aside))


def protected(returned, outputs=None):
    groups = channel_groups(Encoding(returned).eval(), X, outputs=outputs)
    return {group.name for group in groups if group.protected}


def test_an_output_class_hands_on_hidden_states_that_may_shrink():
    assert protected(as_class) == {"head", "aside"}  # nothing is computed from what 'aside' makes: it is a result


def test_plain_results_all_keep_their_width():
    for returned in (
        lambda *all_three: all_three,
        lambda a, b, c: {"logits": a, "hidden_states": b, "aside": c},
        lambda a, b, c: (Result(b, a), c),
    ):
        assert protected(returned) == {"encoder", "head", "aside"}


def test_an_output_class_without_another_result_keeps_its_hidden_states():
    assert "encoder" in protected(lambda a, b, c: SeqOutput(hidden_states=b))
    assert "encoder" in protected(lambda a, b, c: SeqOutput(last_hidden_state=b, pooler_output=a))


@pytest.mark.parametrize(
    ("outputs", "kept"),
    [
        ("logits", {"head"}),
        (["logits", "hidden_states.1"], {"head", "aside"}),
        ("hidden_*", {"encoder", "aside"}),
        (0, {"head"}),
        (-1, {"encoder", "aside"}),
        ("*", {"encoder", "head", "aside"}),
    ],
)
def test_outputs_are_named_by_path_pattern_or_place(outputs, kept):
    assert protected(as_class, outputs) == kept


def test_places_of_a_tuple():
    assert protected(lambda *all_three: all_three, 0) == {"head"}
    assert protected(lambda *all_three: all_three, [0, "2"]) == {"head", "aside"}


@pytest.mark.parametrize("outputs", ["logit", 3, "hidden_states.7", []])
def test_a_name_that_fits_no_output_is_refused(outputs):
    with pytest.raises(InputError, match="output"):
        channel_groups(Encoding(as_class), X, outputs=outputs)


def test_paths_name_nested_results():
    graph = couple_model(Encoding(as_class), X).graphs[0]
    assert output_paths(graph) == ("logits", "encoder_last_hidden_state", "hidden_states.0", "hidden_states.1")
    assert output_paths(couple_model(nn.Linear(4, 2), X).graphs[0]) == ("",)


def test_changed_outputs_are_compared_and_reported():
    model = Encoding(as_class).eval()
    pruned = prunus.prune_channels(model, X, 0.5)
    assert [(each.name, each.before, each.after) for each in pruned.report.changed_outputs] == [
        ("encoder_last_hidden_state", (3, 8), (3, 4)),
        ("hidden_states.0", (3, 8), (3, 4)),
    ]
    assert "encoder_last_hidden_state from (3, 8) to (3, 4)" in str(pruned.report)
    small, whole = pruned.model(X), model(X)
    removed = pruned.plan.by_tensor()["encoder.bias"][0]
    left = [unit for unit in range(8) if unit not in removed]
    assert torch.allclose(small["encoder_last_hidden_state"], whole["encoder_last_hidden_state"][:, left], atol=1e-6)
    with pytest.raises(InputError, match="model output"):
        prunus.prune_channels(model, X, 0.5, outputs="*")


def test_a_changed_output_that_is_wrong_is_not_proven():
    """The head reads exchanged channels in the right order, so that the changed output alone tells."""
    model = Encoding(as_class).eval()
    pruned = prunus.prune_channels(model, X, 0.5)
    coupling = couple_model(model, X)
    kept = kept_after(coupling, pruned.plan)
    whole = with_outputs_narrowed(masked(model, pruned.plan), coupling, kept)
    wrong = copy.deepcopy(pruned.model)
    for tensor in (wrong.encoder.weight, wrong.encoder.bias):
        tensor.data = tensor.flip(0)
    for layer in (wrong.head, wrong.aside):
        layer.weight.data = layer.weight.flip(1)
    assert torch.allclose(wrong(X)["logits"], whole(X)["logits"], atol=1e-6)
    expected, found = (list(model(X).values()) for model in (whole, wrong))
    assert relative_difference(expected[:1], found[:1]) < 1e-6 < 1e-2 < relative_difference(expected[1:2], found[1:2])
