"""Learned and tuned optimizers on the same held-out problems.

``summarize`` makes the table beside the stored losses (``lopt.records.evaluation``): mean and standard
error per optimizer over problems. A run diverges when a loss is not finite or exceeds its first by
``DIVERGENCE_FACTOR``; diverged runs are counted in the table and stay in its means: an optimizer that
diverges on one problem of 128 shows the mean that this gives, not a better one.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from lopt.records.evaluation import Evaluation

__all__ = ["LossCurves", "diverged_runs", "loss_curves", "summarize"]

DIVERGENCE_FACTOR = 1e6
Measures = Float[np.ndarray, "runs problems"]


class LossCurves(NamedTuple):
    """Mean and standard error over problems of every run's loss, iteration by iteration.

    ``diverged`` counts the problems on which a run diverged; they are in the means.
    """

    means: Float[np.ndarray, "runs steps_plus_1"]
    standard_errors: Float[np.ndarray, "runs steps_plus_1"]
    diverged: Int[np.ndarray, " runs"]


def loss_curves(evaluation: Evaluation) -> LossCurves:
    """Return mean_p f_p(x_k) and its standard error over problems p (0 for a single problem)."""
    losses = evaluation.losses.astype(np.float64)
    count = losses.shape[1]
    with np.errstate(over="ignore", invalid="ignore"):
        means = np.mean(losses, axis=1)
        spread = np.std(losses, axis=1, ddof=1) if count > 1 else np.zeros_like(means)
    return LossCurves(means, spread / count**0.5, np.sum(diverged_runs(losses), axis=1))


def diverged_runs(losses: Float[np.ndarray, "*rows steps_plus_1"]) -> Bool[np.ndarray, "*rows"]:
    """Return which runs diverged: a loss is not finite, or exceeds the first by ``DIVERGENCE_FACTOR``."""
    with np.errstate(over="ignore"):
        bound = DIVERGENCE_FACTOR * losses[..., :1]
    return ~np.all(np.isfinite(losses) & (losses <= bound), axis=-1)


def summarize(
    task: str, evaluation: Evaluation, held_out: Mapping[str, Measures] | None = None
) -> pd.DataFrame:
    """Return the summary table, one optimizer a row.

    ``meta_objective`` is mean_k f(x_k) / f(x_0), ``final_loss`` the last loss; ``_se`` are standard
    errors over problems. Where a task holds data out, ``held_out_<name>`` is what it measures on them after
    the last update: of minibatches, losses are those of the batches that were drawn.

    Args:
        task: its name.
        evaluation: the losses.
        held_out: the task's measures by name, of every run and problem (default: none).
    """
    rows = []
    float64 = evaluation._replace(losses=evaluation.losses.astype(np.float64))
    for run, (optimizer, seed, losses) in enumerate(zip(*float64, strict=True)):
        measures = {}
        for name, values in (held_out or {}).items():
            of_run = np.asarray(values[run], np.float64)
            measures[f"held_out_{name}"] = _mean(of_run)
            measures[f"held_out_{name}_se"] = _standard_error(of_run)
        with np.errstate(over="ignore", invalid="ignore"):
            objectives = losses.mean(axis=1) / losses[:, 0]
            rows.append(
                {
                    "task": task,
                    "optimizer": str(optimizer),
                    "seed": int(seed),
                    "problems": len(losses),
                    "diverged": int(diverged_runs(losses).sum()),
                    "meta_objective": _mean(objectives),
                    "meta_objective_se": _standard_error(objectives),
                    "final_loss": _mean(losses[:, -1]),
                    "final_loss_se": _standard_error(losses[:, -1]),
                    **measures,
                }
            )
    return pd.DataFrame(rows)


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values))


def _standard_error(values: np.ndarray) -> float:
    count = len(values)
    return float(np.std(values, ddof=1) / count**0.5) if count > 1 else 0.0
