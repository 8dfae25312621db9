"""Steps on a pytree of state: against optax's own optimizers, against loops in NumPy, and what is refused."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import lopt
from lopt.analysis.impulses import run_learning_rates
from lopt.analysis.linearization import linearize
from lopt.optimizers.component import as_gradient_transformation, check_shapes

pytestmark = pytest.mark.usefixtures("x64")


@dataclass(frozen=True)
class Bowls:
    """Quadratic problems whose entries have different curvatures."""

    components: int = 5

    def init(self, problem):
        return jnp.asarray(problem)

    def loss(self, problem, x):
        return jnp.sum(jnp.logspace(-1.0, 0.5, 5) * (x - 0.3) ** 2)


START = np.linspace(1.0, -1.0, 5)


def adamw(state, inputs):
    mean = 0.9 * state["m"] + 0.1 * inputs.gradient
    square = 0.99 * state["v"] + 0.01 * inputs.gradient**2
    k = inputs.iteration + 1
    step = (mean / (1 - 0.9**k)) / (jnp.sqrt(square / (1 - 0.99**k)) + 1e-8)
    return {"m": mean, "v": square}, -0.05 * (step + 0.3 * inputs.parameter)


def polyak(state, inputs):
    """optax.polyak_sgd: the loss over the squared norm of the tensor's gradient."""
    rate = jnp.minimum(inputs.loss / inputs.context["square"], 1.0)
    return state, -rate * inputs.gradient


SQUARE = {"context": lambda g, x: {"square": jnp.sum(g**2)}}


def test_a_run_has_the_real_iteration_and_parameter():
    truth = lopt.unroll(Bowls(), optax.adamw(0.05, 0.9, 0.99, weight_decay=0.3), START, 20)
    found = lopt.record(Bowls(), make_adamw(), START, 20)
    np.testing.assert_allclose(found.losses, truth, rtol=1e-9)
    assert found.h.shape == (21, 5, 3)
    np.testing.assert_array_equal(found.h[1:, :, 2], found.updates)
    # In the precision of the run, whichever that of the analysis is.
    other = lopt.record(Bowls(), make_adamw(dtype="float32"), START, 20)
    np.testing.assert_allclose(other.losses, truth, rtol=1e-9)


def test_a_run_takes_a_matrix():
    run, zeros = make_adamw().run, jnp.zeros((2, 3))
    state, update = run.step(run.start(zeros), jnp.ones((2, 3)), zeros)
    np.testing.assert_allclose(update, np.full((2, 3), -0.05), rtol=1e-6)
    assert run.read(state).shape == (2, 3, 3)


def make_adamw(**more):
    return lopt.from_step({"m": 0.0, "v": 0.0}, adamw, reads=["parameter", "iteration"], **more)


def test_a_run_has_the_real_loss_and_tensor():
    mine = lopt.from_step(
        {}, polyak, reads="loss", at={"loss": 1.0, "context": {"square": 4.0}}, **SQUARE
    )
    theirs = optax.polyak_sgd(max_learning_rate=1.0)
    truth = lopt.unroll(Bowls(), theirs, START, 20)
    assert truth[-1] < 0.1 * truth[0]
    np.testing.assert_allclose(lopt.record(Bowls(), mine, START, 20).losses, truth, rtol=1e-6)
    # As an optax transformation it takes the loss as those do.
    np.testing.assert_allclose(
        lopt.unroll(Bowls(), as_gradient_transformation(mine), START, 20), truth, rtol=1e-6
    )
    # Seen by the analysis: the loss 1 over the square 4.
    update = mine.readout(mine.transition(mine.initial_state, jnp.asarray(2.0)))
    assert float(update) == pytest.approx(-0.25 * 2.0)
    assert str(mine.audit.operating_point) == "loss 1, context 4"
    assert mine.audit.reads_parameter  # the context may depend on it
    with pytest.raises(ValueError, match="this optimizer reads the loss, which is not known here"):
        lopt.drive(mine, np.ones((3, 2)))


def test_the_analysis_sees_it_at_a_late_step_unless_another_is_stated():
    late, first = make_adamw(), make_adamw(at={"iteration": 0, "parameter": 2.0})
    h, g = jnp.array([0.5, 0.25, 0.0]), jnp.asarray(1.0)
    mean, square = 0.55, 0.2575
    assert float(late.readout(late.transition(h, g))) == pytest.approx(
        -0.05 * mean / (np.sqrt(square) + 1e-8)
    )
    assert float(first.readout(first.transition(h, g))) == pytest.approx(
        -0.05 * (10 * mean / (np.sqrt(100 * square) + 1e-8) + 0.3 * 2.0)
    )
    assert str(late.audit.operating_point) == "parameter 0, a late iteration"
    assert str(first.audit.operating_point) == "parameter 2, iteration 0"


