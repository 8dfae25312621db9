"""Attractors: several, close together, slow, none, continua, cycles; and a released optimizer's two."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from lopt import load_released
from lopt.analysis.attractors import find_attractors
from lopt.analysis.fixed_points import (
    analyze_fixed_points,
    convergence_point,
    find_fixed_points,
)
from lopt.analysis.root_search import float64, run_map
from lopt.learned import make_family
from lopt.learned.gru import GRUTheta
from lopt.optimizers import ComponentOptimizer
from lopt.optimizers.known_dynamics import cycle_of_two, rotation, two_wells
from lopt.optimizers.momentum import Momentum, MomentumTheta
from lopt.records.analysis import Code
from lopt.tasks import as_dtype

pytestmark = pytest.mark.usefixtures("x64")
ROOT = Path(__file__).parent.parent
RANDOM = np.random.default_rng(0)


def optimizer(transition, size: int = 1) -> ComponentOptimizer:
    """An optimizer with that map, whose update is the first entry of its state."""
    return ComponentOptimizer(jnp.zeros(size), transition, lambda h: h[..., 0])


def rotated(eigenvalues, point):
    """A linear optimizer with these eigenvalues in a rotated basis about ``point``."""
    basis = np.linalg.qr(RANDOM.normal(size=(len(eigenvalues),) * 2))[0]
    jacobian = basis @ np.diag(eigenvalues) @ basis.T
    return basis, optimizer(
        lambda h, g: point + (h - point) @ jacobian.T + g[..., None] * basis[:, 0], len(point)
    )


def test_an_origin_that_is_reached_to_underflow_is_a_fixed_point():
    """One average has died out to 0 itself; what follows the other is still on its way."""
    leaks = jnp.array([0.5979, 0.4768, 0.3777, 0.5273])

    def transition(h, g):
        first = leaks[:2] * h[..., :2] + g[..., None]
        second = leaks[2:] * h[..., 2:] + 0.1 * jnp.tanh(first)
        return jnp.concatenate([first, second], axis=-1)

    component = ComponentOptimizer(jnp.zeros(4), transition, lambda h: -h.sum(-1))
    late = np.random.default_rng(0).normal(size=(16, 4))
    ends = np.asarray(run_map(transition, float64(late), 0.0, steps=1000))
    assert (ends[:, 1] == 0.0).all() and (ends[:, 0] != 0.0).all()
    found = find_attractors(component, late)
    assert found.codes.tolist() == [Code.CONVERGED] and found.basin_shares.tolist() == [1.0]
    np.testing.assert_allclose(found.points, 0.0, atol=1e-100)
    # The sum of the readings of the first two, and of a tenth of them.
    np.testing.assert_allclose(found.learning_rates, [2.2], rtol=1e-9)


def test_every_attractor_is_listed_with_basin_rate_and_drift():
    def transition(h, g):
        return jnp.tanh(2.0 * h + g[..., None])

    component = ComponentOptimizer(jnp.zeros(1), transition, lambda h: -3.0 * h[..., 0])
    late = [[-0.2], [-0.3], [0.4], [-2.0], [0.1]]
    found = find_attractors(component, late)
    root = scipy.optimize.brentq(lambda h: h - np.tanh(2 * h), 0.5, 1.5, xtol=1e-15)
    np.testing.assert_allclose(found.points[:, 0], [-root, root], atol=1e-13)
    np.testing.assert_allclose(found.basin_shares, [0.6, 0.4])
    np.testing.assert_allclose(found.updates, [3.0 * root, -3.0 * root])
    # d tanh(2 h + g) / dg = 1 - tanh^2, and h* = tanh(2 h*).
    np.testing.assert_allclose(found.learning_rates, 3.0 * (1.0 - root**2))
    np.testing.assert_allclose(found.spectral_radii, 2.0 * (1.0 - root**2))
    assert found.stable.tolist() == [1, 1] and found.codes.tolist() == [0, 0]
    low, high = found.update_intervals.T
    assert (low <= found.updates).all() and (found.updates <= high).all()
    assert (high - low < 1e-14).all()
    # Unstable points that a search met are listed after them.
    study = analyze_fixed_points(
        component, [[0.0], [0.5]], late, [1.0], presearch_steps=0, mixing_steps=0
    )
    np.testing.assert_allclose(study.attractor_points[:, 0], [-root, root, 0.0], atol=1e-13)
    assert study.attractor_stable.tolist() == [1, 1, 0]
    assert study.attractor_basin_shares[2] == 0.0
    assert study.convergence_point[0] == pytest.approx(-root) and study.basin_share == 0.6


def test_of_points_that_no_run_ends_at_the_stable_are_listed_first():
    """However often a search met the other."""
    component = optimizer(lambda h, g: jnp.tanh(2.0 * h + g[..., None]))
    met = find_fixed_points(component, [[0.0], [0.0], [0.9]], presearch_steps=0, mixing_steps=0)
    assert met.distinct_counts.tolist() == [2, 1] and met.distinct_points[0] == 0.0
    found = find_attractors(component, [[-0.5]], others=met)
    assert found.basin_shares.tolist() == [1.0, 0.0, 0.0]
    assert found.stable.tolist() == [1, 1, 0] and found.points[2] == 0.0


@pytest.mark.parametrize("separation", [1e-2, 1e-5, 1e-8])
def test_attractors_close_together_stay_apart(separation):
    late = 1.0 + separation * np.array([[-0.4], [0.5], [1.5], [2.3], [1.9]])
    found = find_attractors(two_wells(separation), late)
    np.testing.assert_allclose(found.points[:, 0], [1.0 + 2.0 * separation, 1.0], rtol=1e-14)
    np.testing.assert_allclose(found.basin_shares, [0.6, 0.4])
    np.testing.assert_allclose(found.learning_rates, [1.0 + 2.0 * separation, 1.0], rtol=1e-7)


@pytest.mark.parametrize("slowest", [1.0 - 1e-5, 1.0 - 1e-8])
def test_a_slow_stable_point_is_one_though_nothing_gets_there_in_time(slowest):
    point = RANDOM.normal(size=5)
    _, component = rotated([slowest, 0.9, 0.5, 0.2, -0.3], point)
    late = point + RANDOM.normal(size=(20, 5))
    end = convergence_point(component, late)
    assert end.code == Code.CONVERGED and end.basin_share == 1.0
    assert end.basin_distance > 0.5
    assert end.spectral_radius == pytest.approx(slowest, abs=1e-14)
    assert (np.abs(end.point - point) <= end.error).all()
    assert (end.error < 1e-7).all()


def test_a_line_attractor_is_one_continuum_with_a_range_of_drifts():
    basis, component = rotated([1.0, 0.9, 0.5, 0.2, -0.3], np.zeros(5))
    late = RANDOM.normal(size=(20, 5))
    found = find_attractors(component, late)
    assert found.codes.tolist() == [Code.CONTINUUM] and found.stable.tolist() == [1]
    assert found.basin_shares.tolist() == [1.0]
    ends = np.outer(late @ basis[:, 0], basis[:, 0])
    np.testing.assert_allclose(
        found.update_intervals[0], [ends[:, 0].min(), ends[:, 0].max()], atol=1e-10
    )
    np.testing.assert_allclose(found.errors[0], 0.5 * np.ptp(ends, axis=0), atol=1e-10)
    assert convergence_point(component, late).code == Code.CONTINUUM


def test_a_curved_line_is_a_continuum_too():
    def transition(h, g):  # the unit circle, approached from both sides
        size = jnp.linalg.norm(h, axis=-1, keepdims=True)
        return h * (1.0 + 0.3 * (1.0 - size) / jnp.maximum(size, 1e-3)) + 0.0 * g[..., None]

    found = find_attractors(optimizer(transition, 2), RANDOM.normal(size=(12, 2)))
    assert found.codes[0] == Code.CONTINUUM and found.basin_shares[0] == pytest.approx(1.0)
    assert np.linalg.norm(found.points[0]) == pytest.approx(1.0)


def test_a_point_that_attracts_algebraically_is_found_but_not_determined():
    found = find_attractors(optimizer(lambda h, g: h - h**3 + g[..., None]), [[0.3], [0.1]])
    assert found.codes.tolist() == [Code.UNDETERMINED]
    assert abs(found.points[0, 0]) < 1e-4 and found.errors[0, 0] == np.inf
    assert found.update_intervals.tolist() == [[-np.inf, np.inf]]


def test_cycles_are_no_points():
    found = find_attractors(cycle_of_two(), [[0.2], [0.5], [0.9]])
    assert found.codes.tolist() == [Code.LIMIT_CYCLE, Code.CONVERGED]
    assert found.stable.tolist() == [1, 0] and found.periods.tolist() == [2, 1]
    assert found.basin_shares.tolist() == [1.0, 0.0]
    end = convergence_point(cycle_of_two(), [[0.2], [0.5], [0.9]])
    assert end.basin_share == 0.0 and end.point[0] == pytest.approx(1.0 - 1.0 / 3.2)
    found = find_attractors(rotation(), RANDOM.normal(size=(4, 2)))
    assert found.codes[0] == Code.LIMIT_CYCLE and found.periods[0] == 0
    assert found.basin_shares[0] == 1.0


def test_a_cycle_is_as_stable_as_the_product_of_its_steps_in_their_order():
    """Three states, each with a linear map about it to the next; the maps don't commute."""
    states = jnp.asarray([[1.0, 0.0], [-1.0, 1.0], [0.0, -2.0]])
    maps = jnp.asarray(
        [[[0.9, 0.8], [0.0, 0.4]], [[0.3, 0.0], [0.9, 0.8]], [[0.5, -0.7], [0.6, 0.2]]]
    )

    def transition(h, g):
        here = jnp.argmin(jnp.sum((h[..., None, :] - states) ** 2, axis=-1), axis=-1)
        away = jnp.einsum("...ij,...j->...i", maps[here], h - states[here])
        return states[(here + 1) % 3] + away + 0.0 * g[..., None]

    def radius(*order):
        product = np.linalg.multi_dot([np.asarray(maps[k]) for k in order])
        return np.abs(np.linalg.eigvals(product)).max() ** (1 / 3)

    found = find_attractors(optimizer(transition, 2), np.asarray(states) + 1e-3)
    assert found.codes.tolist() == [Code.LIMIT_CYCLE] and found.periods.tolist() == [3]
    assert found.spectral_radii[0] == pytest.approx(radius(2, 1, 0), rel=1e-9)
    assert abs(radius(2, 1, 0) - radius(0, 1, 2)) > 0.1 and found.stable.tolist() == [1]


