"""Modes: pairs whole, error bars against perturbed matrices, clusters and Jordan blocks."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from lopt.analysis.linearization import linearize
from lopt.analysis.modes import eigenmodes, perturbation_errors
from lopt.optimizers.planted import plant_modes
from lopt.optimizers.surrogates import LinearSurrogate, LinearSurrogateTheta
from lopt.records.analysis import ModeCode

pytestmark = pytest.mark.usefixtures("x64")


def optimizer(jacobian, input_vector, readout_vector):
    """A linear optimizer with these derivatives."""
    zeros = jnp.zeros(len(input_vector))
    theta = LinearSurrogateTheta(
        zeros, zeros, *map(jnp.asarray, (jacobian, input_vector, readout_vector)), jnp.zeros(())
    )
    return LinearSurrogate().component(theta), np.zeros(len(input_vector))


def jordan(random, size: int, value: float, others: list[float]):
    """J with one Jordan block in a random basis, j and r; and the block's summed learning rate."""
    modal = np.diag([*np.full(size, value), *others]) + np.diag(
        [*np.ones(size - 1), *0.0 * np.array(others)], 1
    )
    basis = random.normal(size=modal.shape)
    inputs, outputs = random.normal(size=(2, len(modal)))
    rate = -float(outputs[:size] @ inputs[:size])
    inverse = np.linalg.inv(basis)
    return basis @ modal @ inverse, basis @ inputs, outputs @ inverse, rate


def test_a_pair_counts_whole_everywhere():
    # Each member of the pair has 0.6 of 1, the real mode 1: the pair together, 1.2, leads.
    rates = [1.0, 0.6 - 0.3j, -0.5]
    derivatives = plant_modes(np.random.default_rng(0), [0.99, 0.9 + 0.1j, 0.3], rates)
    modes = linearize(*optimizer(*derivatives))
    np.testing.assert_allclose(modes.whole_learning_rates, [1.0, 1.2, 1.2, -0.5], atol=1e-12)
    assert modes.heads.tolist() == [1, 1, 0, 1]
    assert modes.leading_mode == 1 and modes.slow_mode == 0
    size = 2.0 * abs(0.6 - 0.3j)
    np.testing.assert_allclose(modes.whole_sizes, [1.0, size, size, 0.5], atol=1e-12)
    assert modes.cancellation_ratio == pytest.approx((1.0 + size + 0.5) / (1.0 + 1.2 - 0.5))
    # A slow pair whose members are each 0.06 of the leading rate takes part with 0.12.
    derivatives = plant_modes(np.random.default_rng(0), [0.99 + 0.01j, 0.5], [-0.06, 1.0])
    modes = linearize(*optimizer(*derivatives))
    assert modes.slow_mode == 0 and modes.whole_learning_rates[0] == pytest.approx(-0.12)
    assert modes.leading_mode == 2
    assert modes.mode_code == ModeCode.RESOLVED and len(set(modes.clusters)) == 3


def test_eigenvalues_that_rounding_splits_are_one_also_where_nothing_reads_them():
    jacobian = jordan(np.random.default_rng(2), 2, 0.9, [0.5, -0.2])[0]
    assert abs(np.subtract(*np.sort(np.abs(np.linalg.eigvals(jacobian)))[-2:])) > 0.0
    assert eigenmodes(jacobian).defective.tolist() == [True, True, False, False]


def test_the_leading_mode_is_the_largest_though_it_hardly_moves_along_the_gradient():
    rates = [1.0, 0.1 - 0.8j]  # a pair of size 1.6 and learning rate 0.2
    modes = linearize(*optimizer(*plant_modes(np.random.default_rng(0), [0.99, 0.9 + 0.1j], rates)))
    assert modes.leading_mode == 1 and modes.whole_learning_rates[1] == pytest.approx(0.2)


@pytest.mark.parametrize("gap", [1e-1, 1e-3, 1e-5])
def test_error_bars_hold_for_perturbed_matrices_and_are_not_idle(gap):
    random = np.random.default_rng(2)
    planted = plant_modes(random, [0.9, 0.9 - gap, 0.5 + 0.2j, 0.1], [1.0, -0.8, 0.3j, 0.2])
    jacobian, input_vector, readout_vector = map(np.asarray, planted)
    size = 1e-10
    modes = eigenmodes(jacobian, input_vector, readout_vector)
    bounds = perturbation_errors(modes, input_vector, readout_vector, size)
    worst = np.zeros((2, 5))
    for _ in range(200):
        noise = random.normal(size=jacobian.shape)
        moved = eigenmodes(jacobian + size * noise / np.linalg.norm(noise, 2))
        alphas = -(readout_vector @ moved.right_vectors) * (moved.left_vectors @ input_vector)
        original = -(readout_vector @ modes.right_vectors) * (modes.left_vectors @ input_vector)
        pair = np.where(modes.eigenvalues.imag, 2.0, 1.0)
        changes = (
            np.abs(moved.eigenvalues - modes.eigenvalues),
            pair * np.abs((alphas - original).real),
        )
        worst = np.maximum(worst, changes)
    assert (worst <= 1.01 * np.array(bounds)).all()
    # Within a factor that a random direction rarely uses up, they are what is met.
    assert (worst[:, :2] >= 0.02 * np.array(bounds)[:, :2]).all()


