"""Tasks: minima, gradients and distributions against closed forms and other libraries."""

from dataclasses import dataclass
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, stats
from sklearn.datasets import make_moons
from sklearn.metrics import log_loss

from lopt.meta_training.loop import validation_problems
from lopt.optimizers import make_baseline
from lopt.tasks import Task, as_dtype, make_task, sample_batch
from lopt.tasks.base import log10_losses
from lopt.tasks.digits import Digits
from lopt.tasks.flat import start
from lopt.tasks.linear_regression import LinearRegression, Quadratic
from lopt.tasks.rosenbrock import Rosenbrock
from lopt.tasks.two_moons import TwoMoons
from lopt.tuning import draw_problems
from lopt.unrolling import evaluate

SMALL = {
    "linear_regression": LinearRegression(),
    "wide_linear_regression": LinearRegression(9),  # its loss is written in another way
    "rosenbrock": Rosenbrock(),
    "two_moons": TwoMoons(hidden_widths=(4, 3), points=16),
}
draw = jax.jit(sample_batch, static_argnums=(0, 2))


@lru_cache
def drawn(task, x64=False):
    """One problem of ``task``, its arrays as NumPy's."""
    with jax.enable_x64(x64):
        return jax.tree.map(np.asarray, jax.jit(task.sample)(jax.random.key(1)))


def float64(problem):
    return jax.tree.map(np.float64, problem)


@pytest.fixture(scope="module")
def quadratics():
    """Many problems of the paper's linear regression, as float64 NumPy arrays."""
    return float64(draw(LinearRegression(), jax.random.key(0), 40_000))


# What every task promises.


def test_a_loss_that_is_no_number_is_refused():
    @dataclass(frozen=True)
    class Spread(Rosenbrock):
        def loss(self, problem, x):
            return x**2

    task = Spread()
    problems = sample_batch(task, jax.random.key(0), 2)
    momentum = make_baseline("momentum", {"learning_rate": 0.1, "momentum": 0.5})
    with pytest.raises(ValueError, match=r"its loss has shape \[2\], expected a single number"):
        evaluate(task, *momentum, problems, steps=2)


def test_components_that_are_not_those_of_init_are_refused():
    @dataclass(frozen=True)
    class Miscounted(Task):
        components: int = 6

        def sample(self, key):
            return jax.random.normal(key, (5,))

        def init(self, problem):
            return {"a": problem[:2], "b": problem[2:]}

        def loss(self, problem, x):
            return jnp.sum(x["a"]) + jnp.sum(x["b"] ** 2)

    task = Miscounted()
    problems = sample_batch(task, jax.random.key(0), 2)
    with pytest.raises(
        ValueError, match=r"components are 6, but what its init returns has 5 numbers"
    ):
        evaluate(
            task,
            *make_baseline("momentum", {"learning_rate": 0.1, "momentum": 0.5}),
            problems,
            steps=2,
        )


@dataclass(frozen=True)
class Counting(Rosenbrock):
    """Rosenbrock whose parameters have something beside them that is no number to optimize."""

    kind: str = "int32"

    def init(self, problem):
        return {"x": super().init(problem), "beside": jnp.zeros(2, self.kind)}


@pytest.mark.parametrize("kind", ["int32", "bool", "complex64"])
def test_parameters_that_are_not_floating_point_numbers_are_refused(kind):
    task = Counting(kind=kind)
    problem = task.sample(jax.random.key(0))
    with pytest.raises(ValueError, match=rf"init returns\['beside'\] is {kind}, expected floating"):
        start(task, problem)


@dataclass(frozen=True)
class Shifted(Rosenbrock):
    """Rosenbrock and a constant, divided by whether there is one."""

    constant: float = 0.0
    divisor: float = 1.0

    def loss(self, problem, x):
        return (super().loss(problem, x) + self.constant) / self.divisor


@pytest.mark.parametrize(
    ("task", "loss"),
    [
        (Shifted(constant=-1e6), "-"),
        (Shifted(divisor=jnp.inf), "0,"),
        (Shifted(divisor=0.0), "inf"),
        (Shifted(constant=jnp.nan), "nan"),
    ],
)
def test_a_loss_that_is_not_above_0_at_the_start_is_refused_before_anything_runs(task, loss):
    """Below 0 the meta-objective, a ratio to it, would reward climbing."""
    message = rf"the loss at the start is {loss}.* in 3 of 3 problems not a number above 0"
    with pytest.raises(ValueError, match=message):
        validation_problems(task, 3)
    with pytest.raises(ValueError, match=message):
        draw_problems(task, 3, 0, "problems")
    validation_problems(Shifted(constant=1.0), 3)


