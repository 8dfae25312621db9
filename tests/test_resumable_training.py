"""Trainings that are interrupted, and the trials of a search: both go on where they stood.

The oracle of both is ``meta_train`` without a break: the same state, byte for byte.
"""

import dataclasses
import json
import logging
import math
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest

from lopt import checkpoint
from lopt.checkpoint import Checkpoint, CheckpointLockedError
from lopt.config import MetaTrainingSettings
from lopt.learned.gru import GRU
from lopt.meta_training.loop import (
    CurvePoint,
    MetaTrainingError,
    Training,
    initial_state,
    meta_train,
)
from lopt.meta_training.run import resumable
from lopt.meta_training.search import configured_recipe, draw_recipe
from lopt.meta_training.trial import Trial, run_trial, trial_at
from lopt.records import store
from lopt.tasks.rosenbrock import Rosenbrock
from lopt.tuning import SearchRange

SEED, IDENTITY = 3, {"training": "this"}
LOGGER = logging.getLogger("test_resumable_training")
SETTINGS = MetaTrainingSettings(
    meta_steps=12,
    problems=2,
    learning_rate=3e-3,
    decay_factor=0.5,
    decay_steps=10,
    b1=0.8,
    b2=0.6,
    epsilon=1e-6,
    clip=0.05,
    theta_penalty=1e-6,
    chunk=2,
    validation_problems=4,
    validation_interval=2,
    checkpoint_seconds=0.0,
    skipped_in_a_row=2,
    memory_budget_gb=1.0,
    precision="highest",
)
TRAINING = Training(Rosenbrock(), GRU(4, input_scale=0.01, output_scale=0.1), SETTINGS, steps=5)
# The readout starts at 0; after the first meta-step every update overflows.
DIVERGING = dataclasses.replace(TRAINING, family=GRU(4, input_scale=0.01, output_scale=1e37))
RANGES = {"learning_rate": SearchRange(1e-4, 1e-2, "log")}


class Killed(Exception):
    """What stands for the end of the process."""


def same_bytes(one, other) -> bool:
    leaves = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in leaves)


