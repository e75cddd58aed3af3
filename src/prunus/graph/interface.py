"""How a traced network may be called: its class's signature, and what it was traced with, against which calls are held.

A graph holds the path that one call took. Whatever could lead elsewhere (a flag, a mask, another size) is refused
unless it is known not to, since the graph would answer it as it answered the traced call.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from prunus.errors import InputError
from prunus.graph.arguments import is_same, leaves, parts_of, words
from prunus.graph.node import Ref, TensorType

Place: TypeAlias = tuple[str, int]
"""An input and one of its dimensions."""

INTEGERS = frozenset((torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64))

COMPUTES = ("generate", "encode", "decode", "predict", "sample", "embed", "extract", "forward", "get_image", "get_text")
"""How names of methods begin that users call beside `forward`, which a report names first."""

ANY = inspect.Signature(
    [
        inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL),
        inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD),
    ]
)


class CallError(InputError, TypeError):
    """A call that a traced network can't answer as the user's class would."""


class LostError(InputError, AttributeError):
    """A method or attribute that the user's class has and a traced network has not, so that `hasattr` says no."""


@dataclass(frozen=True)
class FixedSize:
    """A size that an argument must have."""

    argument: str
    dimension: int
    size: int

    def __str__(self) -> str:
        return f"dimension {self.dimension} of {self.argument} is {self.size}"


