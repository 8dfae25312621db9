"""The bound of the meta-gradient's way back: by hand, by autodiff, and by a recursion written out."""

import dataclasses
import functools
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lopt.learned.adjoint import adjoint_meta_gradient
from lopt.learned.adjoint_bound import factors, scaled
from lopt.learned.base import LearnedFamily
from lopt.learned.gru import GRU, GRUTheta
from lopt.meta_training.gradient import meta_gradient
from lopt.optimizers.component import ComponentOptimizer
from lopt.tasks import as_dtype, sample_batch
from lopt.tasks.linear_regression import LinearRegression
from lopt.tasks.rosenbrock import Rosenbrock

STEPS = 6


def random_theta(family: GRU, scale: float = 0.6) -> GRUTheta:
    random = np.random.default_rng(0)
    shapes = jax.eval_shape(family.init, jax.random.key(0))
    return GRUTheta(*(scale * random.normal(size=leaf.shape) for leaf in shapes))


@dataclasses.dataclass(frozen=True)
class Plain(LearnedFamily):
    """A GRU that leaves its derivative to autodiff."""

    theta_type: ClassVar[type] = GRUTheta
    label: ClassVar[str] = "plain GRU"
    sizes: ClassVar[tuple[str, ...]] = ()
    gru: GRU

    def init(self, key):
        return self.gru.init(key)

    def component(self, theta):
        return self.gru.component(theta)


CASES = {
    "linear_regression": (LinearRegression(3, -1.0, 0.0), GRU(4, 0.5, 0.3)),
    "rosenbrock": (Rosenbrock(1.0), GRU(4, 0.01, 0.05)),  # some losses rise above the first
}


@functools.cache
def found_in(name: str, by_hand: bool, block: int, bound: float | None):
    """The meta-gradient of a case; in float64."""
    task, gru = CASES[name]
    theta = jax.tree.map(jnp.asarray, random_theta(gru))
    problems = as_dtype(sample_batch(task, jax.random.key(1), 3), jnp.float64)
    family = gru if by_hand else Plain(gru=gru)
    return jax.jit(lambda theta: meta_gradient(task, family, theta, problems, STEPS, block, bound))(
        theta
    )


@pytest.mark.parametrize("block", [6, 2])
@pytest.mark.parametrize("bound", [1.0, 0.05])
@pytest.mark.parametrize("name", CASES)
def test_by_hand_and_by_autodiff_it_is_the_same(name, bound, block, x64):
    free = found_in(name, True, block, None)
    by_hand, by_autodiff = (found_in(name, by_hand, block, bound) for by_hand in (True, False))
    for found, wanted in zip(*map(jax.tree.leaves, (by_hand, by_autodiff)), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-13)
    assert by_hand[0] == free[0], "the objective is no other"
    if bound < 1.0:
        assert not np.allclose(by_hand[1].biases, free[1].biases, rtol=1e-3)


class Rate(NamedTuple):
    """The learning rate, as the family's only parameter; the state is not used."""

    rate: jax.Array
    initial_state: jax.Array


@dataclasses.dataclass(frozen=True)
class GradientDescent(LearnedFamily):
    """dx = -rate g."""

    theta_type: ClassVar[type] = Rate
    label: ClassVar[str] = "gradient descent"
    sizes: ClassVar[tuple[str, ...]] = ()

    def init(self, key):
        return Rate(jnp.zeros(()), jnp.zeros(1))

    def component(self, theta):
        def transition(h, g):
            return jnp.broadcast_to((-theta.rate * g)[..., None], (*g.shape, 1))

        return ComponentOptimizer(theta.initial_state, transition, lambda h: h[..., 0])


class Start(NamedTuple):
    """A start and the curvatures along the axes."""

    x: jax.Array
    curvatures: jax.Array


class Bowl:
    """f(x) = 1/2 sum_i c_i x_i^2."""

    components = 2

    def init(self, problem):
        return problem.x

    def loss(self, problem, x):
        return 0.5 * jnp.sum(problem.curvatures * x**2)


def recursion(x, curvatures, rate, steps, bound):
    """d(objective)/d(rate) of gradient descent on one bowl, step by step, as ``adjoint_bound`` states it."""
    xs = [x]
    for _ in range(steps):
        xs.append(xs[-1] - rate * curvatures * xs[-1])
    losses = [0.5 * np.sum(curvatures * x**2) for x in xs]
    weights = [min(1.0, losses[0] / f) / ((steps + 1) * losses[0]) for f in losses]
    gradients = [curvatures * x for x in xs]
    x_bar, injected, rate_bar, scaled = np.zeros_like(x), 0.0, 0.0, 0
    for k in reversed(range(steps + 1)):
        if k < steps:
            rate_bar += -np.sum(x_bar * gradients[k])
            x_bar = x_bar - rate * curvatures * x_bar
        x_bar = x_bar + weights[k] * gradients[k]
        injected += weights[k] * np.linalg.norm(gradients[k])
        norm = np.linalg.norm(x_bar)
        if norm > bound * injected * (1.0 + 1e-12):
            x_bar, scaled = x_bar * bound * injected / norm, scaled + 1
    return rate_bar, scaled


