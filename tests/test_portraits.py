"""Portraits of tasks and of hand-made optimizers against closed forms."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from lopt.analysis.common_optimizers import common_optimizers
from lopt.extensions import TASKS
from lopt.records import store
from lopt.records.portraits import (
    CommonOptimizers,
    ConditionNumbers,
    LabelledPoints,
    Landscape,
    Portrait,
    StartLosses,
)
from lopt.tasks import Task, base, make_task
from lopt.tasks.two_moons import TwoMoons


@pytest.fixture(scope="module")
def portraits():
    """The portrait of every task, from few problems."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "PORTRAIT_PROBLEMS", 4096)
        return {name: make_task(name).portrait() for name in TASKS.names()}


@pytest.mark.parametrize("name", TASKS.names())
def test_every_portrait_is_read_as_the_kind_that_was_stored(name, portraits, tmp_path):
    store.save(tmp_path / "portrait.npz", portraits[name])
    loaded, _ = store.load(tmp_path / "portrait.npz", Portrait)
    for before, after in zip(portraits[name], loaded, strict=True):
        np.testing.assert_array_equal(before, after)


def test_condition_numbers_follow_the_range_of_n_uniforms(portraits):
    # log10 of the condition number is the range of n uniforms on [-3, 0]: its mean is
    # 3 (n-1)/(n+1), its second moment 9 n(n-1)/((n+1)(n+2)).
    record = portraits["linear_regression"]
    assert isinstance(record, ConditionNumbers)
    values, n = record.log10_condition_numbers, 5
    mean, square = 3 * (n - 1) / (n + 1), 9 * n * (n - 1) / ((n + 1) * (n + 2))
    error = np.sqrt((square - mean**2) / len(values))
    assert abs(values.mean() - mean) < 4 * error
    assert values.min() >= 0.0 and values.max() <= 3.001
    sqrt = 1e-3**0.5
    assert record.optimal_learning_rate == pytest.approx(4 / (1 + sqrt) ** 2)
    assert record.optimal_momentum == pytest.approx(((1 - sqrt) / (1 + sqrt)) ** 2)


def test_landscape_is_the_banana(portraits):
    record = portraits["rosenbrock"]
    assert isinstance(record, Landscape)
    x, y = np.meshgrid(record.x, record.y)
    expected = np.log10((1 - x) ** 2 + 100 * (y - x**2) ** 2)
    # float32 coordinates: relative errors of a difference near the valley's floor
    np.testing.assert_allclose(record.log10_losses, expected, atol=2e-3)
    assert (record.x[[0, -1]].tolist(), record.y[[0, -1]].tolist()) == ([-2, 2], [-1, 3])
    assert record.minimum.tolist() == [1.0, 1.0]
    assert np.isfinite(record.log10_losses).all()


def test_points_are_the_training_data():
    task = TwoMoons(points=40)
    record = task.portrait()
    assert isinstance(record, LabelledPoints)
    positions, labels = task.data()
    np.testing.assert_array_equal(record.positions, positions)
    np.testing.assert_array_equal(record.labels, labels)
    assert np.bincount(record.labels).tolist() == [20, 20]


class Start(NamedTuple):
    start: Float[Array, " components"]


@dataclasses.dataclass(frozen=True)
class Sphere(Task):
    """A task that nobody drew a picture of: f(x) = |x|^2, |x_0| = 10."""

    components: int = 2

    def sample(self, key: jax.Array) -> Start:
        direction = jax.random.normal(key, (2,), jnp.float32)
        return Start(10.0 * direction / jnp.linalg.norm(direction))

    def init(self, problem: Start) -> Float[Array, "2"]:
        return problem.start

    def loss(self, problem: Start, x: Float[Array, "2"]) -> Float[Array, ""]:
        return jnp.sum(x**2)


def test_any_other_task_is_shown_by_its_start_losses(monkeypatch):
    monkeypatch.setattr(base, "PORTRAIT_PROBLEMS", 8)
    record = Sphere().portrait()
    assert isinstance(record, StartLosses)
    np.testing.assert_allclose(record.log10_losses, np.full(8, 2.0), rtol=1e-6)


TUNED = {
    "momentum": {"learning_rate": 0.5, "momentum": 0.8},
    "rmsprop": {"learning_rate": 0.1, "decay": 0.9, "epsilon": 1e-3},
    "adam": {"learning_rate": 1.0, "b1": 0.9, "b2": 0.99, "epsilon": 1e-8},
}


def test_common_optimizers_are_the_textbook_formulas(tmp_path):
    g = np.linspace(-4.0, 4.0, 9)
    with jax.enable_x64(True):
        record = common_optimizers(TUNED, g)
    assert record.optimizers.tolist() == ["momentum", "rmsprop"]
    velocity, square = record.values
    np.testing.assert_allclose(velocity, [-4, -2, 0, 2, 4])
    np.testing.assert_allclose(np.sqrt(square) / 4.0, 2.0 ** np.arange(-4, 1))
    momentum, rmsprop = record.updates
    np.testing.assert_allclose(momentum, -0.5 * (0.8 * velocity[:, None] + g), rtol=1e-12)
    expected = -0.1 * g / np.sqrt(0.9 * square[:, None] + 0.1 * g**2 + 1e-3)
    np.testing.assert_allclose(rmsprop, expected, rtol=1e-12)
    # Momentum's state shifts the update function, RMSProp's changes its slope.
    np.testing.assert_allclose(record.learning_rates[0], 0.5)
    np.testing.assert_allclose(record.learning_rates[1], 0.1 / np.sqrt(0.9 * square + 1e-3))
    store.save(tmp_path / "common.npz", record)
    assert store.load(tmp_path / "common.npz", CommonOptimizers)[0].variables.tolist() == ["v", "s"]


def test_common_optimizers_without_the_optimizers():
    with jax.enable_x64(True):
        record = common_optimizers({"adam": TUNED["adam"]}, [-1.0, 0.0, 1.0])
    assert record.updates.shape == (0, 5, 3)