@pytest.mark.parametrize("name", SMALL)
def test_the_gradient_is_the_losss_by_finite_differences(name, x64):
    task = SMALL[name]
    problem = float64(drawn(task))
    x = np.asarray(task.init(problem))
    assert x.shape == (task.components,)
    loss = jax.jit(task.loss)
    gradient = np.asarray(jax.jit(jax.grad(task.loss, argnums=1))(problem, x))
    found = optimize.approx_fprime(x, lambda x: float(loss(problem, x)), 1e-7)  # one-sided
    np.testing.assert_allclose(found, gradient, rtol=1e-4, atol=1e-5 * np.max(np.abs(gradient)))


@pytest.mark.parametrize("name", SMALL)
def test_samplers_draw_the_same_float32_numbers_under_x64(name):
    task = SMALL[name]
    for leaf, other in zip(drawn(task), drawn(task, x64=True), strict=True):
        assert leaf.dtype == other.dtype == jnp.float32
        np.testing.assert_array_equal(leaf, other)


@pytest.mark.parametrize(
    "task", [*SMALL.values(), Digits(channels=(3,), kernels=(3,), strides=(2,))]
)
def test_a_batch_is_the_same_problems_wherever_it_is_drawn(task):
    key = jax.random.key(3)
    batch, inside = sample_batch(task, key, 3), draw(task, key, 3)
    # The first of more, one operation at a time.
    alone = jax.vmap(task.sample)(jax.random.split(key, 5))
    for found, *others in zip(*map(jax.tree.leaves, (batch, inside, alone)), strict=True):
        for other in others:
            np.testing.assert_allclose(found, other[:3], rtol=1e-5, atol=1e-6)


def test_as_dtype_raises_every_float_and_leaves_the_rest(x64):
    tree = as_dtype((jnp.zeros(2, jnp.float32), jnp.arange(2)), jnp.float64)
    assert [leaf.dtype for leaf in tree] == [jnp.float64, jnp.int64]


@pytest.mark.parametrize("name", ["linear_regression", "rosenbrock", "two_moons"])
def test_tasks_are_static_arguments(name):
    """Equal parameters, equal hash: one compilation. Other parameters: another task."""
    task, again = make_task(name), make_task(name)
    assert isinstance(task, Task)
    assert task == again and hash(task) == hash(again)
    other = {"dimension": 3, "start_half_width": 1.0, "hidden_widths": [4]}
    (key,) = set(other) & set(type(task).__dataclass_fields__)
    changed = make_task(name, {key: other[key]})
    assert changed != task
    hash(changed)


def test_make_task_names_what_is_wrong():
    with pytest.raises(ValueError, match=r"unknown task 'mnist'.*linear_regression, rosenbrock"):
        make_task("mnist")
    with pytest.raises(ValueError, match=r"'rosenbrock'.*half_width"):
        make_task("rosenbrock", {"half_width": 1.0})
    with pytest.raises(ValueError, match=r"'two_moons', hidden_widths.0: 0 should be at least 1"):
        make_task("two_moons", {"hidden_widths": [0]})
    with pytest.raises(ValueError, match=r"'linear_regression', .*3 should be a mapping"):
        make_task("linear_regression", 3)


def test_a_task_takes_its_parameters_as_arrays_and_tuples_too():
    widths = {"hidden_widths": (4, 3)}
    again = make_task("two_moons", {"hidden_widths": np.array([4, 3])})
    assert again == make_task("two_moons", widths) and hash(again) == hash(
        make_task("two_moons", widths)
    )


def test_logarithms_of_losses_end_at_the_smallest_float32():
    found = log10_losses(jnp.asarray([0.0, 1e-30, 100.0], jnp.float32))
    np.testing.assert_allclose(found, [np.log10(2.0**-126), -30.0, 2.0], rtol=1e-7)


# Linear regression.


@pytest.mark.parametrize("dimension", [1, 5, 9])
def test_a_quadratics_loss_is_the_quadratic_form(dimension, x64):
    """Value, gradient and second derivative; 0 at the optimum, exactly."""
    task, random = LinearRegression(dimension), np.random.default_rng(0)
    factor, optimum, x = (
        random.normal(size=size) for size in [(dimension,) * 2, dimension, dimension]
    )
    problem = Quadratic(factor @ factor.T, optimum, start=x)

    @jax.jit
    def everything(x):
        loss = partial(task.loss, problem)
        return loss(x), jax.grad(loss)(x), jax.hessian(loss)(x)

    distance = x - optimum
    for found, wanted in zip(
        everything(x),
        (distance @ problem.hessian @ distance / 2, problem.hessian @ distance, problem.hessian),
        strict=True,
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-13)
    loss, gradient, _ = everything(optimum)
    assert loss == 0.0 and np.all(gradient == 0.0)


