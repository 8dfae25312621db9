"""Tasks that draw data at each iteration, and parameters of any shape: against loops written out."""

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from lopt.analysis.curvature import curvatures_along_runs
from lopt.analysis.trajectories import summarize_trajectories
from lopt.analysis.transfer import run_away
from lopt.learned.base import LearnedFamily
from lopt.learned.gru import GRU, GRUTheta
from lopt.meta_training.gradient import autodiff_meta_gradient, meta_gradient
from lopt.optimizers import make_baseline
from lopt.tasks import Task, as_dtype, base, sample_batch
from lopt.tasks.flat import flat_loss, is_stochastic, iterations, parameters, start
from lopt.tasks.rosenbrock import Rosenbrock
from lopt.tuning.trials import run_trials
from lopt.unrolling import evaluate, held_out, meta_objective, record

STEPS, PROBLEMS, POINTS = 4, 2, 12
FIRST = (
    10.0  # on top of the first loss, so that no later one exceeds it: where one does, a bound acts
)
X = np.random.default_rng(0).normal(size=(POINTS, 2)).astype(np.float32)
Y = np.sin(2.0 * X[:, 0]) + X[:, 1]


class Fit(NamedTuple):
    """A starting network, and the seed of its batches."""

    seed: jax.Array
    weights: dict


@dataclasses.dataclass(frozen=True)
class Fitting(Task):
    """A small network of a nested dictionary of arrays, fitted to three points at a time."""

    components: int = 9

    def sample(self, key):
        keys = jax.random.split(key, 3)
        layers = {
            "second": jax.random.normal(keys[0], (2,), jnp.float32),
            "first": {
                "bias": jnp.zeros((), jnp.float32),
                "matrix": jax.random.normal(keys[1], (2, 3), jnp.float32),
            },
        }
        return Fit(jax.random.bits(keys[2]), layers)

    def init(self, problem):
        return problem.weights

    def predict(self, params, x):
        hidden = jnp.tanh(x @ params["first"]["matrix"] + params["first"]["bias"])
        return hidden[..., :2] @ params["second"] + hidden[..., 2]

    def batch(self, problem, iteration):
        # In place of a random stream, which takes long to compile: some other function of the two.
        seed = problem.seed.astype(jnp.int32) % 1000
        return jnp.stack([seed + 5 * iteration, 3 * seed + 7 * iteration, 11 * iteration]) % POINTS

    def loss(self, problem, x, iteration):
        chosen = self.batch(problem, iteration)
        errors = self.predict(x, jnp.asarray(X)[chosen]) - jnp.asarray(Y)[chosen]
        return jnp.mean(errors**2) + jnp.where(iteration == 0, FIRST, 0.0)

    def held_out(self, problem, x):
        errors = self.predict(x, jnp.asarray(X)) - jnp.asarray(Y)
        return {"loss": jnp.mean(errors**2), "worst": jnp.max(jnp.abs(errors))}


@dataclasses.dataclass(frozen=True)
class Numbered(Rosenbrock):
    """Rosenbrock with an iteration that changes nothing."""

    def loss(self, problem, x, iteration):
        return super().loss(problem, x)


TASK, FAMILY = Fitting(), GRU(3, 0.5, 0.05)
MOMENTUM = make_baseline("momentum", {"learning_rate": 0.05, "momentum": 0.7})


def random_theta(family):
    random, shapes = np.random.default_rng(0), jax.eval_shape(family.init, jax.random.key(0))
    return jax.tree.map(lambda leaf: 0.6 * random.normal(size=leaf.shape), shapes)


@pytest.fixture(scope="module")
def problems():
    return sample_batch(TASK, jax.random.key(1), PROBLEMS)


def drawn(problems):
    """The batches of every problem and iteration, drawn before anything runs."""
    numbers = jnp.arange(STEPS + 1)
    return jax.jit(jax.vmap(lambda p: jax.vmap(lambda k: TASK.batch(p, k))(numbers)))(problems)


def loss_on(params, chosen):
    errors = TASK.predict(params, jnp.asarray(X)[chosen]) - jnp.asarray(Y)[chosen]
    return jnp.mean(errors**2)


def by_hand(weights, batches, family, theta):
    """Losses and last parameters of one run over batches that are given."""
    transformation = family.build(theta)

    def step(carry, chosen):
        x, state = carry
        loss, gradient = jax.value_and_grad(loss_on)(x, chosen)
        update, state = transformation.update(gradient, state, x)
        return (jax.tree.map(jnp.add, x, update), state), loss

    (end, _), losses = jax.lax.scan(step, (weights, transformation.init(weights)), batches[:-1])
    return jnp.append(losses.at[0].add(FIRST), loss_on(end, batches[-1])), end


