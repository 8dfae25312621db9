"""The closed loop with a quadratic: against closed forms, against runs, and what is stored of it."""

import jax.numpy as jnp
import numpy as np
import pytest

from lopt.analysis import validation_stability
from lopt.analysis.linearization import linearize
from lopt.analysis.stability import (
    HeavyBall,
    closed_loop,
    curvature_grid,
    decaying,
    linear_response,
    optimal_heavy_ball,
    stability_record,
    stable_range,
    stationary_errors,
    total_gain,
)
from lopt.learned.gru import GRU
from lopt.learned.planted_gru import plant_gru
from lopt.optimizers.component import ComponentOptimizer, running
from lopt.optimizers.momentum import Momentum, MomentumTheta
from lopt.optimizers.planted import plant_modes
from lopt.records import store
from lopt.records.interventions import Stability


def run(component: ComponentOptimizer, curvature: float, steps: int, x: float) -> np.ndarray:
    """x_0 ... x_steps of the optimizer itself, from its own start."""
    stepping, x = running(component), jnp.asarray(x)
    state, found = stepping.start(x), []
    for _ in range(steps + 1):
        found.append(float(x))
        state, update = stepping.step(state, curvature * x, x)
        x = x + update
    return np.array(found)


def test_a_response_has_its_sign():
    response = linear_response(HeavyBall.of(0.1, -0.5), 3)
    np.testing.assert_allclose(response, [0.1, -0.05, 0.025], rtol=1e-12)


def test_known_answers(x64):
    rows = list(validation_stability.stability())
    assert len(rows) == 32 and {row.verdict for row in rows} == {"pass"}
    assert max(row.tolerance for row in rows) == 1e-10


def test_a_loop_that_is_off_fails(x64, monkeypatch):
    monkeypatch.setattr(
        validation_stability, "closed_loop", lambda a, b: closed_loop(a, 1.0001 * b)
    )
    failed = [row for row in validation_stability.stability() if row.verdict == "fail"]
    assert {row.quantity for row in failed} >= {"deviation of rates"}


def test_the_rate_is_what_runs_decay_by(x64):
    component = Momentum().component(MomentumTheta(jnp.asarray(1.0), jnp.asarray(0.6)))
    linear = linearize(component, np.zeros(1))
    for curvature in (0.02, 3.17):  # a real rate, and an alternating one
        rate = closed_loop(linear, np.array([curvature])).rates[0]
        x = np.abs(run(component, curvature, 60, 1.0))
        assert (x[60] / x[40]) ** (1 / 20) == pytest.approx(rate, rel=1e-3)


def test_a_learned_optimizer_rests_where_drift_and_gradient_balance(x64):
    random = np.random.default_rng(3)
    point = jnp.asarray(random.uniform(-0.1, 0.1, 4))
    modes = plant_modes(random, [0.8, 0.6, 0.3, 0.1], [0.3, 0.2, 0.1, 0.05])
    theta = plant_gru(random, point, *modes)
    drift = 1e-4  # small, so that what is linear holds
    theta = theta._replace(readout_bias=drift - point @ theta.readout_weights)
    component = GRU(4).component(theta)._replace(initial_state=point)
    linear = linearize(component, point)
    assert float(linear.update) == pytest.approx(drift)
    x = run(component, 0.5, 120, 1e-3)
    assert abs(x[-1]) == pytest.approx(stationary_errors(linear, np.array([0.5]))[0], rel=1e-3)


def test_an_unstable_band_is_seen(x64):
    """Descent beside a mode that answers too late: it oscillates at middling curvatures only."""
    late = 0.5 * np.exp(-1.5j)
    parts = plant_modes(np.random.default_rng(0), [0.0, 0.8 * np.exp(0.6j)], [1.0, late])
    linear = HeavyBall(np.zeros(()), *map(np.asarray, parts))
    curvatures = np.geomspace(1e-3, 10.0, 80)
    found = stable_range(linear, curvatures)
    assert 0.3 < found.up_to < 0.4 and 2.0 < found.largest < 2.5
    for edge, sides in ((found.up_to, (True, False)), (found.largest, (True, False))):
        rates = closed_loop(linear, np.array([0.999, 1.001]) * edge).rates
        assert tuple(rates < 1.0) == sides
    assert closed_loop(linear, np.array([1.0])).rates[0] > 1.0  # between them
    beside = np.array([0.999 * found.up_to, 1.001 * found.up_to, 1.0])
    beside = np.append(beside, [0.999 * found.largest, 1.001 * found.largest])
    rates = closed_loop(linear, beside).rates
    assert decaying(linear, beside, curvatures).tolist() == (rates < 1.0).tolist()
    assert rates[3] < 1.0 < rates[2]  # the band ends between them


def test_ranges_at_the_ends_of_the_grid():
    ball = HeavyBall.of(1.0, 0.0)
    assert stable_range(ball, np.array([0.1, 1.0])) == (np.inf, np.inf)
    assert stable_range(ball, np.array([3.0, 4.0])) == (0.0, 0.0)


