"""What CONVERGED means: errors per entry, readings with intervals, scales, jumps, entries without memory."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lopt.analysis.fixed_points import find_fixed_points
from lopt.analysis.newton import bracket, newton
from lopt.analysis.readings import read
from lopt.optimizers import ComponentOptimizer
from lopt.optimizers.from_optax import from_optax
from lopt.optimizers.momentum import Momentum, MomentumTheta
from lopt.optimizers.sgd import ClippedSGD, ClippedSGDTheta
from lopt.records.analysis import Code

pytestmark = pytest.mark.usefixtures("x64")
LATE = 10**6


def optimizer(transition, size: int = 1, readout=lambda h: h[..., 0]) -> ComponentOptimizer:
    return ComponentOptimizer(jnp.zeros(size), transition, readout)


def test_error_bounds_hold_and_are_not_idle():
    """Random linear maps, known to more digits by iterative refinement in extended precision."""
    random = np.random.default_rng(0)
    for slowest in (0.9, 0.9999, 1.0 - 1e-8):
        basis = random.normal(size=(6, 6))
        jacobian = basis @ np.diag([slowest, 0.8, 0.5, 0.3, 0.0, -0.5]) @ np.linalg.inv(basis)
        shift = random.normal(size=6)
        component = optimizer(lambda h, g, j=jacobian, b=shift: h @ j.T + b + 0.0 * g[..., None], 6)
        found = find_fixed_points(component, random.normal(size=(3, 6)), outlier_distance=1e12)
        exact = np.asarray(np.linalg.solve(np.eye(6) - jacobian, shift), np.longdouble)
        wide = np.eye(6, dtype=np.longdouble) - np.asarray(jacobian, np.longdouble)
        for _ in range(5):
            residual = np.asarray(shift, np.longdouble) - wide @ exact
            exact = exact + np.linalg.solve(np.eye(6) - jacobian, residual.astype(np.float64))
        for row in range(3):
            distance = np.abs(found.points[row] - exact.astype(np.float64))
            error = found.distinct_errors[found.groups[row]]
            assert (distance <= 3.0 * error).all()
        assert (found.distinct_errors[0] <= 1e-11 / (1.0 - slowest) * np.abs(exact)).all()


@pytest.mark.parametrize("g", [1e-9, 1e-3, 1e4])
@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_units_of_entries_do_not_matter(g, unit):
    """A state entry measured in another unit: the same codes, the same rate."""
    theta = 0.02, 0.9, 0.99, 1e-6

    def transition(h, g):
        mean, square = h[..., 0] / unit, h[..., 1] / unit**2
        mean = theta[1] * mean + (1 - theta[1]) * g
        square = theta[2] * square + (1 - theta[2]) * g**2
        return jnp.stack([unit * mean, unit**2 * square], axis=-1)

    def readout(h):
        square = h[..., 1] / unit**2
        return -theta[0] * h[..., 0] / unit / (jnp.sqrt(jnp.maximum(square, 1e-60)) + theta[3])

    component = optimizer(transition, 2, readout)
    starts = np.abs(np.random.default_rng(1).normal(size=(4, 2))) * [unit, unit**2]
    found = find_fixed_points(component, starts, g)
    assert (found.codes == Code.CONVERGED).all() and found.distinct_counts.tolist() == [4]
    np.testing.assert_allclose(found.points / [unit * g, unit**2 * g**2], 1.0, rtol=1e-9)
    rate = read(component, found.points, np.zeros_like(found.points), 1e-6).learning_rates
    np.testing.assert_allclose(rate, 0.02 * 0.1 / (np.sqrt(0.99) * g + 1e-6), rtol=1e-8)


def test_a_small_speed_does_not_make_a_point_converged():
    """Where nothing pins the state down, a residual of 1e-18 leaves it anywhere."""
    slow = 1e-15
    component = optimizer(lambda h, g: h - slow * (h - 1.0) + 0.0 * g[..., None])
    found = find_fixed_points(component, [[0.0], [0.3]], outlier_distance=1e6)
    assert (found.speeds < 1e-25).all()
    assert not (found.codes == Code.CONVERGED).any()


def test_readings_that_the_error_leaves_open_are_undetermined():
    # The state is known to 1e-15; its learning rate is exp(1e12 (h - 1)).
    component = optimizer(
        lambda h, g: jnp.stack([0.5 * h[..., 0] + 0.5, g + 0.0 * h[..., 1]], axis=-1),
        2,
        lambda h: -h[..., 1] * jnp.exp(1e12 * (h[..., 0] - 1.0)),
    )
    found = find_fixed_points(component, [[0.9, 0.0]])
    assert found.codes.tolist() == [Code.UNDETERMINED]
    assert found.relative_errors[0] < 1e-14
    low, high = read(component, found.points, found.distinct_errors, 1e-6).learning_rate_intervals[
        0
    ]
    assert low < 1.0 < high and high - low > 1e-4


def test_intervals_hold_what_a_derivative_does_not_see():
    # Adam's root has slope 0 at 0 by definition, but an error of s moves the rate all the same.
    component = optimizer(
        lambda h, g: jnp.stack([h[..., 0], g], axis=-1),
        2,
        lambda h: -h[..., 1] / (jnp.where(h[..., 0] > 0, jnp.sqrt(jnp.abs(h[..., 0])), 0.0) + 1e-3),
    )
    found = read(component, np.zeros((1, 2)), np.array([[1e-6, 0.0]]), 1e-6)
    np.testing.assert_allclose(found.learning_rate_intervals[0], [500.0, 1000.0])
    assert not found.determined[0]


def test_entries_without_memory_stay_out_and_are_filled_in():
    component = from_optax(optax.adam(0.02, 0.9, 0.99, eps=1e-8), held_count=LATE)
    root = newton(component.transition, np.array([0.3, 0.2, 77.0]), 1e-5, np.ones(3), iterations=20)
    assert root.kept.tolist() == [True, True, False] and root.found
    update = -0.02 * 1e-5 / (1e-5 + 1e-8)
    np.testing.assert_allclose(root.point, [1e-5, 1e-10, update], rtol=1e-12)
    # Nothing but such entries: the point is where the map leads at once.
    clipped = ClippedSGD().component(ClippedSGDTheta(learning_rate=0.5, threshold=0.8))
    found = find_fixed_points(clipped, [[3.0], [-1.0]], 5.0)
    assert found.codes.tolist() == [0, 0] and found.distinct_points.tolist() == [[-0.4]]


@pytest.mark.parametrize("g", [1e-5, 1.0])
def test_a_point_that_the_map_jumps_across(g):
    """Yogi chatters about s = g^2; between the sides nothing is left open."""
    yogi = from_optax(optax.yogi(0.02, 0.9, 0.99, eps=1e-6), held_count=LATE)
    starts = [[0.3, 0.7, 0.0], [1.0, 0.01, 1.0]]
    found = find_fixed_points(yogi, starts, g)
    assert (found.codes == Code.CONVERGED).all() and found.distinct_counts.tolist() == [2]
    np.testing.assert_allclose(found.points[:, :2] / [g, g**2], 1.0, rtol=1e-12)
    crossing, width = bracket(
        lambda h, g: h - 0.1 * jnp.sign(h - g[..., None]), np.array([7.3]), 1 / 3
    )
    assert crossing[0] == pytest.approx(1 / 3, rel=1e-15) and width[0] < 1e-15
    # A slow rotation turns f at a right angle to where it started, and jumps nowhere.
    turn = np.array([[np.cos(0.01), np.sin(0.01)], [-np.sin(0.01), np.cos(0.01)]])
    assert bracket(lambda h, g: h @ turn + 0.0 * g[..., None], np.array([0.6, 0.8]), 0.0) is None
    assert bracket(lambda h, g: h + 1.0 + 0.0 * g[..., None], np.array([0.0]), 0.0) is None


def test_merging_and_outliers_are_relative():
    """Two points that differ by 1e-7 of the only entry that tells them apart."""

    def transition(h, g):
        u = (h[..., 1] - 1e-6) / 1e-13
        second = h[..., 1] - 0.4e-13 * u * (u - 1.0) * (u - 2.0)
        return jnp.stack([0.5 * h[..., 0] + 1e3, second], axis=-1) + 0.0 * g[..., None]

    starts = np.array([[1e3, 1e-6 - 3e-14], [2e3, 1e-6 + 2.2e-13], [3e3, 1e-6 + 1.9e-13]])
    found = find_fixed_points(optimizer(transition, 2), starts)
    assert found.distinct_counts.tolist() == [2, 1]
    np.testing.assert_allclose(found.distinct_points[:, 1] - 1e-6, [2e-13, 0.0], atol=1e-19)
    # All that a factor changes is the unit.
    for unit in (1e-9, 1e9):
        runaway = optimizer(
            lambda h, g, unit=unit: h + 1e-4 * (h - 1e3 * unit) + 0.0 * g[..., None]
        )
        found = find_fixed_points(
            runaway, [[unit], [1.5 * unit]], presearch_steps=0, mixing_steps=0
        )
        assert found.codes.tolist() == [Code.OUTLIER] * 2


def test_the_searches_take_the_optimizer():
    component = Momentum().component(MomentumTheta(0.1, 0.9))
    single = component._replace(initial_state=jnp.zeros(1, jnp.float32))
    with pytest.raises(ValueError, match="float64"):
        find_fixed_points(single, [[0.0]])
    with pytest.raises(ValueError, match=r"starts has shape \(1, 2\), expected .*1"):
        find_fixed_points(component, [[0.0, 1.0]])
    assert jax.numpy.ndim(find_fixed_points(component, [[1.0]]).points) == 2