def test_a_cycle_around_a_stable_point_is_told_from_it():
    def transition(h, g):  # radius 0 attracts below 0.5, radius 1 above
        angle, square = 1.0, jnp.sum(h**2, axis=-1, keepdims=True)
        cosine, sine = np.cos(angle), np.sin(angle)
        turned = jnp.stack(
            [cosine * h[..., 0] - sine * h[..., 1], sine * h[..., 0] + cosine * h[..., 1]], -1
        )
        return turned * (1.0 - 0.5 * (square - 0.25) * (square - 1.0)) + 0.0 * g[..., None]

    late = np.array([[0.3, 0.0], [0.0, 0.45], [0.7, 0.0], [0.0, 1.1], [-0.9, 0.1]])
    # At radius 0 the factor is 0.875.
    found = find_attractors(optimizer(transition, 2), late)
    kinds = dict(zip(found.codes.tolist(), found.basin_shares.tolist(), strict=True))
    assert kinds == {Code.LIMIT_CYCLE: 0.6, Code.CONVERGED: 0.4}
    assert found.spectral_radii[found.codes == Code.CONVERGED][0] == pytest.approx(0.875)


def test_slow_and_far_from_linear_is_an_approach_all_the_same():
    """h' = 0.99999 h - h^3: from 0.1 the cubic is a thousand times the linear part."""
    component = optimizer(lambda h, g: (1.0 - 1e-5) * h - h**3 + g[..., None])
    found = find_attractors(component, [[0.5], [0.1], [-0.2], [1e-4]])
    assert found.codes.tolist() == [Code.CONVERGED] and found.basin_shares.tolist() == [1.0]