def test_eigenvalues_are_log_uniform(quadratics):
    """Kolmogorov-Smirnov distance of log10 of all eigenvalues from U(-3, 0)."""
    logarithms = np.log10(np.linalg.eigvalsh(quadratics.hessian)).ravel()
    assert -3.001 < logarithms.min() and logarithms.max() < 0.001
    assert stats.kstest(logarithms, "uniform", (-3.0, 3.0)).pvalue > 1e-3


def test_eigenvalues_are_within_the_bounds_asked_for():
    problems = draw(LinearRegression(1, -1.0, 1.0), jax.random.key(5), 3000)
    logarithms = np.log10(np.linalg.eigvalsh(np.float64(problems.hessian)))
    assert -1.001 < logarithms.min() < -0.99 and 0.99 < logarithms.max() < 1.001


def test_the_basis_is_orthonormal_and_haar(quadratics):
    """Moments of the entries q of a Haar basis: E q^2 = 1/n, E q^4 = 3/(n(n+2)), and mixed 1/(n(n+2)).

    Eigenvectors' signs are arbitrary, hence even moments. Bounds are four standard errors.
    """
    values, vectors = np.linalg.eigh(quadratics.hessian)
    rebuilt = np.einsum("pik,pk,pjk->pij", vectors, values, vectors)
    np.testing.assert_allclose(quadratics.hessian, rebuilt, atol=1e-6)
    np.testing.assert_allclose(quadratics.hessian, np.swapaxes(quadratics.hessian, 1, 2), atol=1e-6)
    n = vectors.shape[1]
    for sample, expected in [
        (vectors**2, 1.0 / n),
        (vectors**4, 3.0 / (n * (n + 2.0))),
        (vectors[:, 1:] ** 2 * vectors[:, :-1] ** 2, 1.0 / (n * (n + 2.0))),
    ]:
        error = sample.std(axis=0) / len(sample) ** 0.5
        assert np.all(np.abs(sample.mean(axis=0) - expected) < 4.0 * error)


def test_the_linear_term_and_the_start_are_standard_normal(quadratics):
    linear_term = -np.einsum("pij,pj->pi", quadratics.hessian, quadratics.optimum)
    for vectors in (linear_term, quadratics.start):
        covariance, error = vectors.T @ vectors / len(vectors), len(vectors) ** -0.5
        np.testing.assert_allclose(covariance, np.eye(5), atol=4.0 * 2.0**0.5 * error)
        assert stats.kstest(vectors.ravel(), "norm").pvalue > 1e-3


def test_the_mean_start_loss_is_the_papers(quadratics):
    """E f(x_0) = n/2 (E[lambda] + E[1/lambda]) = 361.9, as published: 10^2.56.

    In the eigenbasis f(x_0) is a sum of n terms (lambda + 1/lambda)/2 s^2 with s ~ N(0, 1), so that
    E t^2 = 3/4 E[(lambda + 1/lambda)^2]: heavy-tailed, a standard deviation of 1.4 means.
    """
    decades, n = 3.0, 5

    def moment(power):  # E lambda^power for lambda = 10^U(-decades, 0)
        return (1.0 - 10.0 ** (-decades * power)) / (decades * power * np.log(10.0))

    mean = n / 2.0 * (moment(1) + moment(-1))
    term_mean, term_square = mean / n, 0.75 * (moment(2) + 2.0 + moment(-2))
    deviation = (n * (term_square - term_mean**2)) ** 0.5
    assert round(mean, 1) == 361.9 and round(np.log10(mean), 2) == 2.56
    distance = quadratics.start - quadratics.optimum
    losses = np.einsum("pi,pij,pj->p", distance, quadratics.hessian, distance) / 2.0
    assert abs(losses.mean() - mean) < 4.0 * deviation / len(losses) ** 0.5
    np.testing.assert_allclose(losses.std(), deviation, rtol=0.1)


# Rosenbrock.


