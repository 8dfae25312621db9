"""Unrolling against closed forms, and the two ways of unrolling against each other."""

import jax
import jax.numpy as jnp
import numpy as np

from lopt.learned.gru import GRU
from lopt.optimizers.momentum import Momentum, MomentumTheta
from lopt.tasks import as_dtype, sample_batch
from lopt.tasks.linear_regression import LinearRegression
from lopt.tasks.rosenbrock import Rosenbrock
from lopt.unrolling import evaluate, meta_objective, record, unroll


def trained_looking_theta(family: GRU):
    """An optimizer that does something: an untrained one has a zero readout."""
    theta = family.init(jax.random.key(5))
    key_readout, key_state = jax.random.split(jax.random.key(6))
    return theta._replace(
        readout_weights=0.1 * jax.random.normal(key_readout, (family.units,), jnp.float32),
        initial_state=0.5 * jax.random.normal(key_state, (family.units,), jnp.float32),
    )


def test_gradient_descent_on_a_parabola_follows_the_closed_form():
    """f(x_k) = f(x_0) (1 - alpha lambda)^(2k): recorded before each update and after the last."""
    with jax.enable_x64(True):
        task, alpha, steps = LinearRegression(1, -0.5, -0.3), 0.4, 7
        problem = as_dtype(task.sample(jax.random.key(0)), jnp.float64)
        losses = unroll(task, Momentum().build(MomentumTheta(alpha, 0.0)), problem, steps)
        curvature = float(problem.hessian[0, 0])
        start = float(problem.start[0] - problem.optimum[0])
        expected = 0.5 * curvature * start**2 * (1.0 - alpha * curvature) ** (2.0 * np.arange(8))
        np.testing.assert_allclose(losses, expected, rtol=1e-12)


def test_meta_objective_is_the_mean_over_the_first():
    ratio, steps = 0.9, 50
    losses = 3.0 * ratio ** np.arange(steps + 1)
    expected = (1.0 - ratio ** (steps + 1)) / (1.0 - ratio) / (steps + 1)
    np.testing.assert_allclose(meta_objective(jnp.asarray(losses)), expected, rtol=1e-5)
    stacked = meta_objective(jnp.stack([losses, 2.0 * losses]))
    np.testing.assert_allclose(stacked, [expected, expected], rtol=1e-5)


def test_recording_is_consistent_with_its_definitions():
    with jax.enable_x64(True):
        task, family, steps = Rosenbrock(), GRU(units=4, input_scale=0.01, output_scale=0.1), 6
        component = family.component(as_dtype(trained_looking_theta(family), jnp.float64))
        problem = as_dtype(task.sample(jax.random.key(2)), jnp.float64)
        recording = record(task, component, problem, steps)
        x, y = np.asarray(recording.x).T
        assert recording.h.shape == (steps + 1, 2, 4)
        np.testing.assert_array_equal(recording.x[0], problem.start)
        np.testing.assert_array_equal(recording.h[0], np.tile(component.initial_state, (2, 1)))
        np.testing.assert_allclose(recording.losses, (1 - x) ** 2 + 100 * (y - x**2) ** 2)
        gradient = np.stack([-2 * (1 - x) - 400 * x * (y - x**2), 200 * (y - x**2)], axis=1)
        np.testing.assert_allclose(recording.gradients, gradient, rtol=1e-10)
        np.testing.assert_allclose(np.diff(recording.x, axis=0), recording.updates, atol=1e-14)
        h_next = component.transition(recording.h[:-1], recording.gradients[:-1])
        np.testing.assert_allclose(recording.h[1:], h_next, rtol=1e-12)
        np.testing.assert_allclose(recording.updates, component.readout(h_next), rtol=1e-12)


def test_unroll_evaluate_and_record_agree_for_the_learned_optimizer():
    with jax.enable_x64(True):
        task, family, steps = LinearRegression(), GRU(units=4), 5
        theta = as_dtype(trained_looking_theta(family), jnp.float64)
        problems = as_dtype(sample_batch(task, jax.random.key(3), 3), jnp.float64)
        losses = evaluate(task, family, theta, problems, steps=steps)
        in_turn = evaluate(task, family, theta, problems, steps=steps, batch_size=2)
        np.testing.assert_allclose(in_turn, losses, rtol=1e-12)
        recorded = jax.vmap(lambda problem: record(task, family.component(theta), problem, steps))(
            problems
        )
        np.testing.assert_allclose(recorded.losses, losses, rtol=1e-11)
