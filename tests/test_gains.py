"""Gains and slopes at 0: closed forms, jumps, kinks, logarithms; smooth updates are left alone."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import synthetic_results as synthetic

from lopt.analysis.gains import DECADES, gain, rates_at_zero, secants
from lopt.analysis.responses import typical_gradient
from lopt.optimizers import ComponentOptimizer
from lopt.optimizers.adam import Adam, AdamTheta
from lopt.optimizers.momentum import Momentum, MomentumTheta
from lopt.optimizers.sgd import ClippedSGD, ClippedSGDTheta
from lopt.records.analysis import RateCode

pytestmark = pytest.mark.usefixtures("x64")


def memoryless(update):
    """An optimizer whose update is a function of the gradient, above an intercept in its state."""
    return ComponentOptimizer(
        jnp.zeros(2),
        lambda h, g: jnp.stack([h[..., 0], update(g) + 0.0 * h[..., 1]], axis=-1),
        lambda h: h[..., 0] + h[..., 1],
    )


STATES = np.array([[0.0, 0.0], [3.0, 1.0]])
AMPLITUDES = np.array([0.01, 1.0, 7.0])


def log_and_sign(g, steepness=10.0):
    """The inputs of Andrychowicz et al. 2016, added: they steepen toward 0."""
    small = jnp.abs(g) < jnp.exp(-steepness)
    logarithm = jnp.log(jnp.where(small, 1.0, jnp.abs(g))) / steepness
    large = -0.3 * jnp.sign(g) * (1.0 + logarithm)
    return jnp.where(small, -0.1 * jnp.exp(steepness) * g, large)


def test_gains_agree_with_closed_forms_and_with_quadrature():
    sign = memoryless(lambda g: -0.7 * jnp.sign(g))
    np.testing.assert_allclose(
        gain(sign, STATES, AMPLITUDES), np.tile(4 * 0.7 / (np.pi * AMPLITUDES), (2, 1)), rtol=1e-12
    )
    # A clipped line: the classical describing function of a saturation.
    clipped = ClippedSGD().component(ClippedSGDTheta(learning_rate=0.5, threshold=0.8))
    share = 0.8 / AMPLITUDES[1:]
    truth = 0.5 * 2 / np.pi * (np.arcsin(share) + share * np.sqrt(1 - share**2))
    np.testing.assert_allclose(gain(clipped, [[0.3]], AMPLITUDES[1:])[0], truth, rtol=1e-4)
    assert gain(clipped, [[0.3]], [0.5])[0, 0] == pytest.approx(0.5, rel=1e-12)
    # An even part and an intercept do not count; the rest by another quadrature.
    wavy = memoryless(lambda g: -jnp.tanh(2 * g) + 0.4 * g**2)
    integral = scipy.integrate.quad(
        lambda t: (-np.tanh(2 * np.sin(t)) + 0.4 * np.sin(t) ** 2) * np.sin(t), 0, 2 * np.pi
    )[0]
    np.testing.assert_allclose(gain(wavy, STATES, [1.0])[:, 0], -integral / np.pi, rtol=1e-8)


@pytest.mark.parametrize(
    "update",
    [
        lambda g: -0.7 * jnp.sign(g),
        lambda g: -jnp.abs(g),
        lambda g: -jnp.where(g > 0, 2.0, 1.0) * g,
        lambda g: -jnp.sign(g) * jnp.sqrt(jnp.abs(g)),
        lambda g: jnp.where(g == 0.0, 0.0, -jnp.sign(g) * jnp.log(jnp.abs(g) + 1e-30)),
    ],
    ids=["sign", "absolute", "two slopes", "root", "logarithm"],
)
@pytest.mark.parametrize("typical", [1e-4, 1.0, 300.0])
def test_jumps_and_kinks_are_not_differentiable(update, typical):
    component = memoryless(update)
    found = rates_at_zero(component, STATES, typical)
    assert (found.codes == RateCode.NOT_DIFFERENTIABLE).all()
    np.testing.assert_array_equal(found.learning_rates, gain(component, STATES, [typical])[:, 0])


def test_a_slope_that_holds_for_tiny_gradients_only_says_so():
    component = memoryless(log_and_sign)
    small, large = (rates_at_zero(component, STATES, typical) for typical in (1e-6, 1.0))
    assert (small.codes == RateCode.SMOOTH).all()
    assert (large.codes == RateCode.NOT_REPRESENTATIVE).all()
    np.testing.assert_allclose(large.learning_rates, 0.1 * np.exp(10.0), rtol=1e-9)
    assert (large.gains < 1.0).all()


def test_a_slope_that_is_off_by_more_than_two_says_so():
    """-(g + c g^3) has the gain 1 + 3/4 c A^2 at the amplitude A."""
    for at_the_typical, code in (
        (0.4, RateCode.NOT_REPRESENTATIVE),
        (0.6, RateCode.SMOOTH),
        (1.9, RateCode.SMOOTH),
        (2.1, RateCode.NOT_REPRESENTATIVE),
    ):
        cubic = (at_the_typical - 1.0) / 0.75
        component = memoryless(lambda g, c=cubic: -(g + c * g**3))
        found = rates_at_zero(component, STATES, 1.0)
        np.testing.assert_allclose(found.gains, at_the_typical, rtol=1e-9)
        assert (found.codes == code).all()
        np.testing.assert_allclose(found.learning_rates, 1.0)


def test_what_bends_between_the_smallest_amplitudes_has_a_slope():
    """One of the two that decide is beyond the bend, and gradients of typical size are."""
    end = 10.0 ** (1.5 - DECADES)
    found = rates_at_zero(memoryless(lambda g: -jnp.clip(g, -end, end)), STATES[:1], 1.0)
    assert found.codes.tolist() == [RateCode.NOT_REPRESENTATIVE]
    np.testing.assert_allclose(found.learning_rates, 1.0)


def test_smooth_updates_are_left_alone_whatever_their_scale():
    for typical in (1e-8, 1e-3, 1.0, 1e5):
        momentum = Momentum().component(MomentumTheta(learning_rate=3.7, momentum=0.9))
        found = rates_at_zero(momentum, [[0.0], [5.0]], typical)
        assert (found.codes == RateCode.SMOOTH).all()
        np.testing.assert_allclose(found.learning_rates, 3.7)
        np.testing.assert_allclose(found.gains, 3.7, rtol=1e-6)
        still = Momentum().component(MomentumTheta(learning_rate=0.0, momentum=0.9))
        assert (rates_at_zero(still, [[0.0], [5.0]], typical).codes == RateCode.SMOOTH).all()
    # Adam's knee is at epsilon when no gradient has been seen: a slope, of smaller gradients only.
    adam = Adam().component(AdamTheta(0.02, 0.9, 0.99, 1e-8))
    codes = [rates_at_zero(adam, np.zeros((1, 4)), typical).codes[0] for typical in (1e-9, 1.0)]
    assert codes == [RateCode.SMOOTH, RateCode.NOT_REPRESENTATIVE]


def test_secants_are_one_sided():
    component = memoryless(lambda g: -jnp.where(g > 0, 2.0, 1.0) * g)
    np.testing.assert_allclose(
        secants(component, STATES[:1], AMPLITUDES)[0], [[1.0] * 3, [2.0] * 3]
    )
    with pytest.raises(ValueError, match=r"typical_gradient is 0\.0, expected a size"):
        rates_at_zero(component, STATES, 0.0)


def test_the_typical_gradient_is_the_median_of_those_met():
    """Of |g| from an exponential distribution of this scale: scale log 2."""
    met = synthetic.trajectories("rosenbrock", 0)
    scale = met.gradient_quantiles[0] / -np.log(1.0 - met.gradient_quantile_levels[0])
    assert typical_gradient(met) == pytest.approx(scale * np.log(2.0))


def test_a_slope_of_zero_that_secants_fall_to_is_one():
    """-g^3 and -g |g| are flat at 0; -|g| has no slope there, nor has a sign."""
    for update, code in (
        (lambda g: -(g**3), RateCode.SMOOTH),
        (lambda g: -g * jnp.abs(g), RateCode.SMOOTH),
        (lambda g: -jnp.abs(g), RateCode.NOT_DIFFERENTIABLE),
        (lambda g: -jnp.sign(g), RateCode.NOT_DIFFERENTIABLE),
    ):
        component = ComponentOptimizer(
            jnp.zeros(1), lambda h, g, f=update: 0.0 * h + f(g)[..., None], lambda h: h[..., 0]
        )
        assert rates_at_zero(component, [[0.0]], 0.5).codes.tolist() == [code]
