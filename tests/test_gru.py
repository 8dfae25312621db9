"""The learned optimizer's step, its derivative, its start, and what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lopt.learned import gru
from lopt.learned.gru import GRU, GRUTheta
from lopt.optimizers.component import as_gradient_transformation

FAMILY = GRU(units=5, input_scale=0.3, output_scale=7.0)


def random_theta(family: GRU = FAMILY, seed: int = 0) -> GRUTheta:
    """A theta without zeros: an untrained one would hide most mistakes."""
    random = np.random.default_rng(seed)
    shapes = jax.eval_shape(family.init, jax.random.key(0))
    return GRUTheta(*(0.6 * random.normal(size=leaf.shape) for leaf in shapes))


def sigmoid(z: float) -> float:
    return 1.0 / (1.0 + np.exp(-z))


def step_in_loops(family: GRU, theta: GRUTheta, h, g, reset_after=False):
    """One component's step, number by number, as the paper writes it.

    ``reset_after`` multiplies the reset gate after the recurrent product, as cuDNN, flax and equinox do.
    """
    n, theta = family.units, GRUTheta(*(np.asarray(leaf, np.float64) for leaf in theta))
    # A, W and b of the gates u, r and the candidate c: theta stores them side by side.
    a, b = theta.input_weights.reshape(3, n), theta.biases.reshape(3, n)
    w = [theta.recurrent_weights[:, gate * n : (gate + 1) * n].T for gate in range(3)]

    def drive(gate, unit, state):
        products = sum(w[gate][unit, other] * state[other] for other in range(n))
        return a[gate, unit] * family.input_scale * g, products, b[gate, unit]

    u = [sigmoid(sum(drive(0, unit, h))) for unit in range(n)]
    r = [sigmoid(sum(drive(1, unit, h))) for unit in range(n)]
    if reset_after:
        parts = [drive(2, unit, h) for unit in range(n)]
        c = [np.tanh(x + r[i] * product + bias) for i, (x, product, bias) in enumerate(parts)]
    else:
        reset = [r[unit] * h[unit] for unit in range(n)]
        c = [np.tanh(sum(drive(2, unit, reset))) for unit in range(n)]
    h_next = np.array([u[i] * h[i] + (1.0 - u[i]) * c[i] for i in range(n)])
    readout = sum(theta.readout_weights[i] * h_next[i] for i in range(n)) + theta.readout_bias
    return h_next, family.output_scale * readout


@pytest.fixture
def rows(x64):
    random = np.random.default_rng(1)
    return random.normal(size=(4, FAMILY.units)), 3.0 * random.normal(size=4)


def plain_step(theta, h, g):
    component = FAMILY.component(theta)
    h_next = component.transition(h, g)
    return h_next, component.readout(h_next)


run_plain_step = jax.jit(plain_step)


def test_the_step_is_the_papers(rows):
    h, g = rows
    theta = random_theta()
    h_next, update = run_plain_step(theta, h, g)
    expected = [step_in_loops(FAMILY, theta, *row) for row in zip(h, g, strict=True)]
    np.testing.assert_allclose(h_next, [state for state, _ in expected], rtol=1e-13)
    np.testing.assert_allclose(update, [update for _, update in expected], rtol=1e-12)
    # The oracle tells the two conventions apart.
    other, _ = step_in_loops(FAMILY, theta, h[0], g[0], reset_after=True)
    assert np.max(np.abs(other - expected[0][0])) > 1e-2


def test_leading_axes_are_independent(rows):
    h, g = rows
    expected = run_plain_step(random_theta(), h, g)
    together = run_plain_step(random_theta(), h.reshape(2, 2, -1), g.reshape(2, 2))
    np.testing.assert_allclose(together[0].reshape(4, -1), expected[0], rtol=1e-14)
    np.testing.assert_allclose(together[1].reshape(4), expected[1], rtol=1e-14)
    alone = run_plain_step(random_theta(), h[2], g[2])
    np.testing.assert_allclose(alone[0], expected[0][2], rtol=1e-14)


def test_the_training_step_and_its_adjoint_are_the_plain_step_and_its_vjp(rows):
    theta, random = random_theta(), np.random.default_rng(2)
    bars = random.normal(size=rows[0].shape), random.normal(size=rows[1].shape)

    @jax.jit
    def plain(theta, h, g, bars):
        values, pull_back = jax.vjp(lambda h, g: plain_step(theta, h, g), h, g)
        return values, pull_back(bars)

    @jax.jit
    def trained(theta, h, g, bars):
        h_next, update, residuals = gru.step(FAMILY, gru.parts(theta), h.T, g)
        h_next_bar, update_bar = bars
        h_bar, g_bar, _ = gru.step_adjoint(
            FAMILY, gru.parts(theta), residuals, h_next_bar.T, update_bar
        )
        return (h_next.T, update), (h_bar.T, g_bar)

    expected, found = (function(theta, *rows, bars) for function in (plain, trained))
    for leaf, wanted in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(leaf, wanted, rtol=1e-11, atol=1e-13)


def test_the_adjoint_of_theta_is_the_vjp_of_many_steps(rows):
    """Three steps with given gradients; every weight acts at each of them."""
    random = np.random.default_rng(3)
    gradients, update_bars = random.normal(size=(2, 3, 4))
    last_h_bar = random.normal(size=rows[0].shape)

    @jax.jit
    def plain(theta, h):
        def forward(theta):
            end, updates = jax.lax.scan(lambda h, g: plain_step(theta, h, g), h, gradients)
            return updates, end

        return jax.vjp(forward, theta)[1]((update_bars, last_h_bar))[0]

    @jax.jit
    def trained(theta, h):
        parts, put_together = jax.vjp(gru.parts, theta)

        def step(h, g):
            h_next, _, residuals = gru.step(FAMILY, parts, h, g)
            return h_next, residuals

        def step_back(h_bar, kept):
            h_bar, _, parts_bar = gru.step_adjoint(FAMILY, parts, kept[0], h_bar, kept[1])
            return h_bar, parts_bar

        _, residuals = jax.lax.scan(step, h.T, gradients)
        kept = residuals, update_bars
        _, increments = jax.lax.scan(step_back, last_h_bar.T, kept, reverse=True)
        return put_together(jax.tree.map(lambda increment: increment.sum(0), increments))[0]

    expected, found = (function(random_theta(), rows[0]) for function in (plain, trained))
    for name, leaf, wanted in zip(GRUTheta._fields, found, expected, strict=True):
        np.testing.assert_allclose(leaf, wanted, rtol=1e-11, atol=1e-12, err_msg=name)


def test_an_untrained_optimizer_does_nothing():
    family = GRU(units=8, input_scale=3.0, output_scale=5.0)

    @jax.jit
    def updates(gradients):
        transformation = family.build(family.init(jax.random.key(0)))
        state = transformation.init(gradients[0])
        _, updates = jax.lax.scan(lambda s, g: transformation.update(g, s)[::-1], state, gradients)
        return updates

    assert np.all(updates(np.array([[0.0, 1.0], [-1e6, 1e-6], [3.0, 1e30]])) == 0.0)


def test_theta_starts_as_published():
    """Weights N(0, 1/units) by a chi-square bound, all else zero, float32 also under x64."""
    family = GRU(units=64)
    theta = jax.jit(family.init)(jax.random.key(1))
    for name in ("input_weights", "recurrent_weights"):
        weights = np.asarray(getattr(theta, name), np.float64)
        variance, error = weights.var() * family.units, (2.0 / weights.size) ** 0.5
        assert abs(variance - 1.0) < 4.0 * error, name
        assert abs(weights.mean()) < 4.0 * (family.units * weights.size) ** -0.5, name
    for name in ("initial_state", "biases", "readout_weights", "readout_bias"):
        assert np.all(getattr(theta, name) == 0.0), name
    with jax.enable_x64(True):
        again = jax.jit(family.init)(jax.random.key(1))
    for leaf, other in zip(theta, again, strict=True):
        assert leaf.dtype == other.dtype == jnp.float32
        np.testing.assert_array_equal(leaf, other)


def test_the_transformation_acts_on_every_entry_alone(x64):
    """Entries of a pytree with the same gradients get the same updates, whatever their neighbors'."""
    gradients = np.random.default_rng(4).normal(size=(6, 3))

    @jax.jit
    def both(theta):
        flat, tree = FAMILY.build(theta), as_gradient_transformation(FAMILY.component(theta))

        def step(states, g):
            update, state = flat.update(g, states[0])
            parts, state_of_tree = tree.update({"a": g[None, :2], "b": g[2]}, states[1])
            return (state, state_of_tree), (update, parts)

        zeros = jnp.zeros(3)
        start = flat.init(zeros), tree.init({"a": zeros[None, :2], "b": zeros[2]})
        return jax.lax.scan(step, start, gradients)[1]

    update, parts = both(random_theta())
    np.testing.assert_allclose(update[:, :2], parts["a"][:, 0], rtol=1e-13)
    np.testing.assert_allclose(update[:, 2], parts["b"], rtol=1e-13)


@pytest.mark.parametrize("name", GRUTheta._fields)
def test_check_names_the_array_of_the_wrong_shape(name):
    theta = random_theta()
    assert FAMILY.check(theta) is theta
    right = getattr(theta, name).shape
    wrong = theta._replace(**{name: np.zeros((*right, 2))})
    with pytest.raises(ValueError) as caught:
        FAMILY.check(wrong)
    assert f"theta.{name} has shape {(*right, 2)}" in str(caught.value)
    assert f"the GRU of 5 units needs {right}" in str(caught.value)


def test_a_theta_of_another_size_is_refused_where_it_is_used():
    with pytest.raises(ValueError, match=r"theta.initial_state has shape \(4,\).*5 units"):
        FAMILY.build(random_theta(GRU(units=4)))
