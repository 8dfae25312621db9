"""Learned families: each one's step by another method, and what every family has to do."""

import dataclasses
from functools import partial
from types import SimpleNamespace
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit

from lopt.analysis.fixed_points import find_fixed_points
from lopt.analysis.linearization import linearize
from lopt.config import MetaTrainingSettings
from lopt.extensions import FAMILIES
from lopt.learned import make_family
from lopt.learned.base import HasMetaGradient, LearnedFamily
from lopt.learned.gru import GRU, GRUTheta
from lopt.learned.lstm import LSTM, LSTMTheta, log_and_sign
from lopt.learned.stored import load_optimizer
from lopt.learned.ugrnn import UGRNN
from lopt.learned.vanilla_rnn import VanillaRNN, VanillaRNNTheta
from lopt.meta_training.gradient import (
    autodiff_meta_gradient,
    block_length,
    clipped_meta_gradient,
    meta_gradient,
    unroll_bytes,
)
from lopt.meta_training.loop import Training, meta_train
from lopt.optimizers.component import as_gradient_transformation
from lopt.optimizers.planted import plant_modes
from lopt.records import store
from lopt.records.store import StoreError
from lopt.tasks import as_dtype, sample_batch
from lopt.tasks.linear_regression import LinearRegression
from lopt.tasks.rosenbrock import Rosenbrock
from lopt.unrolling import evaluate, meta_objective

NAMES = FAMILIES.names()
every_family = pytest.mark.parametrize("name", NAMES)


def small(name: str, size: int = 3, **scales: float) -> LearnedFamily:
    """A family of few units; of layers, too, where it has layers."""
    return make_family(
        {"family": name, **dict.fromkeys(FAMILIES.facts(name).constant("sizes"), size), **scales}
    )


def random_theta(family: LearnedFamily, seed: int = 0, scale: float = 0.6):
    """A theta without zeros: an untrained one would hide most mistakes."""
    random = np.random.default_rng(seed)
    shapes = jax.eval_shape(family.init, jax.random.key(0))
    return jax.tree.map(lambda leaf: scale * random.normal(size=leaf.shape), shapes)


# Each family's equations, unit by unit.


def vanilla_rnn_in_numpy(family, theta, h, g):
    h_next = np.empty_like(h)
    for unit in range(family.units):
        total = theta.input_weights[unit] * family.input_scale * g + theta.biases[unit]
        total += sum(theta.recurrent_weights[j, unit] * h[j] for j in range(family.units))
        h_next[unit] = np.tanh(total)
    return h_next, family.output_scale * (
        np.dot(theta.readout_weights, h_next) + theta.readout_bias
    )


def ugrnn_in_numpy(family, theta, h, g):
    n, h_next = family.units, np.empty_like(h)
    for unit in range(n):
        update, candidate = (
            theta.input_weights[column] * family.input_scale * g
            + np.dot(theta.recurrent_weights[:, column], h)
            + theta.biases[column]
            for column in (unit, n + unit)
        )
        gate = expit(update)
        h_next[unit] = gate * h[unit] + (1 - gate) * np.tanh(candidate)
    return h_next, family.output_scale * (
        np.dot(theta.readout_weights, h_next) + theta.readout_bias
    )


def lstm_in_numpy(family, theta, state, g):
    """With one matrix for a layer's input and state together, as the literature writes it."""
    n, g = family.units, family.input_scale * g
    if abs(g) >= np.exp(-10):
        below = np.array([np.log(abs(g)) / 10, np.sign(g)])
    else:
        below = np.array([-1.0, np.exp(10) * g])
    parts = []
    for layer, (h, c) in enumerate(state.reshape(family.layers, 2, n)):
        weights = theta.between_weights[layer - 1] if layer else theta.input_weights
        matrix = np.concatenate(
            [weights, theta.recurrent_weights[layer], theta.biases[layer][None]]
        )
        i, f, o, z = (np.concatenate([below, h, [1.0]]) @ matrix).reshape(4, n)
        c = expit(f) * c + expit(i) * np.tanh(z)
        below = expit(o) * np.tanh(c)
        parts += [below, c]
    update = np.dot(theta.readout_weights, below) + theta.readout_bias
    return np.concatenate(parts), family.output_scale * update


