"""What the evaluation stores: the losses of every optimizer of a task on the same held-out problems."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

__all__ = ["LEARNED", "Evaluation", "EvaluationRuns", "gathered"]

LEARNED = "learned"
"""How learned optimizers are named where tuned ones are named by their module."""


class Evaluation(NamedTuple):
    """Losses of every optimizer on the same problems (``losses.npz``).

    ``optimizers`` names each run's optimizer ("learned", "momentum", ...); ``seeds`` is the training
    seed of a learned one and -1 for a tuned one.
    """

    optimizers: np.ndarray
    seeds: Int[np.ndarray, " runs"]
    losses: Float[np.ndarray, "runs problems steps_plus_1"]


class EvaluationRuns(NamedTuple):
    """Some of the problems of an evaluation, which is divided among jobs (``part_<n>.npz``).

    ``problems`` are their places among all; ``held_out`` is what the task measures on data that it holds out,
    after the last update, called ``held_out_names``; of a task without such measures both are empty.
    """

    optimizers: np.ndarray
    seeds: Int[np.ndarray, " runs"]
    losses: Float[np.ndarray, "runs part steps_plus_1"]
    problems: Int[np.ndarray, " part"]
    held_out_names: np.ndarray
    held_out: Float[np.ndarray, "measures runs part"]


def gathered(
    parts: Sequence[EvaluationRuns],
) -> tuple[Evaluation, dict[str, Float[np.ndarray, "runs problems"]]]:
    """Return the whole evaluation in the order of its problems, and by name what held-out data gave.

    Raises:
        ValueError: if the parts are not of the same optimizers, or problems are missing or there twice.
    """
    first = parts[0]
    for part in parts[1:]:
        if list(zip(part.optimizers, part.seeds, strict=True)) != list(
            zip(first.optimizers, first.seeds, strict=True)
        ):
            raise ValueError("parts of the evaluation are of different optimizers")
    problems = np.concatenate([part.problems for part in parts])
    order = np.argsort(problems)
    if not np.array_equal(problems[order], np.arange(len(problems))):
        raise ValueError(f"parts of the evaluation have the problems {sorted(problems.tolist())}")
    losses = np.concatenate([part.losses for part in parts], axis=1)[:, order]
    measures = np.concatenate([part.held_out for part in parts], axis=2)[:, :, order]
    named = {str(name): values for name, values in zip(first.held_out_names, measures, strict=True)}
    return Evaluation(first.optimizers, first.seeds, losses), named
