"""Fixed points: against closed forms, scipy and NumPy, nearly singular, folded, missing; bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from lopt.analysis.fixed_points import (
    analyze_fixed_points,
    constant_gradient_fixed_points,
    convergence_point,
    find_fixed_points,
)
from lopt.analysis.newton import bracket, newton
from lopt.learned.gru import GRU, GRUTheta
from lopt.learned.planted_gru import plant_gru
from lopt.optimizers import ComponentOptimizer
from lopt.optimizers.momentum import Momentum, MomentumTheta
from lopt.optimizers.planted import plant_modes
from lopt.records import store
from lopt.records.analysis import Code, FixedPointAnalysis

pytestmark = pytest.mark.usefixtures("x64")
ONLY_POLISH = {"presearch_steps": 0, "mixing_steps": 0}


def tanh_map(h, g):
    """Fixed points 0 (unstable) and +-0.9575 (stable) without gradient."""
    return jnp.tanh(2.0 * h + g[..., None])


def logistic_map(h, g):
    """Both fixed points, 0 and 5/7, are unstable; runs end on a cycle of four."""
    return 3.5 * h * (1.0 - h) + 0.0 * g[..., None]


def optimizer(transition, size: int = 1) -> ComponentOptimizer:
    """An optimizer with that map, whose update is the first entry of its state."""
    return ComponentOptimizer(jnp.zeros(size), transition, lambda h: h[..., 0])


def numpy_gru_step(theta: GRUTheta, h: np.ndarray, g: float) -> np.ndarray:
    n = len(h)
    weights = [np.asarray(theta.recurrent_weights)[:, i * n : (i + 1) * n].T for i in range(3)]
    inputs, biases = np.reshape(theta.input_weights, (3, n)), np.reshape(theta.biases, (3, n))
    u, r = (1 / (1 + np.exp(-(inputs[i] * g + weights[i] @ h + biases[i]))) for i in range(2))
    return u * h + (1 - u) * np.tanh(inputs[2] * g + weights[2] @ (r * h) + biases[2])


@pytest.fixture
def small_gru() -> GRUTheta:
    random = np.random.default_rng(3)
    shapes = jax.eval_shape(GRU(6).init, jax.random.key(0))
    return GRUTheta(*(jnp.asarray(0.7 * random.normal(size=leaf.shape)) for leaf in shapes))


def test_newtons_method_bounds_every_entry_and_knows_which_have_memory():
    jacobian = jnp.array([[0.5, 0.25, 0.0], [0.25, 0.5, 0.0], [1.0, -1.0, 0.0]])
    inputs = jnp.array([1.0, 0.0, 0.0])

    def linear(h, g):
        return h @ jacobian.T + inputs * g[..., None]

    spread = np.ones(3)
    begun = newton(linear, np.array([1.0, 0.0, 7.0]), 0.0, spread, iterations=0)
    assert begun.kept.tolist() == [True, True, False]  # which entries F depends on
    # |A^-1| |f|, not |A^-1 f|, which is 1 and 0; and what is read of both.
    np.testing.assert_allclose(begun.error, [5 / 3, 4 / 3, 3.0], rtol=1e-12)
    ended = newton(linear, np.array([1.0, 0.0, 7.0]), 1.0, spread, iterations=20)
    wrong = np.abs(ended.point - [8 / 3, 4 / 3, 4 / 3])
    assert ended.found and np.all(wrong <= ended.error)
    # Rounding, where f itself vanishes.
    assert np.all(ended.error > 0.0) and np.all(ended.error < 1e-13)


def test_a_flow_that_turns_at_a_right_angle_does_not_jump():
    def turning(h, g):
        angle = h[..., 0] + h[..., 1] + 0.0 * g
        return h + 0.1 * jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=-1)

    assert bracket(turning, np.zeros(2), 0.0) is None


def test_agrees_with_scipy_and_numpy_on_a_gru(small_gru):
    starts = np.random.default_rng(0).uniform(-1, 1, (5, 6))
    for g in (0.0, 2.0):
        found = find_fixed_points(GRU(6).component(small_gru), starts, g)
        assert (found.codes == Code.CONVERGED).all()
        for point, speed in zip(found.distinct_points, found.distinct_speeds, strict=True):
            residual = point - numpy_gru_step(small_gru, point, g)
            assert 0.5 * residual @ residual < 1e-25
            assert speed < 1e-25
            solution = scipy.optimize.root(
                lambda h, g=g: h - numpy_gru_step(small_gru, h, g), point + 0.01, tol=1e-13
            )
            assert solution.success
            np.testing.assert_allclose(point, solution.x, atol=1e-10)


@pytest.mark.parametrize("slowest", [0.99, 1.0 - 1e-6])
def test_nearly_singular_maps_reach_the_closed_form(slowest):
    random = np.random.default_rng(1)
    eigenvalues = [slowest, 0.99 + 0.05j, *np.linspace(0.95, -0.5, 17)]
    jacobian, input_vector, _ = plant_modes(random, eigenvalues, np.ones(len(eigenvalues)))
    truth = np.linalg.solve(np.eye(20) - jacobian, 0.3 * input_vector)
    starts = truth + random.normal(size=(8, 20))
    found = find_fixed_points(
        optimizer(lambda h, g: h @ jacobian.T + g[..., None] * input_vector, 20), starts, 0.3
    )
    assert (found.codes == Code.CONVERGED).all()
    assert (found.speeds < 1e-20 * max(1.0, np.abs(truth).max()) ** 2).all()
    # The best of the group is polished to rounding, which the distance to h* magnifies.
    best = found.distinct_points[0]
    np.testing.assert_allclose(
        best, truth, rtol=0, atol=1e-13 / (1 - slowest) * np.abs(truth).max()
    )


def test_two_hundred_starts_find_the_one_point_of_a_planted_gru():
    random = np.random.default_rng(5)
    eigenvalues = [0.999, 0.9 + 0.1j, *np.linspace(0.8, 0.1, 13)]
    modes = plant_modes(random, eigenvalues, np.ones(len(eigenvalues)))
    point = jnp.asarray(random.uniform(-0.3, 0.3, 16))
    theta = plant_gru(random, point, *modes)
    starts = np.asarray(point) + 0.002 * random.normal(size=(200, 16))
    found = find_fixed_points(GRU(16).component(theta), starts)
    assert found.distinct_counts.tolist() == [200]
    assert (found.speeds < 1e-20).all() and found.distinct_speeds[0] < 1e-28
    np.testing.assert_allclose(found.distinct_points[0], point, atol=1e-10)


def test_groups_stand_most_found_first_and_keep_their_best():
    starts = np.array([[-0.5], [0.3], [0.2], [-0.1], [2.0]])
    found = find_fixed_points(optimizer(tanh_map), starts)
    truth = scipy.optimize.brentq(lambda h: h - np.tanh(2 * h), 0.5, 1.5, xtol=1e-14)
    np.testing.assert_allclose(found.distinct_points[:, 0], [truth, -truth], atol=1e-12)
    assert found.distinct_counts.tolist() == [3, 2]
    assert found.groups.tolist() == [1, 0, 0, 1, 0]
    for group, speed in enumerate(found.distinct_speeds):
        assert speed <= found.speeds[found.groups == group].min()


def test_the_polish_alone_finds_unstable_points():
    found = find_fixed_points(optimizer(logistic_map), [[0.05], [0.6], [0.8]], **ONLY_POLISH)
    assert (found.codes == Code.CONVERGED).all()
    np.testing.assert_allclose(found.points[:, 0], [0.0, 5 / 7, 5 / 7], atol=1e-10)


def test_runs_do_not_end_at_an_unstable_point():
    end = convergence_point(optimizer(logistic_map), [[0.1], [0.4], [0.9]])
    assert end.code == Code.CONVERGED and end.basin_share == 0.0 and end.basin_distance == np.inf


def test_slow_points_stalled_and_lost_searches_say_so():
    def bottleneck(h, g):  # 1/2 (h^2 + 0.01)^2 is least at h = 0, where it is 5e-5
        return h + h**2 + 0.01 + 0.0 * g[..., None]

    found = find_fixed_points(optimizer(bottleneck), [[0.5]], **ONLY_POLISH)
    assert found.codes.tolist() == [Code.SLOW_POINT] and found.groups.tolist() == [-1]
    np.testing.assert_allclose(found.speeds, 5e-5, rtol=1e-3)
    found = find_fixed_points(optimizer(tanh_map), [[3.0]], polish_iterations=1, **ONLY_POLISH)
    assert found.codes.tolist() == [Code.STALLED]

    def undefined_beyond_5(h, g):
        return jnp.where(h > 5.0, jnp.nan, 0.5 * h) + 0.0 * g[..., None]

    found = find_fixed_points(optimizer(undefined_beyond_5), [[1.0], [2.0], [10.0]])
    assert found.codes.tolist() == [Code.CONVERGED, Code.CONVERGED, Code.OUTLIER]


def test_points_far_from_all_starts_are_outliers():
    def runaway(h, g):  # one fixed point, at 1000
        return h + 1e-4 * (h - 1000.0) + 0.0 * g[..., None]

    starts = [[1.0], [1.5]]
    assert (
        find_fixed_points(optimizer(runaway), starts, **ONLY_POLISH).codes.tolist()
        == [Code.OUTLIER] * 2
    )
    found = find_fixed_points(optimizer(runaway), starts, outlier_distance=1e6, **ONLY_POLISH)
    assert found.codes.tolist() == [Code.CONVERGED] * 2


def test_a_map_without_fixed_point():
    def counter(h, g):
        return h + 1.0 + 0.0 * g[..., None]

    found = find_fixed_points(optimizer(counter), [[0.0], [1.0]])
    assert not (found.codes == Code.CONVERGED).any() and len(found.distinct_points) == 0
    end = convergence_point(optimizer(counter), [[0.0], [1.0]])
    assert end.code != Code.CONVERGED and end.speed == pytest.approx(0.5)
    assert end.basin_share == 0.0 and end.basin_distance == np.inf
    with pytest.raises(ValueError, match="no fixed point"):
        convergence_point(optimizer(lambda h, g: h * jnp.nan), [[1.0]])


def test_the_convergence_point_is_the_one_most_runs_end_at():
    end = convergence_point(optimizer(tanh_map), [[-0.2], [-0.3], [0.4], [-2.0]])
    assert end.point[0] == pytest.approx(-0.9575040240772687, abs=1e-12)
    assert end.basin_share == 0.75 and end.basin_distance < 1e-12


def test_constant_gradients_of_a_linear_map_and_past_a_fold():
    component = Momentum().component(MomentumTheta(learning_rate=0.1, momentum=0.9))
    gradients = [-3.0, -0.1, 0.0, 2.0]
    found = constant_gradient_fixed_points(component, [0.0], gradients)
    np.testing.assert_allclose(found.points[:, 0], np.divide(gradients, 0.1), atol=1e-11)
    assert (found.codes == Code.CONVERGED).all()

    # The branch above 0 vanishes in a fold near g = -0.53; beyond, runs end at the lower branch.
    start = scipy.optimize.brentq(lambda h: h - np.tanh(2 * h), 0.5, 1.5, xtol=1e-14)
    gradients = np.array([-2.0, -0.6, -0.53, -0.4, 0.5])
    found = constant_gradient_fixed_points(optimizer(tanh_map), [start], gradients)
    assert (found.codes == Code.CONVERGED).all()
    brackets = [(-1.0, 0.0), (-1.0, 0.0), (0.69, 0.9), (0.72, 1.0), (0.5, 1.0)]
    for g, point, (low, high) in zip(gradients, found.points[:, 0], brackets, strict=True):
        truth = scipy.optimize.brentq(lambda h, g=g: h - np.tanh(2 * h + g), low, high, xtol=1e-14)
        assert point == pytest.approx(truth, abs=1e-9)


def test_everything_about_one_optimizer_fits_its_file(tmp_path, small_gru):
    component = GRU(6).component(small_gru)
    random = np.random.default_rng(2)
    visited, late = random.uniform(-1, 1, (30, 6)), random.uniform(-1, 1, (7, 6))
    found = analyze_fixed_points(component, visited, late, [-1.0, 1.0, 3.0], starts=20)
    store.save(tmp_path / "fixed_points.npz", found)
    loaded, _ = store.load(tmp_path / "fixed_points.npz", FixedPointAnalysis)
    assert loaded.points.shape == (20, 6) and loaded.constant_gradient_points.shape == (3, 6)
    update = component.readout(jnp.asarray(found.convergence_point))
    assert found.convergence_update == pytest.approx(float(update))


def test_bad_input_is_named(small_gru):
    component = GRU(6).component(small_gru)
    good = np.zeros((2, 6))
    for starts, words in (
        (np.full((2, 6), [[0.0], [np.nan]]), r"starts\[1\] has non-finite"),
        ([0.0] * 6, r"shape \(6,\)"),  # a list: arrays are refused by their annotation
        (np.zeros((0, 6)), r"shape \(0, 6\)"),
    ):
        with pytest.raises(ValueError, match=words):
            find_fixed_points(component, starts)
    with pytest.raises(ValueError, match="expected one finite gradient"):
        find_fixed_points(component, good, np.inf)
    for grid, words in (
        ([], "1 or more"),
        ([1.0, 0.0], "ascending"),
        ([0.0, 0.0], "ascending"),
        ([0.0, np.nan], "non-finite"),
    ):
        with pytest.raises(ValueError, match=words):
            constant_gradient_fixed_points(component, good[0], grid)
    with pytest.raises(ValueError, match=r"late_states has shape \(2, 5\), expected .*6"):
        analyze_fixed_points(component, good, good[:, :5].tolist(), [1.0])
    with jax.enable_x64(False):
        single = GRU(6).component(GRU(6).init(jax.random.key(0)))
        with pytest.raises(ValueError, match="float64"):
            find_fixed_points(single, good)
        with pytest.raises(ValueError, match="float64"):
            analyze_fixed_points(single, good, good, [1.0])