def bowls(x64):
    return Start(
        jnp.asarray([[1.0, -2.0], [0.5, 0.3], [1e-3, 4.0]]),
        jnp.asarray([[1.0, 0.3], [4.0, 1.0], [2.0, 0.5]]),
    )


@pytest.mark.parametrize(("rate", "steps", "scales"), [(0.2, 12, False), (0.9, 12, True)])
def test_it_is_the_recursion(rate, steps, scales, x64):
    """At 0.9 the second bowl's run grows 2.6-fold a step, and only its way back is scaled."""
    problems, theta = bowls(x64), Rate(jnp.asarray(rate), jnp.zeros(1))
    for bound in (1.0, 2.0):
        each = [
            recursion(np.asarray(x), np.asarray(c), rate, steps, bound)
            for x, c in zip(*problems, strict=True)
        ]
        _, found = jax.jit(
            lambda theta, bound=bound: meta_gradient(
                Bowl(), GradientDescent(), theta, problems, steps, 3, bound
            )
        )(theta)
        np.testing.assert_allclose(found.rate, np.mean([value for value, _ in each]), rtol=1e-10)
        assert [scaled > 0 for _, scaled in each] == [False, scales, False]


def test_a_run_that_is_stable_is_left_alone(x64):
    problems, theta = bowls(x64), Rate(jnp.asarray(0.2), jnp.zeros(1))
    free, bounded = (
        jax.jit(
            lambda theta, bound=bound: meta_gradient(
                Bowl(), GradientDescent(), theta, problems, 12, 12, bound
            )
        )(theta)
        for bound in (None, 1.0)
    )
    assert float(free[0]) == float(bounded[0])
    np.testing.assert_allclose(bounded[1].rate, free[1].rate, rtol=1e-12)


def test_however_far_a_run_diverges_it_has_one_vote(x64):
    """Without a bound, the second bowl's derivative is 2.6^(2 * 60) times everybody else's."""
    problems, theta = bowls(x64), Rate(jnp.asarray(0.9), jnp.zeros(1))

    def gradient(bound):
        family = GradientDescent()
        function = jax.jit(
            lambda theta: meta_gradient(Bowl(), family, theta, problems, 60, 60, bound)
        )
        return float(function(theta)[1].rate)

    assert gradient(None) > 1e40
    assert 0.0 < gradient(1.0) < 100.0


def test_an_adjoint_that_is_not_finite_is_dropped():
    x_bar = jnp.asarray([[3.0, 4.0], [jnp.inf, 0.0], [jnp.nan, 1.0], [0.0, 0.0]])
    found = factors(x_bar, jnp.asarray([1.0, 1.0, 1.0, 0.0]))
    np.testing.assert_allclose(found, [0.2, 0.0, 0.0, 1.0], rtol=1e-6)
    np.testing.assert_allclose(
        scaled(x_bar, found), [[0.6, 0.8], [0, 0], [0, 0], [0, 0]], rtol=1e-6
    )


def test_states_are_dropped_with_the_adjoint_that_is_not_finite():
    """Descent that halves x each time; where the gradient is 2 the derivative of the step overflows.

    Every other step adds 1 to the state's cotangent: what is left is that of the step before.
    """

    def step(theta, h, g):
        return h, -theta.rate * g, g

    def step_adjoint(theta, g, h_bar, x_bar):
        overflow = jnp.where(g == 2.0, jnp.inf, 0.0)
        return h_bar + 1.0 + overflow, overflow, Rate(jnp.zeros(()), jnp.zeros((1, 1)))

    problems = Start(jnp.asarray([[4.0, 0.0]]), jnp.ones((1, 2)))
    _, found = jax.jit(
        lambda theta: adjoint_meta_gradient(
            *(Bowl(), theta, problems, 4, 4),
            parts=lambda theta: theta,
            step=step,
            step_adjoint=step_adjoint,
            bound=1.0,
        )
    )(Rate(jnp.asarray(0.5), jnp.zeros((1, 1))))
    np.testing.assert_allclose(found.initial_state, 2.0)  # of two components