@pytest.fixture(scope="module")
def wanted(problems):
    """Losses, ends and measures of momentum."""
    batches = drawn(problems)
    run = jax.vmap(lambda weights, batches: by_hand(weights, batches, *MOMENTUM))
    losses, ends = jax.jit(run)(problems.weights, batches)
    return losses, ends, jax.jit(jax.vmap(TASK.held_out))(problems, ends), batches


def test_a_task_says_by_its_loss_whether_it_draws():
    assert is_stochastic(TASK) and not is_stochastic(Rosenbrock())
    assert iterations(Rosenbrock(), 3) is None
    np.testing.assert_array_equal(iterations(TASK, 3), [0, 1, 2])

    class Keyed(Rosenbrock):
        def loss(self, problem, x, key):
            return super().loss(problem, x)

    with pytest.raises(TypeError, match=r"Keyed\.loss takes \(problem, x, key\); .*iteration"):
        is_stochastic(Keyed())


def test_parameters_of_any_shape_are_one_vector_and_come_back(problems):
    problem = jax.tree.map(lambda leaf: leaf[0], problems)
    x = start(TASK, problem)
    assert x.shape == (TASK.components,)
    np.testing.assert_array_equal(x, ravel_pytree(problem.weights)[0])
    assert jax.tree.all(jax.tree.map(np.array_equal, parameters(TASK, problem, x), problem.weights))
    assert flat_loss(TASK)(problem, x, 2) == TASK.loss(problem, problem.weights, 2)
    with pytest.raises(ValueError, match=r"shape \(8,\), but .* has 9 parameters"):
        parameters(TASK, problem, x[:-1])


def test_a_run_is_the_loop_over_batches_drawn_beforehand(problems, wanted):
    losses, _, measures, batches = wanted
    for run in np.asarray(batches).tolist():
        assert len(set(map(tuple, run))) == STEPS + 1, "the same batch twice"
    assert not np.array_equal(batches[0], batches[1])
    found, measured = held_out(TASK, *MOMENTUM, problems, steps=STEPS, batch_size=1)
    np.testing.assert_allclose(found, losses, rtol=1e-5)
    np.testing.assert_allclose(evaluate(TASK, *MOMENTUM, problems, steps=STEPS), losses, rtol=1e-5)
    assert set(measured) == {"loss", "worst"}
    for name, values in measures.items():
        np.testing.assert_allclose(measured[name], values, rtol=1e-4)
    problem = jax.tree.map(lambda leaf: leaf[0], problems)
    recorded = record(TASK, MOMENTUM[0].component(MOMENTUM[1]), problem, STEPS)
    np.testing.assert_allclose(recorded.losses, losses[0], rtol=1e-5)


def test_every_other_way_to_run_meets_the_same_batches(problems, wanted):
    """Tuning, transfer and trajectories."""
    (family, theta), losses = MOMENTUM, np.asarray(wanted[0])
    stacked = jax.tree.map(lambda leaf: jnp.stack([jnp.float32(leaf)] * 2), theta)
    scores = run_trials(TASK, family, stacked, problems, STEPS)
    np.testing.assert_allclose(scores, [meta_objective(losses)] * 2, rtol=1e-5)
    limits = jnp.asarray([0.0, np.inf, np.inf])
    away, _ = run_away(TASK, family, theta, problems, limits, steps=STEPS, batch_size=2)
    np.testing.assert_allclose(away, losses, rtol=1e-5)
    found = summarize_trajectories(
        TASK,
        family.component(theta),
        problems,
        steps=STEPS,
        key=jax.random.key(0),
        gradient_edges=[-1.0, 0.0, 1.0],
    )
    np.testing.assert_allclose(found.mean_losses, losses.mean(axis=0), rtol=1e-5)


def test_curvature_is_of_the_batch_of_the_iteration(problems, wanted):
    _, ends, _, batches = wanted
    values, weights, at = curvatures_along_runs(
        TASK, *MOMENTUM, problems, iterations=(0, STEPS), batch_size=2
    )
    np.testing.assert_allclose(weights, 1.0 / (2 * PROBLEMS * TASK.components), rtol=1e-6)

    @jax.jit
    @jax.vmap
    def hessian(params, chosen):
        x, unravel = ravel_pytree(params)
        return jnp.linalg.eigvalsh(jax.hessian(lambda x: loss_on(unravel(x), chosen))(x))

    for k, params in ((0, problems.weights), (STEPS, ends)):
        expected = np.asarray(hessian(params, batches[:, k])).ravel()
        np.testing.assert_allclose(values[at == k], expected, rtol=1e-4, atol=1e-4)


