"""Which outputs of a network keep their width: what the user names, or all that are results in their own right."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

from torch.utils import _pytree as pytree

from prunus.errors import InputError, nearest
from prunus.graph.node import Graph, Ref, refs

Outputs: TypeAlias = str | int | Sequence[str | int] | None
"""Names of outputs or places among them, as `outputs=` takes them; None for the default."""

INTERNAL = re.compile(r"hidden_states|attentions|past_key_values|.+_(hidden_states?|attentions|model_output|outputs)")
"""Fields of an output class that hand on what a part of the network computed for another part."""

PRIMARY = frozenset(("last_hidden_state",))


def output_paths(graph: Graph) -> tuple[str, ...]:
    """The path of every returned value in the nested results, such as `logits` or `hidden_states.1`.

    It is empty where the network returns one value, and no container.
    """
    return paths_in(graph.output_structure)


def paths_in(structure: pytree.TreeSpec) -> tuple[str, ...]:
    """The path of every leaf of a nested structure, as in `output_paths`.

    >>> paths_in(pytree.tree_structure({"logits": 1.0, "states": (2.0, 3.0)}))
    ('logits', 'states.0', 'states.1')
    """
    count = structure.num_leaves
    found = dict(_leaves(pytree.tree_unflatten(range(count), structure), ""))
    return tuple(found[place] for place in range(count))


def _leaves(value: Any, path: str) -> Iterator[tuple[int, str]]:
    if isinstance(value, int):
        yield value, path
        return
    for key, part in _fields(value).items():
        yield from _leaves(part, f"{path}.{key}" if path else str(key))


def _fields(value: Any) -> Mapping[Any, Any]:
    """What a container holds, by name or place."""
    if isinstance(value, Mapping):
        return value
    if hasattr(value, "_asdict"):
        fields: Mapping[Any, Any] = value._asdict()
        return fields
    parts = value if isinstance(value, (tuple, list)) else pytree.tree_leaves(value)
    return dict(enumerate(parts))


def check_outputs(outputs: object) -> None:
    """Raises `InputError` for what names no outputs."""
    several = outputs if isinstance(outputs, Sequence) and not isinstance(outputs, str) else [outputs]
    if outputs is None or all(isinstance(one, (str, int)) and not isinstance(one, bool) for one in several):
        return
    raise InputError(
        f"outputs={outputs!r} names no output", "outputs are named, or counted from 0", "write outputs='logits', or [0]"
    )


def full_width(graph: Graph, outputs: Outputs, must_fit: bool = True) -> frozenset[int]:
    """The places of the outputs of which nothing may be removed.

    outputs: names (also shell patterns, and the beginnings of paths) or places in what the network returns. By default
    all of them; but where it returns an object of an output class, such as those of transformers, not what such a class
    hands on from inside the network (hidden states, attentions, outputs of parts) and a result is computed from.
    must_fit: raises `InputError` for a name that fits no output.
    """
    check_outputs(outputs)
    paths = output_paths(graph)
    if outputs is None:
        return _by_default(graph, paths)
    wanted = [outputs] if isinstance(outputs, (str, int)) else list(outputs)
    roots = list(dict.fromkeys(path.partition(".")[0] for path in paths))
    kept: set[int] = set()
    for each in wanted:
        name = _name(each, roots)
        fits = {place for place, path in enumerate(paths) if _fits(path, name)}
        if not fits and must_fit:
            raise InputError(f"The network returns no output {each!r}", _returned(paths), nearest(name, roots))
        kept |= fits
    if must_fit and not any(isinstance(graph.outputs[place], Ref) for place in kept):
        raise InputError(
            f"The outputs {outputs!r} hold no tensor", _returned(paths), "name an output that keeps its width"
        )
    return frozenset(kept)


def _name(wanted: str | int, roots: Sequence[str]) -> str:
    if isinstance(wanted, str):
        return wanted
    if not -len(roots) <= wanted < len(roots):
        raise InputError(f"There is no output {wanted}", f"the network returns {len(roots)}", "count from 0")
    return roots[wanted]


def _fits(path: str, name: str) -> bool:
    return fnmatchcase(path, name) or path.startswith(f"{name}.")


def _returned(paths: Sequence[str]) -> str:
    return f"it returns {', '.join(paths)}" if any(paths) else "it returns a lone tensor"


def _by_default(graph: Graph, paths: Sequence[str]) -> frozenset[int]:
    kind, every = graph.output_structure.type, frozenset(range(len(paths)))
    if not (isinstance(kind, type) and issubclass(kind, Mapping)) or kind in (dict, OrderedDict):
        return every
    internal = {place for place, path in enumerate(paths) if _is_internal(path.partition(".")[0])}
    before = _computed_from(graph, [graph.outputs[place] for place in sorted(every - internal)])
    handed_on = {place for place in internal if any(ref.name in before for ref in refs([graph.outputs[place]]))}
    return every - handed_on


def _is_internal(field: str) -> bool:
    return field not in PRIMARY and INTERNAL.fullmatch(field) is not None


def _computed_from(graph: Graph, results: Sequence[Any]) -> set[str]:
    """Nodes that results are computed from, these included."""
    found = {ref.name for ref in refs(results)}
    for node in reversed(graph.nodes):
        if node.name in found or (node.in_place and node.reads and node.reads[0].name in found):
            found.update(ref.name for ref in node.reads)
            found.add(node.name)
    return found
