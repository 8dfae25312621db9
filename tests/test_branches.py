"""Branches of constant-gradient points: folds, jumps, kinks, saturation, nothing to follow; scales."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from lopt.analysis.branches import constant_gradient_fixed_points
from lopt.learned.gru import GRU
from lopt.learned.planted_gru import plant_gru
from lopt.optimizers import ComponentOptimizer
from lopt.optimizers.known_dynamics import hysteresis
from lopt.optimizers.planted import plant_modes
from lopt.optimizers.rmsprop import RMSProp, RMSPropTheta
from lopt.records.analysis import Code

pytestmark = pytest.mark.usefixtures("x64")
FOLD = 2.0 / (3.0 * np.sqrt(3.0))


def optimizer(transition, size: int = 1) -> ComponentOptimizer:
    return ComponentOptimizer(jnp.zeros(size), transition, lambda h: h[..., 0])


@pytest.mark.parametrize(
    "gradients",
    [
        [-1.0, -0.5, -0.1, 0.1, 0.5],
        [-0.9, 0.9],
        [-1.0, -0.385, -0.3849, -0.384, -0.2],
        -np.logspace(0, -6, 13),
    ],
)
def test_a_branch_ends_at_its_fold_however_coarse_the_gradients_are(gradients):
    gradients = np.array(gradients)
    found = constant_gradient_fixed_points(hysteresis(), [1.0], gradients)
    assert (found.codes == Code.CONVERGED).all()
    assert found.branches.tolist() == (gradients < -FOLD).astype(int).tolist()
    assert found.end_codes[0] == Code.FOLD
    assert found.end_gradients[0] == pytest.approx(-FOLD, abs=1e-8)
    for g, h in zip(gradients, found.points[:, 0], strict=True):
        roots = np.roots([1.0, 0.0, -1.0, -g])
        truth = np.max(roots[np.abs(roots.imag) < 1e-9].real)
        assert h == pytest.approx(truth, abs=1e-9)


def test_the_largest_step_is_no_larger_than_its_tangents_say():
    """The trial that found it: steps 0.07, 1.6, 0.1 along one arm, all converged."""
    gradients = -np.logspace(-2, 0, 9)[::-1]
    found = constant_gradient_fixed_points(hysteresis(), [1.0], gradients)
    steps = np.abs(np.diff(found.points[:, 0]))
    between = np.diff(found.branches) != 0
    assert steps[between].max() > 1.5  # from branch to branch, and nowhere else
    slopes = 1.0 / np.abs(3.0 * found.points[:, 0] ** 2 - 1.0)
    largest = np.maximum(slopes[1:], slopes[:-1]) * np.diff(gradients)
    assert (steps[~between] <= largest[~between]).all()


def test_a_fold_in_a_rotated_state_of_several_entries():
    random = np.random.default_rng(0)
    basis = np.linalg.qr(random.normal(size=(6, 6)))[0]
    scales = np.array([1.0, 0.9, 0.5, 0.3, 0.1, -0.2])

    def transition(h, g):
        z = h @ basis
        moved = scales * z + 0.05 * z[..., :1] ** 2
        first = z[..., 0] + 0.3 * (g + z[..., 0] - z[..., 0] ** 3)
        return moved.at[..., 0].set(first) @ basis.T

    component = optimizer(transition, 6)
    z = np.append(1.0, 0.05 / (1.0 - scales[1:]))
    gradients = np.array([-0.6, -0.3, 0.4])
    found = constant_gradient_fixed_points(component, basis @ z, gradients)
    assert found.branches.tolist() == [1, 0, 0] and (found.codes == 0).all()
    assert found.end_codes.tolist() == [Code.FOLD, Code.CONVERGED]
    assert found.end_gradients[0] == pytest.approx(-FOLD, abs=1e-7)
    for g, h in zip(gradients, found.points @ basis[:, 0], strict=True):
        roots = np.roots([1.0, 0.0, -1.0, -g])
        assert h == pytest.approx(np.max(roots[np.abs(roots.imag) < 1e-9].real), abs=1e-9)


def test_kinks_bend_a_branch_without_breaking_it():
    component = optimizer(lambda h, g: 0.5 * h + jnp.clip(g, -0.3, 0.7)[..., None])
    gradients = np.array([-5.0, -1.0, -0.1, 0.2, 0.6, 3.0, 100.0])
    found = constant_gradient_fixed_points(component, [0.0], gradients)
    np.testing.assert_allclose(found.points[:, 0], 2.0 * np.clip(gradients, -0.3, 0.7), atol=1e-14)
    assert not found.branches.any() and not found.end_codes.any()


def test_seven_decades_stay_on_one_branch_to_the_digits_of_each_entry():
    component = RMSProp().component(RMSPropTheta(learning_rate=0.05, decay=0.9, epsilon=1e-16))
    gradients = np.concatenate([-np.logspace(2, -5, 15), np.logspace(-5, 2, 15)])
    found = constant_gradient_fixed_points(component, np.zeros(2), gradients)
    truth = np.stack([gradients**2, gradients], axis=1)
    np.testing.assert_allclose(found.points, truth, rtol=1e-12)
    assert (np.abs(found.points - truth) <= found.errors).all()
    assert not found.branches.any() and not found.codes.any()


def test_a_saturating_gru_agrees_with_scipy():
    random = np.random.default_rng(1)
    modes = plant_modes(random, [0.9, 0.7, 0.3 + 0.1j, 0.1], [1.0, 0.2, 0.3, 0.1])
    point = jnp.asarray(random.uniform(-0.3, 0.3, 5))
    component = GRU(5).component(plant_gru(random, point, *modes))
    gradients = np.array([-30.0, -3.0, -0.3, 0.3, 3.0, 30.0])
    found = constant_gradient_fixed_points(component, point, gradients)
    converged = found.codes == Code.CONVERGED
    assert converged.any()
    for g, h in zip(gradients[converged], found.points[converged], strict=True):
        solution = scipy.optimize.root(
            lambda h, g=g: h - np.asarray(component.transition(jnp.asarray(h), jnp.asarray(g))),
            h + 1e-3,
            tol=1e-14,
        )
        np.testing.assert_allclose(h, solution.x, atol=1e-9)


def test_where_there_is_nothing_to_follow_it_says_so():
    # An integrator: a continuum at g = 0, no fixed point under any gradient.
    found = constant_gradient_fixed_points(
        optimizer(lambda h, g: h - 0.1 * g[..., None]), [0.5], [-1.0, 1.0]
    )
    assert found.branches.tolist() == [-1, -1]
    assert not np.isin(found.codes, [Code.CONVERGED, Code.FOLD]).any()
    assert found.end_codes.tolist() == [Code.STALLED] * 2 and (found.end_gradients == 0.0).all()
    assert np.isnan(found.spectral_radii).all() and (found.errors == np.inf).all()
    # Beyond the fold of h' = h + 0.3 (g + h^2), with no other branch: the slowest point there is.
    found = constant_gradient_fixed_points(
        optimizer(lambda h, g: h + 0.3 * (g[..., None] + h**2 - 1.0)), [-1.0], [0.5, 1.5]
    )
    assert found.branches.tolist() == [0, -1] and found.codes[1] == Code.SLOW_POINT
    assert found.end_gradients[1] == pytest.approx(1.0, abs=1e-8)
    assert found.points[1, 0] == pytest.approx(0.0, abs=1e-3)
