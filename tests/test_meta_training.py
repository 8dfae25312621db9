"""Meta-training: the steps written out, resuming, killing, skipping, batching over seeds."""

import dataclasses
import filecmp
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from workflow_project import ROOT, environment

from lopt.checkpoint import Checkpoint
from lopt.config import MetaTrainingSettings
from lopt.keys import stream
from lopt.learned.gru import GRU
from lopt.learned.stored import load_optimizer
from lopt.meta_training import loop
from lopt.meta_training.abreast import initial_states, of_seed, train_abreast
from lopt.meta_training.gradient import meta_gradient
from lopt.meta_training.loop import (
    ChunkRecord,
    CurvePoint,
    MetaTrainingError,
    Training,
    check_learned,
    curve_point,
    initial_state,
    meta_train,
    train_chunk,
    validation_problems,
)
from lopt.meta_training.outcome import gradients_met, store_trained
from lopt.records import store, stored
from lopt.tasks import sample_batch
from lopt.tasks.rosenbrock import Rosenbrock
from lopt.unrolling import evaluate, meta_objective

FAMILY, STEPS, SEED = GRU(4, input_scale=0.01, output_scale=0.1), 5, 11
SETTINGS = MetaTrainingSettings(
    meta_steps=18,
    problems=2,
    learning_rate=0.3,
    decay_factor=0.8,
    decay_steps=8,
    b1=0.8,
    b2=0.6,
    epsilon=1e-3,
    clip=0.1,
    theta_penalty=1e-2,
    chunk=3,
    validation_problems=3,
    validation_interval=6,
    checkpoint_seconds=0.0,
    skipped_in_a_row=4,
    memory_budget_gb=1.0,
    precision="highest",
)


@dataclasses.dataclass(frozen=True)
class Failing(Rosenbrock):
    """Rosenbrock whose loss is not a number from the given starts (their first coordinate)."""

    failing: tuple[float, ...] = ()

    def loss(self, problem, x):
        fails = jnp.any(problem.start[0] == jnp.asarray(self.failing, jnp.float32))
        return super().loss(problem, x) * jnp.where(fails, jnp.nan, 1.0)


def failing_at(*meta_steps: int) -> Failing:
    """A task that fails on one problem of these meta-steps (the first is 1)."""
    starts = []
    for meta_step in meta_steps:
        key = stream(SEED, "train", meta_step - 1)
        starts.append(float(sample_batch(Rosenbrock(), key, SETTINGS.problems).start[0, 0]))
    return Failing(failing=tuple(starts))


def trained_on(task: Rosenbrock, **changes: float | None) -> Training:
    """The training of these tests, on ``task`` and with other settings."""
    return Training(task, FAMILY, dataclasses.replace(SETTINGS, **changes), STEPS)


def same_bytes(one, other) -> bool:
    leaves = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in leaves)


@pytest.fixture(scope="module")
def run():
    """An uninterrupted run: what, the states after every chunk (and before the first), the curve."""
    training = trained_on(failing_at(5, 6, 7))  # three in a row, across the end of a chunk
    states, curve, programs = [initial_state(training, SEED)], [], []

    def after_chunk(state, point):
        states.append(state)
        curve.append(point)
        programs.append(train_chunk._cache_size())

    last = meta_train(training, SEED, after_chunk=after_chunk)
    assert same_bytes(last, states[-1])
    assert programs == [programs[0]] * 6, "the first state is made by hand, the others come back"
    return training, states, curve


