"""How a traced network may be called, and values in it, as JSON and back. What a file can't hold is words there."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch

from prunus.errors import InputError
from prunus.graph.arguments import Opaque, words
from prunus.graph.interface import Interface
from prunus.graph.node import PerSample, Ref, TensorType, refs

_TORCH_NAMES: dict[str, type] = {
    "dtype": torch.dtype,
    "layout": torch.layout,
    "memory_format": torch.memory_format,
}


def value_to_json(value: Any) -> Any:
    """Nested lists, strings and numbers. Raises `KeyError` for a type that has no row here."""
    if value is None or type(value) in (bool, int, str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": str(value)}
    for name, kind in _TORCH_NAMES.items():
        if isinstance(value, kind):
            return {name: str(value).removeprefix("torch.")}
    return _TO_JSON[type(value)](value)


_TO_JSON: dict[type, Callable[[Any], Any]] = {
    Ref: lambda value: {"ref": value.name},
    PerSample: lambda value: {"per_sample": value.times},
    torch.device: lambda value: {"device": str(value)},
    list: lambda value: [value_to_json(item) for item in value],
    tuple: lambda value: {"tuple": [value_to_json(item) for item in value]},
}


def value_from_json(value: Any) -> Any:
    """The value again. Raises `KeyError` or `ValueError` for what `value_to_json` does not write."""
    if isinstance(value, list):
        return [value_from_json(item) for item in value]
    if not isinstance(value, dict):
        return value
    ((tag, inner),) = value.items()
    return _FROM_JSON[tag](inner)


def torch_name(kind: type) -> Callable[[Any], Any]:
    """Reads the name of a type, layout or memory format of torch."""

    def read(name: str) -> Any:
        found = getattr(torch, name, None)
        if not isinstance(found, kind):
            raise ValueError(f"there is no {kind.__name__} {name!r}")
        return found

    return read


_FROM_JSON: dict[str, Callable[[Any], Any]] = {
    "ref": lambda name: Ref(str(name)),
    "per_sample": lambda times: PerSample(int(times)),
    "device": torch.device,
    "float": float,
    "tuple": lambda items: tuple(value_from_json(item) for item in items),
    **{name: torch_name(kind) for name, kind in _TORCH_NAMES.items()},
}


_KINDS = {kind.name: kind for kind in inspect._ParameterKind}


def interface_to_json(interface: Interface) -> dict[str, Any]:
    """Nested dictionaries, lists, strings and numbers."""
    return {
        "network": interface.network,
        "parameters": [_parameter_to_json(each, interface) for each in interface.signature.parameters.values()],
        "types": {name: [list(kind.shape), value_to_json(kind.dtype)] for name, kind in interface.types.items()},
        "batch": [list(place) for place in interface.batch],
        "lost": list(interface.lost),
        "trains": interface.trains,
        "caches": list(interface.caches),
    }


def interface_from_json(data: Mapping[str, Any], inputs: tuple[str, ...]) -> Interface:
    """The interface again. Raises `InputError` where it does not fit these inputs, and what Python does elsewhere."""
    parameters, arguments = [], {}
    for each in data["parameters"]:
        default = _argument_from_json(each["default"]) if "default" in each else inspect.Parameter.empty
        parameters.append(inspect.Parameter(str(each["name"]), _KINDS[each["kind"]], default=default))
        if "traced" in each:
            arguments[parameters[-1].name] = _argument_from_json(each["traced"])
        else:
            arguments[parameters[-1].name] = _argument_from_json(each["default"])
    types = {str(name): _type_from_json(*kind) for name, kind in data["types"].items()}
    interface = Interface(
        network=str(data["network"]),
        signature=inspect.Signature(parameters),
        arguments=arguments,
        types=types,
        batch=tuple((str(name), int(dimension)) for name, dimension in data["batch"]),
        lost=tuple(map(str, data["lost"])),
        trains=bool(data.get("trains", True)),
        caches=tuple(map(str, data.get("caches", ()))),
    )
    read = [ref.name for ref in refs(arguments)]
    places = all(name in types and 0 <= d < len(types[name].shape) for name, d in interface.batch)
    if sorted(read) != sorted(types) or not types.keys() <= set(inputs) or not places:
        raise InputError("The graph's inputs are not those that it describes", "", "the file is damaged")
    return interface


def _parameter_to_json(parameter: inspect.Parameter, interface: Interface) -> dict[str, Any]:
    found: dict[str, Any] = {"name": parameter.name, "kind": parameter.kind.name}
    if parameter.default is not inspect.Parameter.empty:
        found["default"] = _argument_to_json(parameter.default)
    traced = interface.arguments.get(parameter.name, inspect.Parameter.empty)
    if traced is not parameter.default:
        found["traced"] = _argument_to_json(traced)
    return found


def _argument_to_json(value: Any) -> Any:
    """Containers of a kind that JSON has not are those that calls are compared as."""
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {"dict": {key: _argument_to_json(item) for key, item in value.items()}}
    if isinstance(value, list):
        return [_argument_to_json(item) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [_argument_to_json(item) for item in value]}
    if isinstance(value, Opaque):
        return {"opaque": value.text}
    try:
        return value_to_json(value)
    except KeyError:
        return {"opaque": words(value)}


def _argument_from_json(data: Any) -> Any:
    if isinstance(data, list):
        return [_argument_from_json(item) for item in data]
    if not isinstance(data, dict):
        return data
    ((tag, inner),) = data.items()
    if tag == "dict":
        return {str(key): _argument_from_json(item) for key, item in inner.items()}
    if tag == "tuple":
        return tuple(_argument_from_json(item) for item in inner)
    return Opaque(str(inner)) if tag == "opaque" else value_from_json(data)


def _type_from_json(shape: list[Any], dtype: Any) -> TensorType:
    sizes = tuple(map(int, shape))
    found = torch_name(torch.dtype)(dtype["dtype"])
    if min(sizes, default=0) < 0:
        raise ValueError(f"there is no shape {sizes}")
    return TensorType(sizes, found)
