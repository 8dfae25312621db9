"""Surrogates: the linear one near h*, mode-truncated ones against it, aggregated against plain momentum."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from quadratics import quadratics

from lopt.analysis.linearization import linearize
from lopt.learned.gru import GRU
from lopt.learned.planted_gru import plant_gru
from lopt.optimizers import ComponentOptimizer
from lopt.optimizers.aggregated_momentum import AggregatedMomentum, AggregatedMomentumTheta
from lopt.optimizers.momentum import Momentum, MomentumTheta
from lopt.optimizers.planted import plant_modes
from lopt.optimizers.surrogates import (
    LinearSurrogate,
    linear_surrogate,
    select_modes,
    truncated_surrogate,
)
from lopt.records.analysis import Linearization
from lopt.tasks.linear_regression import LinearRegression
from lopt.unrolling import evaluate

pytestmark = pytest.mark.usefixtures("x64")
# Sorted: 0.9, the pair 0.7 +- 0.2i (|lambda| 0.728), 0.5, 0.1. The rates order them 2, 0, 3, 4.
EIGENVALUES, RATES = [0.9, 0.7 + 0.2j, 0.5, 0.1], [0.2, 0.6 + 0.3j, 0.1, -0.05]
TASK = LinearRegression(dimension=2)


@pytest.fixture(scope="module")
def gru() -> tuple[ComponentOptimizer, np.ndarray, Linearization]:
    with jax.enable_x64(True):
        random = np.random.default_rng(0)
        point = jnp.asarray(random.uniform(-0.2, 0.2, 5))
        modes = plant_modes(random, EIGENVALUES, RATES)
        component = GRU(5).component(plant_gru(random, point, *modes))
        return component, np.asarray(point), linearize(component, point)


def test_the_linear_surrogate_is_the_optimizer_to_first_order(gru):
    component, point, linearization = gru
    surrogate = LinearSurrogate().component(linear_surrogate(linearization, point))
    random = np.random.default_rng(1)
    directions, gradients = random.normal(size=(20, 5)), random.normal(size=20)
    errors = []
    for size in (1e-2, 1e-3):
        states, g = jnp.asarray(point + size * directions), jnp.asarray(size * gradients)
        both = [
            optimizer.readout(optimizer.transition(states, g))
            for optimizer in (component, surrogate)
        ]
        errors.append(float(jnp.max(jnp.abs(both[0] - both[1]))))
    assert errors[0] < 0.1 and errors[1] == pytest.approx(errors[0] / 100, rel=0.2)


def test_all_modes_together_are_the_linear_surrogate(gru):
    component, _, linearization = gru
    linear = linear_surrogate(linearization, component.initial_state)
    every = truncated_surrogate(linearization, component.initial_state, np.arange(5))
    losses = [
        evaluate(TASK, family, theta, quadratics(3, 2), steps=20)
        for family, theta in ((LinearSurrogate(), linear), (AggregatedMomentum(), every))
    ]
    np.testing.assert_allclose(*losses, rtol=1e-10)


def test_kept_modes_keep_their_momentum_and_learning_rate(gru):
    _, point, linearization = gru
    kept = select_modes(linearization, 2)
    assert kept.tolist() == [1, 2]
    theta = truncated_surrogate(linearization, point, kept)
    component = AggregatedMomentum().component(theta)
    h, responses = component.initial_state, []
    for k in range(10):
        h = component.transition(h, jnp.asarray(1.0 if k == 0 else 0.0))
        responses.append(float(component.readout(h)))
    truth = -2.0 * np.real((0.6 + 0.3j) * (0.7 + 0.2j) ** np.arange(10))
    np.testing.assert_allclose(responses, truth, atol=1e-12)


def test_one_real_mode_is_momentum():
    theta = AggregatedMomentumTheta(jnp.array([0.9]), jnp.array([0.3]), jnp.zeros(1), 0.0)
    aggregated = evaluate(TASK, AggregatedMomentum(), theta, quadratics(3, 2), steps=20)
    plain = evaluate(TASK, Momentum(), MomentumTheta(0.3, 0.9), quadratics(3, 2), steps=20)
    np.testing.assert_allclose(aggregated, plain, rtol=1e-12)


@pytest.mark.parametrize(
    ("count", "by", "truth"),
    [
        (1, "learning_rate", [1, 2]),
        (3, "learning_rate", [0, 1, 2]),
        (1, "momentum", [0]),
        (2, "momentum", [0, 1, 2]),
        (1, "gain", [0]),  # 0.2 / 0.1 = 2; the pair: 0.67 / 0.36 = 1.9
        (5, "gain", [0, 1, 2, 3, 4]),
    ],
)
def test_modes_are_selected_in_pairs(gru, count, by, truth):
    assert select_modes(gru[2], count, by).tolist() == truth


def test_what_stays_and_no_gradient_moves_has_no_gain():
    """In a random basis both its rate and its distance from 1 are rounding."""
    random = np.random.default_rng(0)
    for _ in range(6):
        basis = random.normal(size=(4, 4))
        back = np.linalg.inv(basis)
        jacobian = jnp.asarray(basis @ np.diag([1.0, 0.5, 0.3, -0.2]) @ back)
        readout = jnp.asarray(np.array([1.0, -0.2, 0.0, 0.0]) @ back)
        component = ComponentOptimizer(
            jnp.zeros(4),
            lambda h, g, jacobian=jacobian, j=basis[:, 1]: h @ jacobian.T + g[..., None] * j,
            lambda h, readout=readout: h @ readout,
        )
        found = linearize(component, np.zeros(4))
        (leading,) = select_modes(found, 1, by="gain")
        assert found.eigenvalues[leading] == pytest.approx(0.5)


def test_what_is_nilpotent_belongs_to_no_mode():
    delay = ComponentOptimizer(
        jnp.zeros(2),
        lambda h, g: jnp.stack([g, h[..., 0]], axis=-1),
        lambda h: -0.3 * h[..., 1],
    )
    found = linearize(delay, np.zeros(2))
    every = truncated_surrogate(found, np.zeros(2), [0, 1])
    whole = linear_surrogate(found, np.zeros(2))
    assert np.all(every.learning_rates == 0.0)  # and yet the linear surrogate answers:
    problems = quadratics(1, 2)
    still, moving = (
        evaluate(TASK, family, theta, problems, steps=4)
        for family, theta in ((AggregatedMomentum(), every), (LinearSurrogate(), whole))
    )
    assert np.ptp(still) == 0.0 and np.ptp(moving) > 0.0


def test_bad_input_is_named(gru):
    component, point, linearization = gru
    for modes, words in (
        ([], "non-empty"),
        ([0, 0], "different"),
        ([5], r"outside 0 \.\.\. 4"),
        ([0, 1], "half of a conjugate pair"),
    ):
        with pytest.raises(ValueError, match=words):
            truncated_surrogate(linearization, point, modes)
    with pytest.raises(ValueError, match="by is 'size'"):
        select_modes(linearization, 1, "size")
    with pytest.raises(ValueError, match=r"count is 6, expected 1 \.\.\. 5"):
        select_modes(linearization, 6)
    with pytest.raises(ValueError, match=r"initial_state has shape \(4,\)"):
        linear_surrogate(linearization, point[:4])
    with pytest.raises(ValueError, match=r"taken at g = 1\.0"):
        linear_surrogate(linearize(component, point, 1.0), point)
    with pytest.raises(ValueError, match=r"shapes \(2,\), \(1,\) and \(1,\)"):
        AggregatedMomentum().component(
            AggregatedMomentumTheta(jnp.zeros(2), jnp.zeros(1), jnp.zeros(1), 0.0)
        )
