"""Claims: measurements on closed forms, verdicts on made-up values, and that neither sees the other."""

import ast
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import synthetic_results as synthetic
from studies import REFERENCE, STUDIES

import lopt.claims
from lopt.claims.clipping import clipping_gradients
from lopt.claims.compare import COLUMNS, compare
from lopt.claims.document import markdown, matrix, sections
from lopt.claims.evidence import Absent, AbsentError, Null, TaskResults, gather, stand_in
from lopt.claims.measure import CRITERIA, MODULES, QUANTITIES
from lopt.claims.modes import cancellation_ratio, impulse_response, whole_modes
from lopt.claims.power import null_answers, separates
from lopt.claims.registry import ABOVE, AT_LEAST, AT_MOST, BELOW, Criterion, Measurement
from lopt.claims.sampling import robust_mean
from lopt.claims.shapes import straightness, turning, vertical_share
from lopt.claims.sizes import smaller, stated_sizes
from lopt.claims.summary import items, summarize
from lopt.claims.verdicts import AGREES, DIFFERS, VERDICTS, sampling_error, signed_error, tolerance
from lopt.config import merge
from lopt.records import checksums
from lopt.records.analysis import Code, Linearization
from lopt.records.evaluation import Evaluation
from lopt.records.published import Published, published_values
from lopt.records.results import Results
from lopt.records.store import StoreError, save, save_json, save_table

STUDY, LAPTOP = REFERENCE["tasks"], STUDIES["laptop"]["tasks"]
SIZES = stated_sizes()
STEPS = np.arange(synthetic.STEPS + 1)


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> dict[str, TaskResults]:
    folder = tmp_path_factory.mktemp("results") / "synthetic"
    synthetic.write(folder)
    files = Results(folder, synthetic.SEEDS, synthetic.BASELINES, synthetic.EARLY)
    return {task: gather(files, task) for task in synthetic.SEEDS}


@pytest.fixture(scope="module")
def table(results) -> pd.DataFrame:
    return compare(published_values(), results, LAPTOP, STUDY)


def with_responses(results: TaskResults, seed: int, **arrays) -> TaskResults:
    optimizer = results.optimizers[seed]
    changed = optimizer._replace(responses=optimizer.responses._replace(**arrays))
    return results._replace(optimizers={**results.optimizers, seed: changed})


def with_modes(modes: Linearization, alphas, eigenvalues=None, **arrays) -> Linearization:
    """The same linearization with other modes: of pairs, both members one after the other."""
    alphas = np.asarray(alphas, complex)
    eigenvalues = np.asarray(modes.eigenvalues if eigenvalues is None else eigenvalues, complex)
    members = np.where(eigenvalues.imag == 0.0, 1.0, 2.0)
    rates, sizes, heads = members * alphas.real, members * np.abs(alphas), eigenvalues.imag >= 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.divide(sizes[heads].sum(), abs(rates[heads].sum()))
    return modes._replace(
        eigenvalues=eigenvalues,
        momenta=np.abs(eigenvalues),
        complex_learning_rates=alphas,
        learning_rates=alphas.real,
        whole_learning_rates=rates,
        whole_sizes=sizes,
        heads=heads.astype(int),
        leading_mode=np.argmax(np.where(heads, sizes, -1.0)),
        cancellation_ratio=ratio,
    )._replace(**arrays)


def value(results, name, at=math.nan, seed=None) -> float:
    return QUANTITIES[name].measure(results, results.selected if seed is None else seed, at).value


def a_value(**changes) -> Published:
    made_up = Published(
        figure="4",
        task="linear_regression",
        quantity="autonomous_learning_rate_peak",
        at=math.nan,
        item="autonomous_learning_rate_peak",
        relation="=",
        published="10",
        better="",
        comparison="decades",
        reading_error=0.03,
        allowance=0.04,
        mark="",
        source="made up",
        reading="made up",
    )
    return made_up._replace(**changes)


def with_losses(results: TaskResults, **losses) -> TaskResults:
    """Other losses: of the plotted optimizer ("learned") and of tuned ones."""
    names = np.array(list(losses))
    seeds = np.where(names == "learned", results.selected, -1)
    evaluation = results.evaluation._replace(
        optimizers=names, seeds=seeds, losses=np.stack(list(losses.values()))
    )
    optimizers = {results.selected: results.optimizers[results.selected]}
    return results._replace(evaluation=evaluation, optimizers=optimizers, early=None, nulls={})


# --- the data file -------------------------------------------------------------------------------


def test_every_published_value_can_be_measured():
    for published in published_values():
        known = CRITERIA if published.comparison == "answer" else QUANTITIES
        assert published.quantity in known
        assert published.task in STUDY
        assert published.source and published.reading


def test_values_are_unique_and_curves_are_sampled_at_ten_iterations():
    values = published_values()
    keys = [(v.figure, v.task, v.quantity, v.at) for v in values]
    assert len({str(key) for key in keys}) == len(keys)
    for task in synthetic.SEEDS:
        for optimizer in ("learned", "momentum", "rmsprop", "adam"):
            curve = [v.at for v in values if (v.task, v.quantity) == (task, f"{optimizer}_loss")]
            assert len(curve) == 10
            assert curve == sorted(curve)


def test_of_the_fourth_task_questions_are_asked_and_nothing_is_published():
    values = [v for v in published_values() if v.task == "digits"]
    assert {v.published for v in values} == {""} and {v.source for v in values} == {"not published"}
    asked = {v.quantity for v in values if v.comparison == "answer"}
    assert {"slow_mode_carries_largest_learning_rate", "initial_update_saturates"} < asked
    assert {"has_schedule", "learning_rate_falls_along_both_arms", "beats_adam"} < asked


