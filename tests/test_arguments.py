"""Numbers that public functions are given: what is no count or no finite number is told in one line."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import lopt
from lopt.arguments import finite, positive, whole, whole_or_late

TASK = lopt.make_task("rosenbrock")
COMPONENT = lopt.from_optax(optax.sgd(1e-4, momentum=0.9))
FAMILY, THETA = lopt.make_baseline("momentum", {"learning_rate": 1e-4, "momentum": 0.9})
PROBLEMS = lopt.sample_batch(TASK, jax.random.key(0), 2)
PROBLEM = jax.tree.map(lambda part: part[0], PROBLEMS)

CALLS = {
    "count": lambda bad: lopt.sample_batch(TASK, jax.random.key(0), bad),
    "batch_size": lambda bad: lopt.evaluate(TASK, FAMILY, THETA, PROBLEMS, steps=2, batch_size=bad),
    "components": lambda bad: lopt.recorder(optax.sgd(0.1), steps=1, components=bad),
    "dimensions": lambda bad: lopt.classical_scaling(np.ones((3, 3)) - np.eye(3), bad),
    "problems": lambda bad: lopt.analyze(COMPONENT, TASK, problems=bad),
    "visited_states": lambda bad: lopt.analyze(COMPONENT, TASK, visited_states=bad),
}
FROM_ZERO = {
    "steps": [
        lambda bad: lopt.record(TASK, COMPONENT, PROBLEM, bad),
        lambda bad: lopt.unroll(TASK, optax.sgd(1e-4), PROBLEM, bad),
        lambda bad: lopt.evaluate(TASK, FAMILY, THETA, PROBLEMS, steps=bad),
        lambda bad: lopt.autonomous_trajectory(COMPONENT, bad),
        lambda bad: lopt.run_to(lambda x: jnp.sum(x**2), jnp.ones(3), optax.sgd(0.1), bad),
    ],
    "seed": [lambda bad: lopt.LoopRecorder(steps=1, seed=bad)],
}


@pytest.mark.parametrize("bad", [-1, 1.5, "3", True, None], ids=str)
def test_what_is_no_count_is_named(bad):
    for name, call in CALLS.items():
        if bad is not None or name != "batch_size":
            with pytest.raises(
                ValueError, match=f"{name} is .*, expected a whole number of at least 1"
            ):
                call(bad)
    for name, calls in FROM_ZERO.items():
        for call in calls:
            with pytest.raises(
                ValueError, match=f"{name} is .*, expected a whole number of at least 0"
            ):
                call(bad)


def test_counts_may_come_from_arrays():
    for three in (3, np.int64(3), np.array(3), jnp.asarray(3)):
        found = whole("steps", three)
        assert found == 3 and type(found) is int
    assert whole_or_late("held_count", "late") == "late"
    with pytest.raises(
        ValueError, match=r"held_count is 'early', expected .* at least 0, or 'late'"
    ):
        whole_or_late("held_count", "early")


@pytest.mark.parametrize("bad", [np.nan, np.inf, "1", True, None, 1j, np.ones(2), {}], ids=str)
def test_what_is_no_finite_number_is_named(bad):
    for check, expected in (
        (finite, "a finite number"),
        (positive, "a finite number greater than 0"),
    ):
        with pytest.raises(ValueError, match=f"parameter is .*, expected {expected}"):
            check("parameter", bad)


def test_numbers_come_back_as_plain_ones():
    for half in (0.5, np.float32(0.5), np.array([0.5]), jnp.asarray(0.5, jnp.bfloat16)):
        assert finite("parameter", half) == positive("parameter", half) == 0.5
    assert finite("parameter", -1) == -1.0
    with pytest.raises(
        ValueError, match="amplitude is -1, expected a finite number greater than 0"
    ):
        positive("amplitude", -1)


def test_complex_gradients_are_no_source():
    with pytest.raises(ValueError, match=r"expected .* real gradients"):
        lopt.analyze(COMPONENT, np.ones((1, 5, 2)) * 1j)