def test_the_state_is_raveled_and_keeps_its_names():
    def step(state, inputs):
        moved = jax.tree.map(lambda leaf: 0.5 * leaf + inputs.gradient, state)
        return moved, -jnp.sum(moved["m at"][1])

    mine = lopt.from_step({"m at": [0.0, np.ones((2, 2))], "s": 2}, step)
    assert mine.audit.state_names == (
        *("m at.0", "m at.1[0,0]", "m at.1[0,1]", "m at.1[1,0]", "m at.1[1,1]"),
        *("s", "update"),
    )
    np.testing.assert_array_equal(mine.initial_state, [0, 1, 1, 1, 1, 2, 0])
    assert check_shapes(mine) == 7
    assert mine.audit.operating_point is None


def test_modes_and_clock_of_several_accumulators():
    """Two averages, one of them fading: the modes are theirs, the clock is that of the real iteration."""

    def step(state, inputs):
        decays = jnp.array([0.5, 0.9])
        state = decays * state + inputs.gradient
        rate = jnp.where(inputs.iteration < 3, 0.1, 0.02)
        return state, -rate * state @ jnp.array([1.0, 2.0])

    mine = lopt.from_step(np.zeros(2), step, reads=["iteration"])
    modes = linearize(mine, mine.initial_state)
    np.testing.assert_allclose(modes.momenta, [0.9, 0.5, 0.0], atol=1e-12)
    np.testing.assert_allclose(modes.learning_rates, [0.04, 0.02, 0.0], atol=1e-12)
    np.testing.assert_allclose(run_learning_rates(mine, 5), [0.3, 0.3, 0.3, 0.06, 0.06])


def test_it_is_analyzed_in_float64_whatever_it_was_made_in():
    with jax.enable_x64(False):
        mine = make_adamw()
        assert mine.initial_state.dtype == jnp.float32
        found = lopt.analyze(mine, Bowls5(), problems=2, steps=20, starts=8, visited_states=50)
    assert found.component.initial_state.dtype == jnp.float64
    assert found.answer("momentum").answer == "yes"
    assert found.answer("reads_parameter").answer == "yes"
    assert "operating point: parameter 0, a late iteration" in found.summary()


@dataclass(frozen=True)
class Bowls5(Bowls):
    """The same, as a task that draws its starts."""

    def sample(self, key):
        return jax.random.normal(key, (5,), jnp.float32)


def wrong_state(state, inputs):
    return {"m": state["m"] + jnp.ones(2)}, -inputs.gradient


def plain(state, inputs):
    return state, -inputs.gradient


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: lopt.from_step({"m": 0.0}, wrong_state), r"m with shape \[2\], expected \[\]"),
        (lambda: lopt.from_step({"m": 0.0}, lambda s, i: s), "returns dict, expected .state, upd"),
        (lambda: lopt.from_step({"m": 0.0}, lambda s, i: ([], i.gradient)), "of the structure"),
        (
            lambda: lopt.from_step(0.0, lambda s, i: (s, jnp.ones(3))),
            r"update of shape \[3\], expected one number",
        ),
        (
            lambda: lopt.from_step(jax.random.key(0), plain),
            "state of the initial state is a random key: a step that draws is no map",
        ),
        (lambda: lopt.from_step(0.0, plain, dtype="flot"), "dtype is 'flot', expected a floating"),
        (
            lambda: lopt.from_step(0.0, plain, dtype="int32"),
            "dtype is 'int32', expected a floating",
        ),
        (
            lambda: lopt.from_step(0.0, lambda s, i: (s, -0.1 * i.parameter)),
            "given the gradient, and what it did not declare is None",
        ),
        (lambda: lopt.from_step(0.0, plain, reads=["charm"]), "reads names 'charm'; a step can"),
        (lambda: lopt.from_step(0.0, plain, reads=["loss"]), "reads the loss: state where"),
        (lambda: lopt.from_step(0.0, plain, context=lambda g, x: g), "reads the context: state"),
        (lambda: lopt.from_step(0.0, plain, at={"loss": 1}), "at states loss, which the step does"),
        (
            lambda: lopt.from_step(0.0, plain, reads=["iteration"], at={"iteration": -1}),
            "at states the iteration -1",
        ),
        (
            lambda: lopt.from_step(0.0, plain, reads=["parameter"], at={"parameter": "late"}),
            "at states the parameter 'late', expected finite",
        ),
        (lambda: lopt.from_step({"on": True}, plain), "on of the initial state is bool"),
        (lambda: lopt.from_step({"z": 1j}, plain), "z of the initial state is complex128"),
        (lambda: lopt.from_step({"m": np.nan}, plain), "m of the initial state is not finite"),
    ],
)
def test_what_is_wrong_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
