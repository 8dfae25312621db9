"""Which runs away from home there are, and which job does which.

Every learned optimizer runs on every task, longer than at home, with rescaled gradients, and at other widths
of its own task's network; every tuned baseline on every task.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

__all__ = ["Condition", "conditions", "dealt"]

HORIZON, FACTORS, WIDTHS = 5, (0.01, 0.1, 10.0, 100.0), (0.5, 2.0)


class Condition(NamedTuple):
    """One way to be away from home, and what is run then."""

    condition: str
    """task, horizon, gradients, or width."""
    value: str
    """What of it: the task's name, or a factor."""
    task: str
    problem: Mapping[str, Any]
    """Settings of the task."""
    steps: int
    factor: float
    """Of the gradients."""


def conditions(
    home: str, settings: Mapping[str, Mapping[str, Any]], *, tasks_only: bool = False
) -> Iterator[Condition]:
    """Yield every way to be away from ``home``, being there among them: its own task.

    Args:
        home: the task that the optimizer was made for.
        settings: of every task of the scale, at least ``problem`` and ``steps``.
        tasks_only: leave out all but the tasks.
    """
    for task, other in settings.items():
        yield Condition("task", task, task, other["problem"], other["steps"], 1.0)
    if tasks_only:
        return
    problem, steps = settings[home]["problem"], settings[home]["steps"]
    yield Condition("horizon", str(HORIZON), home, problem, HORIZON * steps, 1.0)
    for factor in FACTORS:
        yield Condition("gradients", str(factor), home, problem, steps, factor)
    if widths := problem.get("hidden_widths"):
        for factor in WIDTHS:
            changed = {"hidden_widths": [max(1, round(factor * width)) for width in widths]}
            yield Condition("width", str(factor), home, {**problem, **changed}, steps, 1.0)


def dealt(costs: Sequence[float], parts: int) -> list[list[int]]:
    """Deal work to so many parts that none takes much longer than another: the costliest first, each to the
    part with the least so far.

    >>> dealt([1.0, 5.0, 2.0, 2.0], 2)
    [[1], [0, 2, 3]]
    """
    hands: list[list[int]] = [[] for _ in range(parts)]
    loads = [(0.0, part) for part in range(parts)]
    for index in sorted(range(len(costs)), key=lambda index: -costs[index]):
        load, part = heapq.heappop(loads)
        hands[part].append(index)
        heapq.heappush(loads, (load + costs[index], part))
    return [sorted(hand) for hand in hands]
