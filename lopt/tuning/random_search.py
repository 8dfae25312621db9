r"""Random search over the hyperparameters of a family, whole or by successive halving.

Every trial is one theta, drawn at random; its score is the meta-objective averaged over problems,

    score = 1/P sum_p mean_k f_p(x_k) / f_p(x_0),

and the lowest wins. A trial that diverges on *any* problem (its meta-objective there is not finite
or exceeds ``divergence_factor``) has the score +inf. With ``divergence_factor`` of at least P this
excludes nothing better than standing still, whose score is 1; it only shows what diverged.

Successive halving spends little on poor trials: on each rung the surviving trials run on the first
``problems`` problems for ``steps`` updates, and the best ``keep`` share goes on; the survivors of
all rungs are scored on every problem and step. Scores compare within one rung only. A rung of as
many steps as the one before runs the new problems only: the last rungs can add problems a few at a
time, each to fewer trials, for the price of the additions. Where the few problems on which a
setting diverges decide, the rungs should have all problems and few steps.

The best of thousands on the problems that chose it is a little lucky, and where stability ends in a
cliff (rosenbrock) luck means that it diverges on one problem in thousands that it has not met. So
the best ``CONTENDERS`` trials run once more, on ``fresh_problems`` problems that the search has never
seen, many because twenty trials cost little; the winner is the best-scoring contender that diverges
on none of them.

Source: arXiv 2011.02159 (random search, 2,500 samples per optimizer and task); Jamieson and
Talwalkar 2016 for halving. The ranges and the number of problems are not published.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from lopt.keys import stream
from lopt.optimizers import OptimizerFamily
from lopt.tasks import Task
from lopt.tasks.flat import check_first_losses
from lopt.tuning.ranges import SearchRange, pick, sample_trials
from lopt.tuning.trials import run_trials

__all__ = [
    "CONTENDERS",
    "Rung",
    "SearchResult",
    "TrialTable",
    "Winner",
    "draw_problems",
    "gradient_count",
    "search",
    "trial_columns",
]

CONTENDERS = 20
"""How many of the best trials run once more, on fresh problems; see the module."""


@dataclass(frozen=True)
class Rung:
    """One stage of halving: run on ``problems`` problems for ``steps`` updates, keep a share."""

    keep: float
    problems: int
    steps: int

    def __post_init__(self) -> None:
        if not 0.0 < self.keep <= 1.0:
            raise ValueError(f"keep should be in (0, 1], got {self.keep}")
        if self.problems < 1 or self.steps < 1:
            raise ValueError(f"a rung needs problems and steps of at least 1, got {self}")


class TrialTable(NamedTuple):
    """All trials; numpy arrays, one entry a trial, in the order in which they were drawn.

    ``score``, ``standard_error`` (over problems), ``diverged`` (number of problems), ``problems``
    and ``steps`` are those of the last stage that the trial ran in, ``rung``, counted from 0; the
    full stage comes last. ``rank`` counts from 1, the winner: by stage reached, then by score.
    """

    theta: Any
    score: Float[np.ndarray, " trials"]
    standard_error: Float[np.ndarray, " trials"]
    diverged: Int[np.ndarray, " trials"]
    problems: Int[np.ndarray, " trials"]
    steps: Int[np.ndarray, " trials"]
    rung: Int[np.ndarray, " trials"]
    rank: Int[np.ndarray, " trials"]


class Winner(NamedTuple):
    """The best trial that holds on fresh problems, and how it does there.

    ``rank`` counts from 1 by the score that chose it: the contenders before it diverge on some fresh
    problem. ``fresh_rank`` counts from 1 among the ``contenders`` best trials by their score on fresh
    problems, of which the winner diverges on ``fresh_diverged`` (not 0 only if every contender does:
    then the best-scoring one wins after all). ``alike`` of the contenders, the winner included,
    score within two standard errors of the paired difference from the winner on the problems that
    chose it: more than 1 means that they do not single it out.
    """

    theta: Any
    trial: int
    rank: int
    score: float
    standard_error: float
    alike: int
    contenders: int
    fresh_rank: int
    fresh_score: float
    fresh_standard_error: float
    fresh_diverged: int


class SearchResult(NamedTuple):
    """``diverged_share`` of the trials diverged on some problem of the last stage they ran in.

    ``gradients`` is the number of gradient evaluations spent, beside that of the full search;
    ``fresh_gradients`` is what the contenders' runs on fresh problems cost, in either search.
    """

    table: TrialTable
    winner: Winner
    diverged_share: float
    gradients: int
    gradients_of_full_search: int
    fresh_gradients: int


def gradient_count(samples: int, problems: int, steps: int, rungs: Sequence[Rung] = ()) -> int:
    """Return the gradient evaluations of a search; fewer if more than planned diverge.

    >>> gradient_count(2500, 64, 200)
    32000000
    >>> gradient_count(2500, 64, 200, [Rung(0.1, 2, 20), Rung(0.1, 4, 200)])
    600000
    """
    total, done = 0, None
    for rung in [*rungs, Rung(1.0, problems, steps)]:
        known = done.problems if done and rung.steps == done.steps else 0
        total += samples * max(0, rung.problems - known) * rung.steps
        samples, done = math.ceil(rung.keep * samples), rung
    return total


def search(
    task: Task,
    family: OptimizerFamily,
    ranges: Mapping[str, SearchRange],
    *,
    samples: int,
    problems: int,
    steps: int,
    seed: int,
    fresh_problems: int | None = None,
    rungs: Sequence[Rung] = (),
    divergence_factor: float = 1e6,
) -> SearchResult:
    """Draw ``samples`` thetas and find the best on ``problems`` problems of ``steps`` updates.

    Args:
        task: the task.
        family: a family with a ``theta_type`` of scalar hyperparameters.
        ranges: for each hyperparameter where to search.
        samples: number of trials.
        problems: problems of the full stage.
        steps: updates per run in the full stage.
        seed: trials and problems are drawn from streams under it; all families of a task meet the
            same problems.
        fresh_problems: problems that the contenders must hold on (default: as many again).
        rungs: stages of halving before the full stage; empty for the full search.
        divergence_factor: a run whose meta-objective exceeds this has diverged.

    Raises:
        ValueError: if a rung asks for more than the full stage, the ranges do not fit the family,
            a loss is no positive number at the start of a problem, or every trial diverges.
    """
    for rung in rungs:
        if rung.problems > problems or rung.steps > steps:
            raise ValueError(f"{rung} exceeds the full stage: {problems} problems, {steps} steps")
    thetas = sample_trials(family, ranges, samples, seed)
    chosen_on = draw_problems(task, problems, seed, "problems")
    fresh = draw_problems(task, fresh_problems or problems, seed, "fresh")

    scores, errors = np.zeros(samples), np.zeros(samples)
    diverged, counts, lengths, reached = (np.zeros(samples, int) for _ in range(4))
    alive, gradients = np.arange(samples), 0
    runs, length = np.empty((samples, 0), np.float32), 0
    for number, rung in enumerate([*rungs, Rung(1.0, problems, steps)]):
        runs = runs[:, : rung.problems if rung.steps == length else 0]
        new = slice(runs.shape[1], rung.problems)
        if new.start < new.stop:
            batch = pick(chosen_on, new)
            more = run_trials(task, family, pick(thetas, alive), batch, rung.steps)
            runs = np.concatenate([runs, more], axis=1)
            gradients += more.size * rung.steps
        length = rung.steps
        summary = _summarize(runs, divergence_factor)
        scores[alive], errors[alive], diverged[alive] = summary
        counts[alive], lengths[alive], reached[alive] = rung.problems, rung.steps, number
        finite = int(np.sum(summary[2] == 0))
        if not finite:
            raise ValueError(
                f"all {len(alive)} trials of {type(family).__name__} on {task} diverged on some of "
                f"{rung.problems} problems: extend the search ranges or draw more samples"
            )
        order = np.argsort(summary[0], kind="stable")
        order = order[: min(finite, math.ceil(rung.keep * len(alive)))]
        alive, runs = alive[order], runs[order]

    rank = np.empty(samples, int)
    rank[np.lexsort((scores, -reached))] = np.arange(1, samples + 1)
    table = TrialTable(thetas, scores, errors, diverged, counts, lengths, reached, rank)
    alive, runs = alive[:CONTENDERS], runs[:CONTENDERS]
    fresh_runs = run_trials(task, family, pick(thetas, alive), fresh, steps)
    fresh_scores, fresh_errors, fresh_diverged = _summarize(fresh_runs, divergence_factor)
    best = int(np.argmax(fresh_diverged == 0))  # alive is in the order of the scores
    difference, uncertainty, _ = _summarize(runs - runs[best], np.inf)
    winner = Winner(
        theta=pick(thetas, alive[best]),
        trial=int(alive[best]),
        rank=best + 1,
        score=float(scores[alive[best]]),
        standard_error=float(errors[alive[best]]),
        alike=int(np.sum(difference <= 2.0 * np.nan_to_num(uncertainty))),
        contenders=len(alive),
        fresh_rank=int(1 + np.sum(fresh_scores < fresh_scores[best])),
        fresh_score=float(fresh_scores[best]),
        fresh_standard_error=float(fresh_errors[best]),
        fresh_diverged=int(fresh_diverged[best]),
    )
    full = gradient_count(samples, problems, steps)
    share = float(np.mean(diverged > 0))
    return SearchResult(table, winner, share, gradients, full, fresh_runs.size * steps)


def draw_problems(task: Task, count: int, seed: int, name: str) -> Any:
    """Return the problems that choose (``name`` "problems") or the fresh ones ("fresh"), stacked.

    Raises:
        ValueError: if the loss at the start of one is no positive number.
    """
    problems = _sample(task, jax.random.split(stream(seed, "tuning", name), count))
    check_first_losses(task, problems)
    return problems


@partial(jax.jit, static_argnames="task")
def _sample(task: Task, keys: jax.Array) -> Any:
    return jax.lax.map(task.sample, keys)  # batched, it would take seconds to compile


def _summarize(
    runs: Float[np.ndarray, "trials problems"], divergence_factor: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return score, standard error (nan for one problem) and diverged problems of every trial."""
    diverged = np.sum(~(runs <= divergence_factor), axis=1)  # not-a-number compares false
    kept = np.where((diverged > 0)[:, None], np.nan, runs.astype(np.float64))
    score = np.where(diverged > 0, np.inf, np.mean(kept, axis=1))
    count = runs.shape[1]
    spread = np.std(kept, axis=1, ddof=1) if count > 1 else np.full(len(runs), np.nan)
    return score, spread / count**0.5, diverged


def trial_columns(table: TrialTable) -> dict[str, np.ndarray]:
    """Return the table's columns by name, one row a trial: ready for a CSV file."""
    return {
        "trial": np.arange(len(table.score)),
        **table.theta._asdict(),
        **{name: getattr(table, name) for name in TrialTable._fields[1:]},
    }
