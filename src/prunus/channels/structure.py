"""What a shrunk model is, beside its tensors: enough to build it again from data alone."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, JsonValue
from torch import Tensor, nn

from prunus.channels.adapting import Attribute
from prunus.channels.network import GraphNetwork
from prunus.channels.plan import Plan
from prunus.channels.pretrained import leave_out, refuse_saving
from prunus.spec.part import Frozen

VERSION = 2
ATTRIBUTE = "_prunus_structure"


class TensorForm(Frozen):
    """Shape and type of one tensor."""

    shape: tuple[int, ...]
    dtype: str


class Step(Frozen):
    """One cut of the user's own class.

    attributes: integers of the user's modules that were exchanged.
    of_graph: whether it was a cut of a graph that the class had been rewritten as.
    narrowed: paths of outputs that it made narrower.
    """

    plan: Plan
    of_graph: bool = False
    narrowed: tuple[str, ...] = ()
    attributes: tuple[Attribute, ...] = ()


class Structure(Step):
    """How to build the model.

    form: `class` is the user's own class, built by the user and cut by the plan; `graph` is a traced network.
    earlier: cuts that came before this one, where a model was cut again.
    unsaid: module -> why no configuration says what it is, so that it does not save itself with one.
    left_out: module -> tensors that it saves itself without, as in `Configured`.
    training: whether the model was in training mode. frozen: parameters that take no gradient.
    """

    version: int = Field(default=VERSION, ge=VERSION, le=VERSION)
    form: Literal["class", "graph"]
    model_class: str
    earlier: tuple[Step, ...] = ()
    graph: JsonValue = None
    tensors: dict[str, TensorForm] = Field(default_factory=dict)
    training: bool = False
    unsaid: dict[str, str] = Field(default_factory=dict)
    left_out: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    frozen: tuple[str, ...] = ()

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Structure:
        """Nothing in it changes: copies of a model share it."""
        return self


def remember(model: nn.Module, structure: Structure) -> nn.Module:
    """Attach the structure to a model, so that it can be saved later; copies keep it."""
    object.__setattr__(model, ATTRIBUTE, structure)
    return model


def steps_to(model: nn.Module) -> tuple[Step, ...]:
    """The cuts that a model has behind it, the first one first."""
    found = getattr(model, ATTRIBUTE, None)
    if not isinstance(found, Structure) or not found.plan.cuts:
        return ()
    last = Step(plan=found.plan, attributes=found.attributes, of_graph=found.form == "graph", narrowed=found.narrowed)
    return (*found.earlier, last)


def structure_of(model: nn.Module) -> Structure:
    """The structure of a model: as it was remembered, or that of a model from which nothing was cut."""
    found = getattr(model, ATTRIBUTE, None)
    if not isinstance(found, Structure):
        found = Structure(form="class", model_class=type(model).__qualname__, plan=Plan(removed={}, cuts=()))
    forms = {name: form_of(tensor) for name, tensor in named_tensors(model).items()}
    frozen = tuple(name for name, parameter in model.named_parameters() if not parameter.requires_grad)
    return found.model_copy(update={"tensors": forms, "training": model.training, "frozen": frozen})


def restore(model: nn.Module, structure: Structure) -> nn.Module:
    """Give a model that was built again what its structure tells beside its form."""
    for name, parameter in model.named_parameters():
        if name in structure.frozen:
            parameter.requires_grad_(False)
    for path, why in structure.unsaid.items():
        refuse_saving(model.get_submodule(path), why)
    for path, names in structure.left_out.items():
        leave_out(model.get_submodule(path), names)
    return remember(model, structure).train(structure.training)


def named_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers that are saved, each under its first name, sorted.

    Of a graph, which nobody else can build, these are all; of a class those that its state dictionary has.
    """
    found = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    saved = found if isinstance(model, GraphNetwork) else model.state_dict(keep_vars=True)
    return {name: found[name] for name in sorted(found) if name in saved}


def form_of(tensor: Tensor) -> TensorForm:
    """Shape and type of a tensor."""
    return TensorForm(shape=tuple(tensor.shape), dtype=str(tensor.dtype).removeprefix("torch."))
