"""The distilled optimizer: its limits, its shape, and its own numbers read off it again."""

import jax.numpy as jnp
import numpy as np
import pytest
from quadratics import quadratics

from lopt.analysis.distill import read_off, recovered, search_ranges
from lopt.analysis.fixed_points import analyze_fixed_points
from lopt.analysis.linearization import linearize
from lopt.analysis.responses import respond
from lopt.analysis.trajectories import autonomous_trajectory
from lopt.optimizers.distilled import Distilled, DistilledTheta, learning_rate
from lopt.optimizers.momentum import Momentum, MomentumTheta
from lopt.records.analysis import Trajectories
from lopt.tasks.linear_regression import LinearRegression
from lopt.tuning import sample_trials
from lopt.unrolling import evaluate

THETA = DistilledTheta(0.4, 0.9, 0.3, 12.0, 30.0, 0.85, 2.0, 1.5)


def test_without_its_mechanisms_it_is_the_heavy_ball(x64):
    theta = DistilledTheta(0.2, 0.2, 0.2, 1.0, 1.0, 0.7, 1e9, 1e9)
    task, problems = LinearRegression(dimension=2), quadratics(3, 2)
    losses = evaluate(task, Distilled(), theta, problems, steps=8)
    heavy_ball = MomentumTheta(jnp.asarray(0.2), jnp.asarray(0.7))
    np.testing.assert_allclose(
        losses, evaluate(task, Momentum(), heavy_ball, problems, steps=8), rtol=1e-8
    )


def test_the_schedule(x64):
    k = np.array([0.0, 6.0, 12.0, 42.0, 1e6])
    truth = [0.4, 0.65, 0.9, 0.3 + 0.6 / np.e, 0.3]
    np.testing.assert_allclose(learning_rate(THETA, jnp.asarray(k)), truth, rtol=1e-12)


def test_pushes_and_memory_saturate(x64):
    component = Distilled().component(THETA)
    h = component.initial_state
    for _ in range(200):
        h = component.transition(h, jnp.asarray(1e6))
    memory = -1.5 * np.tanh(0.85 * (-float(h[0]) + 2.0) / 1.5)
    assert float(h[0]) == pytest.approx(memory) and abs(memory) < 1.5
    assert float(component.readout(h)) == pytest.approx(memory - 2.0)


def test_it_comes_to_rest_once_the_schedule_has_ended(x64):
    component = Distilled().component(THETA)
    rest = jnp.asarray([0.0, 0.0, 12.0 + 40.0 * 30.0])
    for h in (rest, rest.at[2].add(-1.0)):
        np.testing.assert_array_equal(component.transition(h, jnp.zeros(())), rest)


def analyzed(theta: DistilledTheta, steps: int = 200) -> DistilledTheta:
    """The numbers read off a distilled optimizer that a run of large gradients brought to its limits."""
    component = Distilled().component(theta)
    clock = theta.peak_iteration + 40.0 * theta.decay_iterations
    rest = np.array([0.0, 0.0, clock])
    linearization = linearize(component, rest)
    visited = np.tile(rest, (100, 1))
    visited[:, 0] = np.linspace(0.0, 1.4, 100)  # memory between none and its limit
    visited[:, 1] = 0.0
    blank = dict.fromkeys(Trajectories._fields, np.zeros(0))
    trajectories = Trajectories(**blank)._replace(
        visited_states=visited,
        late_states=visited[:5],
        autonomous_states=np.asarray(autonomous_trajectory(component, steps)),
        gradient_quantile_levels=np.array([0.5]),
        gradient_quantiles=np.array([0.01]),
        magnitude_edges=np.linspace(-4.0, 1.0, 51),
        magnitude_counts=np.ones(50, int),
    )
    found = analyze_fixed_points(component, visited, visited[:5], np.array([-1.0, 1.0]), starts=4)
    responses = respond(
        component, trajectories, found, linearization, update_gradients=np.linspace(-50, 50, 101)
    )
    return read_off(component, trajectories, linearization, responses)


def test_its_numbers_are_read_off_it_again(x64):
    found = analyzed(THETA)
    for name in ("start_rate", "peak_rate", "end_rate", "momentum", "peak_iteration", "push_level"):
        assert getattr(found, name) == pytest.approx(getattr(THETA, name), rel=1e-6), name
    assert found.decay_iterations == pytest.approx(THETA.decay_iterations, abs=1.0)
    # What the update at g = 0 is where the memory is near its limit.
    assert found.memory_level == pytest.approx(1.4, rel=0.02)


def test_shares_recovered():
    learned, baseline = np.array([1.0, 2.0, 3.0]), np.array([3.0, 4.0, 8.0])
    assert recovered(learned, learned, baseline) == (1.0, 0.0)
    assert recovered(baseline, learned, baseline) == (0.0, 0.0)
    half = recovered((learned + baseline) / 2.0, learned, baseline)
    assert half.share == pytest.approx(0.5) and half.standard_error == pytest.approx(0.0)
    worse = recovered(baseline + np.array([1.0, -1.0, 3.0]), learned, baseline)
    assert worse.share == pytest.approx(-1.0 / 3.0) and worse.standard_error > 0.0
    assert recovered(np.array([1.0, np.inf, 1.0]), learned, baseline).share == -np.inf
    assert np.isnan(recovered(learned, baseline, learned).share)  # no lead to recover


def test_the_search_is_around_what_was_read_off():
    ranges = search_ranges(THETA, 4.0)
    trials = sample_trials(Distilled(), ranges, 50, 0)
    assert set(ranges) == set(DistilledTheta._fields)
    for name, value in THETA._asdict().items():
        values = getattr(trials, name)
        if name == "momentum":
            values, value = 1.0 - values, 1.0 - value
        assert np.all(values >= 0.249 * value) and np.all(values <= 4.01 * value)
        assert values.min() < value < values.max()