ORACLES = [
    (VanillaRNN(5, 0.3, 7.0), vanilla_rnn_in_numpy),
    (UGRNN(5, 0.3, 7.0), ugrnn_in_numpy),
    (LSTM(2, 5, 0.3, 7.0), lstm_in_numpy),
    (LSTM(1, 4, 0.3, 7.0), lstm_in_numpy),
    (LSTM(3, 2, 0.3, 7.0), lstm_in_numpy),
]


@pytest.mark.parametrize(("family", "oracle"), ORACLES, ids=lambda value: repr(value)[:22])
def test_the_step_is_the_sources(x64, family, oracle):
    theta, random = random_theta(family), np.random.default_rng(1)
    h = random.normal(size=(6, *theta.initial_state.shape))
    g = np.array([3.0, -0.2, 1e-4, -1e-6, 0.0, 1e5])  # on both sides of the LSTM's e^-10 / 0.3

    @jax.jit
    def step(theta, h, g):
        component = family.component(theta)
        h_next = component.transition(h, g)
        return h_next, component.readout(h_next)

    h_next, updates = step(theta, h, g)
    expected = [oracle(family, theta, *row) for row in zip(h, g, strict=True)]
    np.testing.assert_allclose(h_next, [state for state, _ in expected], rtol=1e-11)
    np.testing.assert_allclose(updates, [update for _, update in expected], rtol=1e-10)
    # Leading axes are independent, and may be any.
    h_again, updates_again = step(theta, h.reshape(2, 3, -1), g.reshape(2, 3))
    np.testing.assert_allclose(h_again.reshape(h.shape), h_next, rtol=1e-13)
    np.testing.assert_allclose(updates_again.reshape(-1), updates, rtol=1e-13)


def test_the_ugrnn_is_the_gru_without_its_reset_gate(x64):
    family = UGRNN(4, 0.5, 2.0)
    theta, random = random_theta(family), np.random.default_rng(2)
    u, c = slice(0, 4), slice(4, 8)
    zeros, open_gate = np.zeros(4), np.full(4, 1e3)  # sigmoid(1000) is 1
    gru_theta = GRUTheta(
        theta.initial_state,
        np.concatenate([theta.input_weights[u], zeros, theta.input_weights[c]]),
        np.concatenate(
            [theta.recurrent_weights[:, u], np.zeros((4, 4)), theta.recurrent_weights[:, c]], axis=1
        ),
        np.concatenate([theta.biases[u], open_gate, theta.biases[c]]),
        theta.readout_weights,
        theta.readout_bias,
    )
    h, g = random.normal(size=(7, 4)), random.normal(size=7)
    states = [
        jax.jit(family.component(theta).transition)(h, g),
        jax.jit(GRU(4, 0.5, 2.0).component(gru_theta).transition)(h, g),
    ]
    np.testing.assert_allclose(*states, rtol=1e-13)


def test_the_lstms_input_is_continuous_and_has_a_derivative_everywhere(x64):
    edge = np.exp(-10.0)
    for sign in (1.0, -1.0):
        below, above = log_and_sign(sign * edge * jnp.array([1 - 1e-9, 1 + 1e-9]))
        np.testing.assert_allclose(below, above, atol=1e-8)
    np.testing.assert_allclose(log_and_sign(jnp.array(np.e**-5)), [-0.5, 1.0], rtol=1e-14)
    found = log_and_sign(jnp.array([-(np.e**-9), np.e**-11]))  # both beside the edge
    np.testing.assert_allclose(found, [[-0.9, -1.0], [-1.0, np.e**-1]], rtol=1e-12)
    slopes = jax.vmap(jax.jacfwd(log_and_sign))(jnp.array([0.0, 1e-6, 0.02, -0.02]))
    expected = [[0, np.exp(10)], [0, np.exp(10)], [5, 0], [-5, 0]]
    np.testing.assert_allclose(slopes, expected, rtol=1e-13)
    with jax.debug_nans(True):
        assert np.isfinite(jax.grad(lambda g: log_and_sign(g).sum())(0.0))


# Known modes.