@pytest.mark.parametrize("size", [2, 3])
def test_a_jordan_block_in_a_random_basis_is_one_defective_mode(size):
    random = np.random.default_rng(size)
    *derivatives, rate = jordan(random, size, 0.9, [0.5, -0.2])
    raw = np.linalg.eig(derivatives[0])
    wild = (derivatives[2] @ raw[1]) * np.linalg.solve(raw[1], derivatives[1].astype(complex))
    assert np.abs(wild).max() > 1e3  # what eigenvectors taken one by one would say
    modes = linearize(*optimizer(*derivatives))
    assert modes.mode_code == ModeCode.DEFECTIVE
    assert (modes.clusters == modes.clusters[0]).sum() == size
    np.testing.assert_allclose(modes.eigenvalues[:size], 0.9, atol=1e-10)
    assert modes.whole_learning_rates[0] == pytest.approx(rate, abs=1e-8)
    np.testing.assert_allclose(modes.whole_learning_rates[1:size], 0.0, atol=1e-8)
    assert modes.learning_rate_errors[0] < 1e-8
    total = -derivatives[2] @ derivatives[1]
    assert modes.whole_learning_rates[modes.heads == 1].sum() == pytest.approx(total, abs=1e-8)
    assert modes.reconstruction_error > 1e-3  # the block's nilpotent part is no momentum


def test_a_pair_of_jordan_blocks_stays_conjugate():
    random = np.random.default_rng(4)
    turn = 0.9 * np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
    modal = np.block([[turn, np.eye(2)], [np.zeros((2, 2)), turn]])
    basis = random.normal(size=(4, 4))
    jacobian = basis @ modal @ np.linalg.inv(basis)
    modes = linearize(*optimizer(jacobian, random.normal(size=4), random.normal(size=4)))
    assert modes.mode_code == ModeCode.DEFECTIVE
    np.testing.assert_allclose(
        modes.eigenvalues, np.tile([0.9 * np.exp(0.3j), 0.9 * np.exp(-0.3j)], 2), atol=1e-9
    )
    assert modes.heads.tolist() == [1, 0, 0, 0]
    total = -modes.readout_vector @ modes.input_vector
    assert modes.whole_learning_rates[0] == pytest.approx(total, abs=1e-8)
    np.testing.assert_array_equal(
        modes.complex_learning_rates[::2], modes.complex_learning_rates[1::2].conj()
    )


def test_a_repeated_eigenvalue_is_one_momentum():
    """With all its eigenvectors nothing is lost: one mode has the rate, J is reconstructed."""
    random = np.random.default_rng(5)
    basis = random.normal(size=(4, 4))
    inverse = np.linalg.inv(basis)
    inputs, outputs = random.normal(size=(2, 4))
    jacobian = basis @ np.diag([0.9, 0.9, 0.9, 0.2]) @ inverse
    modes = linearize(*optimizer(jacobian, basis @ inputs, outputs @ inverse))
    assert modes.mode_code == ModeCode.MERGED
    assert modes.whole_learning_rates[0] == pytest.approx(-outputs[:3] @ inputs[:3])
    np.testing.assert_allclose(modes.whole_learning_rates[1:3], 0.0, atol=1e-12)
    assert modes.reconstruction_error < 1e-12
    np.testing.assert_allclose(modes.left_vectors @ modes.right_vectors, np.eye(4), atol=1e-12)


def test_the_error_of_the_point_widens_the_error_bars():
    """h' = 0.9 h + h^2 / 2 + g has dF/dh = 0.9 + h: an error of 1e-3 moves the eigenvalue by that."""
    from lopt.optimizers import ComponentOptimizer

    component = ComponentOptimizer(
        jnp.zeros(1), lambda h, g: 0.9 * h + h**2 / 2 + g[..., None], lambda h: h[..., 0]
    )
    exact, vague = linearize(component, [0.0]), linearize(component, [0.0], point_error=[1e-3])
    assert exact.eigenvalue_errors[0] < 1e-14
    assert vague.eigenvalue_errors[0] == pytest.approx(1e-3, rel=1e-6)
    lost = linearize(component, [0.0], point_error=[np.inf])
    assert lost.eigenvalue_errors[0] == np.inf


def test_many_modes_of_a_dense_matrix_agree_with_a_dense_method():
    random = np.random.default_rng(6)
    jacobian = random.normal(size=(60, 60)) / 9.0
    input_vector, readout_vector = random.normal(size=(2, 60))
    modes = linearize(*optimizer(jacobian, input_vector, readout_vector))
    assert modes.mode_code == ModeCode.RESOLVED
    # The rate of everything inside a circle, by a contour integral of the resolvent.
    sorted_sizes = np.sort(modes.momenta)[20:40]
    widest = np.argmax(np.diff(sorted_sizes))
    radius = sorted_sizes[widest : widest + 2].mean()
    nodes = radius * np.exp(2j * np.pi * np.arange(2000) / 2000)
    inside = np.mean(
        [
            z * readout_vector @ scipy.linalg.solve(z * np.eye(60) - jacobian, input_vector + 0j)
            for z in nodes
        ]
    )
    chosen = (modes.momenta < radius) & (modes.heads == 1)
    assert modes.whole_learning_rates[chosen].sum() == pytest.approx(-inside.real, abs=1e-6)
