"""From the part that a specification names, or a class of the user's own, to a task."""

from __future__ import annotations

from prunus.errors import InputError
from prunus.registry import Registry
from prunus.spec.part import Part, make
from prunus.system.user_code import is_reference, load_function
from prunus.tasks.task import Task

CLASS = "file.py:CLASS"
TASKS: Registry[type[Task]] = Registry("task", Task)


def task_of(part: Part) -> Task:
    """The task that a part names, its settings validated: a registered one, or `path/file.py:CLASS`.

    Raises `InputError` with the nearest names.
    """
    if not is_reference(part.name):
        TASKS.get(part.name, (CLASS,))
        return make(TASKS, part)
    kind = load_function(part.name).function
    if not (isinstance(kind, type) and issubclass(kind, Task)):
        raise InputError(
            f"{part.name} is no task", "it is no subclass of prunus.Task", "write class Name(prunus.Task): ..."
        )
    if lacking := sorted(getattr(kind, "__abstractmethods__", ())):
        raise InputError(f"The task {part.name} lacks {', '.join(lacking)}", "every task has them", "add them")
    own: Registry[type[Task]] = Registry("task", Task)
    own.register(part.name, kind)
    return make(own, part)