def kill_at_save(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """The process ends right after it has stored its ``number``-th checkpoint."""
    save, saved = Checkpoint.save, []

    def killing(self, *arguments, **options):
        written = save(self, *arguments, **options)
        saved.append(written)
        if len(saved) == number:
            monkeypatch.setattr(Checkpoint, "save", save)
            raise Killed
        return written

    monkeypatch.setattr(Checkpoint, "save", killing)


def states_of(training: Training) -> tuple[dict[int, object], list[CurvePoint]]:
    """The states of a training without a break by meta-step, up to where it ends or fails; the curve."""
    states, curve = {0: initial_state(training, SEED)}, []

    def after_chunk(state, point):
        states[point.step] = state
        curve.append(point)

    try:
        meta_train(training, SEED, after_chunk=after_chunk)
    except MetaTrainingError:
        assert training is not TRAINING
    return states, curve


@pytest.fixture(scope="module")
def whole():
    return states_of(TRAINING)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "folder/checkpoint.npz"


@pytest.fixture(autouse=True)
def log(caplog):
    caplog.set_level(logging.INFO, LOGGER.name)
    return caplog


def warnings(log) -> list[str]:
    return [record.getMessage() for record in log.records if record.levelno >= logging.WARNING]


# A training with a checkpoint.


def test_a_training_without_a_checkpoint_is_meta_train(whole, path, log):
    with resumable(TRAINING, SEED, path, IDENTITY, LOGGER) as outcome:
        assert path.exists(), "it stays until what it led to is stored"
        with pytest.raises(CheckpointLockedError):
            with resumable(TRAINING, SEED, path, IDENTITY, LOGGER):
                pass
    assert same_bytes(outcome.state, whole[0][12])
    assert outcome.curve == whole[1]
    assert outcome.error is None and outcome.wall_seconds >= 0.0
    assert list(path.parent.iterdir()) == []
    assert warnings(log) == []
    assert "meta-step 12/12" in log.text and "going on" not in log.text


@pytest.mark.parametrize("chunk", [1, 3, 6])
def test_it_resumes_with_the_same_bytes(whole, path, log, monkeypatch, chunk):
    """After the last chunk, too, before anything is stored."""
    kill_at_save(monkeypatch, chunk)
    with pytest.raises(Killed):
        with resumable(TRAINING, SEED, path, IDENTITY, LOGGER):
            pytest.fail("the block has to wait for the end of the training")
    assert [file.name for file in path.parent.iterdir()] == ["checkpoint.npz"]
    with resumable(TRAINING, SEED, path, IDENTITY, LOGGER) as outcome:
        assert same_bytes(outcome.state, whole[0][12])
        assert outcome.curve == whole[1]
        assert all(isinstance(point, CurvePoint) for point in outcome.curve)
    assert f"going on from the checkpoint of meta-step {2 * chunk}" in log.text


def test_the_time_is_that_of_all_attempts(path, monkeypatch):
    seconds = [0.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: seconds[0])

    def slow(save):
        def saved(self, *arguments, **options):
            seconds[0] += 10.0
            return save(self, *arguments, **options)

        return saved

    with monkeypatch.context() as context:
        kill_at_save(context, 4)
        context.setattr(Checkpoint, "save", slow(Checkpoint.save))
        with pytest.raises(Killed):
            with resumable(TRAINING, SEED, path, IDENTITY, LOGGER):
                pass
    seconds[0] = 1000.0  # between the attempts
    monkeypatch.setattr(Checkpoint, "save", slow(Checkpoint.save))
    with resumable(TRAINING, SEED, path, IDENTITY, LOGGER) as outcome:
        # 30 s to the start of the fourth write, which is what it says, and two more chunks.
        assert outcome.wall_seconds == 30.0 + 20.0


def test_another_trainings_checkpoint_is_refused_and_logged(whole, path, log):
    other = initial_state(TRAINING, SEED)._replace(step=np.int32(10))
    with Checkpoint.locked(path, {"training": "another"}) as foreign:
        foreign.save(other, {"rows": [], "wall_seconds": 5.0}, now=True)
    with resumable(TRAINING, SEED, path, IDENTITY, LOGGER) as outcome:
        assert same_bytes(outcome.state, whole[0][12])
        assert outcome.curve == whole[1]
    (warning,) = warnings(log)
    assert warning.startswith("checkpoint refused, training starts anew: ")
    assert str(path) in warning and "made with another training" in warning
    assert "going on" not in log.text


def test_the_checkpoint_goes_only_if_the_block_ends_without_error(whole, path, log):
    with pytest.raises(OSError, match="disk full"):
        with resumable(TRAINING, SEED, path, IDENTITY, LOGGER):
            raise OSError("disk full")
    assert [file.name for file in path.parent.iterdir()] == ["checkpoint.npz"]  # no lock
    with resumable(TRAINING, SEED, path, IDENTITY, LOGGER) as outcome:
        assert same_bytes(outcome.state, whole[0][12])
    assert "going on from the checkpoint of meta-step 12" in log.text
    assert not path.exists()


def test_it_goes_on_from_a_given_start(whole, path):
    states, curve = whole
    rows = [point._replace(gradient_norm=-1.0) for point in curve[:2]]  # to be told from its own
    given = list(rows)
    with resumable(TRAINING, SEED, path, IDENTITY, LOGGER, (states[4], given)) as outcome:
        assert same_bytes(outcome.state, states[12])
        assert outcome.curve == rows + curve[2:]
    assert given == rows, "what was given is not changed"


def failing_late() -> Training:
    """A training that fails after several chunks: its learning rate grows a hundredfold a meta-step."""
    settings = dataclasses.replace(SETTINGS, decay_factor=100.0, decay_steps=1, meta_steps=60)
    return dataclasses.replace(TRAINING, settings=settings)


@pytest.mark.parametrize("killed", [False, True])
def test_a_training_that_fails_says_why_and_how_far_it_came(path, monkeypatch, killed):
    """The same whether or not it was interrupted on the way."""
    training = failing_late()
    states, curve = states_of(training)
    assert 2 < len(curve) < 30, "it should fail, and not at once"
    if killed:
        kill_at_save(monkeypatch, 2)
        with pytest.raises(Killed):
            with resumable(training, SEED, path, IDENTITY, LOGGER):
                pass
    with resumable(training, SEED, path, IDENTITY, LOGGER) as outcome:
        assert isinstance(outcome.error, MetaTrainingError)
        assert "meta-gradients in a row" in str(outcome.error)
        assert same_bytes(outcome.state, states[curve[-1].step])
        assert repr(outcome.curve) == repr(curve)  # nan equals itself here
    assert not path.exists()


def test_what_is_no_failure_of_the_training_is_raised(path):
    settings = dataclasses.replace(SETTINGS, memory_budget_gb=1e-6)
    with pytest.raises(ValueError, match="meta-training needs at least"):
        with resumable(
            dataclasses.replace(TRAINING, settings=settings), SEED, path, IDENTITY, LOGGER
        ):
            pytest.fail("there is no outcome")
    assert list(path.parent.iterdir()) == []


# Which trial a place of a rung trains.

RUNGS = [{"trials": 4, "meta_steps": 4}, {"trials": 2, "meta_steps": 12}]


def ranking(*rows: tuple[int, int, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["trial", "place", "score"])


@pytest.mark.parametrize("place", [0, 3])
def test_the_first_rung_trains_each_trial_at_its_place(place):
    assert trial_at(place, 0, RUNGS, None) == Trial(place, 4, None, False)


def test_a_later_rung_trains_the_best_in_their_order():
    ranked = ranking((3, 1, 0.1), (0, 2, 0.2), (2, 0, 0.3), (1, 3, math.inf))
    assert trial_at(0, 1, RUNGS, ranked) == Trial(3, 12, 1, False)
    assert trial_at(1, 1, RUNGS, ranked) == Trial(0, 12, 2, False)


def test_the_configured_recipe_goes_on_even_if_it_diverged():
    ranked = ranking((3, 1, 0.1), (2, 0, 0.3), (1, 3, 0.4), (0, 2, math.inf))
    found = trial_at(1, 1, RUNGS, ranked)
    assert found == Trial(0, 12, 2, True)
    json.dumps(found)  # no numbers of NumPy, which the identity of a state could not hold


# One trial in one rung.


def trial(number: int, meta_steps: int, before: bool = False, diverged: bool = False) -> Trial:
    return Trial(number, meta_steps, 0 if before else None, diverged)


run = partial(
    run_trial, task="rosenbrock", seed=SEED, ranges=RANGES, code="this code", logger=LOGGER
)


def left_at(path: Path, training: Training = TRAINING) -> tuple[object, list]:
    """State and curve in a file, of whichever trial it is."""
    identity = store.load_metadata(path)["identity"]
    found = Checkpoint(path, identity, 0.0).load(initial_state(training, SEED))
    assert found is not None
    return found


@pytest.mark.parametrize("number", [0, 2])
def test_rungs_continue_a_training_exactly(whole, tmp_path, number):
    first, second = tmp_path / "rung_0.npz", tmp_path / "rung_1.npz"
    rows = [
        run(TRAINING, trial(number, 4), before=None, left=first),
        run(TRAINING, trial(number, 12, before=True), before=first, left=second),
    ]
    recipe = draw_recipe(configured_recipe(TRAINING), RANGES, "rosenbrock", number, SEED)
    settings = dataclasses.replace(SETTINGS, learning_rate=recipe.learning_rate)
    assert (settings == SETTINGS) == (number == 0)
    states, curve = whole
    if number:
        states, curve = states_of(dataclasses.replace(TRAINING, settings=settings))
    for row, path, end in zip(rows, (first, second), (4, 12), strict=True):
        state, stored = left_at(path)
        assert same_bytes(state, states[end])
        assert stored == [list(point) for point in curve[: end // 2]]
        values = [point.validation_meta_objective for point in curve[: end // 2]]
        assert row.pop("seconds") >= 0.0
        assert row == {
            "trial": number,
            "score": values[-1],
            "best_score": min(values),
            "meta_steps": end,
            "best_meta_step": 2 * (1 + int(np.argmin(values))),
            "skipped_steps": 0,
            **dataclasses.asdict(recipe),
        }
    assert sorted(tmp_path.iterdir()) == [first, second]


def test_an_interrupted_rung_resumes(whole, tmp_path, monkeypatch, log):
    first, second = tmp_path / "rung_0.npz", tmp_path / "rung_1.npz"
    run(TRAINING, trial(0, 4), before=None, left=first)
    kill_at_save(monkeypatch, 2)
    second_rung = partial(run, TRAINING, trial(0, 12, before=True), before=first, left=second)
    with pytest.raises(Killed):
        second_rung()
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "rung_0.npz",
        "rung_1.checkpoint.npz",
    ]
    assert second_rung()["meta_steps"] == 12
    assert "going on from the checkpoint of meta-step 8" in log.text
    assert same_bytes(left_at(second)[0], whole[0][12])


def test_the_checkpoint_of_a_rung_that_was_longer_is_refused(whole, tmp_path, monkeypatch, log):
    """It may lie beyond the end of this one."""
    left = tmp_path / "rung_0.npz"
    kill_at_save(monkeypatch, 4)
    with pytest.raises(Killed):
        run(TRAINING, trial(0, 12), before=None, left=left)
    assert run(TRAINING, trial(0, 4), before=None, left=left)["meta_steps"] == 4
    assert same_bytes(left_at(left)[0], whole[0][4])
    assert "made with another meta_steps" in warnings(log)[0]


def test_a_diverged_trial_says_so_and_keeps_the_state_it_came_with(tmp_path, log):
    """Here the initial one."""
    left = tmp_path / "rung_0.npz"
    row = run(DIVERGING, trial(0, 12), before=None, left=left)
    assert row["score"] == math.inf and row["meta_steps"] == 0
    state, curve = left_at(left, DIVERGING)
    assert same_bytes(state, initial_state(DIVERGING, SEED)) and curve == []
    (warning,) = warnings(log)
    assert warning.startswith("trial 0 diverged: 2 meta-gradients in a row")
    assert list(tmp_path.iterdir()) == [left]


@pytest.mark.parametrize("killed", [False, True])
def test_a_trial_that_diverges_late_keeps_the_state_of_the_rung_before(
    tmp_path, monkeypatch, killed
):
    """Not the one of a checkpoint on the way, if it was interrupted."""
    training = failing_late()
    states, curve = states_of(training)
    assert len(curve) > 3
    first, second = tmp_path / "rung_0.npz", tmp_path / "rung_1.npz"
    row = run(training, trial(0, 2), before=None, left=first)
    assert math.isfinite(row["score"])
    second_rung = partial(run, training, trial(0, 60, before=True), before=first, left=second)
    if killed:
        kill_at_save(monkeypatch, 2)
        with pytest.raises(Killed):
            second_rung()
    diverged = second_rung()
    assert (diverged["score"], diverged["meta_steps"]) == (math.inf, 2)
    assert diverged["best_score"] == row["best_score"]
    state, rows = left_at(second)
    assert same_bytes(state, states[2]) and rows == [list(curve[0])]


def test_a_trial_that_diverged_in_the_rung_before_is_not_trained(whole, tmp_path, log):
    """Though it could be: these are a sound trial's recipe and state."""
    first, second, third = (tmp_path / f"rung_{rung}.npz" for rung in range(3))
    run(TRAINING, trial(0, 4), before=None, left=first)
    log.clear()
    passed = trial(0, 12, before=True, diverged=True)
    row = run(TRAINING, passed, before=first, left=second)
    assert (row["score"], row["meta_steps"]) == (math.inf, 4)
    state, curve = left_at(second)
    assert same_bytes(state, whole[0][4])
    assert curve == [list(point) for point in whole[1][:2]]
    assert warnings(log) == ["trial 0 diverged in the rung before: it is not trained"]
    run(TRAINING, passed._replace(meta_steps=20), before=second, left=third)  # and so on
    assert same_bytes(left_at(third)[0], whole[0][4])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"code": "new code"}, "made with another code"),
        ({"seed": 4}, "made with another .*seed"),
        ({"task": "two_moons"}, "made with another .*task"),
        ({"trial": trial(1, 12, before=True)}, "made with another .*trial"),
        ({"configured": dataclasses.replace(TRAINING, steps=6)}, "made with another config_digest"),
        ({"before": Path("nowhere.npz")}, "nowhere.npz: there is no such file"),
    ],
)
def test_a_state_of_something_else_is_an_error(tmp_path, change, words):
    first, second = tmp_path / "rung_0.npz", tmp_path / "rung_1.npz"
    run(TRAINING, trial(0, 4), before=None, left=first)
    arguments = {"configured": TRAINING, "trial": trial(0, 12, before=True), "before": first}
    with pytest.raises(
        RuntimeError, match=f"the state of the rung before can't be used: .*{words}"
    ):
        run(**{**arguments, "left": second, **change})
    assert list(tmp_path.iterdir()) == [first]