def test_rosenbrock_is_rosenbrock(x64):
    """Value and gradient against SciPy's own."""
    task = Rosenbrock()
    value_and_grad = jax.jit(jax.value_and_grad(task.loss, argnums=1))
    for x in [np.array([1.0, 1.0]), *np.random.default_rng(0).uniform(-2.0, 2.0, size=(5, 2))]:
        loss, gradient = value_and_grad(None, x)
        np.testing.assert_allclose(loss, optimize.rosen(x), rtol=1e-12)
        np.testing.assert_allclose(gradient, optimize.rosen_der(x), rtol=1e-12, atol=1e-12)
    assert optimize.rosen([1.0, 1.0]) == 0.0


def test_rosenbrock_starts_uniformly_in_the_square():
    """Also the mean start loss, 1 + 4/3 + 100 (4/3 + 16/5) = 10^2.66 (published: 10^2.65)."""
    starts = np.float64(draw(Rosenbrock(), jax.random.key(6), 40_000).start)
    assert stats.kstest(starts.ravel(), "uniform", (-2.0, 4.0)).pvalue > 1e-3
    assert abs(np.corrcoef(starts.T)[0, 1]) < 4.0 * len(starts) ** -0.5
    losses = optimize.rosen(starts.T)
    mean = 1.0 + 4.0 / 3.0 + 100.0 * (4.0 / 3.0 + 16.0 / 5.0)
    assert abs(losses.mean() - mean) < 4.0 * losses.std() / len(losses) ** 0.5
    assert np.max(np.abs(draw(Rosenbrock(0.5), jax.random.key(6), 1000).start)) <= 0.5


# Two moons.


def test_the_papers_network_has_8577_parameters():
    task = TwoMoons()
    assert task.components == 8577
    assert jax.eval_shape(task.sample, jax.random.key(0)).start.shape == (8577,)


def test_the_data_are_scikit_learns_and_fixed():
    positions, labels = TwoMoons(points=50, noise=0.2, data_seed=3).data()
    expected = make_moons(n_samples=50, noise=0.2, random_state=3)
    np.testing.assert_array_equal(positions, expected[0].astype(np.float32))
    np.testing.assert_array_equal(labels, expected[1])


def numpy_logits(task: TwoMoons, x, positions):
    """The network, layer by layer, in NumPy."""
    activations, offset = positions, 0
    for layer, (fan_in, fan_out) in enumerate(task.layer_shapes):
        weights = x[offset : offset + fan_in * fan_out].reshape(fan_in, fan_out)
        bias = x[offset + fan_in * fan_out :][:fan_out]
        offset += fan_in * fan_out + fan_out
        activations = activations @ weights + bias
        if layer + 1 < len(task.layer_shapes):
            activations = np.tanh(activations)
    assert offset == len(x)
    return activations[:, 0]


def test_the_loss_is_the_log_loss_plus_the_norm(x64):
    """The penalty is on the norm of the parameters, not on its square."""
    task = TwoMoons(hidden_widths=(5, 4), points=40, penalty=0.03)
    x = 0.7 * np.random.default_rng(0).normal(size=task.components)
    positions, labels = (np.float64(part) for part in task.data())
    probabilities = 1.0 / (1.0 + np.exp(-numpy_logits(task, x, positions)))
    expected = log_loss(labels, probabilities) + 0.03 * np.linalg.norm(x)
    np.testing.assert_allclose(jax.jit(task.loss)(None, x), expected, rtol=1e-12)


def test_the_loss_is_finite_where_the_network_is_certain():
    task = TwoMoons(hidden_widths=(4,), points=16)
    x = jnp.full(task.components, 1e4, jnp.float32)
    loss, gradient = jax.jit(jax.value_and_grad(task.loss, argnums=1))(None, x)
    assert np.isfinite(loss) and np.all(np.isfinite(gradient))


def test_weights_start_glorot_normal_and_biases_small():
    """Variances 2/(fan-in + fan-out) and 0.01^2, by chi-square bounds over 64 networks."""
    task = TwoMoons(hidden_widths=(8, 6), bias_scale=0.01)
    starts = np.float64(draw(task, jax.random.key(7), 64).start)
    offset = 0
    for fan_in, fan_out in task.layer_shapes:
        for size, scale in [
            (fan_in * fan_out, (2.0 / (fan_in + fan_out)) ** 0.5),
            (fan_out, 0.01),
        ]:
            part = starts[:, offset : offset + size] / scale
            offset += size
            assert abs(part.var() - 1.0) < 4.0 * (2.0 / part.size) ** 0.5
            assert abs(part.mean()) < 4.0 * part.size**-0.5
    assert offset == task.components
