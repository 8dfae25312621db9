"""Tuning: every trial's score in closed form, halving against the full search, theory as an oracle."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from lopt import tuning
from lopt.extensions import BASELINES
from lopt.optimizers.momentum import Momentum, MomentumTheta, optimal_momentum
from lopt.tasks import sample_batch
from lopt.tasks.linear_regression import LinearRegression
from lopt.tasks.rosenbrock import Rosenbrock
from lopt.tasks.two_moons import TwoMoons
from lopt.tuning import (
    Rung,
    SearchRange,
    draw_problems,
    gradient_count,
    run_trials,
    sample_trials,
    search,
)
from lopt.tuning.random_search import _summarize
from lopt.unrolling import evaluate, meta_objective

UNIT_PARABOLA = LinearRegression(1, 0.0, 0.0)  # eigenvalue 1: every problem has the same ratios
NO_MOMENTUM = SearchRange(0.0, 1e-9)
MOMENTUM = SearchRange(0.0, 0.99, "log_one_minus")


def mean_ratio(rate, eigenvalue, steps):
    """mean_k f(x_k) / f(x_0) = mean_k (1 - rate eigenvalue)^(2k) of gradient descent."""
    powers = 2.0 * np.arange(steps + 1)
    return np.mean(np.abs(1.0 - np.multiply.outer(rate, eigenvalue))[..., None] ** powers, axis=-1)


def test_ranges_are_uniform_in_their_scale():
    grid = np.linspace(0.0, 1.0, 5)
    np.testing.assert_allclose(SearchRange(1.0, 3.0).quantile(grid), [1.0, 1.5, 2.0, 2.5, 3.0])
    powers = [1e-3, 1e-2, 1e-1, 1.0, 10.0]
    np.testing.assert_allclose(SearchRange(1e-3, 10.0, "log").quantile(grid), powers)
    np.testing.assert_allclose(
        SearchRange(0.0, 0.9999, "log_one_minus").quantile(grid), [0.0, 0.9, 0.99, 0.999, 0.9999]
    )


def test_trials_follow_their_priors_and_have_streams_of_their_own():
    ranges = {"learning_rate": SearchRange(1e-3, 10.0, "log"), "momentum": MOMENTUM}
    theta = sample_trials(Momentum(), ranges, 2000, seed=1)
    assert stats.kstest(np.log10(theta.learning_rate), stats.uniform(-3, 4).cdf).pvalue > 1e-3
    assert stats.kstest(np.log10(1 - theta.momentum), stats.uniform(-2, 2).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(np.log(theta.learning_rate), theta.momentum)[0, 1]) < 0.1
    other = sample_trials(Momentum(), {**ranges, "momentum": NO_MOMENTUM}, 2000, seed=1)
    np.testing.assert_array_equal(theta.learning_rate, other.learning_rate)


@pytest.mark.parametrize("name", ["adam", "momentum", "rmsprop"])
def test_trials_score_as_evaluate_does(name, monkeypatch):
    """The fast arrangement against the plain one, with blocks that do not divide the counts."""
    monkeypatch.setattr(tuning.trials, "BLOCK_NUMBERS", 20)
    family, task, steps = BASELINES.load(name)(), LinearRegression(), 12
    values = {"learning_rate": [0.1, 0.5, 0.3], "epsilon": [1e-3, 1e-2, 1e-4]}
    thetas = family.theta_type(
        *(np.float32(values.get(field, [0.5, 0.9, 0.8])) for field in family.theta_type._fields)
    )
    problems = sample_batch(task, jax.random.key(0), 7)
    scores = run_trials(task, family, thetas, problems, steps)
    for trial in range(3):
        theta = jax.tree.map(lambda leaf, trial=trial: jnp.asarray(leaf[trial]), thetas)
        losses = evaluate(task, family, theta, problems, steps=steps)
        np.testing.assert_allclose(scores[trial], meta_objective(losses), rtol=1e-4)


def test_a_network_scores_as_evaluate_does():
    task, steps = TwoMoons(hidden_widths=(8, 8), points=16), 5
    assert task.components > tuning.trials.LARGE_PROBLEM
    problems = sample_batch(task, jax.random.key(0), 2)
    theta = MomentumTheta(jnp.float32(0.5), jnp.float32(0.8))
    scores = run_trials(task, Momentum(), jax.tree.map(lambda leaf: leaf[None], theta), problems, 5)
    losses = evaluate(task, Momentum(), theta, problems, steps=steps)
    np.testing.assert_allclose(scores[0], meta_objective(losses), rtol=1e-5)


@pytest.fixture(scope="module")
def on_a_parabola():
    ranges = {"learning_rate": SearchRange(0.1, 1.9), "momentum": NO_MOMENTUM}
    return search(UNIT_PARABOLA, Momentum(), ranges, samples=50, problems=3, steps=20, seed=0)


def test_scores_rank_and_winner_in_closed_form(on_a_parabola):
    result, table = on_a_parabola, on_a_parabola.table
    rate = table.theta.learning_rate.astype(float)
    expected = mean_ratio(rate, 1.0, 20)
    np.testing.assert_allclose(table.score, expected, rtol=1e-4)
    np.testing.assert_allclose(table.standard_error, 0.0, atol=1e-5)
    np.testing.assert_array_equal(np.argsort(table.rank), np.argsort(expected))
    winner = result.winner
    assert winner.trial == np.argmin(np.abs(1.0 - rate)) == np.argmin(table.rank)
    assert winner.theta.learning_rate == table.theta.learning_rate[winner.trial]
    assert (winner.contenders, winner.fresh_rank, winner.fresh_diverged) == (20, 1, 0)
    np.testing.assert_allclose(winner.fresh_score, expected.min(), rtol=1e-4)
    assert result.diverged_share == 0.0
    assert result.gradients == result.gradients_of_full_search == 50 * 3 * 20


def test_a_setting_that_diverges_on_any_problem_loses():
    """Gradient descent diverges where rate * eigenvalue > 2, on some problems only."""
    task, steps, factor = LinearRegression(1, -1.0, 0.0), 30, 100.0
    ranges = {"learning_rate": SearchRange(0.5, 8.0), "momentum": NO_MOMENTUM}
    result = search(
        task,
        Momentum(),
        ranges,
        samples=60,
        problems=4,
        fresh_problems=64,
        steps=steps,
        seed=1,
        divergence_factor=factor,
    )
    rate = result.table.theta.learning_rate.astype(float)

    def on(name, count):
        hessians = draw_problems(task, count, 1, name).hessian
        return mean_ratio(rate, np.asarray(hessians, float)[:, 0, 0], steps)

    expected = on("problems", 4)
    diverged = np.sum(expected > factor, axis=1)
    assert np.any(diverged == 0) and np.any((0 < diverged) & (diverged < 4))
    np.testing.assert_array_equal(result.table.diverged, diverged)
    np.testing.assert_array_equal(np.isinf(result.table.score), diverged > 0)
    fine = diverged == 0
    np.testing.assert_allclose(result.table.score[fine], expected[fine].mean(axis=1), rtol=1e-3)
    assert result.diverged_share == np.mean(diverged > 0)
    # The best ones are lucky: they diverge on problems that did not choose them.
    holds = fine & np.all(on("fresh", 64) <= factor, axis=1)
    winner = np.argmin(np.where(holds, expected.mean(axis=1), np.inf))
    assert result.winner.trial == winner
    assert 1 < result.winner.rank == result.table.rank[winner] <= result.winner.contenders
    assert result.winner.fresh_diverged == 0
    # What problems differ by says how well scores are known.
    errors = expected.std(axis=1, ddof=1) / 4**0.5
    np.testing.assert_allclose(result.table.standard_error[fine], errors[fine], rtol=1e-3)


def test_contenders_within_two_standard_errors_of_the_winner_are_alike(monkeypatch):
    """Paired differences of 1.9 and 2.1 standard errors; a fourth trial is better on fresh problems."""
    unit = np.array([1.0, -1.0, 1.0, -1.0]) * 0.75**0.5  # of standard error 0.5
    winner = np.array([0.1, 0.5, 0.2, 0.4])
    scores = [winner, winner + 0.95 + unit, winner + 1.05 + unit, winner + 2.0]
    fresh = [winner, winner, winner, winner - 0.1]
    given = iter([np.array(scores), np.array(fresh)])
    monkeypatch.setattr(tuning.random_search, "run_trials", lambda *arguments: next(given))
    ranges = {"learning_rate": SearchRange(0.5, 8.0), "momentum": NO_MOMENTUM}
    found = search(UNIT_PARABOLA, Momentum(), ranges, samples=4, problems=4, steps=1, seed=0).winner
    assert (found.trial, found.rank, found.alike, found.contenders) == (0, 1, 2, 4)
    assert found.fresh_rank == 2


def test_what_diverged_is_no_contender(monkeypatch):
    scores = np.array([[0.3, 0.3], [np.inf, 0.1], [0.2, 0.2]])
    given = iter([scores, scores[[2, 0]]])
    monkeypatch.setattr(tuning.random_search, "run_trials", lambda *arguments: next(given))
    ranges = {"learning_rate": SearchRange(0.5, 8.0), "momentum": NO_MOMENTUM}
    found = search(UNIT_PARABOLA, Momentum(), ranges, samples=3, problems=2, steps=1, seed=0)
    assert (found.winner.trial, found.winner.contenders) == (2, 2)


def test_a_score_that_is_not_a_number_has_diverged():
    """Of a run that overflowed and then came to infinity minus infinity."""
    score, error, diverged = _summarize(np.array([[0.5, np.nan], [0.5, 0.25]], np.float32), 1e6)
    assert diverged.tolist() == [1, 0]
    assert score.tolist() == [np.inf, 0.375]
    np.testing.assert_allclose(error, [np.nan, 0.125])


@pytest.mark.parametrize(
    ("task", "rates", "problems", "rungs"),
    [
        (
            LinearRegression(),
            SearchRange(1e-2, 1e1, "log"),
            64,
            [Rung(0.2, 16, 50), Rung(0.25, 64, 100)],
        ),
        # The second rung and the full stage keep the runs that there are.
        (
            LinearRegression(),
            SearchRange(1e-2, 1e1, "log"),
            64,
            [Rung(0.2, 8, 50), Rung(0.25, 16, 200), Rung(0.3, 24, 200)],
        ),
        # All problems from the first rung on: the few that diverge decide.
        (Rosenbrock(), SearchRange(1e-5, 1e-2, "log"), 256, [Rung(0.2, 256, 30)]),
    ],
    ids=["linear_regression", "linear_regression, adding problems", "rosenbrock"],
)
def test_halving_finds_a_setting_as_good_as_the_full_search(task, rates, problems, rungs):
    ranges = {"learning_rate": rates, "momentum": MOMENTUM}
    budget = dict(samples=600, problems=problems, steps=200, seed=0)
    full = search(task, Momentum(), ranges, **budget)
    halved = search(task, Momentum(), ranges, rungs=rungs, **budget)
    assert halved.winner.score <= 1.01 * full.winner.score
    assert halved.gradients <= 0.4 * halved.gradients_of_full_search == 0.4 * full.gradients
    for result in (full, halved):
        assert result.fresh_gradients == result.winner.contenders * problems * 200
    table = halved.table
    np.testing.assert_array_equal(np.sort(table.rank), np.arange(1, 601))
    last = table.rung == len(rungs)
    assert table.rank[last].max() == np.sum(last)  # who got further ranks better
    # Survivors of all rungs have the full search's scores.
    np.testing.assert_allclose(table.score[last], full.table.score[last], rtol=1e-5)
    # Sorted by rank within a rung, scores ascend.
    for rung in range(len(rungs) + 1):
        members = table.score[np.argsort(table.rank)][np.sort(table.rung)[::-1] == rung]
        assert np.all(members[:-1] <= members[1:])


def test_tuned_momentum_is_not_worse_than_the_optimal_heavy_ball():
    task = LinearRegression()
    ranges = {"learning_rate": SearchRange(1e-2, 1e1, "log"), "momentum": MOMENTUM}
    result = search(task, Momentum(), ranges, samples=2500, problems=64, steps=200, seed=0)
    eigenvalues = 10.0**task.log10_smallest_eigenvalue, 10.0**task.log10_largest_eigenvalue
    theory = optimal_momentum(*eigenvalues)
    problems = draw_problems(task, 64, 0, "problems")
    runs = run_trials(task, Momentum(), MomentumTheta(*np.float32(theory)[:, None]), problems, 200)
    assert result.winner.score <= runs.mean()
    # ... and it is the same optimizer, not another one that happens to score well.
    np.testing.assert_allclose(result.winner.theta, theory, rtol=0.1)


def test_a_search_compiles_once():
    task = LinearRegression(3)  # not used elsewhere
    ranges = {"learning_rate": SearchRange(1e-2, 1e1, "log"), "momentum": MOMENTUM}
    before = tuning.trials._run_block._cache_size()
    search(task, Momentum(), ranges, samples=2000, problems=8, steps=4, seed=0)
    search(task, Momentum(), ranges, samples=2000, problems=8, steps=6, seed=1)
    assert tuning.trials._run_block._cache_size() <= before + 2  # all trials, and the contenders


def test_gradient_count_is_what_a_search_spends():
    ranges = {"learning_rate": SearchRange(0.1, 1.0), "momentum": NO_MOMENTUM}
    rungs = [Rung(0.5, 2, 2), Rung(0.5, 2, 3), Rung(0.7, 4, 3)]
    budget = dict(samples=21, problems=4, steps=5)
    result = search(UNIT_PARABOLA, Momentum(), ranges, rungs=rungs, seed=0, **budget)
    # Where the steps stay, the second rung's runs serve in the third.
    expected = 21 * 2 * 2 + 11 * 2 * 3 + 6 * 2 * 3 + 5 * 4 * 5
    assert result.gradients == gradient_count(**budget, rungs=rungs) == expected


def test_columns_are_ready_for_a_table(on_a_parabola):
    columns = tuning.trial_columns(on_a_parabola.table)
    assert list(columns)[:4] == ["trial", "learning_rate", "momentum", "score"]
    assert {len(column) for column in columns.values()} == {50}


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: SearchRange(1.0, 1.0), "low should be less than high"),
        (lambda: SearchRange(0.0, 1.0, "log"), "log needs low > 0"),
        (lambda: SearchRange(0.0, 1.0, "log_one_minus"), "needs high < 1"),
        (lambda: SearchRange(0.0, 1.0, "cubic"), "'cubic' is not one of linear, log"),
        (lambda: Rung(0.0, 1, 1), r"keep should be in \(0, 1\]"),
        (lambda: Rung(0.5, 0, 1), "problems and steps of at least 1"),
        (
            lambda: sample_trials(Momentum(), {"momentum": MOMENTUM}, 2, 0),
            "Momentum needs search ranges for learning_rate, momentum; got momentum",
        ),
    ],
)
def test_errors_name_what_is_wrong(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_impossible_searches_are_refused():
    ranges = {"learning_rate": SearchRange(5.0, 9.0), "momentum": NO_MOMENTUM}
    budget = dict(samples=3, problems=2, steps=40, seed=0)
    with pytest.raises(ValueError, match="exceeds the full stage: 2 problems, 40 steps"):
        search(UNIT_PARABOLA, Momentum(), ranges, rungs=[Rung(0.5, 3, 10)], **budget)
    with pytest.raises(ValueError, match=r"all 3 trials of Momentum .* diverged"):
        search(UNIT_PARABOLA, Momentum(), ranges, **budget)