def test_the_steps_are_the_recipes(run):
    """Against NumPy: penalty, element-wise clip, Adam with decay; failed steps change nothing."""
    training, states, curve = run
    task = training.task
    gradient_of = jax.jit(
        lambda theta, step: meta_gradient(
            task, FAMILY, theta, sample_batch(task, stream(SEED, "train", step), 2), STEPS
        )
    )
    m, v, updates, clipped = [0.0] * 6, [0.0] * 6, 0, 0
    objectives, norms = np.full(18, np.nan), np.full(18, np.nan)
    for step in range(SETTINGS.meta_steps):
        if step % SETTINGS.chunk == 0:  # from where the run stands: rounding errors grow
            theta = [np.float64(leaf) for leaf in states[step // SETTINGS.chunk].theta]
        float32 = type(states[0].theta)(*(np.float32(leaf) for leaf in theta))
        objective, gradient = gradient_of(float32, step)
        norm = np.sqrt(sum(np.sum(leaf**2) for leaf in theta))
        if np.isfinite(objective):
            rate = SETTINGS.learning_rate * SETTINGS.decay_factor ** (updates / 8)
            updates += 1
            total = [np.float64(g) + 1e-2 * x / norm for g, x in zip(gradient, theta, strict=True)]
            objectives[step] = objective
            norms[step] = np.sqrt(sum(np.sum(g**2) for g in total))
            for i, g in enumerate(total):
                clipped += np.sum(np.abs(g) > SETTINGS.clip)
                g = np.clip(g, -SETTINGS.clip, SETTINGS.clip)
                m[i] = 0.8 * m[i] + 0.2 * g
                v[i] = 0.6 * v[i] + 0.4 * g**2
                mean, square = m[i] / (1 - 0.8**updates), v[i] / (1 - 0.6**updates)
                theta[i] = theta[i] - rate * mean / (np.sqrt(square) + SETTINGS.epsilon)
        if (step + 1) % SETTINGS.chunk == 0:
            chunk = (step + 1) // SETTINGS.chunk
            for name, found, wanted in zip(
                states[0].theta._fields, states[chunk].theta, theta, strict=True
            ):
                np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4, err_msg=name)
    assert clipped > 10  # the clip acts
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(objectives)), [4, 5, 6])
    for chunk, row in enumerate(curve):
        part = slice(3 * chunk, 3 * chunk + 3)
        np.testing.assert_allclose(row.meta_objective, np.nanmean(objectives[part]), rtol=1e-3)
        np.testing.assert_allclose(row.gradient_norm, np.nanmean(norms[part]), rtol=1e-3)
    assert [row.step for row in curve] == [3, 6, 9, 12, 15, 18]
    assert [row.skipped_steps for row in curve] == [0, 2, 3, 3, 3, 3]


def test_a_run_goes_on_from_any_chunk_with_the_same_bytes(run, tmp_path):
    """Through the checkpoint's file, as after a kill."""
    training, states, curve = run
    for chunk in range(len(states)):
        rows = [list(point) for point in curve[:chunk]]
        with Checkpoint.locked(tmp_path / f"{chunk}.npz", {}) as checkpoint:
            checkpoint.save(states[chunk], rows, now=True)
            state, rows = checkpoint.load(initial_state(training, SEED))
        last = meta_train(
            training,
            SEED,
            state=state,
            after_chunk=lambda state, point, rows=rows: rows.append(list(point)),
        )
        assert same_bytes(last, states[-1])
        assert repr(rows) == repr([list(point) for point in curve])


def test_the_second_call_compiles_nothing(run, caplog):
    """Nor does anything around it, nor a run that goes on from a state that was stored."""
    training, states, _ = run
    stored = jax.device_put(jax.tree.map(np.asarray, states[1]))
    with jax.log_compiles():
        jax.jit(lambda x: x + 1)(0)
        assert "Compiling" in caplog.text, "the test sees no compilation"
        caplog.clear()
        for state in (states[0], states[1], stored):
            meta_train(training, SEED, state=state)
        assert "Compiling" not in caplog.text


def test_the_best_theta_by_validation_is_kept(run):
    training, states, curve = run
    values = np.array([point.validation_meta_objective for point in curve])
    np.testing.assert_array_equal(np.isnan(values), [True, False] * 3)  # at its interval
    best, last = int(np.nanargmin(values)), states[-1]
    assert best + 1 < len(curve), "the test sees no difference between best and last"
    assert int(last.best_step) == curve[best].step
    assert float(last.best_validation) == values[best]
    assert same_bytes(last.best_theta, states[best + 1].theta)
    problems = sample_batch(training.task, stream(0, "validation"), SETTINGS.validation_problems)
    losses = evaluate(training.task, FAMILY, last.best_theta, problems, steps=STEPS)
    np.testing.assert_allclose(np.mean(meta_objective(losses)), values[best], rtol=1e-6)
    assert values[best] < 1.0  # an untrained optimizer does nothing, whose meta-objective is 1


