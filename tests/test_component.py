"""The border of the analysis: shapes and types of any optimizer, and what runs make of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lopt.analysis.fixed_points import (
    constant_gradient_fixed_points,
    convergence_point,
    find_attractors,
    find_fixed_points,
)
from lopt.analysis.linearization import linearize
from lopt.analysis.responses import effective_learning_rate, update_function
from lopt.analysis.trajectories import autonomous_trajectory
from lopt.learned.gru import GRU
from lopt.optimizers.component import (
    ComponentOptimizer,
    as_gradient_transformation,
    check_shapes,
)

pytestmark = pytest.mark.usefixtures("x64")


def momentum(transition=None, readout=None, initial_state=None, size=3) -> ComponentOptimizer:
    """A right optimizer with ``size`` velocities, or one with a wrong part."""
    return ComponentOptimizer(
        jnp.zeros(size) if initial_state is None else initial_state,
        transition or (lambda h, g: 0.9 * h + g[..., None]),
        readout or (lambda h: -0.1 * h[..., 0]),
    )


def numpy_transition(h, g):
    return np.multiply(0.9, np.asarray(h)) + np.asarray(g)[..., None]


WRONG = {
    "gradient without an axis": (
        momentum(lambda h, g: 0.9 * h + g),
        r"transition of shapes \[5, 3\] and \[5\] fails .*g\[..., None\]",
    ),
    "gradient without an axis, one variable": (
        momentum(lambda h, g: 0.9 * h + g, size=1),
        r"transition of shapes \[3, 1\] and \[3\] returns the shape \[3, 3\], expected \[3, 1\]",
    ),
    "one row only": (
        momentum(lambda h, g: jnp.array([h[0] + g, h[1], h[2]])),
        r"transition of shapes \[5, 3\] and \[5\]",
    ),
    "a state less": (momentum(lambda h, g: h[..., 1:]), r"returns the shape \[2\], expected \[3\]"),
    "NumPy": (momentum(numpy_transition), "can't be traced by JAX.*jax.numpy"),
    "float": (momentum(lambda h, g: h * float(g)), "can't be traced by JAX"),
    "a branch on a value": (momentum(lambda h, g: h if g > 0 else -h), "can't be traced by JAX"),
    "two arrays": (momentum(lambda h, g: (h, g)), "returns tuple, expected one array"),
    "integers": (momentum(lambda h, g: h.astype(int)), "returns int64, expected floating point"),
    "a readout with an axis": (
        momentum(readout=lambda h: h[..., :1]),
        r"readout of shapes \[3\] returns the shape \[1\], expected \[\]; an update has the shape",
    ),
    "a readout of one row": (
        momentum(readout=lambda h: h[0]),
        r"readout of shapes \[5, 3\] returns the shape \[3\], expected \[5\]",
    ),
    "a NumPy readout": (momentum(readout=lambda h: np.sum(np.asarray(h), -1)), "readout .* traced"),
    "a state with two axes": (
        momentum(initial_state=jnp.zeros((2, 2))),
        r"initial_state has shape \(2, 2\), expected a vector",
    ),
    "no state": (momentum(initial_state=jnp.zeros(0)), r"initial_state has shape \(0,\)"),
    "an integer state": (momentum(initial_state=np.zeros(2, np.int32)), "initial_state is int32"),
}
ENTRIES = {
    "the check itself": check_shapes,
    "linearize": lambda component: linearize(component, np.zeros(3)),
    "find_fixed_points": lambda component: find_fixed_points(component, np.zeros((4, 3))),
    "find_attractors": lambda component: find_attractors(component, np.zeros((4, 3))),
    "convergence_point": lambda component: convergence_point(component, np.zeros((4, 3))),
    "constant_gradient_fixed_points": lambda component: constant_gradient_fixed_points(
        component, np.zeros(3), [-1.0, 1.0]
    ),
    "autonomous_trajectory": lambda component: autonomous_trajectory(component, 3),
    "update_function": lambda component: update_function(
        component, np.zeros((3, 3)), np.arange(3.0)
    ),
    "effective_learning_rate": lambda component: effective_learning_rate(
        component, np.zeros((3, 3))
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_shape_is_named_at_every_border(wrong):
    component, message = WRONG[wrong]
    for entry in ENTRIES.values():
        with pytest.raises(ValueError, match=message):
            entry(component)


def test_right_ones_pass():
    assert check_shapes(momentum()) == 3
    assert check_shapes(momentum(size=1)) == 1
    for entry in ENTRIES.values():
        entry(momentum())


@pytest.mark.parametrize("theta_type", ["float32", "float64"])
@pytest.mark.parametrize("x_type", ["float32", "float64", "bfloat16"])
def test_updates_have_the_type_of_the_parameters(theta_type, x_type):
    """In a scan, which wants every type to stay, and outside."""
    family = GRU(4)
    theta = jax.tree.map(lambda leaf: leaf.astype(theta_type), family.init(jax.random.key(0)))
    theta = theta._replace(readout_weights=jnp.ones(4, theta_type))
    transformation = family.build(theta)
    start = {"a": jnp.ones(3, x_type), "b": jnp.ones((2, 2), x_type)}

    def step(carry, _):
        x, state = carry
        update, state = transformation.update(x, state, x)
        return (jax.tree.map(jnp.add, x, update), state), update

    (end, state), _ = jax.lax.scan(step, (start, transformation.init(start)), length=3)
    wider = jnp.promote_types(theta_type, x_type)
    for tree, dtype in ((end, x_type), (state, wider)):
        assert {leaf.dtype for leaf in jax.tree.leaves(tree)} == {jnp.dtype(dtype)}
    (once, after), update = step((start, transformation.init(start)), None)
    for tree, dtype in ((once, x_type), (update, x_type), (after, wider)):
        assert {leaf.dtype for leaf in jax.tree.leaves(tree)} == {jnp.dtype(dtype)}


def test_in_float64_it_computes_in_float64():
    """The weights of float32, the arithmetic of float64: as from a theta that was raised first."""
    family = GRU(4)
    theta = family.init(jax.random.key(0))._replace(readout_weights=jnp.ones(4, jnp.float32))
    raised = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), theta)
    x = jnp.linspace(-1.0, 1.0, 5)
    updates = []
    for each in (theta, raised):
        transformation = family.build(each)
        updates.append(transformation.update(x, transformation.init(x))[0])
    np.testing.assert_allclose(*updates, rtol=1e-14)


def test_parameters_need_not_be_given():
    transformation = as_gradient_transformation(momentum())
    x = jnp.ones(2)
    update, _ = transformation.update(x, transformation.init(x))
    np.testing.assert_allclose(update, [-0.1, -0.1])
