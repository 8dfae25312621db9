"""Tasks: distributions of optimization problems, one file each.

A new task is a new file with a frozen dataclass that follows ``base.Task``, and one line in
``TASKS``; its parameters then appear under ``problem:`` in ``config.yaml``.
"""

from collections.abc import Mapping
from typing import Any

from lopt.tasks.base import Task, as_dtype, sample_batch
from lopt.tasks.linear_regression import LinearRegression
from lopt.tasks.rosenbrock import Rosenbrock
from lopt.tasks.two_moons import TwoMoons

__all__ = [
    "TASKS",
    "LinearRegression",
    "Rosenbrock",
    "Task",
    "TwoMoons",
    "as_dtype",
    "make_task",
    "sample_batch",
]

TASKS: dict[str, type] = {
    "linear_regression": LinearRegression,
    "rosenbrock": Rosenbrock,
    "two_moons": TwoMoons,
}


def make_task(name: str, problem: Mapping[str, Any] | None = None) -> Task:
    """Build the task called ``name`` with the parameters ``problem``.

    Raises:
        ValueError: if there is no such task, or it has no such parameter.
    """
    if name not in TASKS:
        raise ValueError(f"unknown task {name!r}; there are {', '.join(TASKS)}")
    parameters = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in (problem or {}).items()
    }
    try:
        return TASKS[name](**parameters)
    except TypeError as error:
        raise ValueError(f"task {name!r}: {error}") from None
