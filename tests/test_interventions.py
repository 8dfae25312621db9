"""Interventions: against closed forms, and what they cost against tables made by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
from quadratics import quadratics

from lopt.analysis import interventions, validation_interventions
from lopt.analysis.costs import broken_table, cost_table, joined
from lopt.analysis.curvature import curvatures_along_runs, spectrum, start_properties
from lopt.analysis.interventions import intervene, mode_counts, variants
from lopt.analysis.linearization import linearize
from lopt.keys import stream
from lopt.learned.gru import GRU
from lopt.learned.planted_gru import plant_gru
from lopt.optimizers.component import ComponentOptimizer
from lopt.optimizers.from_optax import from_optax
from lopt.optimizers.momentum import Momentum, MomentumTheta
from lopt.optimizers.planted import plant_modes
from lopt.records.evaluation import Evaluation
from lopt.records.interventions import InterventionRuns
from lopt.tasks.linear_regression import LinearRegression
from lopt.unrolling import evaluate, record

FIVE = 5


@pytest.fixture(scope="module")
def gru():
    """A small optimizer with known modes: family, theta, linearization at h*."""
    with jax.enable_x64(True):
        random = np.random.default_rng(0)
        point = jnp.asarray(random.uniform(-0.2, 0.2, FIVE))
        modes = plant_modes(random, [0.9, 0.7 + 0.2j, 0.5, 0.1], [0.2, 0.6 + 0.3j, 0.1, -0.05])
        theta = plant_gru(random, point, *modes)
        return GRU(FIVE), theta, linearize(GRU(FIVE).component(theta), point)


def test_known_answers(x64):
    rows = list(validation_interventions.interventions())
    assert len(rows) >= 40 and {row.verdict for row in rows} == {"pass"}
    assert {row.quantity.split(":")[0] for row in rows} >= {*interventions.INTERVENTIONS, "linear"}


@pytest.mark.parametrize("name", interventions.INTERVENTIONS)
def test_an_intervention_that_is_off_fails(x64, monkeypatch, name):
    def off(component, point, jacobian):
        changed = interventions.__dict__[name](component, point, jacobian)
        wrong = changed.run and changed.run._replace(step=_louder(changed.run.step))
        return changed._replace(readout=lambda h: 1.01 * changed.readout(h), run=wrong)

    def _louder(step):
        def louder(state, g, x):
            after, update = step(state, g, x)
            return after, 1.01 * update

        return louder

    monkeypatch.setitem(interventions.INTERVENTIONS, name, off)
    monkeypatch.setattr(validation_interventions, "STEPS", 2)
    rows = [
        row
        for row in validation_interventions.interventions()
        if row.quantity.startswith(f"{name}:")
    ]
    assert rows and {row.verdict for row in rows} == {"fail"}


def test_without_drift_run_and_map_are_the_same(x64, gru):
    family, theta, modes = gru
    component = intervene("no_drift", family.component(theta), modes.point, modes.jacobian)
    problem = jax.tree.map(lambda leaf: leaf[0], quadratics(1, 2))
    task = LinearRegression(dimension=2)
    run, frozen = (record(task, c, problem, 5) for c in (component, component._replace(run=None)))
    np.testing.assert_allclose(run.losses, frozen.losses, rtol=1e-12)
    np.testing.assert_allclose(run.h, frozen.h, rtol=1e-12)


def test_variants_run_like_any_optimizer(gru):
    """In float32, as they are evaluated; the optimizer at rest keeps its first-order answer."""
    family, theta, modes = gru
    theta = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), theta)
    made = list(variants(family, theta, modes, mode_counts(modes)))
    names = [*interventions.INTERVENTIONS, "linear", "modes_1", "modes_2", "modes_4"]
    assert [variant.name for variant in made] == names
    assert [variant.modes for variant in made][-3:] == [1, 3, 4]  # the second is a pair
    problems = quadratics(3, 2, jnp.float32)
    losses = {
        v.name: evaluate(LinearRegression(dimension=2), v.family, v.theta, problems, steps=3)
        for v in made[::4]
    }
    assert all(np.isfinite(array).all() and array.shape == (3, 4) for array in losses.values())
    assert all(array.dtype == jnp.float32 for array in losses.values())


def test_what_can_not_be_intervened_on_is_refused(x64, gru):
    family, theta, modes = gru
    component = family.component(theta)
    with pytest.raises(ValueError, match="unknown intervention 'no_luck'; there are no_schedule"):
        intervene("no_luck", component, modes.point, modes.jacobian)
    with pytest.raises(ValueError, match=r"jacobian has shape \(4, 4\).* needs \(5, 5\)"):
        intervene("no_memory", component, modes.point, np.eye(4).tolist())
    scheduled = from_optax(optax.sgd(optax.linear_schedule(1.0, 0.1, 10)))
    assert scheduled.run is not None
    with pytest.raises(ValueError, match="depends on more than its state"):
        intervene("no_memory", scheduled, modes.point, modes.jacobian)


def test_without_adaptation_a_linear_optimizer_is_itself_about_a_point_that_rests():
    """Also where the point, or the offset, is known to a few digits only."""
    jacobian, inputs = jnp.array([[0.5, 0.3], [0.0, 0.2]]), jnp.array([1.0, -1.0])
    point, offset = jnp.array([0.3, -0.7]), 0.01

    def transition(h, g):
        return point + offset + (h - point) @ jacobian.T + g[..., None] * inputs

    mine = ComponentOptimizer(point, transition, lambda h: h[..., 0])
    found = intervene("no_adaptation", mine, point, jacobian).transition
    np.testing.assert_array_equal(found(point, jnp.zeros(())), point)
    h, g = jnp.array([1.0, 2.0]), jnp.asarray(0.5)
    np.testing.assert_allclose(found(h, g), transition(h, g) - offset, rtol=1e-6)


def runs(losses, problems=(0, 1, 2)) -> InterventionRuns:
    count = len(problems)
    curvatures = np.stack([np.zeros(count), 1.0 + np.asarray(problems, float)], axis=1)
    shape = (1, count, 2)
    return InterventionRuns(
        np.array(["no_memory"]),
        np.array([-1]),
        np.reshape(losses, shape).astype(float),
        np.asarray(problems),
        curvatures,
        np.asarray(problems, float),
    )


EVALUATION = Evaluation(
    np.array(["learned", "learned", "adam"]),
    np.array([0, 1, -1]),
    np.array([[[2.0, 1.0]] * 3, [[2.0, 0.0]] * 3, [[2.0, 2.0], [2.0, 0.0], [2.0, 1.0]]]),
)


def test_costs_by_hand():
    table = cost_table("task", 0, runs([[2, 2], [2, 1], [2, 0]]), EVALUATION).set_index("optimizer")
    assert list(table.index) == ["intact", "no_memory", "adam"]
    assert table.kind.tolist() == ["intact", "intervention", "baseline"]
    intact, changed = table.loc["intact"], table.loc["no_memory"]
    assert intact.meta_objective == 0.75 and intact.difference == 0.0 and intact.cost == 1.0
    # Meta-objectives 1, 0.75 and 0.5 on the three problems.
    assert changed.meta_objective == 0.75 and changed.final_loss == 1.0 and changed.cost == 1.0
    assert changed.difference_se == pytest.approx(0.25 / 3**0.5)
    assert changed.cost_se == pytest.approx(0.25 / 3**0.5 / 0.75)
    assert changed.broken == 1 and changed.diverged == 0
    assert (changed.broken_curvature, changed.other_curvature) == (1.0, 2.5)
    assert changed.curvature_correlation == pytest.approx(-1.0)


def test_what_was_not_trained_is_compared_with_baselines_too():
    """Whose seed is the same, -1; the median is over problems: 1/3, 1 and 4/3 of 0.75."""
    evaluation = Evaluation(
        EVALUATION.optimizers[[0, 2]], np.full(2, -1), EVALUATION.losses[[0, 2]]
    )
    table = cost_table("task", -1, runs([[4, -2], [4, 2], [4, 4]]), evaluation)
    assert table.optimizer.tolist() == ["intact", "no_memory", "adam"]
    assert table.median_ratio[1] == pytest.approx(1.0)


def test_the_error_of_a_cost_is_that_of_a_ratio():
    """Intact meta-objectives 0.75, 0.5, 1 and twice as much without memory: the cost is known exactly.

    The third problem is no better solved intact, and so it is not the intervention that breaks it.
    """
    losses = [[[2.0, 1.0], [2.0, 0.0], [2.0, 2.0]], [[2.0, 2.0]] * 3]
    evaluation = Evaluation(np.array(["learned", "adam"]), np.array([0, -1]), np.array(losses))
    doubled = runs([[2, 4], [2, 2], [2, 6]])
    changed = cost_table("task", 0, doubled, evaluation).set_index("optimizer").loc["no_memory"]
    assert changed.cost == pytest.approx(2.0) and changed.cost_se == pytest.approx(0.0, abs=1e-12)
    assert changed.difference_se == pytest.approx(0.25 / 3**0.5)
    assert changed.broken == 2 and changed.diverged == 0


@pytest.mark.parametrize("lost", [np.nan, np.inf, 1e9])
def test_diverged_runs_are_counted_and_never_averaged_away(lost):
    found = runs([[2, 1], [2, lost], [2, 1]])
    changed = cost_table("task", 0, found, EVALUATION).iloc[1]
    assert changed.diverged == changed.broken == 1
    assert (
        changed.meta_objective == changed.final_loss == changed.difference == changed.cost == np.inf
    )
    assert np.isnan(changed.difference_se) and changed.median_ratio == 1.0
    broken = broken_table("task", 0, found, EVALUATION)
    assert broken[["optimizer", "problem", "largest_curvature"]].to_numpy().tolist() == [
        ["no_memory", 1, 2.0]
    ]


def test_where_the_optimizer_itself_diverges_nothing_has_a_cost():
    losses = np.array([[[2.0, 1.0], [2.0, np.nan], [2.0, 1.0]], [[2.0, 2.0]] * 3])
    evaluation = Evaluation(np.array(["learned", "adam"]), np.array([0, -1]), losses)
    table = cost_table("task", 0, runs([[2, 0], [2, np.nan], [2, 1]]), evaluation)
    table = table.set_index("optimizer")
    assert table.cost.isna().all() and table.cost_se.isna().all()
    assert table.diverged.tolist() == [1, 1, 0]
    # Of what did not diverge twice: 0.5 / 0.75 and 1; of the baseline 1 / 0.75, 0 and 1 / 0.75.
    np.testing.assert_allclose(table.median_ratio, [1.0, 5.0 / 6.0, 4.0 / 3.0])


def test_parts_are_joined_in_order():
    whole = runs([[2, 2], [2, 1], [2, 0]])
    parts = runs([[2, 1], [2, 0]], (1, 2)), runs([[2, 2]], (0,))
    both = [cost_table("task", 1, found, EVALUATION) for found in (whole, joined(parts))]
    pd.testing.assert_frame_equal(*both)
    with pytest.raises(ValueError, match="a problem is in two parts"):
        joined([whole, parts[1]])
    with pytest.raises(ValueError, match="0 learned optimizers of seed 7"):
        cost_table("task", 7, whole, EVALUATION)


def test_curvatures_of_few_parameters_and_of_many(x64):
    for size in (3, 40):  # the whole Hessian, and Lanczos
        task, problems = LinearRegression(dimension=size), quadratics(2, size)
        truth = np.linalg.eigvalsh(problems.hessian)
        values, weights = spectrum(
            task, jax.tree.map(lambda leaf: leaf[0], problems), jnp.zeros(size)
        )
        assert float(weights.sum()) == pytest.approx(1.0)
        assert float(values[-1]) == pytest.approx(truth[0, -1], rel=1e-6)
        curvatures, gradients = start_properties(task, problems, batch_size=1)
        np.testing.assert_allclose(curvatures[:, 1], truth[:, -1], rtol=1e-6)
        apart = problems.start - problems.optimum
        slope = np.linalg.norm(np.einsum("pij,pj->pi", problems.hessian, apart), axis=1)
        np.testing.assert_allclose(gradients, slope, rtol=1e-12)


def test_lanczos_is_the_quadrature_of_what_its_vector_sees(x64):
    """sum_i w_i theta_i^k = v^T H^k v, of the unit vector that it starts from."""
    problem = jax.tree.map(lambda leaf: leaf[0], quadratics(1, 40))
    values, weights = spectrum(LinearRegression(dimension=40), problem, jnp.zeros(40))
    v = jax.random.normal(stream(0, "analysis", "lanczos"), (40,), jnp.float32)
    v = np.asarray(v / jnp.linalg.norm(v), np.float64)
    for power in (1, 2, 5):
        seen = v @ np.linalg.matrix_power(np.asarray(problem.hessian), power) @ v
        assert float(weights @ values**power) == pytest.approx(seen, rel=1e-5)


def test_curvatures_along_runs_leave_out_what_diverged(x64):
    task, problems = LinearRegression(dimension=3), quadratics(2, 3)
    theta = MomentumTheta(jnp.asarray(0.1), jnp.asarray(0.5))
    values, weights, at = curvatures_along_runs(
        task, Momentum(), theta, problems, iterations=(0, 4), batch_size=2
    )
    truth = np.linalg.eigvalsh(problems.hessian)
    np.testing.assert_allclose(np.sort(values[at == 4]), np.sort(truth.ravel()), rtol=1e-10)
    assert weights.sum() == pytest.approx(1.0) and len(values) == 12