def test_a_planted_vanilla_rnn_has_the_modes_that_were_planted(x64):
    """tanh' = 1 - h*^2 at the fixed point: weights for any Jacobian follow, transposed for rows."""
    random, eigenvalues, rates = np.random.default_rng(3), [0.95, 0.7, 0.2], [0.5, 0.1, -0.3]
    jacobian, input_vector, readout_vector = plant_modes(random, eigenvalues, rates)
    point = random.uniform(-0.3, 0.3, 3)
    gain = 1.0 - point**2
    weights = (jacobian / gain[:, None]).T
    theta = VanillaRNNTheta(
        initial_state=jnp.zeros(3),
        input_weights=input_vector / gain,
        recurrent_weights=weights,
        biases=jnp.arctanh(point) - point @ weights,
        readout_weights=readout_vector,
        readout_bias=-(readout_vector @ point),
    )
    component = VanillaRNN(3).component(theta)
    found = find_fixed_points(component, point + 0.01 * random.normal(size=(4, 3)))
    np.testing.assert_allclose(found.points[0], point, atol=1e-10)
    modes = linearize(component, point)
    np.testing.assert_allclose(modes.eigenvalues, eigenvalues, atol=1e-12)
    np.testing.assert_allclose(modes.learning_rates, rates, atol=1e-12)
    assert modes.update == pytest.approx(0.0, abs=1e-14)


def test_an_lstm_without_recurrent_weights_forgets_as_its_gates_say(x64):
    """c' = f c + i z: the modes' momenta are the forget gates, h itself is forgotten at once (0).

    Around g = 0 the candidate is tanh(A_z e^p g) if its bias takes the constant input -1 away.
    """
    biases = np.random.default_rng(4).normal(size=(4, 3))
    biases[1] = [3.0, 2.0, 0.0]
    slopes, readout = np.array([1e-5, -2e-5, 3e-5]), np.array([1.0, 2.0, -1.0])
    input_weights = np.zeros((2, 4, 3))
    input_weights[:, 3] = [[0.1, 0.2, 0.3], slopes]
    biases[3] = input_weights[0, 3]
    theta = LSTMTheta(
        initial_state=np.zeros(6),
        input_weights=input_weights.reshape(2, 12),
        between_weights=np.zeros((0, 3, 12)),
        recurrent_weights=np.zeros((1, 3, 12)),
        biases=biases.reshape(1, 12),
        readout_weights=readout,
        readout_bias=np.zeros(()),
    )
    family = LSTM(layers=1, units=3, input_scale=2.0, output_scale=0.5)
    modes = linearize(family.component(jax.tree.map(jnp.asarray, theta)), np.zeros(6))
    i, f, o = expit(biases[:3])
    np.testing.assert_allclose(modes.eigenvalues, [*f, 0, 0, 0], atol=1e-12)
    expected = -0.5 * readout * o * i * slopes * np.exp(10) * 2.0
    np.testing.assert_allclose(modes.learning_rates, [*expected, 0, 0, 0], atol=1e-12)


# What every family has to do: these tests ask the registry, so that a new file is tested, too.


def test_the_families_that_ship():
    assert {"gru", "lstm", "ugrnn", "vanilla_rnn"} <= set(NAMES)
    labels = [FAMILIES.facts(name).constant("label") for name in NAMES]
    assert len(set(labels)) == len(labels)


@every_family
def test_an_untrained_optimizer_does_nothing(name):
    family = small(name, input_scale=3.0, output_scale=5.0)

    @jax.jit
    def updates(gradients):
        transformation = family.build(family.init(jax.random.key(0)))
        state = transformation.init(gradients[0])
        return jax.lax.scan(lambda s, g: transformation.update(g, s)[::-1], state, gradients)[1]

    assert np.all(updates(np.array([[0.0, 1.0], [-1e6, 1e-6], [3.0, 1e30]])) == 0.0)


@every_family
def test_theta_starts_as_documented(name):
    """Weights N(0, 1/units) by a chi-square bound, all else zero, float32 also under x64."""
    family = small(name, 24)
    theta = jax.jit(family.init)(jax.random.key(1))
    assert type(theta) is family.theta_type
    for field, leaf in theta._asdict().items():
        values = np.asarray(leaf, np.float64)
        if field.endswith("weights") and field != "readout_weights":
            error = (2.0 / values.size) ** 0.5
            assert abs(values.var() * family.units - 1.0) < 4.0 * error, field
        else:
            assert np.all(values == 0.0), field
    with jax.enable_x64(True):
        again = jax.jit(family.init)(jax.random.key(1))
    for leaf, other in zip(theta, again, strict=True):
        assert leaf.dtype == other.dtype == jnp.float32
        np.testing.assert_array_equal(leaf, other)


