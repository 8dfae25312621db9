"""The multilayer perceptron: its equations in a loop of NumPy, its modes, and weights that are momentum."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lopt
from lopt.analysis.linearization import linearize
from lopt.learned.mlp import MLP, MLPTheta

pytestmark = pytest.mark.usefixtures("x64")


def random_theta(family: MLP) -> MLPTheta:
    random = np.random.default_rng(0)
    shapes = jax.eval_shape(family.init, jax.random.key(0))
    return jax.tree.map(lambda leaf: jnp.asarray(0.4 * random.normal(size=leaf.shape)), shapes)


@pytest.mark.parametrize("family", [MLP(2, 3, 4, 0.1, 0.5, 7.0), MLP(3, 1, 2, 1e-8, 2.0, 0.1)])
def test_the_step_is_the_sources(family):
    theta = random_theta(family)
    component = family.component(theta)
    h = component.initial_state
    means, squares = np.zeros(family.timescales), np.zeros(family.timescales)
    for g in (3.0, -0.2, 1e-4, 0.0, -2.0):
        h = jax.jit(component.transition)(h, jnp.asarray(g))
        seen = family.input_scale * g
        for k, decay in enumerate([0.9, 0.99, 0.999][: family.timescales]):
            means[k] = decay * means[k] + (1 - decay) * seen
            squares[k] = decay * squares[k] + (1 - decay) * seen**2
        roots = np.sqrt(squares + family.epsilon)
        z = np.concatenate([[seen], means, seen / roots, means / roots])
        y = np.tanh(z @ theta.input_weights + theta.biases[0])
        for layer in range(1, family.layers):
            y = np.tanh(y @ theta.between_weights[layer - 1] + theta.biases[layer])
        direction, magnitude = (
            z @ theta.linear_part + y @ theta.readout_weights + theta.readout_bias
        )
        truth = family.output_scale * direction * np.exp(magnitude)
        np.testing.assert_allclose(jax.jit(component.readout)(h), truth, rtol=1e-10)
        np.testing.assert_allclose(h, [*means, *squares, seen], rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize(("timescale", "momentum"), [(1, 0.9), (2, 0.99), (3, 0.999)])
def test_weights_that_make_it_momentum_have_its_modes(timescale, momentum):
    family = MLP(units=4, input_scale=0.3, output_scale=2.0)
    theta = family.exact_momentum(random_theta(family), 0.05, timescale)
    component = family.component(theta)
    modes = linearize(component, component.initial_state)
    assert modes.momenta[int(modes.leading_mode)] == pytest.approx(momentum, abs=1e-10)
    assert float(modes.whole_learning_rates[int(modes.leading_mode)]) == pytest.approx(0.05, 1e-10)
    assert float(modes.cancellation_ratio) == pytest.approx(1.0, abs=1e-10)
    # Whatever is learned, what it remembers is in the accumulators.
    np.testing.assert_allclose(
        np.sort(modes.momenta), [0, 0.9, 0.9, 0.99, 0.99, 0.999, 0.999], atol=1e-12
    )
    # Not near the fixed point only: it is the heavy ball.
    velocity, h = 0.0, component.initial_state
    for g in (3.0, -0.5, 100.0, 0.0, 1e-5):
        velocity = momentum * velocity + g
        h = component.transition(h, jnp.asarray(g))
        assert float(component.readout(h)) == pytest.approx(-0.05 * velocity, rel=1e-10)


def test_there_has_to_be_such_a_timescale():
    family = MLP(units=2)
    with pytest.raises(ValueError, match="timescale is 4, expected 1"):
        family.exact_momentum(random_theta(family), 0.1, 4)


def test_it_is_a_family_like_any_other():
    family = lopt.make_family({"family": "mlp", "units": 2, "layers": 1})
    assert family == MLP(units=2, layers=1) and family.size == "3 timescales, 1 layers, 2 units"
