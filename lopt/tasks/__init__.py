"""Tasks: distributions of optimization problems, one file each.

A new task is a new file with one frozen dataclass that derives from ``base.Task``. Its module's name is its
name in ``config.yaml``, its fields are the keys of ``problem:`` there; nothing else has to be touched.
"""

from collections.abc import Mapping
from typing import Any

from lopt.extensions import TASKS
from lopt.tasks.base import Task, as_dtype, sample_batch

__all__ = ["Task", "as_dtype", "make_task", "sample_batch"]


def make_task(name: str, problem: Mapping[str, Any] | None = None) -> Task:
    """Build the task called ``name`` with the parameters ``problem``.

    Raises:
        ValueError: if there is no such task, or a parameter is unknown, missing or out of its bounds.
    """
    return TASKS.make(name, {} if problem is None else problem)