@every_family
def test_component_and_transformation_agree(x64, name):
    family = small(name, input_scale=0.5, output_scale=2.0)
    gradients = np.random.default_rng(4).normal(size=(6, 3))

    @jax.jit
    def both(theta):
        built, component = family.build(theta), family.component(theta)
        own = as_gradient_transformation(component)

        def step(states, g):
            update, state = built.update(g, states[0])
            parts, tree_state = own.update({"a": g[None, :2], "b": g[2]}, states[1])
            h = component.transition(states[2], g)
            alone = component.readout(h)
            return (state, tree_state, h), (update, parts, alone)

        zeros = jnp.zeros(3)
        h = jnp.broadcast_to(component.initial_state, (3, *component.initial_state.shape))
        start = built.init(zeros), own.init({"a": zeros[None, :2], "b": zeros[2]}), h
        return jax.lax.scan(step, start, gradients)[1]

    update, parts, alone = both(random_theta(family))
    assert np.all(update != 0.0)
    np.testing.assert_allclose(update, alone, rtol=1e-12)
    np.testing.assert_allclose(update[:, :2], parts["a"][:, 0], rtol=1e-12)
    np.testing.assert_allclose(update[:, 2], parts["b"], rtol=1e-12)


@every_family
def test_a_theta_of_another_size_or_family_is_refused(name):
    family = small(name, 3)
    theta = random_theta(family)
    assert family.check(theta) is theta
    for field in theta._fields:
        wrong = theta._replace(**{field: np.zeros((*np.shape(getattr(theta, field)), 2))})
        with pytest.raises(
            ValueError, match=rf"theta\.{field} has shape .*, but the {family.label}"
        ):
            family.component(wrong)
    with pytest.raises(ValueError, match="3 units needs"):
        family.build(random_theta(small(name, 4)))
    other = random_theta(small(next(other for other in NAMES if other != name)))
    with pytest.raises(ValueError, match=rf"is a {type(other).__name__}, but .*{family.label}"):
        family.build(other)


# Meta-gradients.

STEPS, TASK, PROBLEMS = 4, LinearRegression(2, -0.5, 0.0), 2


@pytest.fixture(scope="module", params=NAMES)
def case(request):
    """(family, theta, problems, objective and gradient by autodiff, problem by problem), float64."""
    family = small(request.param, 2, input_scale=0.5, output_scale=0.3)
    with jax.enable_x64(True):
        theta = jax.tree.map(jnp.asarray, random_theta(family))
        problems = jax.jit(lambda key: as_dtype(sample_batch(TASK, key, PROBLEMS), jnp.float64))(
            jax.random.key(1)
        )
        autodiff = jax.jit(
            lambda theta: autodiff_meta_gradient(TASK, family, theta, problems, STEPS)
        )
        yield family, theta, problems, autodiff(theta)


@pytest.mark.parametrize("block", [4, 2, 1])
def test_blocks_give_the_gradient_of_the_whole(case, block):
    family, theta, problems, (objective, gradient) = case
    found_objective, found = jax.jit(
        lambda theta: meta_gradient(TASK, family, theta, problems, STEPS, block)
    )(theta)
    np.testing.assert_allclose(found_objective, objective, rtol=1e-12)
    for field, leaf, wanted in zip(theta._fields, found, gradient, strict=True):
        assert np.max(np.abs(wanted)) > 0.0, f"{field}: the test sees no gradient"
        np.testing.assert_allclose(
            leaf, wanted, rtol=1e-9, atol=1e-11 * np.max(np.abs(wanted)), err_msg=field
        )


def test_the_gradient_is_the_objectives_by_finite_differences(case):
    family, theta, problems, (objective, gradient) = case
    flat, unravel = jax.flatten_util.ravel_pytree(theta)

    @jax.jit
    def objectives(flats):
        def one(flat):
            losses = evaluate(TASK, family, unravel(flat), problems, steps=STEPS)
            return jnp.mean(meta_objective(losses))

        return jax.lax.map(one, flats)

    width = 1e-5
    moves = width * np.eye(len(flat))
    values = np.asarray(objectives(np.concatenate([flat + moves, flat - moves, flat[None]])))
    np.testing.assert_allclose(values[-1], objective, rtol=1e-12)
    found = (values[: len(flat)] - values[len(flat) : -1]) / (2.0 * width)
    wanted = np.concatenate([np.ravel(leaf) for leaf in gradient])
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-8 * np.max(np.abs(wanted)))


