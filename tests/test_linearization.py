"""Linearization: finite differences, L J R = Lambda, impulse responses, planted modes, bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lopt.analysis.linearization import eigenmodes, linearize, timescale
from lopt.analysis.responses import effective_learning_rate
from lopt.learned.gru import GRU, GRUTheta
from lopt.learned.planted_gru import plant_gru
from lopt.optimizers import ComponentOptimizer
from lopt.optimizers.adam import Adam, AdamTheta
from lopt.optimizers.from_optax import from_optax
from lopt.optimizers.planted import plant_modes
from lopt.records import store
from lopt.records.analysis import Linearization, ModeCode

pytestmark = pytest.mark.usefixtures("x64")
EIGENVALUES = [0.97, 0.9 + 0.05j, 0.6, -0.3, 0.2 - 0.0j]
LEARNING_RATES = [0.02, 0.8 - 0.3j, 0.1, 0.05, -0.2]


@pytest.fixture(scope="module")
def planted() -> tuple[ComponentOptimizer, np.ndarray]:
    """A nonlinear GRU with known modes at a known fixed point."""
    with jax.enable_x64(True):
        random = np.random.default_rng(0)
        modes = plant_modes(random, EIGENVALUES, LEARNING_RATES)
        point = jnp.asarray(random.uniform(-0.4, 0.4, 6))
        return GRU(6).component(plant_gru(random, point, *modes)), np.asarray(point)


@pytest.fixture(scope="module")
def modes(planted) -> Linearization:
    with jax.enable_x64(True):
        return linearize(*planted)


def test_derivatives_agree_with_central_differences():
    random = np.random.default_rng(1)
    shapes = jax.eval_shape(GRU(4).init, jax.random.key(0))
    theta = GRUTheta(*(jnp.asarray(random.normal(size=leaf.shape)) for leaf in shapes))
    component = GRU(4, input_scale=0.3, output_scale=2.0).component(theta)
    point, g, step = random.uniform(-1, 1, 4), 0.7, 1e-5
    found = linearize(component, point, g)

    def transition(h, g):
        return np.asarray(component.transition(jnp.asarray(h), jnp.asarray(g)))

    for i, unit in enumerate(np.eye(4)):
        column = transition(point + step * unit, g) - transition(point - step * unit, g)
        np.testing.assert_allclose(found.jacobian[:, i], column / (2 * step), atol=1e-9)
    slope = (transition(point, g + step) - transition(point, g - step)) / (2 * step)
    np.testing.assert_allclose(found.input_vector, slope, atol=1e-9)
    np.testing.assert_allclose(found.readout_vector, 2.0 * theta.readout_weights, rtol=1e-14)
    assert found.update == pytest.approx(float(component.readout(transition(point, g))))


def test_left_and_right_vectors_diagonalise_the_jacobian(modes):
    product = modes.left_vectors @ modes.jacobian @ modes.right_vectors
    np.testing.assert_allclose(product, np.diag(modes.eigenvalues), atol=1e-13)
    np.testing.assert_allclose(np.linalg.norm(modes.right_vectors, axis=0), 1.0)
    condition = np.linalg.norm(modes.right_vectors, 2) * np.linalg.norm(modes.left_vectors, 2)
    assert modes.condition_number == pytest.approx(condition)
    assert modes.reconstruction_error < 1e-14


def test_planted_modes_come_back_in_order(modes):
    order = [0, 1, 1, 2, 3, 4]  # of EIGENVALUES, by size; the pair stays together
    truth = np.array(EIGENVALUES)[order]
    truth[2] = truth[2].conj()
    rates = np.array(LEARNING_RATES)[order]
    rates[2] = rates[2].conj()
    np.testing.assert_allclose(modes.eigenvalues, truth, atol=1e-12)
    np.testing.assert_allclose(modes.complex_learning_rates, rates, atol=1e-12)
    np.testing.assert_allclose(modes.learning_rates, rates.real, atol=1e-12)
    np.testing.assert_allclose(modes.momenta, np.abs(truth), atol=1e-12)
    np.testing.assert_allclose(modes.timescales, -1 / np.log(np.abs(truth)), rtol=1e-10)
    # The slowest mode, 0.97, hardly takes part: its |alpha| is 2 % of the largest.
    assert modes.leading_mode == 1 and modes.slow_mode == 1


def test_learning_rates_and_momenta_predict_the_response_to_an_impulse(planted, modes):
    component, point = planted
    size, h, responses = 1e-6, jnp.asarray(point), []
    for k in range(30):
        h = component.transition(h, jnp.asarray(size if k == 0 else 0.0))
        responses.append(float(component.readout(h)) / size)
    powers = modes.eigenvalues ** np.arange(30)[:, None]
    predicted = -np.sum(modes.complex_learning_rates * powers, axis=1)
    np.testing.assert_allclose(predicted.imag, 0.0, atol=1e-14)
    np.testing.assert_allclose(responses, predicted.real, atol=1e-5)
    rate = effective_learning_rate(component, jnp.asarray(point))
    assert modes.complex_learning_rates.sum().real == pytest.approx(float(rate))


def test_scaling_the_eigenvectors_changes_no_learning_rate(modes):
    scales = np.exp(1j * np.arange(6)) * np.arange(1, 7)
    right = modes.right_vectors * scales
    alphas = -(modes.readout_vector @ right) * (np.linalg.inv(right) @ modes.input_vector)
    np.testing.assert_allclose(alphas, modes.complex_learning_rates, atol=1e-13)


@pytest.mark.parametrize("seed", range(5))
def test_pairs_stay_together_whatever_the_spectrum(seed):
    # Rotations by different angles share one modulus: sorting by size alone would split them.
    angles = np.random.default_rng(seed).uniform(0.1, 3.0, 3)
    blocks = [np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) for a in angles]
    matrix = np.kron(np.diag([1, 0, 0]), blocks[0]) + np.kron(np.diag([0, 1, 0]), blocks[1])
    matrix += np.kron(np.diag([0, 0, 1]), blocks[2])
    found = eigenmodes(0.9 * matrix)
    values, right, left = found.eigenvalues, found.right_vectors, found.left_vectors
    assert (values[::2].imag > 0).all() and (values[1::2] == values[::2].conj()).all()
    np.testing.assert_allclose(np.sort(np.angle(values[::2])), np.sort(angles))
    np.testing.assert_allclose(left @ right, np.eye(6), atol=1e-13)
    assert found.reconstruction_error < 1e-14 and not found.defective.any()


def test_timescales_keep_their_digits_near_one():
    np.testing.assert_allclose(timescale(1.0 - 2.0**-40), 2.0**40, rtol=1e-9)
    assert timescale(1.0) == np.inf and timescale(1.1) < 0 and timescale(0.0) == 0


def test_maps_without_modes_are_errors():
    # optax's Adam divides by the square root of its mean square, which starts at 0.
    adam = from_optax(optax.adam(0.1), held_count=10)
    with pytest.raises(ValueError, match="not differentiable"):
        linearize(adam, adam.initial_state)
    root = ComponentOptimizer(
        jnp.zeros(1),
        lambda h, g: jnp.sign(g)[..., None] * jnp.sqrt(jnp.abs(g))[..., None],
        lambda h: h[..., 0],
    )
    with pytest.raises(ValueError, match="dF/dg is not finite"):
        linearize(root, [0.0])
    after_unit_gradient = np.array([1.0, 1.0, -0.1])
    found = linearize(adam, after_unit_gradient, 1.0)
    np.testing.assert_allclose(found.momenta, [0.999, 0.9, 0.0], atol=1e-12)


def test_an_entry_that_nothing_reads_hides_no_mode():
    """Adam's update is 1 / epsilon times its averages, and eigenvalues are known to rounding of the whole."""
    adam = from_optax(optax.adam(0.1))
    found = linearize(adam, adam.initial_state + jnp.array([0.0, 1e-30, 0.0]))
    np.testing.assert_allclose(found.momenta, [0.999, 0.9, 0.0], atol=1e-12)
    np.testing.assert_allclose(found.learning_rates, [0.0, 1e6, 0.0], atol=1e-3, rtol=1e-6)
    np.testing.assert_allclose(found.left_vectors @ found.right_vectors, np.eye(3), atol=1e-12)
    rebuilt = found.right_vectors * found.eigenvalues @ found.left_vectors
    np.testing.assert_allclose(rebuilt, found.jacobian, rtol=1e-9)
    assert found.mode_code == ModeCode.RESOLVED


