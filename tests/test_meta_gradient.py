"""The adjoint meta-gradient against autodiff and finite differences, and its memory."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lopt.learned.gru import GRU, GRUTheta
from lopt.meta_training.gradient import (
    autodiff_meta_gradient,
    block_length,
    clipped_meta_gradient,
    meta_gradient,
    unroll_bytes,
)
from lopt.tasks import as_dtype, sample_batch
from lopt.tasks.linear_regression import LinearRegression
from lopt.tasks.rosenbrock import Rosenbrock
from lopt.tasks.two_moons import TwoMoons
from lopt.unrolling import evaluate, meta_objective

STEPS, BLOCKS, PROBLEMS = 6, (6, 3, 1), 2
# Scales at which the optimizer moves and no run diverges: the derivative's every term matters.
CASES = {
    "linear_regression": (LinearRegression(3, -1.0, 0.0), GRU(4, 0.5, 0.3)),
    "rosenbrock": (Rosenbrock(1.0), GRU(4, 0.01, 0.02)),
    "two_moons": (TwoMoons(hidden_widths=(3,), points=8), GRU(4, 10.0, 0.1)),
}


def random_theta(family: GRU) -> GRUTheta:
    random = np.random.default_rng(0)
    shapes = jax.eval_shape(family.init, jax.random.key(0))
    return GRUTheta(*(0.6 * random.normal(size=leaf.shape) for leaf in shapes))


@pytest.fixture(scope="module", params=CASES)
def case(request):
    """(task, family, theta, problems, objective and gradient by autodiff), float64."""
    task, family = CASES[request.param]
    with jax.enable_x64(True):
        theta = random_theta(family)
        problems = jax.jit(lambda key: as_dtype(sample_batch(task, key, PROBLEMS), jnp.float64))(
            jax.random.key(1)
        )
        autodiff = jax.jit(
            lambda theta: autodiff_meta_gradient(task, family, theta, problems, STEPS)
        )
        yield task, family, theta, problems, autodiff(theta)


@pytest.mark.parametrize("block", BLOCKS)
def test_the_adjoint_is_autodiff_at_every_block_length(case, block):
    task, family, theta, problems, (objective, gradient) = case
    adjoint = jax.jit(lambda theta: meta_gradient(task, family, theta, problems, STEPS, block))
    found_objective, found = adjoint(theta)
    np.testing.assert_allclose(found_objective, objective, rtol=1e-12)
    for name, leaf, wanted in zip(GRUTheta._fields, found, gradient, strict=True):
        assert np.max(np.abs(wanted)) > 0.0, f"{name}: the test sees no gradient"
        np.testing.assert_allclose(
            leaf, wanted, rtol=1e-9, atol=1e-11 * np.max(np.abs(wanted)), err_msg=name
        )


def test_the_gradient_is_the_objectives_by_finite_differences(case):
    """Every one of theta's numbers, moved up and down, and the losses evaluated anew."""
    task, family, theta, problems, (objective, gradient) = case
    flat, unravel = jax.flatten_util.ravel_pytree(jax.tree.map(jnp.asarray, theta))

    @jax.jit
    def objectives(flats):
        def one(flat):
            losses = evaluate(task, family, unravel(flat), problems, steps=STEPS)
            return jnp.mean(meta_objective(losses))

        return jax.lax.map(one, flats)

    width = 1e-5
    moves = width * np.eye(len(flat))
    values = np.asarray(objectives(np.concatenate([flat + moves, flat - moves, flat[None]])))
    np.testing.assert_allclose(values[-1], objective, rtol=1e-12)
    found = (values[: len(flat)] - values[len(flat) : -1]) / (2.0 * width)
    wanted = np.concatenate([np.ravel(leaf) for leaf in gradient])
    # width^2 f''' / 6 and 1e-16 f / width are both of the order of 1e-10 here.
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-8 * np.max(np.abs(wanted)))


@dataclasses.dataclass(frozen=True)
class Bounded(Rosenbrock):
    """Rosenbrock whose loss is not a number where the start is beyond ``limit``."""

    limit: float = np.inf

    def loss(self, problem, x):
        beyond = problem.start[0] > self.limit
        return super().loss(problem, x) + jnp.where(beyond, jnp.nan, 0.0)


def test_each_problem_is_clipped_by_its_norm_before_the_mean():
    """The threshold lies among the norms: some problems are clipped and some are not."""
    family, steps = GRU(4, 0.01, 0.02), 6
    theta = jax.tree.map(jnp.float32, random_theta(family))
    problems = sample_batch(Bounded(), jax.random.key(1), 5)
    starts = np.sort(np.asarray(problems.start[:, 0]))
    task = Bounded(limit=float(starts[-2:].mean()))  # one of the five has no gradient
    alone = jax.jit(lambda theta, problem: meta_gradient(task, family, theta, problem, steps))
    objectives, gradients = [], []
    for i in range(5):
        objective, gradient = alone(
            theta, jax.tree.map(lambda leaf, i=i: leaf[i : i + 1], problems)
        )
        if problems.start[i, 0] <= task.limit:
            objectives.append(float(objective))
            gradients.append(np.concatenate([np.ravel(np.float64(leaf)) for leaf in gradient]))
        else:
            assert np.isnan(objective)
    norms = np.linalg.norm(gradients, axis=1)
    assert len(norms) == 4
    for block in (steps, 3):
        clipped_in_blocks = jax.jit(
            lambda theta, norm, block=block: clipped_meta_gradient(
                task, family, theta, problems, steps, block, norm=norm
            )
        )
        for norm in (float(np.median(norms)), 2.0 * float(norms.max())):
            found_objective, found = clipped_in_blocks(theta, norm)
            np.testing.assert_allclose(found_objective, np.mean(objectives), rtol=1e-5)
            clipped = [g * min(1.0, norm / n) for g, n in zip(gradients, norms, strict=True)]
            wanted = np.mean(clipped, axis=0)
            found = np.concatenate([np.ravel(leaf) for leaf in found])
            np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max())