def test_a_block_that_divides_nothing_is_refused(case):
    family, theta, problems, _ = case
    with pytest.raises(ValueError, match="block 3 does not divide 4 steps"):
        meta_gradient(TASK, family, theta, problems, STEPS, 3)


def test_problems_are_clipped_alone_whatever_the_family(case):
    family, theta, problems, _ = case
    flat = [
        np.concatenate([np.ravel(leaf) for leaf in gradient])
        for gradient in (
            jax.jit(lambda theta, one: meta_gradient(TASK, family, theta, one, STEPS)[1])(
                theta, jax.tree.map(lambda leaf, i=i: leaf[i : i + 1], problems)
            )
            for i in range(PROBLEMS)
        )
    ]
    norms = np.linalg.norm(flat, axis=1)
    norm = float(norms.mean())
    wanted = sum(g * min(1.0, norm / n) for g, n in zip(flat, norms, strict=True)) / PROBLEMS
    _, found = jax.jit(
        lambda theta: clipped_meta_gradient(TASK, family, theta, problems, STEPS, 2, norm=norm)
    )(theta)
    found = np.concatenate([np.ravel(leaf) for leaf in found])
    np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-10 * np.abs(wanted).max())


@every_family
@pytest.mark.parametrize("block", [40, 5])
def test_the_memory_estimate_is_what_xla_allocates(name, block):
    family, rows, steps = small(name, 16), 256, 40
    if hasattr(family, "layers"):
        family = dataclasses.replace(family, layers=2)
    theta = jax.eval_shape(family.init, jax.random.key(0))
    problems = jax.eval_shape(lambda: sample_batch(Rosenbrock(), jax.random.key(0), rows // 2))
    compiled = (
        jax.jit(partial(meta_gradient, Rosenbrock(), family, steps=steps, block=block))
        .lower(theta, problems)
        .compile()
    )
    allocated = compiled.memory_analysis().temp_size_in_bytes
    estimate = unroll_bytes(family, rows, steps, block)
    assert 0.8 * estimate < allocated < 1.03 * estimate


@every_family
def test_the_block_fits_the_budget_and_a_budget_too_small_is_told(name):
    family, rows, steps = small(name, 8), 1000, 60
    blocks = []
    for budget in np.geomspace(1e6, 1e9, 40):
        try:
            blocks.append(block_length(family, rows, steps, budget))
        except ValueError as error:
            assert f"GB for 1000 rows, {family.size} and 60 steps" in str(error)
            assert not blocks, "a larger budget is no worse"
            continue
        assert steps % blocks[-1] == 0
        assert unroll_bytes(family, rows, steps, blocks[-1]) <= budget
    assert blocks == sorted(blocks) and blocks[-1] == steps and len(set(blocks)) > 3


def test_half_a_meta_gradient_is_refused():
    with pytest.raises(TypeError, match="Half needs both of meta_gradient and unroll_bytes"):

        class Half(LearnedFamily):
            def unroll_bytes(self, rows, steps, block):
                return 0


@dataclasses.dataclass(frozen=True)
class Plain(LearnedFamily):
    """The GRU without its own meta-gradient."""

    theta_type: ClassVar[type] = GRUTheta
    label: ClassVar[str] = "plain GRU"
    sizes: ClassVar[tuple[str, ...]] = ("units",)
    units: int = 5
    input_scale: float = 0.5
    output_scale: float = 0.3

    @property
    def gru(self):
        return GRU(self.units, self.input_scale, self.output_scale)

    def init(self, key):
        return self.gru.init(key)

    def component(self, theta):
        return self.gru.component(theta)


def test_autodiff_in_blocks_is_the_grus_adjoint(x64):
    plain = Plain()
    assert isinstance(plain.gru, HasMetaGradient) and not isinstance(plain, HasMetaGradient)
    theta = jax.tree.map(jnp.asarray, random_theta(plain.gru))
    problems = as_dtype(sample_batch(TASK, jax.random.key(1), 3), jnp.float64)
    gradients = [
        jax.jit(lambda theta, family=family: meta_gradient(TASK, family, theta, problems, 6, 3))(
            theta
        )
        for family in (plain, plain.gru)
    ]
    for found, wanted in zip(*map(jax.tree.leaves, gradients), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-13)


@dataclasses.dataclass(frozen=True)
class Tall(Plain):
    """Its readout returns a column, which a product with a matrix leaves."""

    def component(self, theta):
        component = self.gru.component(theta)
        return component._replace(readout=lambda h: component.readout(h)[..., None])


def test_a_readout_of_another_shape_is_named(x64):
    theta = jax.tree.map(jnp.asarray, random_theta(Plain().gru))
    problems = as_dtype(sample_batch(TASK, jax.random.key(1), 3), jnp.float64)
    with pytest.raises(
        ValueError, match=r"readout of shapes \[5\] returns the shape \[1\], expected \[\]"
    ):
        meta_gradient(TASK, Tall(), theta, problems, 6)


# Training.

SETTINGS = MetaTrainingSettings(
    meta_steps=24,
    problems=8,
    learning_rate=0.02,
    decay_factor=0.9,
    decay_steps=20,
    b1=0.9,
    b2=0.9,
    epsilon=1e-6,
    clip=0.5,
    theta_penalty=1e-6,
    chunk=12,
    validation_problems=16,
    validation_interval=12,
    checkpoint_seconds=0.0,
    skipped_in_a_row=4,
    memory_budget_gb=1.0,
    precision="highest",
)


@every_family
def test_meta_training_makes_the_objective_fall(name):
    """An untrained optimizer does nothing, which is a meta-objective of 1."""
    curve = []
    state = meta_train(
        Training(TASK, small(name, 4), SETTINGS, steps=10),
        seed=0,
        after_chunk=lambda _, point: curve.append(point.validation_meta_objective),
    )
    assert curve[1] < curve[0] < 1.0
    assert float(state.best_validation) < 0.7
    assert int(state.optimizer.total_notfinite) == 0


# Families and optimizers from what is stored.


def test_a_family_is_made_of_its_settings():
    assert make_family({"family": "lstm", "layers": 1}) == LSTM(1, 20)
    assert make_family({"units": 7, "input_scale": 2.0}) == GRU(
        7, 2.0
    )  # stored before there were names
    for settings, words in [
        ({"family": "lstn"}, "unknown learned family 'lstn'; did you mean 'lstm'? there are gru"),
        ({"family": "gru", "layers": 2}, "'gru', (top level): unknown key layers; allowed are"),
        ({"family": "lstm", "units": 0}, "learned family 'lstm', units: 0 should be at least 1"),
        ({"family": "ugrnn", "output_scale": 0.0}, "output_scale: 0.0 should be greater than 0"),
    ]:
        with pytest.raises(ValueError) as caught:
            make_family(settings)
        assert words in str(caught.value)


@every_family
def test_a_stored_optimizer_comes_back_with_its_family(tmp_path, name):
    family = small(name, 2, input_scale=0.25)
    theta = family.theta_type(
        *(np.asarray(leaf, np.float32) for leaf in random_theta(family, seed=5))
    )
    settings = {"family": name, **dataclasses.asdict(family)}
    path = tmp_path / "theta.npz"
    store.save(path, theta, {"optimizer": settings, "seed": 3})
    found, loaded, metadata = load_optimizer(path)
    assert found == family and metadata["seed"] == 3
    for leaf, wanted in zip(loaded, theta, strict=True):
        np.testing.assert_array_equal(leaf, wanted)

    for optimizer, words in [
        ({**settings, FAMILIES.facts(name).constant("sizes")[0]: 3}, "needs"),
        ({"family": "nonesuch"}, "unknown learned family 'nonesuch'"),
        (SimpleNamespace(), "not a trained optimizer"),
    ]:
        entry = {} if isinstance(optimizer, SimpleNamespace) else {"optimizer": optimizer}
        store.save(path, theta, entry)
        with pytest.raises(StoreError, match=words) as caught:
            load_optimizer(path)
        assert str(caught.value).startswith(str(path))