def test_linear_and_too_slow_to_be_seen_falling_is_an_approach_too():
    jacobian = jnp.diag(jnp.array([1.0 - 1e-10, 0.5]))
    component = optimizer(lambda h, g: h @ jacobian + g[..., None], 2)
    found = find_attractors(component, [[0.5, 1.0], [-0.2, 1.0]])
    assert found.codes.tolist() == [Code.CONVERGED] and found.basin_shares.tolist() == [1.0]


def test_what_turns_and_hardly_decays_ends_at_no_point():
    turn = (1.0 - 1e-10) * jnp.array([[np.cos(1.0), -np.sin(1.0)], [np.sin(1.0), np.cos(1.0)]])
    component = optimizer(lambda h, g: h @ turn.T + 0.0 * g[..., None], 2)
    found = find_attractors(component, [[0.5, 1.0], [-0.2, 1.0]])
    assert found.basin_shares[found.codes == Code.LIMIT_CYCLE].sum() == 1.0


def test_a_slow_rotation_is_one_cycle_and_finds_no_points_on_it():
    cosine, sine = np.cos(1e-3), np.sin(1e-3)

    def transition(h, g):
        turned = jnp.stack(
            [cosine * h[..., 0] - sine * h[..., 1], sine * h[..., 0] + cosine * h[..., 1]], -1
        )
        growth = 1.2 - 0.2 * jnp.sum(h**2, axis=-1, keepdims=True)
        return turned * growth + 0.0 * g[..., None]

    found = find_attractors(optimizer(transition, 2), RANDOM.normal(size=(6, 2)))
    assert found.codes[0] == Code.LIMIT_CYCLE and found.basin_shares[0] == 1.0
    assert (np.linalg.norm(found.points[1:], axis=1) < 1e-9).all()


