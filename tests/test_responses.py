"""Responses against loops and finite differences; hand-made mechanisms; the whole of `respond`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from quadratics import quadratics

from lopt.analysis.fixed_points import analyze_fixed_points
from lopt.analysis.linearization import linearize
from lopt.analysis.responses import (
    effective_learning_rate,
    local_response,
    mode_direction,
    respond,
    saturation,
    update_function,
)
from lopt.analysis.trajectories import summarize_trajectories
from lopt.learned.gru import GRU
from lopt.learned.planted_gru import plant_gru
from lopt.optimizers.momentum import Momentum, MomentumTheta
from lopt.optimizers.planted import plant_modes
from lopt.optimizers.rmsprop import RMSProp, RMSPropTheta
from lopt.optimizers.sgd import ClippedSGD, ClippedSGDTheta
from lopt.records import store
from lopt.records.analysis import Responses
from lopt.tasks.linear_regression import LinearRegression

pytestmark = pytest.mark.usefixtures("x64")
GRID = np.linspace(-2.0, 2.0, 21)
CONSTANT = np.array([-1.0, -0.1, 0.1, 0.5, 1.0])


@pytest.fixture(scope="module")
def study():
    """A planted GRU that ran on problems, and every stage of its analysis."""
    with jax.enable_x64(True):
        random = np.random.default_rng(0)
        eigenvalues = [0.95, 0.7 + 0.1j, *np.linspace(0.5, -0.2, 5)]
        rates = [0.5, 0.3, *np.full(5, 0.05)]
        point = jnp.asarray(random.uniform(-0.1, 0.1, 8))
        theta = plant_gru(random, point, *plant_modes(random, eigenvalues, rates))
        component = GRU(8).component(theta)
        task = LinearRegression(dimension=2)
        problems = quadratics(4, 2)
        trajectories = summarize_trajectories(
            task, component, problems, steps=30, key=jax.random.key(2), gradient_edges=GRID
        )
        fixed_points = analyze_fixed_points(
            component, trajectories.visited_states[:5], trajectories.late_states, CONSTANT
        )
        linearization = linearize(component, fixed_points.convergence_point)
        responses = respond(
            component, trajectories, fixed_points, linearization, update_gradients=GRID
        )
        return component, trajectories, fixed_points, linearization, responses


def update(component, h, g) -> float:
    return float(component.readout(component.transition(jnp.asarray(h), jnp.asarray(g))))


def test_update_functions_and_slopes_agree_with_loops_and_differences(study):
    component, trajectories = study[:2]
    states = trajectories.visited_states[:3]
    updates = update_function(component, states, GRID[:4])
    truth = [[update(component, h, g) for g in GRID[:4]] for h in states]
    np.testing.assert_allclose(updates, truth, rtol=1e-12)
    step = 1e-5
    for g in (0.0, 0.7):
        rates = effective_learning_rate(component, states, g)
        truth = [
            (update(component, h, g - step) - update(component, h, g + step)) / (2 * step)
            for h in states
        ]
        np.testing.assert_allclose(rates, truth, rtol=1e-6)
        intercepts, _ = local_response(component, states, g)
        np.testing.assert_allclose(intercepts, [update(component, h, g) for h in states])


def test_the_responses_are_taken_where_they_say(study):
    component, trajectories, fixed_points, linearization, responses = study
    h_star = fixed_points.convergence_point
    for i, (state, curve) in enumerate(
        zip(responses.slow_mode_states, responses.slow_mode_updates, strict=True)
    ):
        position = (-0.8, -0.4, 0.0, 0.4, 0.8)[i]
        np.testing.assert_allclose(state, h_star + position * responses.slow_mode_direction)
        np.testing.assert_allclose(curve, [update(component, state, g) for g in GRID], atol=1e-14)
        intercept = update(component, state, 0.0)
        assert responses.slow_mode_intercepts[i] == pytest.approx(intercept, abs=1e-14)
    # GRID[10] is 0: the curves and the intercepts are the same functions.
    intercepts = responses.slow_mode_intercepts
    np.testing.assert_allclose(responses.slow_mode_updates[:, 10], intercepts, atol=1e-14)
    middle, intercept = responses.initial_updates[10], responses.initial_intercept
    np.testing.assert_allclose(middle, intercept, atol=1e-14)
    np.testing.assert_allclose(
        responses.constant_gradient_updates[:, 10], responses.constant_gradient_intercepts
    )
    for i, state in enumerate(fixed_points.constant_gradient_points):
        curve = [update(component, state, g) for g in GRID]
        np.testing.assert_allclose(responses.constant_gradient_updates[i], curve, rtol=1e-9)
    np.testing.assert_allclose(
        responses.autonomous_updates,
        [update(component, h, 0.0) for h in trajectories.autonomous_states],
        atol=1e-14,
    )
    # At the convergence point the rate is the sum over modes; the positions' middle is that point.
    total = linearization.complex_learning_rates.sum().real
    assert responses.convergence_learning_rate == pytest.approx(total)
    assert responses.slow_mode_learning_rates[2] == pytest.approx(total)
    assert responses.constant_gradient_shown.tolist() == [0, 1, 3, 4]


def test_projections_belong_together(study):
    _, trajectories, fixed_points, linearization, responses = study
    axes, h_star = responses.principal_axes, fixed_points.convergence_point
    np.testing.assert_allclose(axes @ axes.T, np.eye(8), atol=1e-12)
    np.testing.assert_allclose(responses.projected_convergence_point, 0.0)
    # All eight axes are kept, so that nothing is lost.
    back = responses.projected_visited @ axes + h_star
    np.testing.assert_allclose(back, trajectories.visited_states, atol=1e-12)
    back = responses.projected_constant_gradient @ axes + h_star
    np.testing.assert_allclose(back, fixed_points.constant_gradient_points, atol=1e-12)
    steps = np.diff(responses.projected_slow_mode_states, axis=0)
    np.testing.assert_allclose(
        steps, 0.4 * responses.projected_slow_mode_direction[None].repeat(4, 0), atol=1e-12
    )
    assert responses.slow_mode_overlaps.sum() == pytest.approx(1.0)
    direction = mode_direction(linearization, int(linearization.slow_mode))
    assert linearization.readout_vector @ direction > 0
    assert np.linalg.norm(direction) == pytest.approx(1.0)


def test_the_direction_of_a_complex_mode_moves_the_update_most(study):
    linearization = study[3]
    mode = int(np.flatnonzero(linearization.eigenvalues.imag)[0])
    vector = linearization.right_vectors[:, mode]
    directions = [(vector * np.exp(1j * phase)).real for phase in np.linspace(0, 2 * np.pi, 2001)]
    responses = [linearization.readout_vector @ direction for direction in directions]
    best = directions[int(np.argmax(responses))]
    np.testing.assert_allclose(
        mode_direction(linearization, mode), best / np.linalg.norm(best), atol=5e-3
    )
    assert mode_direction(linearization, mode) == pytest.approx(
        mode_direction(linearization, mode + 1)
    )


def test_momentum_shifts_and_rmsprop_tilts_its_update_function():
    momentum = Momentum().component(MomentumTheta(learning_rate=0.5, momentum=0.9))
    curves = np.asarray(update_function(momentum, np.array([[0.0], [1.0], [-3.0]]), GRID))
    np.testing.assert_allclose(curves - curves[0], np.array([[0], [-0.45], [1.35]]) + 0 * GRID)
    rmsprop = RMSProp().component(RMSPropTheta(learning_rate=0.5, decay=0.9, epsilon=1e-2))
    states = np.array([[0.0, 0.0], [1.0, 0.0]])
    rates = effective_learning_rate(rmsprop, states)
    np.testing.assert_allclose(rates, 0.5 / np.sqrt(0.9 * states[:, 0] + 1e-2))


def test_saturation_of_clipped_linear_and_flat_responses():
    theta = ClippedSGDTheta(learning_rate=0.5, threshold=0.77)
    bend = saturation(ClippedSGD().component(theta), [0.3], GRID)
    np.testing.assert_allclose(bend.levels, 0.5 * 0.77)
    np.testing.assert_allclose(bend.half_gradients, 0.77 / 2, rtol=1e-12)
    np.testing.assert_allclose(bend.slopes, 0.0)
    # With momentum's intercept, which counts for nothing, and one arm only.
    linear = Momentum().component(MomentumTheta(learning_rate=0.5, momentum=0.9))
    bend = saturation(linear, [4.0], [0.5, 1.0, 3.0])
    np.testing.assert_allclose(bend.levels, [np.nan, 1.5])
    np.testing.assert_allclose(bend.half_gradients, [np.nan, 1.5])
    np.testing.assert_allclose(bend.slopes, [np.nan, 1.0])
    still = Momentum().component(MomentumTheta(learning_rate=0.0, momentum=0.9))
    bend = saturation(still, [4.0], GRID)
    np.testing.assert_allclose(bend.levels, 0.0)
    assert np.isnan(bend.half_gradients).all() and np.isnan(bend.slopes).all()


def test_results_fit_their_file(study, tmp_path):
    store.save(tmp_path / "responses.npz", study[-1])
    loaded, _ = store.load(tmp_path / "responses.npz", Responses)
    np.testing.assert_array_equal(loaded.initial_updates, study[-1].initial_updates)


def test_bad_input_is_named(study):
    component, trajectories, fixed_points, linearization, _ = study
    stages = (trajectories, fixed_points, linearization)
    for grid, words in (([], "1 or more"), ([0.0, -1.0], "ascending"), ([np.inf], "non-finite")):
        with pytest.raises(ValueError, match=f"update_gradients .*{words}"):
            respond(component, *stages, update_gradients=grid)
    with pytest.raises(ValueError, match="slow_mode_positions is not strictly ascending"):
        respond(component, *stages, update_gradients=GRID, slow_mode_positions=(1.0, 0.0))
    other = Momentum().component(MomentumTheta(0.1, 0.9))
    with pytest.raises(ValueError, match=r"convergence_point has shape \(1, 8\), expected .*1"):
        respond(other, *stages, update_gradients=GRID)
    with pytest.raises(ValueError, match=r"states has shape \[2, 8\], expected \[\.\.\., 1\]"):
        effective_learning_rate(other, np.zeros((2, 8)))
    with pytest.raises(ValueError, match=r"states has shape \[\], expected \[\.\.\., 1\]"):
        update_function(other, 0.0, [1.0])
    broken = trajectories._replace(visited_states=trajectories.visited_states * np.nan)
    with pytest.raises(ValueError, match=r"visited_states\[0\] has non-finite"):
        respond(component, broken, fixed_points, linearization, update_gradients=GRID)