@dataclasses.dataclass(frozen=True)
class Plain(LearnedFamily):
    """The GRU without its own meta-gradient."""

    theta_type: ClassVar[type] = GRUTheta
    label: ClassVar[str] = "plain GRU"
    sizes: ClassVar[tuple[str, ...]] = ()

    def init(self, key):
        return FAMILY.init(key)

    def component(self, theta):
        return FAMILY.component(theta)


def test_the_meta_gradient_is_of_the_draws_that_were_run(problems, x64):
    """By the adjoint and by autodiff in blocks; the oracle runs over batches drawn beforehand."""
    family = FAMILY
    problems = as_dtype(problems, jnp.float64)
    theta = jax.tree.map(jnp.asarray, random_theta(family))

    batches = drawn(problems)

    def mean_objective(theta):
        runs = jax.vmap(lambda weights, batches: by_hand(weights, batches, family, theta)[0])
        return jnp.mean(meta_objective(runs(problems.weights, batches)))

    wanted_objective, wanted = jax.jit(jax.value_and_grad(mean_objective))(theta)
    largest = max(float(jnp.max(jnp.abs(leaf))) for leaf in jax.tree.leaves(wanted))
    oracle = jax.jit(lambda theta: autodiff_meta_gradient(TASK, family, theta, problems, STEPS))
    found = {"autodiff": oracle(theta)}
    for name, method, block, bound in (  # so large a bound bounds nothing
        ("adjoint", family, STEPS, None),
        ("adjoint in blocks", family, 2, 1e6),
        ("autodiff in blocks", Plain(), 2, 1e6),
    ):
        found[name] = jax.jit(
            lambda theta, method=method, block=block, bound=bound: meta_gradient(
                TASK, method, theta, problems, STEPS, block, bound
            )
        )(theta)
    for name, (objective, gradient) in found.items():
        np.testing.assert_allclose(objective, wanted_objective, rtol=1e-12, err_msg=str(name))
        for leaf, other in zip(jax.tree.leaves(gradient), jax.tree.leaves(wanted), strict=True):
            np.testing.assert_allclose(
                leaf, other, rtol=1e-8, atol=1e-11 * largest, err_msg=str(name)
            )


def test_the_meta_gradient_is_the_evaluations_by_finite_differences(problems, x64):
    problems = as_dtype(problems, jnp.float64)
    theta = GRUTheta(*random_theta(FAMILY))
    flat, unravel = ravel_pytree(jax.tree.map(jnp.asarray, theta))
    _, gradient = jax.jit(lambda theta: meta_gradient(TASK, FAMILY, theta, problems, STEPS))(theta)

    @jax.jit
    def objectives(flats):
        def one(flat):
            losses = evaluate(TASK, FAMILY, unravel(flat), problems, steps=STEPS)
            return jnp.mean(meta_objective(losses))

        return jax.lax.map(one, flats)

    width = 1e-5
    moves = width * np.eye(len(flat))
    values = np.asarray(objectives(np.concatenate([flat + moves, flat - moves])))
    found = (values[: len(flat)] - values[len(flat) :]) / (2.0 * width)
    wanted = ravel_pytree(gradient)[0]
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-8 * np.max(np.abs(wanted)))


def test_an_iteration_that_changes_nothing_changes_no_bit():
    family = GRU(4, 0.01, 0.02)
    theta = jax.tree.map(jnp.float32, random_theta(family))
    problems = sample_batch(Rosenbrock(), jax.random.key(1), 3)
    for run in (
        lambda task: evaluate(task, family, theta, problems, steps=5),
        lambda task: meta_gradient(task, family, theta, problems, 4, 2, 1.0),
    ):
        plain, numbered = (
            jax.jit(lambda run=run: run(Rosenbrock()))(),
            jax.jit(lambda run=run: run(Numbered()))(),
        )
        assert jax.tree.all(jax.tree.map(np.array_equal, plain, numbered))


def test_the_default_portrait_is_of_the_first_batch(monkeypatch):
    monkeypatch.setattr(base, "PORTRAIT_PROBLEMS", 8)
    shown = base.portrait_problems(TASK)
    first = jax.jit(jax.vmap(loss_on))(shown.weights, drawn(shown)[:, 0])
    np.testing.assert_allclose(TASK.portrait().log10_losses, np.log10(first + FIRST), rtol=1e-4)
