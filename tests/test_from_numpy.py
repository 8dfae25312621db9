"""Steps in NumPy against the same optimizers in JAX: values, derivatives, and the whole analysis."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from known_mechanisms import gradients

import lopt
from lopt.analysis.linearization import linearize
from lopt.analysis.readings import read
from lopt.optimizers.adam import Adam, AdamTheta

pytestmark = pytest.mark.usefixtures("x64")


def clipped_momentum(state, gradient):
    velocity = 0.8 * state[:, 0] + np.clip(gradient, -0.5, 0.5)
    return velocity[:, None], -0.1 * velocity


def adam(state, gradient):
    m, s, p, q = state.T
    m, s = 0.9 * m + 0.1 * gradient, 0.99 * s + 0.01 * gradient**2
    p, q = 0.9 * p, 0.99 * q
    update = -0.05 * (m / (1 - p)) / (np.sqrt(s / (1 - q)) + 1e-2)
    return np.stack([m, s, p, q], axis=1), update


def test_values_and_derivatives_are_those_of_jax():
    theirs = lopt.from_numpy([0, 0, 1, 1], adam, names=["m", "s", "p", "q"])
    ours = Adam().component(AdamTheta(0.05, 0.9, 0.99, 1e-2))
    assert theirs.audit.state_names == ("m", "s", "p", "q", "update")
    random = np.random.default_rng(0)
    h = jnp.asarray(random.uniform(0.1, 0.9, (3, 4)))
    g = jnp.asarray(random.normal(size=3))
    padded = jnp.concatenate([h, jnp.zeros((3, 1))], axis=1)

    def update(component, h, g):
        return component.readout(component.transition(h, g))

    after = theirs.transition(padded, g)
    np.testing.assert_allclose(after[:, :4], ours.transition(h, g), rtol=1e-14)
    np.testing.assert_allclose(after[:, 4], update(ours, h, g), rtol=1e-13)
    for argument in (0, 1):
        slopes = [
            jax.jacfwd(lambda h, g, c=component: update(c, h, g), argument)(state, g)
            for component, state in ((theirs, padded), (ours, h))
        ]
        found = slopes[0][..., :4] if argument == 0 else slopes[0]
        np.testing.assert_allclose(found, slopes[1], rtol=1e-8, atol=1e-9)
    # Forward and backward agree, and a second derivative is there.
    backward = jax.jacrev(lambda h: update(theirs, h, g))(padded)
    forward = jax.jacfwd(lambda h: update(theirs, h, g))(padded)
    np.testing.assert_allclose(backward, forward, rtol=1e-12)
    errors = np.full((3, 5), 1e-3)
    widths = [
        np.ptp(read(c, np.asarray(s), errors[:, : s.shape[1]], 1.0).learning_rate_intervals, axis=1)
        for c, s in ((theirs, padded), (ours, h))
    ]
    np.testing.assert_allclose(*widths, rtol=0.02)


def test_the_whole_analysis():
    momentum = lopt.from_numpy([0.0], clipped_momentum, names=["velocity"])
    modes = linearize(momentum, momentum.initial_state)
    np.testing.assert_allclose(modes.momenta, [0.8, 0.0], atol=1e-9)
    np.testing.assert_allclose(modes.learning_rates, [0.1, 0.0], atol=1e-9)
    found = lopt.analyze(momentum, gradients()[:1], starts=4, visited_states=40)
    told = {each.name: each.answer for each in found.answers}
    assert (told["momentum"], told["saturation"], told["one_point"]) == ("yes", "yes", "yes")
    assert "half of the largest update 0.05 is reached at |g| = 0.25" in found.summary()


def test_on_a_task_as_on_gradients():
    """There XLA calls the step from a thread of its own, where float64 is not on."""
    with jax.enable_x64(False):
        momentum = lopt.from_numpy([0.0], clipped_momentum)
        found = lopt.analyze(momentum, "linear_regression", problems=2, starts=4, visited_states=40)
        told = {each.name: each for each in found.answers}
    assert told["momentum"].answer == "yes" and told["finite_runs"].answer == "yes"
    leading = float(found.linearization.momenta[0])
    assert leading == pytest.approx(0.8, abs=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[0.0]], adam), r"initial_state has shape \[1, 1\], expected a vector"),
        (([0.0], adam), r"step fails on states of shape \[2, 1\] and two gradients \(ValueError"),
        (([0.0], lambda h, g: h), "step returns ndarray, expected .states, updates"),
        (([0.0], lambda h, g: (h, h)), r"step returns updates of shape \[2, 1\], expected \[2\]"),
        (([0.0], lambda h, g: (h, g / 0 * np.nan)), "updates that are not finite"),
        (([0.0], lambda h, g: (h, np.random.default_rng().normal(size=2))), "not a function of"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
def test_what_is_wrong_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        lopt.from_numpy(*arguments)


def test_wrong_names_and_scales():
    with pytest.raises(ValueError, match="names has 2 entries, but the state has 1"):
        lopt.from_numpy([0.0], clipped_momentum, names=["a", "b"])
    with pytest.raises(ValueError, match=r"scales is \[1.0\], expected 2 positive numbers"):
        lopt.from_numpy([0.0], clipped_momentum, scales=[1.0])
