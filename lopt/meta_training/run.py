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

from lopt import config, provenance
from lopt.checkpoint import Checkpoint
from lopt.learned import make_family
from lopt.learned.released import load_released
from lopt.meta_training.loop import (
    CurvePoint,
    MetaTrainingError,
    State,
    Training,
    initial_state,
    meta_train,
)
from lopt.progress import Progress
from lopt.records.checksums import stated
from lopt.tasks import make_task

__all__ = ["Outcome", "beginning", "from_settings", "resumable"]


def from_settings(
    task: str, seed: int, settings: Mapping[str, Any]
) -> tuple[Training, dict[str, Any]]:
    """Return the training that a configuration describes, and the metadata of its optimizer.

    Args:
        task: its name.
        seed: of the training.
        settings: ``problem``, ``steps``, ``optimizer`` and ``meta_training``.
    """
    facts = {key: settings[key] for key in ("problem", "steps", "optimizer", "meta_training")}
    training = Training(
        task=make_task(task, facts["problem"]),
        family=make_family(facts["optimizer"]),
        settings=config.settings(config.MetaTrainingSettings, facts["meta_training"]),
        steps=facts["steps"],
    )
    return training, provenance.describe({"task": task, **facts}, task=task, seed=seed, **facts)


def beginning(
    training: Training, task: str, seed: int, folder: str | Path | None = None
) -> tuple[State, dict[str, Any]]:
    """Return the state that a training begins with, and what its metadata say of that.

    With a folder of released optimizers it begins at their theta of this task and seed, else at a random one,
    of which there is nothing to say. Adam's moments are zero and the learning rate is that of meta-step 0.

    Raises:
        StoreError: if the folder has no theta of this task and seed, or it is not what the checksum says.
        ValueError: if its form is not that of the training's family.
    """
    if folder is None:
        return initial_state(training, seed), {}
    name = f"{task}/seed_{seed}.npz"
    theta, metadata = load_released(folder, task, seed)
    try:
        theta = training.family.check(theta)
    except ValueError as error:
        raise ValueError(f"{Path(folder) / name} is no theta to start from: {error}") from None
    origin = {"file": name, "sha256": stated(folder)[name]}
    kept = {key: metadata[key] for key in ("meta_step", "optimizer")}
    return initial_state(training, seed, theta), {"start": {**origin, **kept}}


class Outcome(NamedTuple):
    """How a training ended; the same, but for the time, whether or not it was interrupted."""

    state: State
    """After the last meta-step; of a training that failed, after the last chunk that went well."""
    curve: list[CurvePoint]
    """One row per chunk, up to that state."""
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
    label: str | None = None,
) -> Iterator[Outcome]:
    """Meta-train under the lock of the checkpoint at ``path``, and yield how it ended.

    The lock is held until the block ends. If it ends without error, what it stored takes the checkpoint's
    place, which is removed; otherwise the checkpoint stays. A training that fails raises nothing here.

    Args:
        training: what is trained, and how.
        seed: names all random streams of this run.
        path: of the checkpoint.
        identity: all that the run depends on, ``training`` and ``seed`` included: a checkpoint with
            another identity is refused, which is logged, and the training starts anew.
        logger: gets the progress.
        label: says whose progress it is on a terminal that several jobs share (default: it has its own).
        start: state and curve to go on from where there is no checkpoint (default: the beginning).

    Raises:
        CheckpointLockedError: if another process is running this very training.
        ValueError: if the memory budget is too small for any division into blocks.
    """
    began = time.monotonic()
    first = start or (initial_state(training, seed), [])
    with Checkpoint.locked(path, identity, training.settings.checkpoint_seconds) as checkpoint:
        loaded = checkpoint.load(first[0])
        if checkpoint.refusal:
            logger.warning("checkpoint refused, training starts anew: %s", checkpoint.refusal)
        beginning: dict[str, Any] = {"rows": first[1], "wall_seconds": 0.0}
        state, notes = loaded or (first[0], beginning)
        curve = [CurvePoint(*row) for row in notes["rows"]]
        if loaded:
            logger.info("going on from the checkpoint of meta-step %d", int(state.step))

        def wall_seconds() -> float:
            return round(notes["wall_seconds"] + time.monotonic() - began, 1)

        def after_chunk(reached: State, point: CurvePoint) -> None:
            nonlocal state
            state = reached
            curve.append(point)
            progress.report(**point._asdict())
            checkpoint.save(state, {"rows": curve, "wall_seconds": wall_seconds()})

        progress = Progress(
            training.settings.meta_steps, "meta-step", logger, start=int(state.step), label=label
        )
        error = None
        try:
            meta_train(training, seed, state=state, after_chunk=after_chunk)
        except MetaTrainingError as failure:
            error = failure
        finally:
            progress.close()
        yield Outcome(state, curve, wall_seconds(), error)
        checkpoint.remove()
