r"""How much the winners of random searches differ: many searches, resampled from one large pool of trials.

A search of n trials is n draws from the ranges; drawn without replacement from a pool of N >> n trials whose
scores are known, it costs nothing. Its winner is that of ``lopt.tuning.search`` without rungs: the
best-scoring of its contenders that diverges on none of the fresh problems. Winners of many searches are the
same few trials of the pool; only these run on the evaluation's problems.
"""

import logging
from collections.abc import Mapping

import jax
import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from lopt.keys import stream
from lopt.optimizers import OptimizerFamily
from lopt.tasks import Task, sample_batch
from lopt.tuning.random_search import CONTENDERS, draw_problems
from lopt.tuning.ranges import SearchRange, pick, sample_trials
from lopt.tuning.trials import run_trials
from lopt.unrolling import evaluate

__all__ = ["contenders", "resample", "winners"]

BLOCK = 2500  # trials that are scored at a time, for the progress and the memory


def contenders(
    scores: Float[np.ndarray, " pool"], samples: int, searches: int, count: int, seed: int = 0
) -> Int[np.ndarray, "searches contender"]:
    """Return the best ``count`` trials, best first, of each of ``searches`` searches of the pool.

    >>> contenders(np.array([3.0, 1.0, 2.0]), 3, 2, 2).tolist()
    [[1, 2], [1, 2]]

    Raises:
        ValueError: if a search is longer than the pool, or its best trial has no finite score.
    """
    if not 0 < samples <= len(scores):
        raise ValueError(f"samples is {samples}, expected 1 to the pool's {len(scores)}")
    rng, count = np.random.default_rng(seed), min(count, samples)
    found = np.empty((searches, count), int)
    for number in range(searches):
        drawn = rng.choice(len(scores), samples, replace=False)
        found[number] = drawn[np.argsort(scores[drawn], kind="stable")[:count]]
    if not np.all(np.isfinite(scores[found[:, 0]])):
        raise ValueError("a search has no trial that converges on every problem: enlarge samples")
    return found


def winners(
    ranked: Int[np.ndarray, "searches contender"], holds: Bool[np.ndarray, " pool"]
) -> Int[np.ndarray, " searches"]:
    """Return the first contender of each search that ``holds`` on fresh problems; else its first.

    >>> winners(np.array([[1, 2], [0, 1]]), np.array([False, False, True])).tolist()
    [2, 0]
    """
    return ranked[np.arange(len(ranked)), holds[ranked].argmax(axis=1)]


def resample(
    task: Task,
    family: OptimizerFamily,
    ranges: Mapping[str, SearchRange],
    *,
    pool: int,
    samples: int,
    searches: int,
    problems: int,
    fresh_problems: int,
    evaluation_problems: int,
    steps: int,
    divergence_factor: float = 1e6,
    logger: logging.Logger | None = None,
) -> pd.DataFrame:
    """Return the winners of ``searches`` searches, a search a row.

    Columns: ``search``, ``samples``, ``pool``, ``trial`` (its place there), ``score``, the
    hyperparameters, and ``loss_<k>``, the mean loss on the evaluation's problems at every iteration k.

    Args:
        task: the task.
        family: the baseline.
        ranges: where each hyperparameter is searched.
        pool: trials that are drawn and scored.
        samples: trials of a search.
        searches: how many.
        problems: that choose, the same as in the study's search.
        fresh_problems: that the winner must not diverge on, likewise.
        evaluation_problems: on which winners are compared, those of the evaluation.
        steps: updates per problem.
        divergence_factor: a run whose meta-objective exceeds this has diverged.
        logger: gets the progress.
    """
    thetas = sample_trials(family, ranges, pool, seed=1)
    chosen_on = draw_problems(task, problems, 0, "problems")
    scores = np.empty(pool)
    for start in range(0, pool, BLOCK):
        part = pick(thetas, slice(start, start + BLOCK))
        runs = np.asarray(run_trials(task, family, part, chosen_on, steps), np.float64)
        diverged = ~np.all(runs <= divergence_factor, axis=1)
        scores[start : start + BLOCK] = np.where(diverged, np.inf, runs.mean(axis=1))
        if logger:
            logger.info("%d of %d trials", min(start + BLOCK, pool), pool)
    ranked = contenders(scores, samples, searches, CONTENDERS)
    named = np.unique(ranked)
    fresh = draw_problems(task, fresh_problems, 0, "fresh")
    holds = np.zeros(pool, bool)
    holds[named] = np.all(
        run_trials(task, family, pick(thetas, named), fresh, steps) <= divergence_factor, axis=1
    )
    found = winners(ranked, holds)
    met = sample_batch(task, stream(0, "evaluation"), evaluation_problems)
    curves = {}
    for trial in sorted(set(found.tolist())):
        theta = jax.tree.map(np.float32, pick(thetas, trial))
        losses = evaluate(task, family, theta, met, steps=steps)
        curves[trial] = np.asarray(losses, np.float64).mean(axis=0)
    rows = [
        {
            "search": number,
            "samples": samples,
            "pool": pool,
            "trial": trial,
            "score": scores[trial],
            **{k: float(v) for k, v in pick(thetas, trial)._asdict().items()},
            **{f"loss_{k}": loss for k, loss in enumerate(curves[trial])},
        }
        for number, trial in enumerate(found.tolist())
    ]
    return pd.DataFrame(rows)