@dataclass(frozen=True)
class Interface:
    """How a network may be called.

    network: the name of its class. signature: of its `forward`, without annotations.
    arguments: parameter -> what was given or its default; tensors stand as references to inputs.
    types: of the inputs that are tensors.
    batch: dimensions of inputs that all have the size of the batch, which may be any; empty where it may not.
    lost: public names of the class that its graph has not; methods that compute something first.
    trains: whether the class returns the like in training mode, so that the graph may stand for it there, too.
    caches: paths in the class's results where a cache of keys and values is, and None in those of a graph.
    """

    network: str
    signature: inspect.Signature
    arguments: Mapping[str, Any]
    types: Mapping[str, TensorType]
    batch: tuple[Place, ...] = ()
    lost: tuple[str, ...] = ()
    trains: bool = True
    caches: tuple[str, ...] = ()

    @property
    def batch_size(self) -> int:
        """The size of the batch that was traced."""
        name, dimension = self.batch[0]
        return self.types[name].shape[dimension]

    def fixed(self) -> tuple[FixedSize, ...]:
        """The sizes that its tensors must have."""
        found = []
        for path, wanted in leaves(self.arguments):
            if isinstance(wanted, Ref):
                sizes = enumerate(self.types[wanted.name].shape)
                found += [FixedSize(path, d, size) for d, size in sizes if (wanted.name, d) not in self.batch]
        return tuple(found)

    def inputs(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Tensor]:
        """The tensors of a call, by input.

        Raises `CallError` for a call that may lead elsewhere than the traced one.
        """
        given = self.bind(args, kwargs)
        found: dict[str, Tensor] = {}
        for parameter, wanted in self.arguments.items():
            for path, expected, value in self._pairs(parameter, wanted, given[parameter]):
                if isinstance(expected, Ref):
                    self._check_tensor(path, expected.name, value)
                    found[expected.name] = value
                elif not is_same(expected, value):
                    raise self._refused(f"{path} is {words(value)}", f"it was traced with {words(expected)}")
        self._check_batch(found)
        return found

    def recast(self) -> CallError:
        """What is wrong where parameters are of another type than they were traced with."""
        return self._refused("its tensors are of another type than they were", "types are written into it")

    def training(self) -> CallError:
        """What is wrong in training mode, where the class returns something else."""
        return self._refused("it is in training mode", "the class returns something else then")

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Parameter -> argument. Raises `CallError` for what does not fit the signature."""
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise CallError(
                f"{self.network} can't be called like this",
                str(error),
                f"its forward takes {self.signature}",
            ) from None
        bound.apply_defaults()
        return bound.arguments

    def check_cache(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Raises `CallError` where a call, unlike the traced one, asks for a cache of keys and values."""
        asked, traced = (self._flat(each).get("use_cache") for each in (self.bind(args, kwargs), self.arguments))
        if asked and not is_same(traced, asked) and "generate" in self.lost:
            raise self._without_cache("use_cache=True")

    def check_no_cache_lost(self, traced: Interface) -> None:
        """Raises `CallError` where a call that was traced anew gives a cache that this graph's own call does not.

        traced: the interface of the new graph.
        """
        if more := [path for path in traced.caches if path not in self.caches]:
            raise self._without_cache(f"the class returns a cache as {more[0]!r} then")

    def _without_cache(self, what: str) -> CallError:
        return self._refused(what, "a graph returns tensors alone, and no cache")

    def _flat(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Parameter -> argument, those that the signature has no name for among them."""
        rest = [each.name for each in self.signature.parameters.values() if each.kind is each.VAR_KEYWORD]
        return {**arguments, **(arguments.get(rest[0], {}) if rest else {})}

    def _pairs(self, path: str, wanted: Any, given: Any) -> Iterator[tuple[str, Any, Any]]:
        """Path, what was traced, and what is given, of all leaves of an argument."""
        parts, others = parts_of(wanted), parts_of(given)
        if parts is None or others is None:
            if (parts is None) != (others is None):
                raise self._refused(f"{path} is {words(given)}", f"it was traced with {words(wanted)}")
            yield path, wanted, given
            return
        if parts.keys() != others.keys():
            traced, found = (", ".join(map(str, each)) or "nothing" for each in (parts, others))
            raise self._refused(f"{path} holds {found}", f"it was traced with {traced}")
        for key, part in parts.items():
            yield from self._pairs(f"{path}[{key!r}]", part, others[key])

    def _check_tensor(self, path: str, name: str, value: Any) -> None:
        kind = self.types[name]
        if not isinstance(value, Tensor):
            raise self._refused(f"{path} is {words(value)}", "it was traced with a tensor")
        if not _goes_as(value.dtype, kind.dtype):
            raise self._refused(
                f"{path} is of type {_bare(value.dtype)}",
                f"it was traced with {_bare(kind.dtype)}, and may depend on that",
            )
        if value.dim() != len(kind.shape):
            raise self._refused(
                f"{path} has {value.dim()} dimensions", f"it was traced with {len(kind.shape)}: {kind.shape}"
            )
        for d, (size, traced) in enumerate(zip(value.shape, kind.shape, strict=True)):
            if (name, d) not in self.batch and size != traced:
                raise self._refused(
                    f"Dimension {d} of {path} is {size}",
                    f"it was traced with {traced}, which is written into the graph",
                )

    def _check_batch(self, tensors: Mapping[str, Tensor]) -> None:
        sizes = {name: tensors[name].shape[d] for name, d in self.batch}
        for name, size in sizes.items():
            if size != sizes[self.batch[0][0]]:
                paths = {leaf.name: path for path, leaf in leaves(self.arguments) if isinstance(leaf, Ref)}
                first = self.batch[0][0]
                raise self._refused(
                    f"The batch of {paths[name]} is {size}, and that of {paths[first]} is {sizes[first]}",
                    "it was traced with equal ones",
                )

    def _refused(self, what: str, why: str) -> CallError:
        return CallError(
            f"{self.network} was rewritten as a graph, which can't take this call: {what}",
            why,
            "call it as it was called with the example inputs, or prune it with such inputs as examples",
        )


def interface_of(
    model: nn.Module,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    inputs: Sequence[str],
    caches: tuple[str, ...] = (),
) -> Interface:
    """The interface of a model that was traced with these arguments.

    inputs: names of the flattened arguments. caches: where it returned some.
    """
    leaves, structure = pytree.tree_flatten((args, dict(kwargs)))
    types = {
        name: TensorType(tuple(leaf.shape), leaf.dtype)
        for name, leaf in zip(inputs, leaves, strict=True)
        if isinstance(leaf, Tensor)
    }
    named = [Ref(name) if name in types else leaf for name, leaf in zip(inputs, leaves, strict=True)]
    positional, by_name = pytree.tree_unflatten(named, structure)
    signature = _signature(model)
    try:
        bound = signature.bind(*positional, **by_name)
    except TypeError:  # a hook or a wrapper takes other arguments than the forward
        signature = ANY
        bound = signature.bind(*positional, **by_name)
    bound.apply_defaults()
    return Interface(type(model).__name__, signature, dict(bound.arguments), types, (), _public(model), caches=caches)


def _signature(model: nn.Module) -> inspect.Signature:
    """The signature of the model's forward, without annotations."""
    try:
        found = inspect.signature(model.forward)
    except (TypeError, ValueError):
        return ANY
    bare = [each.replace(annotation=inspect.Parameter.empty) for each in found.parameters.values()]
    return inspect.Signature(bare)


def _public(model: nn.Module) -> tuple[str, ...]:
    """Public methods and attributes that the model has beside those of every module."""
    every = frozenset(dir(nn.Module)) | vars(nn.Module()).keys()
    own = [name for kind in type(model).__mro__ for name in vars(kind)]
    held = {*model._modules, *model._parameters, *model._buffers}
    names = dict.fromkeys((*own, *vars(model)))
    lost = [name for name in names if not name.startswith("_") and name not in every and name not in held]
    return tuple(sorted(lost, key=lambda name: not name.startswith(COMPUTES)))


def _goes_as(dtype: torch.dtype, traced: torch.dtype) -> bool:
    """Whether a forward treats a tensor of one type as one of the other: in double precision, or among integers."""
    if dtype == traced or {dtype, traced} <= INTEGERS:
        return True
    return (dtype == torch.float64 and traced.is_floating_point) or (dtype == torch.complex128 and traced.is_complex)


def _bare(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