@pytest.mark.parametrize(
    ("column", "text", "message"),
    [
        ("published", "many", "published is 'many', expected a number"),
        ("published", "-1.0", "decades compare positive numbers only"),
        ("comparison", "colour", "comparison is 'colour', expected one of decades"),
        ("relation", ">", "relation is '>', expected one of"),
        ("allowance", "-0.5", "at least 0"),
        ("mark", "guessed", "mark is 'guessed', expected one of nothing, identified, by constr"),
        ("better", "yes", "better is 'yes', expected one of nothing, lower, higher"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, column, text, message):
    path = tmp_path / "published.csv"
    row = {name: str(entry) for name, entry in a_value()._asdict().items()} | {"at": ""}
    lines = [",".join(Published._fields), ",".join(row.values())]
    path.write_text("\n".join([*lines, ",".join((row | {column: text}).values())]))
    with pytest.raises(StoreError, match=rf"published.csv, line 3: .*{message}"):
        published_values(path)


# --- what is measured ----------------------------------------------------------------------------


def test_losses_and_their_standard_errors(results):
    linear = results["linear_regression"]
    losses = synthetic.evaluation("linear_regression").losses[2].astype(float)  # momentum
    measured = QUANTITIES["momentum_loss"].measure(linear, 0, 100)
    assert measured.value == pytest.approx(losses[:, 100].mean(), rel=1e-12)
    # The seven largest and the seven smallest of 128 drawn in to the next.
    ordered = np.sort(losses[:, 100])
    ordered[:7], ordered[-7:] = ordered[7], ordered[-8]
    assert measured.standard_error == pytest.approx(ordered.std(ddof=1) / 128**0.5)
    assert measured.center == pytest.approx(ordered.mean())
    # Momentum decays as exp(-0.09 k), seed 1 of the learned optimizer as exp(-0.072 k), no further
    # than exp(-18): momentum is ahead from the first step until both have arrived.
    start = value(linear, "start_loss")
    assert value(linear, "learned_loss", 50) == pytest.approx(
        start * math.exp(-0.072 * 50), rel=1e-5
    )
    assert value(linear, "momentum_loss_reaches", start * math.exp(-0.9) * 1.001) == 10
    assert math.isnan(value(linear, "momentum_loss", 201))
    assert math.isnan(value(linear, "momentum_loss_reaches", 1e-12))


def test_where_momentum_overtakes(results):
    linear = results["linear_regression"]
    k = np.arange(21)
    curves = {"learned": np.exp(-0.5 * np.minimum(k, 8)), "momentum": np.exp(-0.3 * k)}
    losses = np.stack([np.stack([curve, 3 * curve]) for curve in curves.values()])
    evaluation = linear.evaluation._replace(
        optimizers=np.array(list(curves)), seeds=np.array([1, -1]), losses=losses
    )
    crossing = linear._replace(evaluation=evaluation)
    # 0.3 k > 4 from k = 14 on.
    assert value(crossing, "momentum_overtakes_learned") == 14
    ahead = evaluation._replace(losses=losses[::-1])
    assert math.isnan(value(linear._replace(evaluation=ahead), "momentum_overtakes_learned"))


def test_eigenvalues_leave_out_the_conjugate(results):
    assert value(results["rosenbrock"], "leading_eigenvalue") == pytest.approx(0.9)
    assert value(results["rosenbrock"], "next_eigenvalue") == pytest.approx(0.96)


def test_saturation_of_a_hyperbolic_tangent(results):
    rosenbrock, m = results["rosenbrock"], synthetic.MAGNITUDES["rosenbrock"]
    scale, grid = m.update / m.learning_rate, np.linspace(-1000.0, 1000.0, 20001)
    fine = with_responses(
        rosenbrock,
        0,
        update_gradients=grid,
        initial_updates=synthetic.update_function(m, grid, 0.01),
        initial_intercept=np.array(0.01),
        slow_mode_updates=np.zeros((5, len(grid))),
        constant_gradient_updates=np.zeros((26, len(grid))),
    )
    # tanh(x) = x / 2 at x = 1.91501; tanh(x) = 0.9 at x = 1.47222.
    limits = clipping_gradients(fine.optimizers[0].responses)
    np.testing.assert_allclose(limits, 1.91501 * scale, atol=0.1)
    assert value(fine, "saturation_gradient") == pytest.approx(1.47222 * scale, abs=0.1)
    assert value(fine, "initial_update", -20.05) == pytest.approx(
        0.01 + m.update * math.tanh(20.05 / scale), rel=1e-4
    )
    assert math.isnan(value(fine, "initial_update", 1001.0))


def test_a_linear_update_function_clips_nothing(results):
    linear, grid = results["linear_regression"], np.linspace(-5.0, 5.0, 121)
    straight = with_responses(linear, 1, initial_updates=-6.0 * grid)
    assert np.isnan(clipping_gradients(straight.optimizers[1].responses)).all()
    assert CRITERIA["gradients_reach_saturation"].measure(straight, 1) == 0.0


def test_arms_are_interpolated_in_the_logarithm(results):
    m = synthetic.MAGNITUDES["rosenbrock"]
    rates = np.concatenate([np.zeros(13), 5.0 + np.log10(m.constant)])
    sloped = with_responses(results["rosenbrock"], 0, constant_gradient_learning_rates=rates)
    assert value(sloped, "positive_arm_learning_rate", 3.0) == pytest.approx(5.0 + math.log10(3.0))
    assert math.isnan(value(sloped, "positive_arm_learning_rate", 2000.0))
    assert value(sloped, "positive_arm_lowest_gradient") == pytest.approx(1e-3)
    assert value(sloped, "positive_arm_lowest_learning_rate") == pytest.approx(2.0)


def test_the_schedule(results):
    rates = 2.0 + np.sin(np.pi * STEPS / 200.0)
    linear = with_responses(results["linear_regression"], 1, autonomous_learning_rates=rates)
    assert value(linear, "autonomous_peak_iteration") == 100
    assert value(linear, "autonomous_learning_rate_peak") == 3.0
    assert value(linear, "autonomous_learning_rate", 0) == 2.0
    assert CRITERIA["has_schedule"].measure(linear, 1) == pytest.approx(1.5)
    broken = with_responses(linear, 1, autonomous_learning_rates=np.full(201, np.nan))
    assert CRITERIA["has_schedule"].answer(CRITERIA["has_schedule"].measure(broken, 1)) == "unknown"


def test_turning_of_arcs():
    angles = np.linspace(0.0, 0.5 * np.pi, 91)
    arc = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert turning(arc) == pytest.approx(89.0)  # 90 degrees less half a step at each end
    assert turning(arc[::-1]) == pytest.approx(-89.0)
    # A step of no length has an arbitrary direction.
    assert turning(np.insert(arc, 45, arc[45] + [1e-9, -1e-9], axis=0)) == pytest.approx(89.0)
    # Many short steps turn as far as few long ones.
    fine = np.linspace(0.0, 0.5 * np.pi, 9001)
    many = np.stack([np.cos(fine), np.sin(fine)], axis=1)
    assert turning(many) == pytest.approx(turning(many[::90]), abs=2.0)


def test_an_s_turns_both_ways_and_a_c_only_one(results):
    criterion, linear = CRITERIA["fixed_points_trace_s_curve"], results["linear_regression"]
    x = np.concatenate([-np.linspace(1.0, 0.1, 8), np.linspace(0.1, 1.0, 8)])
    for y, expected in ((x**3, "yes"), (x**2, "no"), (0.5 * x, "no")):
        projected = np.zeros((16, synthetic.AXES))
        projected[:, 0], projected[:, 1] = x, y
        curve = with_responses(linear, 1, projected_constant_gradient=projected)
        assert criterion.answer(criterion.measure(curve, 1)) == expected


def test_the_step_from_arm_to_arm_belongs_to_both(results):
    """Up, right; right, up: each arm turns by 90 degrees, one of them at its first point."""
    criterion = CRITERIA["fixed_points_trace_s_curve"]
    projected = np.zeros((6, synthetic.AXES))
    projected[:, :2] = [[0, 0], [0, 1], [1, 1], [2, 1], [2, 2], [2, 3]]
    arms = {
        "constant_gradients": np.array([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0]),
        "constant_gradient_branches": np.zeros(6, int),
        "projected_constant_gradient": projected,
    }
    linear = results["linear_regression"]
    short = linear.optimizers[1].responses._replace(**arms)
    short = with_optimizer(linear, 1, responses=short)
    assert criterion.measure(short, 1) == pytest.approx(90.0)


def test_the_s_curve_is_that_of_the_convergence_points_branch(results):
    criterion, linear = CRITERIA["fixed_points_trace_s_curve"], results["linear_regression"]
    x = np.concatenate([-np.linspace(1.0, 0.1, 8), np.linspace(0.1, 1.0, 8)])
    projected = np.zeros((16, synthetic.AXES))
    projected[:, 0], projected[:, 1] = x, x**3

    def measured(branches, path=projected):
        changed = with_responses(
            linear, 1, projected_constant_gradient=path, constant_gradient_branches=branches
        )
        return criterion.measure(changed, 1)

    own = np.zeros(16, int)
    whole = measured(own)
    assert criterion.answer(whole) == "yes"
    # What lies beyond a fold neither bends the curve nor makes it straight.
    away, beyond = projected.copy(), own.copy()
    away[13:, :2], beyond[13:] = [[9.0, -9.0], [-5.0, 7.0], [3.0, 3.0]], [1, 1, -1]
    assert measured(beyond, away) == measured(beyond)
    assert criterion.answer(measured(own, away)) == "no"
    # Released linear regression, seed 0: the branch folds before the second gradient of an arm.
    for row in (9, 8):
        short = np.where(np.arange(16) >= row, 1, 0)
        assert criterion.answer(measured(short)) == "unknown"


def test_vertical_share_of_shifts_and_slopes():
    grid, shifts = np.linspace(-1.0, 1.0, 201), np.array([-1.0, 0.0, 1.0])[:, None]
    assert vertical_share(np.tanh(grid) + shifts) == pytest.approx(1.0)
    assert vertical_share(grid * shifts) == pytest.approx(0.0, abs=1e-12)
    # Both at once: shifts have variance 2/3, slopes 2/3 times the mean of g^2.
    expected = 1.0 / (1.0 + np.mean(grid**2))
    assert vertical_share(shifts + grid * shifts) == pytest.approx(expected)


def test_winning_is_paired_problem_by_problem(results):
    linear = results["linear_regression"]
    rng = np.random.default_rng(0)
    start = 10.0 ** rng.uniform(0.0, 6.0, size=(40, 1))
    curve = np.exp(-0.1 * np.arange(21)) * (1.0 + 0.1 * rng.normal(size=(40, 1))) ** 0
    difficulty = 0.5 + 0.4 * rng.uniform(size=(40, 1))
    theirs = np.concatenate([start, start * difficulty * curve[:, 1:]], axis=1)
    ours = np.concatenate([start, 0.99 * theirs[:, 1:]], axis=1)
    evaluation = linear.evaluation._replace(
        optimizers=np.array(["learned", "adam"]),
        seeds=np.array([1, -1]),
        losses=np.stack([ours, theirs]),
    )
    criterion = CRITERIA["beats_adam"]
    better = linear._replace(evaluation=evaluation)
    # 1 % better on every problem counts, though difficulties differ much more between problems.
    assert criterion.answer(criterion.measure(better, 1)) == "yes"
    worse = linear._replace(evaluation=evaluation._replace(losses=evaluation.losses[::-1]))
    assert criterion.answer(criterion.measure(worse, 1)) == "no"
    diverged = evaluation.losses.copy()
    diverged[1, 3, 5:] = np.nan
    lost = linear._replace(evaluation=evaluation._replace(losses=diverged))
    assert criterion.measure(lost, 1) == -np.inf
    assert CRITERIA["ends_below_adam"].measure(lost, 1) == 0.0
    assert value(lost, "adam_loss", 10, seed=1) == np.inf
    diverged[0, 3, 5:] = np.inf
    both = linear._replace(evaluation=evaluation._replace(losses=diverged))
    assert criterion.answer(criterion.measure(both, 1)) == "unknown"
    assert CRITERIA["ends_below_adam"].answer(criterion.measure(both, 1)) == "unknown"


def test_winning_takes_two_standard_errors(results):
    """Differences of the meta-objectives of mean -0.1 and standard error 0.1 / score."""
    linear, apart = results["linear_regression"], np.tile([-1.0, 1.0], 50)
    for score, expected in ((2.1, "yes"), (1.9, "no")):
        losses = np.ones((100, 3))
        losses[:, 2] += 3.0 * (-0.1 + (0.1 / score) * 99**0.5 * apart)
        changed = with_losses(linear, learned=losses, adam=np.ones((100, 3)))
        measured = CRITERIA["beats_adam"].measure(changed, 1)
        assert measured == pytest.approx(-score)
        assert CRITERIA["beats_adam"].answer(measured) == expected


def early_with(results: TaskResults, alphas, eigenvalues) -> TaskResults:
    """An early optimizer of these modes."""
    modes = with_modes(results.early.linearization, alphas, eigenvalues)
    return results._replace(early=results.early._replace(linearization=modes))


def test_the_early_optimizer_is_one_mode_and_which(results):
    linear = results["linear_regression"]
    one, optimal = CRITERIA["early_is_one_mode"], CRITERIA["early_is_the_optimal_momentum"]
    # The optimum is (3.76, 0.881).
    found = early_with(linear, [3.76 * 10**0.05], [0.881 + 0.006])
    assert one.measure(found, 1) == pytest.approx(1.0)
    assert optimal.measure(found, 1) == pytest.approx(0.5)  # in units of 0.1 decade
    assert optimal.answer(optimal.measure(found, 1)) == "yes"
    # Of that optimizer, and of its leading mode: a small one at the optimum makes it no momentum.
    hidden = early_with(linear, [5.0, 3.76], [0.5, 0.881])
    assert optimal.measure(hidden, 1) == pytest.approx((0.881 - 0.5) / 0.02)
    # Modes that cancel leave nothing; two that pull apart do not.
    cancelling = early_with(linear, [4.0, 3.0, -3.0], [0.9, 0.6, 0.6])
    assert one.measure(cancelling, 1) == pytest.approx(1.0)
    # One step's answer is 6, then 4 * 0.9^k: what is left out is 2 at k = 0.
    answer = 4.0 * 0.9 ** np.arange(200) + np.append(2.0, np.zeros(199))
    two = early_with(linear, [4.0, 2.0], [0.9, 0.0])
    assert one.measure(two, 1) == pytest.approx(1.0 - 4.0 / np.sum(answer**2))
    assert np.isnan(one.measure(early_with(linear, [0.0], [0.9]), 1))
    # Its rate is half of the optimum's: the pair counts as a whole.
    pair = early_with(linear, [1.88 + 1j, 1.88 - 1j], [0.881j, -0.881j])
    assert one.measure(pair, 1) == pytest.approx(1.0)
    assert optimal.measure(pair, 1) == pytest.approx(0.0, abs=1e-9)


def test_early_is_worse_and_how_much(results):
    linear = results["linear_regression"]
    worse, slightly = CRITERIA["early_is_worse"], CRITERIA["early_is_slightly_worse"]
    start = np.linspace(1.0, 2.0, 16)[:, None] * np.ones(3)

    def at(ratio):
        plotted, early = start * [1, 0.5, 0.0], start * [1, 0.5, 0.0]
        early[:, 1:] = early[:, 1:] + 1.5 * (ratio - 1.0) * start[:, 1:] / 2.0
        evaluation = linear.evaluation._replace(
            optimizers=np.array(["learned", "learned"]),
            seeds=np.array([linear.selected, linear.early_seed]),
            losses=np.stack([plotted, early]),
        )
        changed = linear._replace(evaluation=evaluation)
        return [c.answer(c.measure(changed, 1)) for c in (worse, slightly)], slightly.measure(
            changed, 1
        )

    assert at(1.4) == (["yes", "yes"], pytest.approx(1.4))
    assert at(1.6) == (["yes", "no"], pytest.approx(1.6))
    assert at(0.9)[0] == ["no", "yes"]


def test_the_early_optimizer_is_gathered(tmp_path):
    synthetic.write(tmp_path)
    files = Results(tmp_path, synthetic.SEEDS, synthetic.BASELINES, synthetic.EARLY)
    (task, seed), *_ = synthetic.EARLY.items()
    expected, early = synthetic.linearization(task, seed), gather(files, task).early
    np.testing.assert_array_equal(early.linearization.eigenvalues, expected.eigenvalues)
    assert gather(files, "rosenbrock").early is None


# --- modes ---------------------------------------------------------------------------------------


def test_a_conjugate_pair_counts_whole(results):
    modes = results["rosenbrock"].optimizers[0].linearization
    slow, pair = 0.96, 0.9 * np.exp(0.1j)
    rates = np.zeros(synthetic.STATE, complex)
    rates[:3] = [1.0, 0.1 - 0.6j, 0.1 + 0.6j]
    planted = with_modes(modes, rates)
    whole = whole_modes(planted)
    assert len(whole.momenta) == synthetic.STATE - 1
    # 2 * |0.1 - 0.6i| = 1.2166 against 1, though one of the pair alone is only 0.608.
    assert whole.leading == 1
    np.testing.assert_allclose(whole.sizes[:2], [1.0, 2.0 * math.hypot(0.1, 0.6)])
    np.testing.assert_allclose(whole.learning_rates[:2], [1.0, 0.2])
    np.testing.assert_allclose(whole.momenta[:2], [slow, abs(pair)])
    # 1 + 1.2166 over 1 + 0.2.
    assert cancellation_ratio(planted) == pytest.approx((1 + 2 * math.hypot(0.1, 0.6)) / 1.2)
    changed = results["rosenbrock"]
    optimizer = changed.optimizers[0]._replace(linearization=planted)
    changed = changed._replace(optimizers={0: optimizer})
    assert value(changed, "leading_eigenvalue", seed=0) == pytest.approx(0.9)
    assert value(changed, "next_eigenvalue", seed=0) == pytest.approx(0.96)
    low = CRITERIA["next_mode_has_low_rate"].measure(changed, 0)
    assert low == pytest.approx(1.0 / (2.0 * math.hypot(0.1, 0.6)))
    response = impulse_response(rates, modes.eigenvalues, 4)
    expected = [0.96**k + 2.0 * ((0.1 - 0.6j) * pair**k).real for k in range(4)]
    np.testing.assert_allclose(response, expected)


def test_a_cluster_is_one_mode(results):
    """Of three equal eigenvalues the first carries the rate of all, and none of them is "the next"."""
    modes = results["rosenbrock"].optimizers[0].linearization
    eigenvalues = modes.eigenvalues.copy()
    eigenvalues[:3] = 0.96
    rates = np.zeros(synthetic.STATE, complex)
    rates[0], rates[3] = 2.0, 0.5
    heads = np.ones(synthetic.STATE, int)
    heads[1:3] = 0
    clusters = np.array([0, 0, 0, *range(1, synthetic.STATE - 2)])
    merged = with_modes(modes, rates, eigenvalues, heads=heads, clusters=clusters)
    optimizer = results["rosenbrock"].optimizers[0]._replace(linearization=merged)
    changed = results["rosenbrock"]._replace(optimizers={0: optimizer})
    assert len(whole_modes(merged).momenta) == synthetic.STATE - 2
    assert value(changed, "leading_eigenvalue", seed=0) == pytest.approx(0.96)
    assert value(changed, "next_eigenvalue", seed=0) == pytest.approx(modes.momenta[3])
    assert value(changed, "leading_learning_rate", seed=0) == pytest.approx(2.0)
    low = CRITERIA["next_mode_has_low_rate"].measure(changed, 0)
    assert low == pytest.approx(0.25)


def test_without_any_learning_rate_no_mode_leads(results):
    rosenbrock = results["rosenbrock"]
    modes = rosenbrock.optimizers[0].linearization
    still = with_modes(modes, np.zeros(synthetic.STATE))
    optimizer = rosenbrock.optimizers[0]._replace(linearization=still)
    changed = rosenbrock._replace(optimizers={0: optimizer})
    for name in ("slow_mode_carries_largest_learning_rate", "next_mode_has_low_rate"):
        assert CRITERIA[name].answer(CRITERIA[name].measure(changed, 0)) == "unknown"
    for name in ("leading_eigenvalue", "next_eigenvalue", "cancellation_ratio"):
        assert math.isnan(value(changed, name, seed=0))


def test_one_convergence_point_counts_stable_points(results):
    criterion, rosenbrock = CRITERIA["one_convergence_point"], results["rosenbrock"]

    def answer(**found):
        optimizer = rosenbrock.optimizers[0]._replace(fixed_points=SimpleNamespace(**found))
        changed = rosenbrock._replace(optimizers={0: optimizer})
        return criterion.answer(criterion.measure(changed, 0))

    # Two stable points, of which runs end at both: the released linear regression, seed 2.
    for stable, expected in (([1], "yes"), ([1, 0, 0], "yes"), ([1, 1, 0], "no"), ([0], "no")):
        attractors = {
            "attractor_stable": np.array(stable),
            "attractor_codes": np.zeros(len(stable), int),
        }
        assert answer(convergence_code=0, **attractors) == expected
        assert answer(convergence_code=1, **attractors) == "no"
    # Neither a line attractor nor a cycle is one point, however many runs end there.
    for code in (Code.CONTINUUM, Code.LIMIT_CYCLE):
        attractors = {"attractor_stable": np.array([1]), "attractor_codes": np.array([int(code)])}
        assert answer(convergence_code=0, **attractors) == "no"


def test_the_autonomous_path_ends_where_it_should(results):
    criterion = CRITERIA["autonomous_path_ends_at_convergence_point"]
    rosenbrock = results["rosenbrock"]
    # The path is exp(-k / 40) in each of 24 entries, h* is 0.1: from 0.9 to 0.1 - e^-5.
    assert criterion.measure(rosenbrock, 0) == pytest.approx((0.1 - math.exp(-5.0)) / 0.9)
    # However far away it was in between.
    path = np.interp(STEPS, [0, 100, 200], [1.1, 9.1, 0.3])[:, None] * np.ones(synthetic.STATE)
    states = rosenbrock.optimizers[0].trajectories._replace(autonomous_states=path)
    changed = with_optimizer(rosenbrock, 0, trajectories=states)
    assert criterion.measure(changed, 0) == pytest.approx(0.2)


def test_straight_lines_and_published_decay(results):
    line = np.linspace(3.0, 1.0, 11)
    assert straightness(line) == pytest.approx(1.0)
    assert math.isnan(straightness(np.ones(5)))
    assert straightness(np.exp(-np.linspace(0.0, 3.0, 50))) < 0.9
    # The published curve answers as published; without its straight part it would not.
    points = {
        v.at: float(v.published)
        for v in published_values()
        if (v.task, v.quantity) == ("linear_regression", "autonomous_learning_rate")
    }
    curve = np.interp(STEPS, list(points), list(points.values()))
    criterion, linear = CRITERIA["schedule_decays_linearly"], results["linear_regression"]
    exponential = np.where(STEPS < 22, 5.5 + 0.3 * STEPS, 12.0 * np.exp(-(STEPS - 22) / 60.0))
    for rates, expected in ((curve, "yes"), (exponential, "no"), (np.full(201, 3.0), "no")):
        changed = with_responses(linear, 1, autonomous_learning_rates=rates)
        assert criterion.answer(criterion.measure(changed, 1)) == expected


def test_arms_and_slopes(results):
    linear, m = results["linear_regression"], synthetic.MAGNITUDES["linear_regression"]
    arms, slopes = CRITERIA["arms_are_asymmetric"], CRITERIA["constant_gradients_change_slope"]
    assert arms.measure(linear, 1) == pytest.approx(1.0)
    rates = np.concatenate([np.full(8, 2.0), np.full(8, 2.5)])
    lopsided = with_responses(linear, 1, constant_gradient_learning_rates=rates)
    assert arms.measure(lopsided, 1) == pytest.approx(1.25)
    assert slopes.measure(lopsided, 1) == pytest.approx(1.25)
    shifted = with_responses(
        linear, 1, constant_gradient_learning_rates=np.full(16, m.learning_rate)
    )
    assert slopes.answer(slopes.measure(shifted, 1)) == "no"


def test_gradients_met(results):
    linear = results["linear_regression"]
    trajectories = linear.optimizers[1].trajectories
    counts, edges = np.zeros(100, int), trajectories.magnitude_edges
    counts[edges[1:] <= -1.0 + 1e-9], counts[edges[:-1] >= 1.0 - 1e-9] = 3, 1
    known = trajectories._replace(magnitude_counts=counts)
    optimizer = linear.optimizers[1]._replace(trajectories=known)
    changed = linear._replace(optimizers={1: optimizer})
    beyond = counts[edges[:-1] >= 1.0 - 1e-9].sum() / counts.sum()
    assert value(changed, "gradients_beyond", 5.0) == pytest.approx(beyond)
    levels = trajectories.gradient_quantile_levels
    quantile = value(linear, "gradient_quantile", 0.99)
    assert quantile == trajectories.gradient_quantiles[list(levels).index(0.99)]
    assert math.isnan(value(linear, "gradient_quantile", 0.3))


def with_optimizer(results: TaskResults, seed: int, **stages) -> TaskResults:
    optimizer = results.optimizers[seed]._replace(**stages)
    return results._replace(optimizers={**results.optimizers, seed: optimizer})


def test_where_the_variance_of_the_states_peaks_and_what_is_left_of_it(results):
    rosenbrock = results["rosenbrock"]
    variance = np.interp(STEPS, [0, 50, 200], [1.0, 5.0, 0.5])
    known = rosenbrock.optimizers[0].trajectories._replace(total_variance=variance)
    changed = with_optimizer(rosenbrock, 0, trajectories=known)
    peaks, decays = CRITERIA["state_variance_peaks_early"], CRITERIA["state_variance_decays"]
    assert peaks.measure(changed, 0) == 50 / 200
    assert decays.measure(changed, 0) == pytest.approx(0.5 / 5.0)
    still = known._replace(total_variance=np.zeros(201))
    still = with_optimizer(rosenbrock, 0, trajectories=still)
    assert np.isnan([peaks.measure(still, 0), decays.measure(still, 0)]).all()


def test_the_leading_mode_is_slow_beside_the_others_and_in_itself(results):
    criterion, rosenbrock = (
        CRITERIA["slow_mode_carries_largest_learning_rate"],
        results["rosenbrock"],
    )
    modes, low = rosenbrock.optimizers[0].linearization, CRITERIA["next_mode_has_low_rate"]
    rates = np.full(synthetic.STATE, 0.1)
    rates[1], rates[2] = 1.0, 0.3
    # One of the others is faster than the leading mode in no way: it decays as slowly.
    for own, expected in ((0.9, 22 / 23), (0.49, 0.0)):
        eigenvalues = np.full(synthetic.STATE, 0.2)
        eigenvalues[:2] = own
        planted = with_modes(modes, rates, eigenvalues)
        changed = with_optimizer(rosenbrock, 0, linearization=planted)
        assert criterion.measure(changed, 0) == pytest.approx(expected)
        # The next is the slowest of the others, not that of the largest rate among them.
        assert low.measure(changed, 0) == pytest.approx(0.1)


def test_the_arm_that_saturates_less_decides(results):
    linear, grid = results["linear_regression"], np.linspace(-5.0, 5.0, 1001)
    sloped = with_responses(linear, 1, saturation_slopes=np.array([0.01, 0.3]))
    assert CRITERIA["initial_update_saturates"].measure(sloped, 1) == 0.3
    # Clipped at 1 on one side and at 2 on the other: half a linear update at 2 and at 4.
    clipped = with_responses(
        linear,
        1,
        update_gradients=grid,
        initial_updates=-6.0 * np.clip(grid, -2.0, 1.0),
        initial_intercept=np.array(0.0),
        initial_learning_rate=np.array(6.0),
    )
    limits = clipping_gradients(clipped.optimizers[1].responses)
    np.testing.assert_allclose(limits, [4.0, 2.0], atol=0.011)
    measured = CRITERIA["gradients_reach_saturation"].measure(clipped, 1)
    assert measured == pytest.approx(value(linear, "gradients_beyond", 4.0), rel=0.01)
    assert measured < 0.9 * value(linear, "gradients_beyond", 2.0)
    # 90 % of the largest update, at 1.8 and at 0.9.
    assert value(clipped, "saturation_gradient") == pytest.approx(math.sqrt(1.8 * 0.9), abs=0.01)


def test_the_decay_is_looked_at_half_way_to_the_end(results):
    criterion, linear = CRITERIA["schedule_decays_linearly"], results["linear_regression"]
    # The peak is at 40, so that half of the way is at 120: straight to there, and flat from there on.
    rates = np.interp(STEPS, [0, 40, 120, 200], [1.0, 10.0, 2.0, 2.0])
    changed = with_responses(linear, 1, autonomous_learning_rates=rates)
    assert criterion.measure(changed, 1) == pytest.approx(1.0)
    nearly = 10.0 - 1e-3 * rates  # rises as straight: what it falls by is nothing
    changed = with_responses(linear, 1, autonomous_learning_rates=nearly)
    assert criterion.measure(changed, 1) == 0.0


def test_the_rate_falls_along_both_arms_or_not_at_all(results):
    criterion, linear = (
        CRITERIA["learning_rate_falls_along_both_arms"],
        results["linear_regression"],
    )
    falling = np.linspace(2.0, 1.0, 8)

    def measured(negative, positive):
        rates = np.concatenate([negative[::-1], positive])
        return criterion.measure(
            with_responses(linear, 1, constant_gradient_learning_rates=rates), 1
        )

    assert measured(falling, falling + 2.0) == measured(falling + 2.0, falling) == 3.0 / 4.0
    assert measured(falling, falling - 2.0) == np.inf  # what begins at 0 has nothing to fall from


def test_the_optimizer_is_stable_at_a_share_of_the_spectrum(results):
    """A heavy ball of limit 1; between two curvatures of the grid its limit is known better."""
    linear, criterion = results["linear_regression"], CRITERIA["stable_at_the_tasks_curvatures"]
    record = linear.stability
    (row,) = np.flatnonzero((record.optimizers == "learned") & (record.seeds == 1))
    rates, limits = record.rates.copy(), record.stable_up_to.copy()
    curvatures = np.geomspace(1e-2, 1e2, 61)
    rates[:] = 0.5
    rates[row], limits[row] = np.where(curvatures < 0.9, 0.5, 1.5), 1.1
    stability = record._replace(
        curvatures=curvatures,
        rates=rates,
        stable_up_to=limits,
        met_curvatures=np.array([-1.0, 0.0, 0.1, 1.05, 20.0]),
        met_weights=np.array([0.4, 0.1, 0.2, 0.1, 0.2]),
    )
    changed = linear._replace(stability=stability)
    assert criterion.measure(changed, 1) == pytest.approx(0.3 / 0.5)
    assert value(changed, "stable_up_to") == 1.1


def test_what_is_recovered_is_recovered_by_numbers_read_off(results):
    linear = results["linear_regression"]
    table = pd.DataFrame(
        [(1, "tuned", 0.9, 0.01), (0, "read off", 0.7, 0.02), (1, "read off", 0.4, 0.05)],
        columns=["seed", "numbers", "share", "share_se"],
    )
    changed = linear._replace(distilled=table)
    measured = QUANTITIES["distilled_share"].measure(changed, 1, math.nan)
    assert (measured.value, measured.standard_error) == (0.4, 0.05)


def test_what_the_drift_costs_has_no_sign(results):
    linear = results["linear_regression"]
    table = linear.interventions.copy()
    own = (table["optimizer"] == "no_drift") & (table["seed"] == 1)
    for difference in (-0.5, 0.5):
        table.loc[own, ["difference", "difference_se"]] = [difference, 0.1]
        changed = linear._replace(interventions=table)
        assert CRITERIA["drift_costs_nothing"].measure(changed, 1) == pytest.approx(5.0)


def test_every_eigenvalue_counts_and_rounding_does_not(results):
    criterion, rosenbrock = CRITERIA["all_eigenvalues_inside_circle"], results["rosenbrock"]
    modes = rosenbrock.optimizers[0].linearization
    for last, expected in ((0.3, "yes"), (1.0 + 1e-12, "yes"), (1.001, "no"), (-1.2, "no")):
        eigenvalues = modes.eigenvalues.copy()
        eigenvalues[-1] = last  # of no learning rate: it counts all the same
        changed = with_modes(modes, np.append(modes.complex_learning_rates[:-1], 0.0), eigenvalues)
        optimizer = rosenbrock.optimizers[0]._replace(linearization=changed)
        changed = rosenbrock._replace(optimizers={0: optimizer})
        assert criterion.answer(criterion.measure(changed, 0)) == expected, last


def test_drift_flatness_and_conditions_are_those_of_the_records(results):
    """What no claim was about: the update at h*, a flat schedule, the density of condition numbers."""
    rosenbrock, linear = results["rosenbrock"], results["linear_regression"]
    found = rosenbrock.optimizers[0].fixed_points._replace(convergence_update=np.array(-2e-3))
    optimizer = rosenbrock.optimizers[0]._replace(fixed_points=found)
    changed = rosenbrock._replace(optimizers={0: optimizer})
    assert value(changed, "update_at_convergence_point", seed=0) == -2e-3
    published = [v for v in published_values() if v.quantity == "update_at_convergence_point"]
    assert {v.task for v in published} == set(synthetic.SEEDS)
    assert {float(v.published) for v in published} == {0.0}
    rates = 1.6e-3 * np.linspace(1.0, 1.25, 201)[::-1]
    sloped = with_responses(rosenbrock, 0, autonomous_learning_rates=rates)
    assert value(sloped, "autonomous_learning_rate_ratio", seed=0) == pytest.approx(1.25)
    flat = {v.task for v in published_values() if v.quantity == "autonomous_learning_rate_ratio"}
    assert flat == {"rosenbrock", "two_moons"}
    conditions = linear.portrait.log10_condition_numbers
    assert value(linear, "median_condition_number") == pytest.approx(10 ** np.median(conditions))
    assert value(linear, "largest_condition_number") == pytest.approx(10 ** conditions.max())


# --- the verdict ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sense", "expected"),
    [
        (AT_LEAST, ["no", "yes", "yes"]),
        (ABOVE, ["no", "no", "yes"]),
        (AT_MOST, ["yes", "yes", "no"]),
        (BELOW, ["yes", "no", "no"]),
    ],
)
def test_where_yes_begins(sense, expected):
    criterion = Criterion("a statement", "a number", sense, 1.5, (), lambda results, seed: math.nan)
    assert [criterion.answer(number) for number in (1.4, 1.5, 1.6)] == expected
    assert criterion.answer(math.nan) == "unknown"


def verdicts(results, *values, settings=STUDY) -> list[str]:
    return compare(values, results, settings, STUDY)["verdict"].tolist()


def test_verdicts(results):
    """Tolerances: 3-4-5 triangles."""
    peak = value(results["linear_regression"], "autonomous_learning_rate_peak")
    inside, outside = peak * 10**0.0499, peak * 10**0.0501
    values = [a_value(published=repr(number)) for number in (peak, inside, outside, 1 / outside)]
    expected = ["agrees", "agrees", "differs", "differs"]
    assert verdicts(results, *values) == expected
    assert verdicts(results, *values, settings=LAPTOP) == expected, "a scale excuses nothing"
    absolute = {"comparison": "difference", "reading_error": 0.6, "allowance": 0.8}
    values = [a_value(published=repr(peak + step), **absolute) for step in (-0.99, 0.99, 1.01)]
    assert verdicts(results, *values) == ["agrees", "agrees", "differs"]
    table = compare([a_value(published=repr(outside))], results, LAPTOP, STUDY)
    assert float(table.loc[0, "error"]) == pytest.approx(-0.0501, rel=1e-3)
    assert float(table.loc[0, "tolerance"]) == pytest.approx(0.05)
    assert "optimizer.units 32 < 256" in table.loc[0, "smaller"]


def test_with_half_the_allowance_and_without_it(results):
    """sqrt(0.03^2 + 0.02^2) = 0.03606."""
    peak = value(results["linear_regression"], "autonomous_learning_rate_peak")
    for error, expected in (
        (0.029, ["agrees"] * 3),
        (0.0360, ["agrees", "agrees", "differs"]),
        (0.0362, ["agrees", "differs", "differs"]),
        (0.051, ["differs"] * 3),
    ):
        table = compare([a_value(published=repr(peak / 10**error))], results, STUDY, STUDY)
        columns = ["verdict", "at_half_allowance", "at_no_allowance"]
        assert table.loc[0, columns].tolist() == expected


@pytest.mark.parametrize("settings", [STUDY, LAPTOP])
def test_better_never_differs(results, settings):
    """At any distance and any scale: a lower loss than published exceeds."""
    linear = results["linear_regression"]
    ours = value(linear, "learned_loss", 100)
    for factor in (10.0, 1e3, 1e30):
        lower = a_value(quantity="learned_loss", at=100, better="lower")
        better, worse = (
            lower._replace(published=repr(number)) for number in (ours * factor, ours / factor)
        )
        assert verdicts(results, better, worse, settings=settings) == ["exceeds", "differs"]
        neutral = better._replace(better="")
        assert verdicts(results, neutral, settings=settings) == ["differs"]
    losses = np.zeros((4, 201))
    losses[:, 0] = 1.0
    solved = {"linear_regression": with_losses(linear, learned=losses)}
    value_of_0 = a_value(quantity="learned_loss", at=100, better="lower")
    assert verdicts(solved, value_of_0, settings=settings) == ["exceeds"], "a loss of exactly 0"
    ends = a_value(
        quantity="ends_below_momentum", comparison="answer", published="no", better="yes"
    )
    assert CRITERIA["ends_below_momentum"].measure(linear, 1) > 1.0
    assert verdicts(results, ends, settings=settings)[0] == "agrees"
    swapped = with_losses(linear, learned=np.full((4, 201), 0.5), momentum=np.ones((4, 201)))
    swapped = {"linear_regression": swapped}
    assert verdicts(swapped, ends, settings=settings) == ["exceeds"]
    assert verdicts(swapped, ends._replace(better=""), settings=settings) == ["differs"]


def test_a_bound_only_counts_what_exceeds_it(results):
    peak = value(results["linear_regression"], "autonomous_learning_rate_peak")
    values = [a_value(published=repr(peak * factor), relation="<") for factor in (100, 0.9, 0.1)]
    assert verdicts(results, *values) == ["agrees", "agrees", "differs"]


def test_what_cannot_be_measured_never_agrees(results):
    missing = a_value(quantity="autonomous_learning_rate", at=500)
    table = compare([missing], results, LAPTOP, STUDY)
    assert table.loc[0, "ours"] == table.loc[0, "error"] == ""
    assert table.loc[0, "verdict"] == "differs"
    assert verdicts(results, missing._replace(better="lower")) == ["differs"]


def test_without_a_published_value_ours_is_shown_without_a_verdict(results):
    unknown = a_value(published="")
    table = compare([unknown], results, LAPTOP, STUDY)
    shown = table.loc[0, ["published", "verdict", "error", "tolerance", "counted"]]
    assert shown.tolist() == ["", "", "", "", "no"]
    assert float(table.loc[0, "ours"]) > 0.0
    assert summarize(table)["items"].sum() == summarize(table)["marked"].sum() == 0


def test_the_tolerance_adds_in_quadrature_and_counts_sampling_of_both_means():
    ours = Measurement(5.0, 0.1, center=2.0)
    relative = math.log10(1 + 2 * math.sqrt(2) * 0.1 / 2.0)
    assert sampling_error("decades", ours) == pytest.approx(relative)
    assert sampling_error("difference", ours) == pytest.approx(2 * math.sqrt(2) * 0.1)
    assert sampling_error("decades", Measurement(math.inf, math.nan)) == 0.0
    assert tolerance(0.03, 0.04, 0.12) == pytest.approx(0.13)
    assert signed_error(a_value(published="100"), 10.0) == pytest.approx(-1.0)
    assert signed_error(a_value(published="100", comparison="difference"), 10.0) == -90.0


def test_a_diverging_problem_does_not_raise_the_tolerance(results):
    """Its loss counts in our mean; what sampling explains stays what it was."""
    rng = np.random.default_rng(3)
    losses = np.exp(rng.normal(size=(128, 1))) * np.ones(201)
    wild = losses.copy()
    largest = int(np.argmax(losses[:, 0]))
    linear = results["linear_regression"]
    lower = a_value(quantity="adam_loss", at=100, published="1.6", better="lower")
    tables = {}
    for factor in (1.0, 1e3, 1e30, math.inf):
        wild[largest] = factor * losses[largest]
        changed = {"linear_regression": with_losses(linear, learned=losses, adam=wild)}
        tables[factor] = compare([lower], changed, STUDY, STUDY).loc[0]
    assert len({row["tolerance"] for row in tables.values()}) == 1
    assert [tables[f]["verdict"] for f in tables] == ["agrees", "differs", "differs", "differs"]
    # Nor does one that had been in the middle: the order's next neighbor comes in for it.
    calm = robust_mean(losses[:, 0])
    other = losses[:, 0].copy()
    other[np.argsort(other)[64]] = 1e30
    mean, error = robust_mean(other)
    assert error / mean < 1.1 * calm[1] / calm[0]


def test_the_robust_error_is_bounded_whatever_the_problems_do():
    """The largest coefficient of variation of values of which a twentieth or less is apart."""
    rng = np.random.default_rng(0)
    for spread in (0.1, 1.0, 3.0, 10.0, 100.0):
        mean, error = robust_mean(np.exp(spread * rng.normal(size=128)))
        assert error / mean <= math.sqrt(128 / 127 * 121 / 7 / 128) * 1.0001
    normal = rng.normal(10.0, 1.0, size=4096)
    mean, error = robust_mean(normal)
    assert error == pytest.approx(1.0 / 64.0, rel=0.1)
    assert robust_mean(np.ones(3)) == (1.0, 0.0)


def test_only_what_a_quantity_rests_on_is_called_smaller():
    full = STUDY["linear_regression"]
    fewer_trials = merge(full, {"tuning": {"samples": 10}})
    name = "linear_regression"
    assert smaller(name, fewer_trials, full, ["momentum"], SIZES) == ["tuning.samples 10 < 2500"]
    assert smaller(name, fewer_trials, full, ["learned"], SIZES) == []
    assert smaller(name, merge(full, {"optimizer": {"units": 512}}), full, ["learned"], SIZES) == []
    shorter = merge(full, {"early": {"meta_steps": 10}})
    assert smaller(name, shorter, full, ["learned"], SIZES) == []
    assert smaller(name, shorter, full, ["learned", "early"], SIZES) == [
        "early.meta_steps 10 < 250"
    ]
    narrow = merge(STUDY["two_moons"], {"problem": {"hidden_widths": [16, 16]}})
    assert smaller("two_moons", narrow, STUDY["two_moons"], [], SIZES) == [
        "problem.hidden_widths [16, 16] < [64, 64, 64]"
    ]
    fewer_layers = merge(STUDY["two_moons"], {"problem": {"hidden_widths": [64]}})
    assert len(smaller("two_moons", fewer_layers, STUDY["two_moons"], [], SIZES)) == 1
    for scale in ("paper", "laptop", "smoke"):
        settings = STUDIES[scale]["tasks"]
        for task in STUDY:
            found = smaller(task, settings[task], STUDY[task], ["learned"], SIZES)
            assert bool(found) == (scale != "paper")


def test_counts_of_problems_are_no_size():
    for task, full in STUDY.items():
        fewer = merge(
            full,
            {
                part: {"problems": 1, **extra}
                for part, extra in (
                    ("evaluation", {}),
                    ("meta_training", {"validation_problems": 1}),
                    ("tuning", {"fresh_problems": 1}),
                    ("analysis", {"starts": 1, "sample_states": 1}),
                )
            },
        )
        assert smaller(task, fewer, full, ["learned", "momentum", "early"], SIZES) == []


def test_sizes_are_the_callers(results):
    """Of a task and a family that this project does not have."""
    sizes = SIZES._replace(
        tasks={"mine": ("depth",)}, families={"mlp": ("layers",), "gru": ("units",)}
    )
    full = {"problem": {"depth": 4}, "optimizer": {"family": "mlp", "layers": 3, "units": 9}}
    small = {"problem": {"depth": 2}, "optimizer": {"family": "mlp", "layers": 2, "units": 8}}
    found = ["problem.depth 2 < 4", "optimizer.layers 2 < 3"]
    assert smaller("mine", small, full, ["learned"], sizes) == found
    settings = {**STUDY, "linear_regression": merge(STUDY["linear_regression"], {"steps": 7})}
    none = SIZES._replace(stages={key: () for key in SIZES.stages})
    for given, expected in ((SIZES, "steps 7 < 200"), (none, "")):
        table = compare([a_value()], results, settings, STUDY, given)
        assert table.loc[0, "smaller"] == expected


# --- independent items ---------------------------------------------------------------------------


def a_curve(results, errors, better="lower", allowance=0.1, marks=None):
    """Points of a made-up curve: ours at iteration k lies ``errors[k]`` decades above published."""
    linear = results["linear_regression"]
    rates = 10.0 ** np.concatenate([errors, np.zeros(201 - len(errors))])
    changed = {"linear_regression": with_responses(linear, 1, autonomous_learning_rates=rates)}
    base = a_value(quantity="autonomous_learning_rate", item="a_curve", published="1")
    base = base._replace(reading_error=0.0, allowance=allowance, better=better)
    marks = marks or [""] * len(errors)
    points = [base._replace(at=float(k), mark=marks[k]) for k in range(len(errors))]
    return compare(points, changed, STUDY, STUDY)


@pytest.mark.parametrize(
    ("errors", "distance", "found"),
    [
        ([0.09, -0.09, 0.05, 0.0, 9.0], 0.09, "agrees"),  # one point far off
        ([-0.5, -0.6, -0.4, -0.5, 0.05], -0.5, "exceeds"),
        ([0.5, 0.6, 0.4, 0.5, 0.05], 0.5, "differs"),
        ([0.5, 0.5, -0.5, -0.5, -0.5], -0.5, "exceeds"),  # most of it is better
        ([0.5, 0.5, 0.5, -0.5, -0.5], 0.5, "differs"),  # above and below: not on the curve
        ([0.5, 0.5, 0.0, -0.5, -0.5], 0.5, "differs"),
    ],
)
def test_a_curve_is_one_item(results, errors, distance, found):
    table = a_curve(results, errors)
    assert len(table) == 5
    (row,) = items(table).to_dict("records")
    assert row["points"] == 5 and row["item"] == "a curve"
    assert row["distance"] == pytest.approx(distance, abs=1e-4)
    assert row["tolerance"] == pytest.approx(0.1, abs=1e-4)
    assert row["verdict"] == found
    (headline,) = summarize(table).to_dict("records")
    counts = [headline[name] for name in ("items", "agree", "exceed", "differ")]
    assert counts == [1, *(int(found == name) for name in VERDICTS)]


def test_a_point_that_cannot_be_measured_is_far_away(results):
    table = a_curve(results, [0.0, 0.0, math.nan, math.nan, math.nan])
    assert items(table).loc[0, ["verdict", "distance"]].tolist() == ["differs", math.inf]
    table = a_curve(results, [-0.5, -0.5, math.nan, math.nan, math.nan])  # nor is it better
    assert items(table).loc[0, ["verdict", "distance"]].tolist() == ["differs", -math.inf]


def test_what_is_better_at_one_place_excuses_nothing_at_another(results):
    """The median of the errors is on the better side; half of the points are too far on the other."""
    assert items(a_curve(results, [-0.5, 0.3])).loc[0, "verdict"] == "differs"
    assert items(a_curve(results, [-0.5, 0.1])).loc[0, "verdict"] == "exceeds"


def test_without_a_better_side_a_curve_never_exceeds(results):
    assert items(a_curve(results, [-0.5] * 5, better="")).loc[0, "verdict"] == "differs"


def test_marked_values_are_shown_and_not_counted(results):
    marks = ["identified", "identified", "", "by construction", ""]
    table = a_curve(results, [0.0, 0.0, 0.5, 0.0, 0.5], marks=marks)
    assert table["counted"].tolist() == ["no", "no", "yes", "no", "yes"]
    assert table["verdict"].tolist() == ["agrees", "agrees", "differs", "agrees", "differs"]
    (headline,) = summarize(table).to_dict("records")
    assert [headline[name] for name in ("items", "agree", "differ", "marked")] == [1, 0, 1, 2]


def test_agreement_at_less_allowance_stands_beside(results):
    (headline,) = summarize(a_curve(results, [0.04] * 5)).to_dict("records")
    assert [headline[f"agree{at}"] for at in ("", "_at_half", "_at_none")] == [1, 1, 0]
    (headline,) = summarize(a_curve(results, [-0.06] * 5)).to_dict("records")
    assert [headline[f"agree{at}"] for at in ("", "_at_half", "_at_none")] == [1, 0, 0]
    assert [headline[f"exceed{at}"] for at in ("", "_at_half", "_at_none")] == [0, 1, 1]


def test_identified_settings_are_marked():
    """What the study's own open settings were chosen by (config.yaml says how)."""
    marked = {(v.task, v.quantity) for v in published_values() if v.mark == "identified"}
    assert marked == {
        ("rosenbrock", "start_loss"),
        ("rosenbrock", "tuned_momentum_learning_rate"),
        ("rosenbrock", "saturation_level"),
        ("rosenbrock", "saturation_gradient"),
        ("rosenbrock", "autonomous_learning_rate"),
        ("rosenbrock", "positive_arm_learning_rate"),
        ("two_moons", "momentum_loss"),
        ("two_moons", "saturation_level"),
        ("two_moons", "saturation_gradient"),
        ("two_moons", "autonomous_learning_rate"),
        ("two_moons", "positive_arm_learning_rate"),
        ("two_moons", "negative_arm_learning_rate"),
    }


# --- power ---------------------------------------------------------------------------------------


def with_null(results: TaskResults, name: str, losses=None, **stages) -> TaskResults:
    null = Null(
        results.optimizers[results.selected]._replace(**stages),
        np.ones((8, 201)) if losses is None else losses,
    )
    return results._replace(nulls={**results.nulls, name: null})


def test_statements_are_asked_of_nulls_in_the_learned_optimizers_place(results):
    linear = results["linear_regression"]
    criterion = CRITERIA["has_schedule"]
    responses = linear.optimizers[1].responses
    flat = responses._replace(autonomous_learning_rates=np.ones(201))
    told = with_null(with_null(linear, "untrained", responses=flat), "adam", responses=responses)
    told = with_null(told, "rmsprop", responses=Absent("responses"))
    answers = null_answers(criterion, told)
    assert criterion.answer(criterion.measure(told, 1)) == "yes"
    assert {name: answers[name] for name in ("untrained", "adam", "rmsprop")} == {
        "untrained": "no",
        "adam": "yes",
        "rmsprop": "unknown",
    }
    assert separates("yes", answers) == "partly"
    assert separates("yes", {"untrained": "no", "rmsprop": "unknown"}) == "yes"
    assert separates("no", {"untrained": "no"}) == "no"
    assert separates("", answers) == separates("yes", {}) == ""
    row = compare(
        [a_value(quantity="has_schedule", comparison="answer", published="yes")],
        {"linear_regression": told},
        STUDY,
        STUDY,
    ).iloc[0]
    assert (row["null_untrained"], row["null_adam"], row["separates"]) == ("no", "yes", "partly")
    assert "untrained" in row["separates_from"] and "adam" not in row["separates_from"]


def test_a_null_competes_on_the_problems_it_was_run_on(results):
    linear = results["linear_regression"]
    losses = 0.5 * np.asarray(linear.evaluation.losses[2][:8], float)  # half of momentum's
    losses[:, 0] *= 2.0
    told = with_null(linear, "better", losses=losses)
    swapped = stand_in(told, "better")
    assert swapped.evaluation.losses.shape[1] == 8
    assert null_answers(CRITERIA["beats_momentum"], told)["better"] == "yes"
    # Momentum in the learned optimizer's place is itself: neither beats it nor ends below it.
    itself = with_null(linear, "momentum", losses=np.asarray(linear.evaluation.losses[2], float))
    for name in ("beats_momentum", "ends_below_momentum"):
        assert null_answers(CRITERIA[name], itself)["momentum"] == "no"


def test_statements_about_the_early_optimizer_are_not_asked_of_itself(results):
    linear = results["linear_regression"]
    assert list(linear.nulls) == ["early"]
    assert null_answers(CRITERIA["early_is_one_mode"], linear) == {}
    assert set(null_answers(CRITERIA["has_schedule"], linear)) == {"early"}
    told = with_null(linear, "momentum")
    changed = stand_in(told, "momentum", early=True)
    assert changed.early is told.nulls["momentum"].optimizer
    assert changed.optimizers is told.optimizers
    assert null_answers(CRITERIA["momentum_shifts_with_its_state"], told) == {}


def test_nulls_are_taken_where_they_are_stored(tmp_path):
    synthetic.write(tmp_path)
    task, seed = "rosenbrock", 0
    stages = (synthetic.trajectories, synthetic.fixed_points)
    stages += (synthetic.linearization, synthetic.responses)
    for name, has in (("momentum", stages), ("untrained", stages[:2])):
        folder = tmp_path / "nulls" / task / name
        facts = {"task": task, "seed": seed, "null": name}
        for stage in has:
            save(folder / f"{stage.__name__}.npz", stage(task, seed), facts)
        reasons = {stage.__name__: "there are no modes" for stage in set(stages) - set(has)}
        save_json(folder / "missing.json", reasons)
    own = Evaluation(np.array(["learned"]), np.array([0]), np.full((1, 3, 201), 7.0))
    save(tmp_path / "nulls" / task / "untrained" / "losses.npz", own, facts)
    files = Results(tmp_path, synthetic.SEEDS, synthetic.BASELINES)
    told = gather(files, task)
    assert list(told.nulls) == ["untrained", "momentum"]
    np.testing.assert_array_equal(told.nulls["untrained"].losses, own.losses[0])
    momentum = synthetic.evaluation(task).losses[len(synthetic.SEEDS[task])]
    np.testing.assert_array_equal(told.nulls["momentum"].losses, momentum)
    with pytest.raises(AbsentError, match="there are no responses"):
        _ = told.nulls["untrained"].optimizer.responses.slow_mode_updates
    answers = null_answers(CRITERIA["has_schedule"], told)
    assert answers == {"untrained": "unknown", "momentum": "no"}
    assert gather(files, "two_moons").nulls == {}
    path = tmp_path / "nulls" / task / "momentum" / "responses.npz"
    save(path, synthetic.responses(task, seed), facts)
    with pytest.raises(StoreError, match='its null is "untrained", expected "momentum"'):
        gather(files, task)
    path.unlink()
    with pytest.raises(StoreError, match=r"responses.npz: there is no such file"):
        gather(files, task)


def test_nulls_are_all_that_their_list_says(tmp_path):
    """A lost one would go from the claims without a word, one of another run would answer for it."""
    folder, files = tmp_path / "nulls/rosenbrock", Results(tmp_path, synthetic.SEEDS)
    for name in ("adam", "untrained"):
        save_json(folder / name / "missing.json", {})
    save_json(tmp_path / "nulls/rosenbrock.json", checksums.found(folder))
    assert files.null_names("rosenbrock") == ["adam", "untrained"]
    save_json(folder / "momentum/missing.json", {})
    with pytest.raises(StoreError, match=r"momentum/missing.json: another's, says the list"):
        files.null_names("rosenbrock")
    (folder / "momentum/missing.json").unlink()
    save_json(folder / "adam/missing.json", {"responses": "there are none"})
    with pytest.raises(StoreError, match=r"adam/missing.json: changed"):
        files.null_names("rosenbrock")
    (folder / "adam/missing.json").unlink()
    with pytest.raises(StoreError, match=r"adam/missing.json: missing"):
        files.null_names("rosenbrock")


# --- the table -----------------------------------------------------------------------------------


def test_the_table_has_a_row_per_number_and_per_statement_and_seed(results, table):
    columns = ["figure", "task", "quantity", "published", "ours", "spread", "tolerance", "verdict"]
    assert list(table.columns[:8]) == columns
    assert list(table) == [*COLUMNS, "null_early"]
    assert set(table["verdict"]) <= {*VERDICTS, ""}
    assert ((table["verdict"] == "") == (table["published"] == "")).all()
    seeds = synthetic.SEEDS
    values = [value for value in published_values() if value.task in seeds]
    expected = sum(
        len(seeds[v.task])
        if v.comparison == "answer" and not CRITERIA[v.quantity].of_all_seeds
        else 1
        for v in values
    )
    assert len(table) == expected
    assert (table["plotted"] == "yes").sum() == len(values)
    others = table[(table["plotted"] == "no") & (table["published"] != "")]
    assert len(others) and (others["counted"] == "no").all()
    first = table[(table["name"] == "one_convergence_point") & (table["task"] == "rosenbrock")]
    assert first["seed"].tolist() == ["0", "1", "2"]
    numbers = table[table["name"] == "autonomous_learning_rate_peak"].iloc[0]
    both = [value(results["linear_regression"], numbers["name"], seed=seed) for seed in (0, 1)]
    assert float(numbers["mean"]) == pytest.approx(np.mean(both), rel=1e-4)
    assert float(numbers["spread"]) == pytest.approx(np.std(both, ddof=1), rel=1e-4, abs=1e-6)


def test_tasks_and_baselines_that_a_study_lacks_are_left_out(results):
    linear = results["linear_regression"]._replace(learning_rates={"adam": 0.1})
    table = compare(published_values(), {"linear_regression": linear}, LAPTOP, STUDY)
    assert set(table["task"]) == {"linear_regression"}
    assert not table["name"].str.contains("momentum_loss|beats_rmsprop").any()
    assert (table["name"] == "beats_adam").any()


# --- neither side sees the other -----------------------------------------------------------------


def test_measuring_knows_no_published_value(results):
    folder = Path(lopt.claims.__file__).parent
    names = [module.__name__.rpartition(".")[2] for module in MODULES]
    for name in (*names, "measure", "registry", "modes", "sampling", "shapes", "evidence", "power"):
        for node in ast.walk(ast.parse((folder / f"{name}.py").read_text())):
            modules = [node.module] if isinstance(node, ast.ImportFrom) else []
            assert "lopt.records.published" not in modules
            assert "lopt.claims.compare" not in modules
            assert "lopt.records.store" not in modules
    other_way = {"yes": "no", "no": "yes"}
    changed = [
        v._replace(published=other_way.get(v.published) or repr(3.0 * abs(float(v.published))))
        for v in published_values()
        if v.published
    ]
    table = compare([v for v in published_values() if v.published], results, LAPTOP, STUDY)
    again = compare(changed, results, LAPTOP, STUDY)
    columns = ["ours", "mean", "spread", "measured", "criterion"]
    assert table[columns].equals(again[columns])
    assert not table["verdict"].equals(again["verdict"])


def test_the_page_starts_with_figures_by_tasks_and_has_every_quantity(table):
    parts = sections(table)
    heading, headline = parts[0]
    assert heading == "Agreement by figure and task"
    assert list(headline) == ["figure", "linear regression", "rosenbrock", "two moons"]
    assert len(headline) == 6
    summary = summarize(table).set_index(["figure", "task"])
    row = summary.loc["2", "rosenbrock"]
    expected = f"items: {row['agree']} of {row['items']} agree"
    assert headline.loc[1, "rosenbrock"].startswith(expected)
    # Every item and plotted statement with a published value is counted once, or marked.
    shown = table[(table["plotted"] == "yes") & (table["published"] != "")]
    statements = shown["comparison"] == "answer"
    total = summary["items"].sum() + summary["statements"].sum() + summary["marked"].sum()
    assert total == len(items(table)) + statements.sum()
    per_verdict = summary[["agree", "exceed", "differ"]].sum(axis=1)
    assert (per_verdict == summary["items"]).all()
    bars = {len(part.columns) + 1 for _, part in parts}
    page = markdown("a title", "an introduction", parts)
    assert page.index("items: ") < page.index("an introduction")
    for quantity in table["quantity"]:
        assert quantity.replace("|", "\\|") in page
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert {row.count("|") - row.count("\\|") for row in rows} == bars  # no cell broke its table
    answers = dict(parts)["Figure 4, learning-rate schedules: rosenbrock, statements"]
    assert answers.loc[0, "ours (measured)"] == "no (1) seed 0; no (1) seed 1; no (1) seed 2"


def test_a_statement_that_one_seed_contradicts_does_not_agree_on_all(table):
    columns = ["statements_agree", "statements_agree_on_all_seeds"]
    before = summarize(table).set_index(["figure", "task"])[columns]
    others = table[(table["comparison"] == "answer") & (table["plotted"] == "no")]
    one = others[
        (others["published"] != "") & (others["mark"] == "") & (others["verdict"] == AGREES)
    ].iloc[0]
    plotted = table[(table["plotted"] == "yes") & (table["quantity"] == one["quantity"])]
    assert set(plotted["verdict"]) == {AGREES}
    changed = table.copy()
    changed.loc[one.name, "verdict"] = DIFFERS
    after = summarize(changed).set_index(["figure", "task"])[columns]
    assert (before - after).loc[one["figure"], one["task"]].tolist() == [0, 1]
    assert (before - after).to_numpy().sum() == 1
    (cell,) = [
        text
        for text in dict(sections(changed))["Agreement by figure and task"].to_numpy().ravel()
        if f"({after.loc[(one['figure'], one['task']), columns[1]]} on all seeds" in text
    ][:1]
    assert "agree (" in cell


def test_a_study_of_other_tasks_has_a_page_that_says_so(tmp_path):
    """Without one of the paper's tasks there is no row, and no crash on the way to the page and back."""
    table = compare(published_values(), {}, {}, {})
    assert list(table) == list(COLUMNS) and table.empty
    assert matrix(summarize(table)).shape == (1, 1)
    save_table(tmp_path / "claims.csv", table)
    stored = pd.read_csv(tmp_path / "claims.csv", dtype=str, keep_default_na=False)
    for either in (table, stored):
        page = markdown("Claims", "Introduction.", sections(either))
        assert "| no published value is of a task of this study |" in page


def test_the_page_is_the_same_from_the_stored_table(table, tmp_path):
    save_table(tmp_path / "claims.csv", table)
    stored = pd.read_csv(tmp_path / "claims.csv", dtype=str, keep_default_na=False)
    for (heading, part), (again, from_file) in zip(sections(table), sections(stored), strict=True):
        assert heading == again
        assert part.astype(str).values.tolist() == from_file.astype(str).values.tolist()


def test_what_mechanisms_are_worth_is_shown_without_a_verdict(results, table):
    """Figures 6 and 7 show what nobody published: numbers and answers, nothing to agree with."""
    rows = table[table["figure"].isin(["6", "7"])]
    assert set(rows["task"]) == set(results) and (rows["published"] == "").all()
    assert (rows["verdict"] == "").all() and (rows["counted"] == "no").all()
    assert not summarize(table)["figure"].isin(["6", "7"]).any()
    for task, found in results.items():
        own = rows[(rows["task"] == task) & (rows["plotted"] == "yes")].set_index("name")
        costs = found.interventions[found.interventions["seed"] == found.selected]
        costs = costs.set_index("optimizer")
        assert float(own.loc["cost_linear", "ours"]) == pytest.approx(
            costs.cost["linear"], rel=1e-4
        )
        assert own.loc["lead_needs_nonlinearity", "ours"] == "yes"  # 2 over 1.5
        worst = costs.broken["no_clipping"]
        assert own.loc["clipping_prevents_divergence", "ours"] == ("yes" if worst else "no")
        assert own.loc["drift_costs_nothing", "ours"] in ("yes", "no")
        assert float(own.loc["stable_up_to", "ours"]) > 0.0
        shares = found.distilled[found.distilled["numbers"] == "read off"].set_index("seed").share
        assert float(own.loc["distilled_share", "ours"]) == pytest.approx(shares[found.selected])
        # No intervention was run on a null.
        nulls = [name for name in own if name.startswith("null_")]
        assert set(own.loc["lead_needs_nonlinearity", nulls]) <= {"unknown", ""}


@pytest.mark.parametrize(
    ("name", "optimizer", "changes", "truth"),
    [
        ("lead_needs_nonlinearity", "intact", {"meta_objective": 1.0}, np.nan),  # no lead
        ("lead_needs_nonlinearity", "intact", {"meta_objective": np.inf}, np.nan),
        ("drift_costs_nothing", "no_drift", {"problems": 1, "difference_se": 0.0}, np.nan),
        (
            "drift_costs_nothing",
            "no_drift",
            {"difference": np.inf, "difference_se": np.nan},
            np.inf,
        ),
    ],
)
def test_causes_that_nothing_can_be_said_of_are_unknown(results, name, optimizer, changes, truth):
    found = next(iter(results.values()))
    table = found.interventions.assign(difference=0.1, problems=4)
    row = (table["optimizer"] == optimizer) & (table["seed"] == found.selected)
    assert row.sum() == 1
    table.loc[row, list(changes)] = list(changes.values())
    measured = CRITERIA[name].measure(found._replace(interventions=table), found.selected)
    np.testing.assert_equal(float(measured), truth)
