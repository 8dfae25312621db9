"""One trial of the search over recipes, for one rung: it resumes where the rung before left it.

Rung 0 trains trial i at place i; place i of a later rung trains what came i-th among those that go on. Which
trial that is, is known only when the rung before is ranked.
"""

import dataclasses
import logging
import math
import time
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
    meta_steps: int
    place_before: int | None
    """Where the rung before left it; None in the first rung."""
    diverged: bool
    """Whether it diverged there: then there is nothing to train on from."""


def trial_at(
    place: int, rung: int, rungs: Sequence[Mapping[str, int]], ranked: pd.DataFrame | None
) -> Trial:
    """Return the trial of one place; ``ranked`` is the ranking of the rung before, None for the first rung."""
    length = rungs[rung]
    if ranked is None:
        return Trial(place, length["meta_steps"], None, False)
    row = survivors(ranked, length["trials"]).iloc[place]
    return Trial(
        int(row["trial"]), length["meta_steps"], int(row["place"]), not math.isfinite(row["score"])
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
    """Train one trial to the end of its rung; return its row of the table and leave its state at ``left``.

    Args:
        configured: the training as configured, whose recipe trial 0 has.
        trial: which trial, and how long.
        task: the task's name, which names random streams.
        seed: of the recipes and of every training.
        ranges: what is searched.
        code: digest of the code that the training depends on.
        before: the state that the rung before left, if there was one.
        left: where the state goes; a checkpoint lies beside it meanwhile.
        logger: gets the progress.

    Raises:
        RuntimeError: if the state of the rung before can't be used.
    """
    began = time.monotonic()
    recipe = draw_recipe(configured_recipe(configured), ranges, task, trial.number, seed)
    logger.info("trial %d: %s", trial.number, recipe)
    training = apply_recipe(recipe, configured, trial.meta_steps)
    # The same for every rung of a trial: what a state may be resumed with.
    endless = dataclasses.replace(training.settings, meta_steps=0)
    identity = provenance.describe(
        dataclasses.replace(training, settings=endless),
        task=task,
        trial=trial.number,
        seed=seed,
        code=code,
    )
    start = _start(training, seed, identity, before)
    if trial.diverged:
        state, curve, failed = *start, True
        Checkpoint(left, identity, 0.0).save(state, [list(point) for point in curve], now=True)
        return _row(trial, recipe, state, curve, failed, time.monotonic() - began)
    checkpoint = left.with_name(f"{left.stem}.checkpoint.npz")
    with resumable(training, seed, checkpoint, identity, logger, start) as outcome:
        # The state of a trial that diverges is the one it came with.
        state, failed = outcome.state, outcome.error is not None
        Checkpoint(left, identity, 0.0).save(
            state, [list(point) for point in outcome.curve], now=True
        )
        return _row(trial, recipe, state, outcome.curve, failed, time.monotonic() - began)


def _start(
    training: Training, seed: int, identity: Mapping[str, Any], before: Path | None
) -> tuple[State, list[CurvePoint]]:
    state = initial_state(training, seed)
    if before is None:
        return state, []
    earlier = Checkpoint(before, identity, 0.0)
    loaded = earlier.load(state)
    if loaded is None:
        raise RuntimeError(f"the state of the rung before can't be used: {earlier.refusal}")
    return loaded[0], [CurvePoint(*row) for row in loaded[1]]


def _row(
    trial: Trial,
    recipe: Recipe,
    state: State,
    curve: list[CurvePoint],
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
