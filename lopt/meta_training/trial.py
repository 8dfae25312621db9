"""One trial of the search over recipes, for one rung: it goes on where the rung before left it.

Rung 0 trains trial i at place i; place i of a later rung trains what came i-th among those that go on. Which
trial that is, is known only when the rung before is ranked.

A trial that diverges scores inf and leaves the state and the curve that it came with. The configured recipe
goes on even so; from there on it is passed through untrained, for it would diverge again.
"""

import dataclasses
import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from lopt import provenance
from lopt.checkpoint import Checkpoint
from lopt.meta_training.loop import CurvePoint, State, Training, initial_state
from lopt.meta_training.run import resumable
from lopt.meta_training.search import (
    Recipe,
    apply_recipe,
    configured_recipe,
    draw_recipe,
    score,
    survivors,
)
from lopt.tuning import SearchRange

__all__ = ["Trial", "run_trial", "trial_at"]


class Trial(NamedTuple):
    """Which recipe a place of a rung trains, and for how long."""

    number: int
    """Of the recipe; 0 is the configured one."""
    meta_steps: int
    """Where this rung ends, counted from the beginning of rung 0."""
    place_before: int | None
    """Where the rung before left it; None in the first rung."""
    diverged: bool
    """Whether it diverged there: then there is nothing to train on from."""


def trial_at(
    place: int, rung: int, rungs: Sequence[Mapping[str, int]], ranked: pd.DataFrame | None
) -> Trial:
    """Return the trial of one place of a rung.

    Args:
        place: which place, from 0.
        rung: which rung, from 0.
        rungs: how many ``trials`` each rung trains, up to which of ``meta_steps``.
        ranked: the ranking of the rung before (``search.rank``), with the place of each trial; None for
            the first rung.
    """
    meta_steps = rungs[rung]["meta_steps"]
    if ranked is None:
        return Trial(place, meta_steps, place_before=None, diverged=False)
    row = survivors(ranked, rungs[rung]["trials"]).iloc[place]
    return Trial(
        number=int(row["trial"]),
        meta_steps=meta_steps,
        place_before=int(row["place"]),
        diverged=not math.isfinite(row["score"]),
    )


def run_trial(
    configured: Training,
    trial: Trial,
    *,
    task: str,
    seed: int,
    ranges: Mapping[str, SearchRange],
    code: str,
    before: Path | None,
    left: Path,
    logger: logging.Logger,
) -> dict[str, Any]:
    """Train one trial to the end of its rung; leave its state at ``left`` and return its row of the table.

    The row has the trial's number, its score, where its training stands and its recipe.

    Args:
        configured: the training as configured, whose recipe trial 0 has.
        trial: which trial, and how long.
        task: the task's name, which names random streams.
        seed: of the recipes and of every training.
        ranges: what is searched.
        code: digest of the code that the training depends on.
        before: the state that the rung before left; None in the first rung.
        left: where the state goes; a checkpoint lies beside it meanwhile.
        logger: gets the progress.

    Raises:
        RuntimeError: if the state of the rung before can't be used.
        CheckpointLockedError: if another process is running this very trial.
    """
    recipe = draw_recipe(configured_recipe(configured), ranges, task, trial.number, seed)
    logger.info("trial %d: %s", trial.number, recipe)
    training = apply_recipe(recipe, configured, trial.meta_steps)
    # The same for every rung of a trial: what its state may be trained on with.
    endless = dataclasses.replace(training.settings, meta_steps=0)
    identity = provenance.describe(
        dataclasses.replace(training, settings=endless),
        task=task,
        family=training.family.label,
        trial=trial.number,
        seed=seed,
        code=code,
    )
    start = _start(training, seed, identity, before)
    if trial.diverged:
        logger.warning("trial %d diverged in the rung before: it is not trained", trial.number)
        _leave(left, identity, *start)
        return _row(trial, recipe, *start, failed=True, seconds=0.0)
    checkpoint = left.with_name(f"{left.stem}.checkpoint.npz")
    # A checkpoint, unlike a state, is of this rung alone: one of a longer rung may lie beyond its end.
    within = {**identity, "meta_steps": trial.meta_steps}
    with resumable(training, seed, checkpoint, within, logger, start) as outcome:
        state, curve = outcome.state, outcome.curve
        if outcome.error:
            logger.warning("trial %d diverged: %s", trial.number, outcome.error)
            state, curve = start
        _leave(left, identity, state, curve)
    return _row(
        trial,
        recipe,
        state,
        curve,
        failed=outcome.error is not None,
        seconds=outcome.wall_seconds,
    )


def _leave(
    path: Path, identity: Mapping[str, Any], state: State, curve: Sequence[CurvePoint]
) -> None:
    Checkpoint(path, identity, 0.0).save(state, curve, now=True)


def _start(
    training: Training, seed: int, identity: Mapping[str, Any], before: Path | None
) -> tuple[State, list[CurvePoint]]:
    state = initial_state(training, seed)
    if before is None:
        return state, []
    earlier = Checkpoint(before, identity, 0.0)
    loaded = earlier.load(state)
    if loaded is None:
        reason = earlier.refusal or f"{before}: there is no such file"
        raise RuntimeError(f"the state of the rung before can't be used: {reason}")
    return loaded[0], [CurvePoint(*row) for row in loaded[1]]


def _row(
    trial: Trial,
    recipe: Recipe,
    state: State,
    curve: Sequence[CurvePoint],
    *,
    failed: bool,
    seconds: float,
) -> dict[str, Any]:
    return {
        "trial": trial.number,
        "score": math.inf if failed else score(curve),
        "best_score": float(state.best_validation),
        "meta_steps": int(state.step),
        "best_meta_step": int(state.best_step),
        "skipped_steps": int(state.optimizer.total_notfinite),
        "seconds": round(seconds, 1),
        **dataclasses.asdict(recipe),
    }