def test_results_fit_their_file(modes, tmp_path):
    store.save(tmp_path / "linearization.npz", modes)
    loaded, _ = store.load(tmp_path / "linearization.npz", Linearization)
    np.testing.assert_array_equal(loaded.eigenvalues, modes.eigenvalues)


def test_bad_input_is_named(planted):
    component, point = planted
    with pytest.raises(ValueError, match=r"point has shape \(1, 5\), expected .*6"):
        linearize(component, point[:5])
    with pytest.raises(ValueError, match="non-finite"):
        linearize(component, point * np.nan)
    with pytest.raises(ValueError, match="float64"):
        linearize(component._replace(initial_state=jnp.zeros(6, jnp.float32)), point)
    with pytest.raises(ValueError, match=r"initial_state has shape \(1, 6\)"):
        linearize(component._replace(initial_state=jnp.zeros((1, 6))), point)


def test_the_adam_family_is_smooth_at_its_fixed_point():
    component = Adam().component(AdamTheta(0.02, 0.9, 0.99, 1e-3))
    found = linearize(component, np.zeros(4))
    np.testing.assert_allclose(found.momenta, [0.99, 0.99, 0.9, 0.9], atol=1e-14)
    assert found.learning_rates.sum() == pytest.approx(0.02 * 0.1 / 1e-3)


def test_typical_gradients_are_linearized_at_besides_zero(planted):
    """At -g and g: as a linearization there says, whose learning rates sum to the slope of the update."""
    component, point = planted
    found = linearize(component, point, typical_gradient=0.7)
    assert found.typical_gradient == 0.7
    for arm, g in enumerate((-0.7, 0.7)):
        there = linearize(component, point, g)
        np.testing.assert_allclose(found.typical_eigenvalues[arm], there.eigenvalues, atol=1e-12)
        total = there.complex_learning_rates.sum().real
        assert found.typical_learning_rates[arm] == pytest.approx(total, rel=1e-8)
        updates = [
            float(component.readout(component.transition(jnp.asarray(point), jnp.asarray(at))))
            for at in (g - 1e-5, g + 1e-5)
        ]
        slope = -(updates[1] - updates[0]) / 2e-5
        assert found.typical_learning_rates[arm] == pytest.approx(slope, rel=1e-6)
    # It saturates: the rate at 0 is another one.
    rate = effective_learning_rate(component, jnp.asarray(point))
    assert not np.allclose(found.typical_learning_rates, rate, rtol=0.05)
    without = linearize(component, point)
    assert np.isnan(without.typical_gradient) and np.isnan(without.typical_learning_rates).all()
