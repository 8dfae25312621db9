"""Distances between dynamics: they do not see the basis of the state, and two momenta have a known answer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lopt
from lopt.analysis.linearization import linearize
from lopt.analysis.similarity import (
    behavior,
    behavior_distance,
    classical_scaling,
    pairwise_distances,
    spectral_distance,
)
from lopt.learned import make_family
from lopt.optimizers import ComponentOptimizer, make_baseline
from lopt.optimizers.shared import shared_component

pytestmark = pytest.mark.usefixtures("x64")
UNITS = 5


def momentum(learning_rate, beta):
    family, theta = make_baseline(
        "momentum", {"learning_rate": learning_rate, "momentum": beta}, jnp.float64
    )
    return family.component(theta)


def gated(seed):
    """A GRU with random weights, readout and initial state, in float64."""
    family = make_family({"family": "gru", "units": UNITS, "input_scale": 1.0, "output_scale": 0.1})
    theta = family.init(jax.random.key(seed))
    leaves, tree = jax.tree.flatten(theta)
    rng = np.random.default_rng(seed)
    return family, tree.unflatten([jnp.asarray(rng.normal(0.0, 0.4, np.shape(a))) for a in leaves])


def rotated(component, seed=0):
    """The same optimizer with its state in another orthonormal basis."""
    size = len(component.initial_state)
    q = jnp.asarray(np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0])
    return ComponentOptimizer(
        component.initial_state @ q.T,
        lambda h, g: component.transition(h @ q, g) @ q.T,
        lambda h: component.readout(h @ q),
    ), q


def linear():
    """Four coupled linear state variables, two of them a complex pair."""
    rng = np.random.default_rng(3)
    block = np.diag([0.9, 0.5, 0.3, 0.3])
    block[2:, 2:] += [[0.0, 0.4], [-0.4, 0.0]]
    basis = rng.normal(size=(4, 4))
    jacobian = jnp.asarray(basis @ block @ np.linalg.inv(basis))
    b, r = (jnp.asarray(rng.normal(size=4)) for _ in range(2))
    return ComponentOptimizer(
        jnp.zeros(4), lambda h, g: h @ jacobian.T + b * g[..., None], lambda h: h @ r
    )


GRADIENTS = np.random.default_rng(0).normal(size=(6, 40)) * np.logspace(-3, 2, 6)[:, None]


@pytest.mark.parametrize("subject", ["linear", "gated"])
def test_a_change_of_basis_is_no_distance(subject):
    component = linear() if subject == "linear" else gated(0)[0].component(gated(0)[1])
    other, q = rotated(component)
    apart = behavior_distance(behavior(component, GRADIENTS), behavior(other, GRADIENTS))
    point = np.zeros(len(component.initial_state)) + 0.1
    modes, others = linearize(component, point), linearize(other, np.asarray(q @ point))
    assert np.abs(modes.jacobian - others.jacobian).max() > 0.1
    assert apart < 1e-10
    assert spectral_distance(modes, others) < 1e-10


def test_other_optimizers_are_apart_and_the_distance_is_symmetric():
    one, two = (family.component(theta) for family, theta in (gated(0), gated(1)))
    updates = [behavior(each, GRADIENTS) for each in (one, two)]
    modes = [linearize(each, np.zeros(UNITS)) for each in (one, two)]
    for distance, (a, b) in ((behavior_distance, updates), (spectral_distance, modes)):
        assert distance(a, b) > 0.05
        assert distance(a, b) == pytest.approx(distance(b, a), rel=1e-9)
        assert distance(a, a) == 0.0


@pytest.mark.parametrize(("a", "b"), [((1.0, 0.9), (0.5, 0.6)), ((0.2, 0.95), (0.2, 0.9))])
def test_two_momenta_are_as_far_apart_as_their_formula_says(a, b):
    impulse, steps = np.zeros((1, 400)), np.arange(400)
    impulse[0, 0] = 1.0
    one, two = (rate * beta**steps for rate, beta in (a, b))
    expected = np.sqrt(np.sum((one - two) ** 2) / (np.sum(one**2) + np.sum(two**2)))
    updates = [behavior(momentum(*each), impulse) for each in (a, b)]
    assert behavior_distance(*updates) == pytest.approx(expected, rel=1e-12)
    modes = [linearize(momentum(*each), [0.0]) for each in (a, b)]
    (larger, smaller) = max(a[0], b[0]), min(a[0], b[0])
    known = (smaller * abs(a[1] - b[1]) + larger - smaller) / larger
    assert spectral_distance(*modes) == pytest.approx(known, rel=1e-12)


def test_modes_that_push_against_the_gradient_are_far_from_those_that_follow_it():
    one, two = (linearize(momentum(rate, 0.9), [0.0]) for rate in (1.0, -1.0))
    assert spectral_distance(one, two) == pytest.approx(2.0)
    updates = [behavior(momentum(rate, 0.9), GRADIENTS) for rate in (1.0, -1.0)]
    assert behavior_distance(*updates) == pytest.approx(2.0**0.5)


def test_half_of_the_gain_elsewhere_is_half_the_way():
    whole = linearize(momentum(1.0, 0.9), [0.0])
    # Two modes of half the gain, one of them at 0.5 in place of 0.9.
    jacobian, ones = jnp.diag(jnp.array([0.9, 0.5])), jnp.ones(2)
    halves = ComponentOptimizer(
        jnp.zeros(2), lambda h, g: h @ jacobian + ones * g[..., None], lambda h: -0.5 * h.sum(-1)
    )
    assert spectral_distance(whole, linearize(halves, np.zeros(2))) == pytest.approx(0.2)


def test_an_optimizer_that_reads_the_iteration_is_driven_with_it():
    import optax

    schedule = optax.sgd(lambda step: 0.5**step)
    updates = behavior(lopt.from_optax(schedule), np.ones((1, 3)))
    np.testing.assert_allclose(updates, [[-1.0, -0.5, -0.25]])


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda: behavior(momentum(0.1, 0.9), [1.0, 2.0]), r"shape \[2\], expected \[sequence"),
        (lambda: behavior(momentum(0.1, 0.9), [[np.nan]]), "not a finite number"),
        (lambda: behavior_distance([[1.0]], [[1.0, 2.0]]), r"\[1, 1\] and \[1, 2\]"),
        (lambda: behavior_distance([[1.0]], [[np.inf]]), "not a finite number"),
        (lambda: classical_scaling([[0.0, 1.0], [2.0, 0.0]]), "symmetric"),
        (lambda: classical_scaling([[1.0]]), "0 on the diagonal"),
    ],
)
def test_what_can_not_be_measured_is_told(function, message):
    with pytest.raises(ValueError, match=message):
        function()


def test_classical_scaling_finds_points_in_a_plane_again():
    points = np.random.default_rng(5).normal(size=(7, 2)) * [3.0, 1.0]
    distances = pairwise_distances(list(points), lambda a, b: float(np.linalg.norm(a - b)))
    coordinates, shares = classical_scaling(distances)
    again = pairwise_distances(list(coordinates), lambda a, b: float(np.linalg.norm(a - b)))
    np.testing.assert_allclose(again, distances, atol=1e-12)
    assert shares.sum() == pytest.approx(1.0) and shares[0] > shares[1]
    alone, none = classical_scaling([[0.0]])
    assert alone.tolist() == [[0.0, 0.0]] and none.tolist() == [0.0, 0.0]


def test_a_shared_component_is_the_same_map_and_compiles_once():
    family, theta = gated(0)
    plain, shared = family.component(theta), shared_component(family, theta)
    np.testing.assert_allclose(behavior(plain, GRADIENTS), behavior(shared, GRADIENTS), rtol=1e-12)
    one, two = linearize(plain, np.zeros(UNITS)), linearize(shared, np.zeros(UNITS))
    np.testing.assert_allclose(one.jacobian, two.jacobian, rtol=1e-12)
    traced = 0

    def counted(theta, h, g, transition=shared.transition.func):
        nonlocal traced
        traced += 1
        return transition(theta, h, g)

    for seed in (1, 2, 3):
        other = shared_component(family, gated(seed)[1])
        other = other._replace(transition=jax.tree_util.Partial(counted, *other.transition.args))
        before = traced
        behavior(other, GRADIENTS[:, :7])
        # check_shapes traces its three shapes each time, the compilation only the first.
        assert traced - before <= (3 if seed > 1 else 5)