def test_the_best_theta_is_what_is_stored_and_told_of(run, tmp_path):
    training, states, curve = run
    last = states[-1]
    assert not same_bytes(last.best_theta, last.theta)
    paths = tmp_path / "theta.npz", tmp_path / "curve.csv"
    facts = store_trained(*paths, training, SEED, last, curve, {"seed": SEED})
    theta, metadata = store.load(paths[0], type(last.theta), expect=facts)
    assert same_bytes(theta, last.best_theta)
    assert metadata["meta_step"] == int(last.best_step) and metadata["skipped_steps"] == 3
    assert metadata["validation_meta_objective"] == float(last.best_validation)
    problems = validation_problems(training.task, SETTINGS.validation_problems)
    met = gradients_met(training.task, FAMILY, last.best_theta, problems, steps=STEPS)
    others = gradients_met(training.task, FAMILY, last.theta, problems, steps=STEPS)
    assert metadata["gradients"] == met != others
    table = stored.load_curve(paths[1])
    assert table["step"].tolist() == [point.step for point in curve]


def test_a_training_that_learned_nothing_is_an_error(run):
    """The optimizer does nothing before training: its meta-objective is exactly 1."""
    training, states, _ = run
    last = states[-1]
    assert float(last.best_validation) < 1.0
    check_learned(training, SEED, last)
    for reached in (1.0, 1.5):
        worse = last._replace(best_validation=jnp.asarray(reached, jnp.float32))
        message = (
            rf"seed 11 learned nothing: .* of 18 meta-steps is {reached:g}, .* it began with 1;"
        )
        with pytest.raises(MetaTrainingError, match=message):
            check_learned(training, SEED, worse)
    with pytest.raises(MetaTrainingError, match="that of what it began with 0"):
        check_learned(training, SEED, last, start=last._replace(theta=last.best_theta))
    never_finite = last._replace(best_validation=jnp.asarray(jnp.inf, jnp.float32))
    with pytest.raises(MetaTrainingError, match="one every 6 of 18 meta-steps, none was finite"):
        check_learned(training, SEED, never_finite)
    broken = never_finite._replace(theta=jax.tree.map(lambda leaf: leaf * jnp.nan, last.theta))
    with pytest.raises(
        MetaTrainingError, match="nor was that of what it began with, nan: are the losses"
    ):
        check_learned(training, SEED, never_finite, start=broken)


def test_an_empty_theta_has_nothing_to_train(run):
    with pytest.raises(
        ValueError, match=r"GRU.*: theta has no entries, so there is nothing to train"
    ):
        initial_state(run[0], SEED, theta=())


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.int32], ids=str)
def test_a_theta_that_could_not_be_stored_is_refused_before_it_is_trained(run, dtype):
    theta = {"layers": [jnp.ones(2), jnp.ones(2, dtype)]}
    name = jnp.dtype(dtype).name
    with pytest.raises(
        ValueError, match=f"theta's layers.1 is {name}, expected an array of float32"
    ):
        initial_state(run[0], SEED, theta=theta)
    with pytest.raises(ValueError, match=r"theta has two arrays called a\.b"):
        initial_state(run[0], SEED, theta={"a": {"b": jnp.ones(2)}, "a.b": jnp.ones(2)})