def test_what_diverges_or_drifts_off_arrives_nowhere():
    grows = find_attractors(optimizer(lambda h, g: 2.0 * h + g[..., None]), [[1.0], [-2.0]])
    assert grows.stable.tolist() == [0] and grows.basin_shares.tolist() == [0.0]
    clock = find_attractors(optimizer(lambda h, g: h + 1.0 + 0.0 * g[..., None]), [[0.0]])
    assert len(clock.codes) == 0


def test_momentum_has_one_attractor_whatever_its_scale():
    component = Momentum().component(MomentumTheta(learning_rate=0.1, momentum=0.9))
    for scale in (1e-12, 1.0, 1e12):
        found = find_attractors(component, scale * RANDOM.normal(size=(6, 1)))
        assert found.codes.tolist() == [0] and found.basin_shares.tolist() == [1.0]


def test_a_released_optimizer_has_two_stable_points():
    """Digits, seed 0: found by runs from the same start under shrinking gradients."""
    theta, metadata = load_released(ROOT / "weights", "digits", 0)
    random = np.random.default_rng(0)
    assert isinstance(theta, GRUTheta)
    component = make_family(metadata["optimizer"]).component(as_dtype(theta, jnp.float64))
    states = np.tile(np.asarray(component.initial_state), (12, 1))
    for k in range(60):
        gradients = jnp.asarray(0.2 * random.normal(size=12) * 0.93**k)
        states = np.asarray(component.transition(jnp.asarray(states), gradients))
    late = np.asarray(run_map(component.transition, float64(states), 0.0, steps=100))
    found = find_attractors(component, late, steps=600)
    stable = found.stable == 1
    order = np.argsort(found.learning_rates[stable])
    np.testing.assert_allclose(found.learning_rates[stable][order], [0.11654, 0.50314], atol=1e-4)
    np.testing.assert_allclose(found.updates[stable][order], [-5.4e-5, 1.945e-3], atol=1e-5)
    assert (found.basin_shares[stable] > 0.0).all() and found.basin_shares.sum() == 1.0
    assert (found.codes[stable] == Code.CONVERGED).all()
