"""Momentum, RMSProp, Adam: both forms against each other and against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lopt.extensions import BASELINES
from lopt.optimizers import ComponentOptimizer, as_gradient_transformation, make_baseline
from lopt.optimizers.adam import AdamTheta
from lopt.optimizers.momentum import MomentumTheta, optimal_momentum
from lopt.optimizers.rmsprop import RMSPropTheta
from lopt.tasks import as_dtype, sample_batch
from lopt.tasks.linear_regression import LinearRegression
from lopt.unrolling import evaluate, record, unroll

THETAS = {
    "momentum": MomentumTheta(0.3, 0.9),
    "rmsprop": RMSPropTheta(0.02, 0.95, 1e-3),
    "adam": AdamTheta(0.1, 0.8, 0.99, 1e-4),
}
NAMES = pytest.mark.parametrize("name", ["adam", "momentum", "rmsprop"])


def float64(theta):
    return type(theta)(*(jnp.asarray(value, jnp.float64) for value in theta))


def component(name: str) -> ComponentOptimizer:
    return BASELINES.load(name)().component(float64(THETAS[name]))


@NAMES
def test_both_forms_agree_step_by_step(name):
    with jax.enable_x64(True):
        transformations = [
            BASELINES.load(name)().build(float64(THETAS[name])),
            as_gradient_transformation(component(name)),
        ]
        x = jnp.zeros((3, 2))
        states = [transformation.init(x) for transformation in transformations]
        for gradient in np.random.default_rng(0).normal(size=(30, 3, 2)) * 3.0:
            updates = []
            for number, transformation in enumerate(transformations):
                update, states[number] = transformation.update(gradient, states[number], x)
                updates.append(update)
            np.testing.assert_allclose(updates[0], updates[1], rtol=1e-12)


@NAMES
def test_unroll_and_record_agree(name):
    with jax.enable_x64(True):
        task, theta = LinearRegression(), float64(THETAS[name])
        problem = as_dtype(task.sample(jax.random.key(1)), jnp.float64)
        losses = unroll(task, BASELINES.load(name)().build(theta), problem, 20)
        recording = record(task, component(name), problem, 20)
        np.testing.assert_allclose(losses, recording.losses, rtol=1e-11)


@NAMES
def test_the_origin_attracts_and_is_fixed(name):
    """Every baseline forgets: with g = 0 its state ends at the fixed point 0."""
    with jax.enable_x64(True):
        optimizer = component(name)
        zero = jnp.zeros_like(optimizer.initial_state)
        np.testing.assert_array_equal(optimizer.transition(zero, jnp.zeros(())), zero)
        h = optimizer.transition(optimizer.initial_state, jnp.ones(()))
        h = jax.lax.fori_loop(0, 3000, lambda _, h: optimizer.transition(h, jnp.zeros(())), h)
        np.testing.assert_allclose(h, zero, atol=1e-12)


@NAMES
def test_eigenvalues_and_effective_learning_rate_at_the_fixed_point(name):
    expected = {  # eigenvalues of dF/dh, and -d(dx)/dg at g = 0, as the modules' docstrings state
        "momentum": ([0.9], 0.3),
        "rmsprop": ([0.0, 0.95], 0.02 / 1e-3**0.5),
        "adam": ([0.8, 0.8, 0.99, 0.99], 0.1 * (1.0 - 0.8) / 1e-4),
    }
    with jax.enable_x64(True):
        optimizer = component(name)
        zero, g = jnp.zeros_like(optimizer.initial_state), jnp.zeros(())
        jacobian = jax.jacobian(optimizer.transition)(zero, g)
        slope = jax.grad(lambda g: optimizer.readout(optimizer.transition(zero, g)))(g)
    eigenvalues, rate = expected[name]
    np.testing.assert_allclose(np.sort(np.linalg.eigvals(jacobian).real), eigenvalues, atol=1e-12)
    np.testing.assert_allclose(-slope, rate, rtol=1e-12)


def test_heavy_ball_follows_the_closed_form():
    """On f = lambda x^2/2, x[k+1] = (1 + beta - alpha lambda) x[k] - beta x[k-1].

    With complex roots rho exp(+-i omega), rho = sqrt(beta), the iterates are
    x[k] = rho^k (a cos(omega k) + b sin(omega k)), with x[0] given and
    x[1] = (1 - alpha lambda) x[0].
    """
    with jax.enable_x64(True):
        alpha, beta, steps = 0.7, 0.8, 60
        task = LinearRegression(1, -0.5, -0.3)  # oscillates at these settings
        problem = as_dtype(task.sample(jax.random.key(3)), jnp.float64)
        curvature = float(problem.hessian[0, 0])
        recording = record(
            task, BASELINES.load("momentum")().component(MomentumTheta(alpha, beta)), problem, steps
        )
        distance = np.asarray(recording.x - problem.optimum)[:, 0]
    rho = beta**0.5
    omega = np.arccos((1.0 + beta - alpha * curvature) / (2.0 * rho))
    a = distance[0]
    b = (distance[0] * (1.0 - alpha * curvature) / rho - a * np.cos(omega)) / np.sin(omega)
    k = np.arange(steps + 1)
    expected = rho**k * (a * np.cos(omega * k) + b * np.sin(omega * k))
    np.testing.assert_allclose(distance, expected, rtol=1e-9, atol=1e-12 * abs(a))
    np.testing.assert_allclose(recording.losses, curvature * expected**2 / 2, rtol=1e-8, atol=1e-14)


def test_optimal_momentum_equalises_the_extreme_eigenvalues():
    """At the optimum both ends contract at the rate sqrt(beta*): their roots coincide."""
    alpha, beta = optimal_momentum(1e-3, 1.0)
    for eigenvalue in (1e-3, 1.0):
        roots = np.roots([1.0, -(1.0 + beta - alpha * eigenvalue), beta])
        np.testing.assert_allclose(np.abs(roots), beta**0.5, rtol=1e-6)
    with pytest.raises(ValueError, match="smallest"):
        optimal_momentum(1.0, 1e-3)


def test_evaluate_serves_every_baseline_and_compiles_once():
    task = LinearRegression()
    problems = sample_batch(task, jax.random.key(0), 4)
    for name in BASELINES.names():
        family = BASELINES.load(name)()
        _, theta = make_baseline(name, THETAS[name]._asdict())
        losses = evaluate(task, family, theta, problems, steps=5)
        assert losses.shape == (4, 6)
        before = evaluate._cache_size()
        half = type(theta)(*(0.5 * value for value in theta))
        evaluate(task, type(family)(), half, problems, steps=5)
        assert evaluate._cache_size() == before


def test_make_baseline_names_what_is_wrong():
    with pytest.raises(ValueError, match=r"unknown baseline 'sgd'.*adam, momentum, rmsprop"):
        make_baseline("sgd", {})
    with pytest.raises(
        ValueError, match="momentum has the hyperparameters learning_rate, momentum"
    ):
        make_baseline("momentum", {"learning_rate": 1.0})
