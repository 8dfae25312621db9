"""A meta-training that can be interrupted: it resumes from a checkpoint and says how far it is.

    with resumable(training, seed, path, identity, logger) as outcome:
        ...                          store what it led to; then the checkpoint goes

Whatever ends the process, the same call resumes where the last checkpoint was written and ends with the
state of a run that was never interrupted.
"""

import contextlib
import logging
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lopt.checkpoint import Checkpoint
from lopt.meta_training.loop import (
    CurvePoint,
    MetaTrainingError,
    State,
    Training,
    initial_state,
    meta_train,
)
from lopt.progress import Progress

__all__ = ["Outcome", "resumable"]


class Outcome(NamedTuple):
    """How a training ended."""

    state: State
    """After the last meta-step; of a training that failed, the one that it started from here."""
    curve: list[CurvePoint]
    wall_seconds: float
    """Of all attempts together."""
    error: MetaTrainingError | None
    """Why it failed, if it did."""


@contextlib.contextmanager
def resumable(
    training: Training,
    seed: int,
    path: str | Path,
    identity: Mapping[str, Any],
    logger: logging.Logger,
    start: tuple[State, list[CurvePoint]] | None = None,
) -> Iterator[Outcome]:
    """Meta-train under the lock of the checkpoint at ``path``; it is removed when the block ends without error.

    Args:
        training: what is trained, and how.
        seed: names all random streams of this run.
        path: of the checkpoint.
        identity: all that the run depends on: a checkpoint with another identity is refused, and logged.
        logger: gets the progress.
        start: state and curve to go on from where there is no checkpoint (default: the beginning).

    Raises:
        CheckpointLockedError: if another process is running this very training.
    """
    began = time.monotonic()
    first = start or (initial_state(training, seed), [])
    with Checkpoint.locked(path, identity, training.settings.checkpoint_seconds) as checkpoint:
        loaded = checkpoint.load(first[0])
        if checkpoint.refusal:
            logger.warning("checkpoint refused, training starts anew: %s", checkpoint.refusal)
        state, notes = loaded or (first[0], {"rows": first[1], "wall_seconds": 0.0})
        rows = [list(row) for row in notes["rows"]]
        if loaded:
            logger.info("resuming from the checkpoint of meta-step %d", int(state.step))
        progress = Progress(
            training.settings.meta_steps, "meta-step", logger, start=int(state.step)
        )

        def wall_seconds() -> float:
            return round(notes["wall_seconds"] + time.monotonic() - began, 1)

        def after_chunk(state: State, point: CurvePoint) -> None:
            rows.append(list(point))
            progress.report(**point._asdict())
            checkpoint.save(state, {"rows": rows, "wall_seconds": wall_seconds()})

        error = None
        try:
            state = meta_train(training, seed, state=state, after_chunk=after_chunk)
        except MetaTrainingError as failure:
            error = failure
        progress.close()
        yield Outcome(state, [CurvePoint(*row) for row in rows], wall_seconds(), error)
        checkpoint.remove()