@dataclasses.dataclass(frozen=True)
class Rough(Bounded):
    """Rosenbrock whose loss and gradient are numbers everywhere; its second derivative is not beyond."""

    def loss(self, problem, x):
        beyond = problem.start[0] > self.limit
        rough = jnp.where(beyond, (0.0 * x[0]) ** 1.5, 0.0)
        return Rosenbrock.loss(self, problem, x) + rough


def test_a_problem_without_a_finite_gradient_is_left_out_though_its_losses_are_finite():
    family = GRU(4, 0.01, 0.02)
    theta = jax.tree.map(jnp.float32, random_theta(family))
    problems = sample_batch(Rough(), jax.random.key(1), 2)
    task = Rough(limit=float(problems.start[:, 0].mean()))
    kept = int(np.argmin(problems.start[:, 0]))
    clipped = jax.jit(
        lambda theta, problems: clipped_meta_gradient(task, family, theta, problems, 2, norm=1e9)
    )
    both, twice, lost = (
        clipped(theta, jax.tree.map(lambda leaf, chosen=chosen: leaf[chosen], problems))
        for chosen in (np.arange(2), np.full(2, kept), np.full(2, 1 - kept))
    )
    assert np.isnan(optax.tree.norm(lost[1]))
    for found, wanted in zip(*map(jax.tree.leaves, (both, twice)), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-7)


def test_without_a_finite_problem_the_clipped_gradient_is_none():
    """So that the meta-step is skipped, not made with a gradient of zeros."""
    family, task = GRU(4, 0.01, 0.02), Bounded(limit=-np.inf)
    theta = jax.tree.map(jnp.float32, random_theta(family))
    problems = sample_batch(task, jax.random.key(1), 2)
    objective, gradient = jax.jit(
        lambda theta: clipped_meta_gradient(task, family, theta, problems, 6, norm=1.0)
    )(theta)
    assert np.isnan(objective)
    assert all(np.isnan(leaf).all() for leaf in gradient)


def test_a_block_that_does_not_divide_the_steps_is_refused():
    task, family = CASES["rosenbrock"]
    problems = jax.eval_shape(lambda: sample_batch(task, jax.random.key(0), 2))
    with pytest.raises(ValueError, match="block 4 does not divide 6 steps"):
        jax.eval_shape(
            lambda theta: meta_gradient(task, family, theta, problems, 6, 4), random_theta(family)
        )


@pytest.mark.parametrize("block", [40, 10])
def test_the_memory_estimate_is_what_xla_allocates(block):
    task, family, rows, steps = Rosenbrock(), GRU(16), 128, 40
    theta = jax.eval_shape(family.init, jax.random.key(0))
    problems = jax.eval_shape(lambda: sample_batch(task, jax.random.key(0), rows // 2))
    compiled = (
        jax.jit(lambda theta, problems: meta_gradient(task, family, theta, problems, steps, block))
        .lower(theta, problems)
        .compile()
    )
    allocated = compiled.memory_analysis().temp_size_in_bytes
    estimate = unroll_bytes(family, rows, steps, block)
    assert 0.9 * estimate < allocated < 1.03 * estimate


def test_the_block_grows_with_the_budget_and_fits_it():
    family, rows, steps = GRU(32), 1000, 200
    blocks = []
    for budget in np.geomspace(1e7, 1e9, 60):
        blocks.append(block_length(family, rows, steps, budget))
        assert steps % blocks[-1] == 0
        assert unroll_bytes(family, rows, steps, blocks[-1]) <= budget
    assert blocks == sorted(blocks)
    assert len(set(blocks)) > 5 and blocks[-1] == steps


def test_a_budget_too_small_is_told_the_least_that_will_do():
    family, rows, steps = GRU(32), 1000, 200
    with pytest.raises(ValueError, match=r"memory_budget_gb is 0\.001") as caught:
        block_length(family, rows, steps, 1e6)
    least = float(str(caught.value).split("at least ")[1].split(" GB")[0])
    block_length(family, rows, steps, least * 1e9)
    with pytest.raises(ValueError, match=f"at least {least:g} GB for 1000 rows, 32 units"):
        block_length(family, rows, steps, (least - 0.001) * 1e9)


@pytest.mark.parametrize("problems, gib", [(64, 100.0), (1, 8.0)])
def test_the_papers_network_fits_one_device(problems, gib):
    """8,577 components, 256 units, 200 steps: what the documentation promises."""
    rows, family = problems * TwoMoons().components, GRU(256)
    block = block_length(family, rows, 200, gib * 2**30)
    assert unroll_bytes(family, rows, 200, block) < gib * 2**30
