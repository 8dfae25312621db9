"""Away from home: rescaled gradients, what is counted on the way, and what foretells failure."""

import jax.numpy as jnp
import numpy as np
import pytest
from quadratics import quadratics

from lopt.analysis.stability import HeavyBall
from lopt.analysis.transfer import Home, Rescaled, RescaledTheta, outcome, run_away
from lopt.optimizers.momentum import Momentum, MomentumTheta
from lopt.tasks.linear_regression import LinearRegression
from lopt.unrolling import evaluate

TASK = LinearRegression(dimension=2)
THETA = MomentumTheta(jnp.float32(0.05), jnp.float32(0.5))


def test_rescaled_gradients_are_a_rescaled_learning_rate():
    problems = quadratics(3, 2, jnp.float32)
    rescaled = RescaledTheta(THETA, jnp.float32(4.0))
    losses, shares = run_away(
        TASK,
        Rescaled(Momentum()),
        rescaled,
        problems,
        jnp.array([0.0, 1e9, 1e9]),
        steps=6,
        batch_size=2,
    )
    faster = THETA._replace(learning_rate=jnp.float32(0.2))
    np.testing.assert_allclose(
        losses, evaluate(TASK, Momentum(), faster, problems, steps=6), rtol=1e-5
    )
    np.testing.assert_array_equal(shares, 0.0)


def test_gradients_beyond_are_counted():
    problems = quadratics(2, 2, jnp.float32)
    still = RescaledTheta(THETA._replace(learning_rate=jnp.float32(0.0)), jnp.float32(1.0))
    slopes = np.einsum("pij,pj->pi", problems.hessian, problems.start - problems.optimum)
    middle = float(np.sort(np.abs(slopes[0]))[1]) * 0.999
    limits = jnp.array([middle, middle, 0.0], jnp.float32)
    _, shares = run_away(TASK, Rescaled(Momentum()), still, problems, limits, steps=3, batch_size=2)
    np.testing.assert_allclose(shares[0], [0.5, 0.5, 1.0])  # of two components that stay


@pytest.mark.parametrize(
    ("curvature", "factor", "expected"),
    [
        (1.0, 1.0, {"unstable": 0.0, "slow": 0.0, "predicted": False}),
        (1.0, 100.0, {"unstable": 1.0, "slow": 0.0, "predicted": True}),
        (1e-4, 1.0, {"unstable": 0.0, "slow": 1.0, "predicted": True}),
    ],
)
def test_what_foretells_failure(curvature, factor, expected):
    home = Home(
        HeavyBall.of(0.1, 0.5, drift=-0.01), 0.0, np.inf, np.inf
    )  # stable below 30, G = 0.2
    losses = np.tile(np.array([1.0] + [0.1] * 100), (4, 1))
    curvatures = np.array([-5.0, curvature, 1.01 * curvature])
    found = outcome(losses, np.zeros((4, 3)), home, curvatures, np.full(3, 1 / 3), factor)
    assert {name: getattr(found, name) for name in expected} == expected
    assert found.drift == pytest.approx(1.0) and not found.failed


def test_curvatures_close_to_the_limit_are_told_apart():
    """Stable below 30; 0.3 % beyond it, between two curvatures of the grid, is unstable."""
    home = Home(HeavyBall.of(0.1, 0.5), 0.0, np.inf, np.inf)
    losses = np.tile(np.array([1.0, 0.5, 0.1]), (4, 1))
    curvatures, weights = np.array([0.001, 29.9, 30.1, 50.0]), np.full(4, 0.25)
    found = outcome(losses, np.zeros((4, 3)), home, curvatures, weights)
    assert found.unstable == 0.5


def test_what_failure_is():
    home = Home(HeavyBall.of(0.1, 0.5), 0.0, np.inf, np.inf)
    losses = np.tile(np.array([1.0, 0.5, 0.1]), (10, 1))
    for failing, failed in ((1, False), (2, True)):
        runs = losses.copy()
        runs[0] = [1.0, np.nan, 1.0]
        runs[1:failing] = 1.0  # stands still
        found = outcome(runs, np.zeros((10, 3)), home, np.array([1.0, 2.0]), np.full(2, 0.5))
        assert (found.diverged, found.failed) == (1, failed)
        assert found.meta_objective == np.inf and found.median_meta_objective < 1.0
    beyond = outcome(losses, np.full((10, 3), 0.3), home, np.array([1.0, 2.0]), np.full(2, 0.5))
    assert beyond.beyond == pytest.approx(0.6) and beyond.predicted