def test_grid_and_heavy_ball_follow_the_curvatures_met():
    met, weights = np.array([-1.0, 0.0, 0.5, 2.0, 8.0]), np.full(5, 0.2)
    grid = curvature_grid(met, weights)
    assert grid[0] == pytest.approx(0.05) and grid[-1] == pytest.approx(80.0)
    rates = closed_loop(optimal_heavy_ball(met, weights), np.array([0.51, 2.0, 7.9])).rates
    np.testing.assert_allclose(rates, (4.0 - 1.0) / (4.0 + 1.0), rtol=1e-6)
    # Small is what a hundredth of the positive ones stays below, however few are positive.
    few = np.append(np.full(850, -1.0), np.arange(1.0, 151.0))
    assert curvature_grid(few, np.full(1000, 1e-3))[0] == pytest.approx(0.2)
    with pytest.raises(ValueError, match="none of the curvatures met is positive"):
        curvature_grid(-met[2:], weights[2:])


def test_what_is_stored(tmp_path):
    met, weights, at = np.array([0.5, 8.0]), np.full(2, 0.5), np.array([0, 3])
    rows = [("learned", 4, HeavyBall.of(0.1, 0.5, 1e-3)), ("adam", -1, HeavyBall.of(9.0, 0.9))]
    record = stability_record(rows, curvature_grid(met, weights), met, weights, at)
    store.save(tmp_path / "s.npz", record, {"task": "rosenbrock"})
    loaded, _ = store.load(tmp_path / "s.npz", Stability)
    assert loaded.optimizers.tolist() == ["learned", "adam"] and loaded.seeds.tolist() == [4, -1]
    np.testing.assert_allclose(loaded.stable_up_to, [30.0, 3.8 / 9.0])
    np.testing.assert_allclose(loaded.learning_rates, [0.1, 9.0])
    np.testing.assert_allclose(loaded.drifts, [1e-3, 0.0])


def test_a_clock_beside_the_optimizer_changes_no_gain(x64):
    """An eigenvalue 1 that no gradient moves: I - J has no inverse."""
    ball = HeavyBall.of(0.2, 0.5)
    clocked = HeavyBall(
        ball.update, np.diag([0.5, 1.0]), np.array([1.0, 0.0]), np.array([-0.2, 0.0])
    )
    assert total_gain(clocked) == pytest.approx(total_gain(ball)) == pytest.approx(0.4)
    assert total_gain(HeavyBall.of(-0.2, 0.5)) == pytest.approx(-0.4)  # uphill
    np.testing.assert_allclose(
        closed_loop(clocked, np.array([1.0])).rates, closed_loop(ball, np.array([1.0])).rates
    )


def of_parts(jacobian, input_vector, readout_vector) -> HeavyBall:
    return HeavyBall(np.zeros(()), *map(np.array, (jacobian, input_vector, readout_vector)))


def test_what_stays_and_no_gradient_moves_changes_no_gain_in_any_basis():
    feeding = of_parts([[0.5, 1.0], [0.0, 1.0]], [1.0, 0.0], [-0.2, 0.0])
    assert total_gain(feeding) == pytest.approx(0.4)  # a constant that the memory adds up
    random = np.random.default_rng(0)
    for others in ([1.0], [1.0, 1.0], [1.0, *random.uniform(-0.9, 0.9, 40)]):
        size = 1 + len(others)
        basis = random.normal(size=(size, size))
        hidden = of_parts(
            basis @ np.diag([0.5, *others]) @ np.linalg.inv(basis),
            basis[:, 0],
            np.append(-0.2, np.ones(len(others))) @ np.linalg.inv(basis),
        )
        assert total_gain(hidden) == pytest.approx(0.4, rel=1e-6)


def test_a_memory_that_never_fades_has_an_infinite_gain():
    assert total_gain(HeavyBall.of(0.2, 1.0)) == np.inf
    assert total_gain(HeavyBall.of(-0.2, 1.0)) == -np.inf
    assert stationary_errors(HeavyBall.of(0.2, 1.0, drift=0.1), np.ones(1)) == [0.0]
    unseen = of_parts(np.diag([0.5, 1.0]), [1.0, 1.0], [-0.2, 0.0])
    assert total_gain(unseen) == pytest.approx(0.4)
    double_sum = of_parts([[1.0, 1.0], [0.0, 1.0]], [0.0, 1.0], [-0.2, 0.0])
    assert np.isnan(total_gain(double_sum))


def test_what_neither_decays_nor_grows_is_stable_nowhere():
    """Of momentum 1 both roots have size 1 up to lambda = 4 / alpha."""
    ball, curvatures = HeavyBall.of(0.01, 1.0), np.geomspace(1e-4, 1e3, 81)
    rates = closed_loop(ball, curvatures).rates
    assert np.all(rates[curvatures < 399.0] == 1.0) and np.all(rates[curvatures > 401.0] > 1.0)
    assert stable_range(ball, curvatures) == (0.0, 0.0)
    slow = HeavyBall.of(1e-9, 0.0)
    assert closed_loop(slow, np.array([1e-4])).rates[0] == 1.0 - 1e-13


def test_what_grows_in_a_small_part_of_the_parameter_is_not_stable():
    """Momentum -1: mu^2 + alpha lambda mu - 1 = 0 has a root beyond -1 at every curvature."""
    alternating = HeavyBall.of(learning_rate=0.1, momentum=-1.0)
    grid = np.geomspace(1e-5, 10.0, 31)
    loop = closed_loop(alternating, grid)
    half = 0.05 * grid
    np.testing.assert_allclose(loop.rates, half + np.sqrt(half**2 + 1.0), rtol=1e-12)
    assert stable_range(alternating, grid) == (0.0, 0.0)