def test_the_average_of_theta_is_kept_where_it_is_asked_for(run, tmp_path):
    """Theta itself goes the same way; a run goes on with its average."""
    training, states, _ = run
    averaging = trained_on(training.task, averaging=0.6, chunk=1)
    averaged, averaged_curve = [], []

    def after_chunk(state, point):
        averaged.append(state)
        averaged_curve.append(point)

    meta_train(averaging, SEED, after_chunk=after_chunk)
    average = [np.float64(leaf) for leaf in states[0].theta]
    for step, state in enumerate(averaged, start=1):
        decay = min(0.6, (1 + step) / (10 + step))
        for i, leaf in enumerate(state.theta):
            average[i] = decay * average[i] + (1 - decay) * np.float64(leaf)
            np.testing.assert_allclose(state.average[i], average[i], rtol=1e-4, atol=1e-6)
        if step % SETTINGS.chunk == 0:
            for leaf, wanted in zip(state.theta, states[step // 3].theta, strict=True):
                np.testing.assert_allclose(leaf, wanted, rtol=1e-3, atol=1e-4)
    assert states[-1].average == ()
    values = np.array([point.validation_meta_objective for point in averaged_curve])
    best, last = int(np.nanargmin(values)), averaged[-1]
    assert same_bytes(last.best_theta, averaged[best].average)
    assert not same_bytes(last.best_theta, averaged[best].theta)
    with Checkpoint.locked(tmp_path / "checkpoint.npz", {}) as checkpoint:
        checkpoint.save(averaged[7], [], now=True)
        state, _ = checkpoint.load(initial_state(averaging, SEED))
    assert same_bytes(meta_train(averaging, SEED, state=state), last)


def test_with_a_clip_per_problem_the_others_of_the_batch_still_count(run):
    """The batches of meta-steps 5 to 7 lose the problem that fails, and no meta-step is skipped."""
    training = trained_on(run[0].task, problem_clip=0.05, theta_penalty=0.0)
    curve = []
    meta_train(training, SEED, after_chunk=lambda state, point: curve.append(point))
    assert [point.skipped_steps for point in curve] == [0] * 6
    norms = np.array([point.gradient_norm for point in curve])
    assert np.all(norms <= 0.05 * (1 + 1e-6)) and np.any(norms > 0.025)


def test_gradients_are_bounded_and_clipped_as_the_settings_say(monkeypatch):
    asked = set()

    def gradient(task, family, theta, problems, steps, block, bound, norm=None):
        asked.add((bound, norm))
        return jnp.zeros(()), theta

    monkeypatch.setattr(loop, "meta_gradient", gradient)
    monkeypatch.setattr(loop, "clipped_meta_gradient", gradient)
    for bound, norm in ((None, None), (2.5, None), (None, 0.5), (2.5, 0.5)):
        training = trained_on(Rosenbrock(), adjoint_bound=bound, problem_clip=norm, chunk=9)
        state = initial_state(training, SEED)
        jax.eval_shape(lambda state, t=training: train_chunk(state, SEED, training=t), state)
        assert asked == {(bound, norm)}
        asked.clear()


def test_too_many_failures_in_a_row_end_the_run():
    """The third failure in a row is meta-step 7, in the middle of a chunk that ends well."""
    training, done = trained_on(failing_at(5, 6, 7), skipped_in_a_row=3), []
    with pytest.raises(MetaTrainingError) as caught:
        meta_train(training, SEED, after_chunk=lambda state, point: done.append(point.step))
    assert done == [3, 6]
    for words in ("3 meta-gradients in a row", "meta-step 7 of 18", "smaller learning_rate, clip"):
        assert words in str(caught.value)


def test_of_equal_validations_the_first_is_kept(monkeypatch):
    monkeypatch.setattr(loop, "evaluate", lambda *arguments, **settings: jnp.ones((2, 3)))
    training = trained_on(Rosenbrock())
    state = initial_state(training, SEED)
    state = state._replace(best_validation=jnp.float32(1.0), best_step=6, step=12)
    after, objective = loop._validate(training, state, None)
    assert objective == 1.0 and after.best_step == 6


def test_the_curve_averages_the_steps_that_were_done():
    state = SimpleNamespace(step=6, optimizer=SimpleNamespace(total_notfinite=1))
    chunk = ChunkRecord([1.0, np.nan, 3.0], [2.0, np.inf, 4.0], [0, 1, 0])
    assert curve_point(state, chunk, 0.5) == CurvePoint(6, 2.0, 0.5, 3.0, 1)


def test_seeds_in_one_program_are_the_single_runs():
    """What a GPU does with several seeds of a small task; one of them skips steps, the other none.

    Theta is averaged: what is validated and kept is the average.
    """
    seeds, task, rows = [SEED, 5], failing_at(5, 6), []
    training = trained_on(task, meta_steps=6, validation_interval=6, averaging=0.6)
    assert training.block() == STEPS
    states = initial_states(training, seeds)
    assert same_bytes(train_abreast(training, seeds, states=states, seconds=0.0), states)
    together = train_abreast(
        training, seeds, states=states, after_chunk=lambda _, points: rows.append(points)
    )
    for place, seed in enumerate(seeds):
        curve = []
        alone = meta_train(training, seed, after_chunk=lambda _, point, to=curve: to.append(point))
        for leaf, wanted in zip(
            jax.tree.leaves(of_seed(together, place)), jax.tree.leaves(alone), strict=True
        ):
            np.testing.assert_allclose(leaf, wanted, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose([points[place] for points in rows], curve, rtol=1e-3, atol=1e-5)
    assert together.optimizer.total_notfinite.tolist() == [2, 0]
    assert np.isfinite(together.best_validation).all()


def test_the_script_for_several_seeds_stores_what_the_workflow_stores(tmp_path):
    call = [
        sys.executable,
        "benchmarks/gpu.py",
        "rosenbrock",
        "--scale",
        "smoke",
        "--device",
        "cpu",
    ]
    recipe = ["units=2", "meta_steps=10", "learning_rate=1e-2"]
    folder = ["--results", str(tmp_path)]

    def run(*more, recipe=recipe, folder=folder, seeds=("0", "3")):
        options = [*folder, "--seeds", *seeds, "--set", *recipe, *more]
        return subprocess.run([*call, *options], cwd=ROOT, capture_output=True, text=True)

    for option, value in (("--minutes", "nan"), ("--minutes", "-1"), ("--seeds", str(2**32))):
        refused = run(option, value)
        assert refused.returncode == 2 and f"{option}: expected a" in refused.stderr
    script, scale = call[1], call[3:]
    early = [sys.executable, script, "linear_regression", *scale, "--seeds", "2", *folder]
    ends = subprocess.run(early, cwd=ROOT, capture_output=True, text=True)
    assert (
        ends.returncode == 2
        and "seed 2 is the one of linear_regression that ends early" in ends.stderr
    )
    nowhere = run(folder=[])
    assert nowhere.returncode == 2 and "name its folder by --results" in nowhere.stderr
    stopped = run("--minutes", "0")
    assert stopped.returncode == 1, stopped.stderr
    assert "0 of 10 meta-steps; the same command goes on" in stopped.stdout
    # What another recipe or another choice of seeds left is neither taken nor written over.
    other = run("--minutes", "0", recipe=[*recipe, "b1=0.5"])
    assert (
        other.returncode == 1
        and "made with another config_digest, meta_training. Move" in other.stderr
    )
    assert run("--minutes", "0", seeds=["3"]).returncode == 1
    # Something ends it while it stores: what is trained is not trained again.
    (tmp_path / "smoke/meta_training/rosenbrock/seed_3").write_text("in its way")
    ended = run()
    assert ended.returncode == 1 and "seed_3" in ended.stderr and "Traceback" not in ended.stderr
    first = tmp_path / "smoke/meta_training/rosenbrock/seed_0/theta.npz"
    stored_at = first.stat().st_mtime_ns
    (tmp_path / "smoke/meta_training/rosenbrock/seed_3").unlink()
    done = run(seeds=("3", "0"))
    assert done.returncode == 0, done.stderr
    assert "meta-step" not in done.stdout and first.stat().st_mtime_ns == stored_at
    for seed in (0, 3):
        place = tmp_path / f"smoke/meta_training/rosenbrock/seed_{seed}"
        _, theta, metadata = load_optimizer(place / "theta.npz", task="rosenbrock", seed=seed)
        assert metadata["optimizer"]["units"] == 2 and metadata["steps"] == 20
        assert metadata["gradients"]["largest"] > metadata["gradients"]["smallest"]
        assert np.isfinite(theta.recurrent_weights).all()
        assert stored.load_curve(place / "curve.csv")["step"].tolist() == [5, 10]
        assert stored.load_run(place / "run.json")["wall_seconds"] > 0.0
    left = (tmp_path / "smoke/meta_training/rosenbrock").glob("abreast*.npz")
    assert [path.name for path in left] == ["abreast_3.npz"]
    again = run()
    assert again.returncode == 0 and "all seeds are trained and stored: 0, 3" in again.stdout
    assert "meta-step" not in again.stdout
    (first.parent / "run.json").rename(tmp_path / "away")
    lost = run()
    assert lost.returncode == 1 and "theta.npz is there, but not its run.json" in lost.stderr
    (tmp_path / "away").rename(first.parent / "run.json")
    other = run(recipe=[*recipe, "units=3"])
    assert other.returncode == 1 and "was trained with another optimizer. Move" in other.stderr
    for change, told in {
        "rate=1": "--set rate=1: expected KEY=VALUE",
        "meta_steps=-5": "meta_training.meta_steps': ",
        "learning_rate=abc": "meta_training.learning_rate': ",
    }.items():
        wrong = run(recipe=[change])
        assert wrong.returncode == 1 and told in wrong.stderr, wrong.stderr
        assert "Traceback" not in wrong.stderr


def test_a_budget_too_small_is_told_before_anything_is_compiled():
    training = trained_on(Rosenbrock(), memory_budget_gb=1e-6)
    with pytest.raises(ValueError, match=r"meta-training needs at least .* GB for 4 rows, 4 units"):
        meta_train(training, SEED)


# The script, killed.

SCRIPT = """
import json, runpy, sys
from types import SimpleNamespace

class Named(SimpleNamespace):
    items = lambda self: vars(self).items()
    __getitem__ = lambda self, name: getattr(self, name)

params = Named(**json.loads(sys.argv[1]))
snakemake = SimpleNamespace(
    threads=1,
    resources={},
    log=["log.txt"],
    wildcards=Named(task="rosenbrock", seed="0"),
    input=Named(start=[], sums=[]),
    params=params,
    output=SimpleNamespace(theta="out/theta.npz", curve="out/curve.csv", run="out/run.json"),
)
runpy.run_path(sys.argv[2], init_globals={"snakemake": snakemake})
"""


def start_script(folder: Path) -> subprocess.Popen:
    """Run the workflow's own script as Snakemake would; it stores a checkpoint after every chunk."""
    settings = dataclasses.replace(SETTINGS, meta_steps=400, chunk=1, skipped_in_a_row=50)
    params = {
        "code": "the same",
        "problem": {"start_half_width": 2.0},
        "steps": STEPS,
        "optimizer": {"family": "gru", **dataclasses.asdict(FAMILY)},
        "meta_training": dataclasses.asdict(settings),
    }
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, json.dumps(params), ROOT / "workflow/scripts/meta_train.py"],
        cwd=folder,
        stderr=subprocess.PIPE,
        env=environment(),
    )


def kill_at_a_random_moment(process: subprocess.Popen, folder: Path, moment: random.Random) -> None:
    """SIGKILL it up to a third of a second after it has stored something new."""
    file = folder / "out/checkpoint.npz"
    before = file.stat().st_mtime_ns if file.exists() else None
    while process.poll() is None:
        if file.exists() and file.stat().st_mtime_ns != before:
            time.sleep(moment.uniform(0.0, 0.3))
            break
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()


def test_a_run_killed_at_random_moments_ends_with_the_same_bytes(tmp_path):
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    for folder, kills in ((undisturbed, 0), (killed, 2)):
        folder.mkdir()
        moment = random.Random(0)
        for _ in range(kills):
            kill_at_a_random_moment(start_script(folder), folder, moment)
            assert not (folder / "out/theta.npz").exists(), "it ended before it could be killed"
        process = start_script(folder)
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors.decode()
        left = {path.name for path in (folder / "out").iterdir()}
        assert left == {"theta.npz", "curve.csv", ".curve.csv.sha256", "run.json"}
        assert stored.load_run(folder / "out/run.json")["wall_seconds"] > 0.0
    files = ["theta.npz", "curve.csv"]  # how long it took is not in them
    folders = undisturbed / "out", killed / "out"
    assert filecmp.cmpfiles(*folders, files, shallow=False)[0] == files
    assert (killed / "log.txt").read_text().count("going on from the checkpoint") == 2
    curve = pd.read_csv(killed / "out/curve.csv")
    assert list(curve) == list(CurvePoint._fields) and list(curve["step"]) == list(range(1, 401))
