"""Claims: measurements on closed forms, verdicts on made-up values, and that neither sees the other."""

import ast
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic_results as synthetic
import yaml

import lopt.claims
from lopt.claims.compare import VERDICTS, compare, reductions, tolerance
from lopt.claims.criteria import CRITERIA
from lopt.claims.document import markdown, sections
from lopt.claims.measure import QUANTITIES, Measurement, clipping_gradients
from lopt.claims.results import TaskResults, gather
from lopt.claims.shapes import turning, vertical_share
from lopt.config import merge
from lopt.records.published import Published, published_values
from lopt.records.results import Results
from lopt.records.store import StoreError, save_table

CONFIG = yaml.safe_load((Path(__file__).parent.parent / "config.yaml").read_text())
STUDY = CONFIG["study"]["tasks"]
LAPTOP = merge(CONFIG["study"], CONFIG["scales"]["laptop"])["tasks"]
STEPS = np.arange(synthetic.STEPS + 1)


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> dict[str, TaskResults]:
    folder = tmp_path_factory.mktemp("results") / "synthetic"
    synthetic.write(folder)
    files = Results(folder, synthetic.SEEDS, synthetic.BASELINES)
    return {task: gather(files, task) for task in synthetic.SEEDS}


@pytest.fixture(scope="module")
def table(results) -> pd.DataFrame:
    return compare(published_values(), results, LAPTOP, STUDY)


def with_responses(results: TaskResults, seed: int, **arrays) -> TaskResults:
    optimizer = results.optimizers[seed]
    changed = optimizer._replace(responses=optimizer.responses._replace(**arrays))
    return results._replace(optimizers={**results.optimizers, seed: changed})


def value(results, name, at=math.nan, seed=None) -> float:
    return QUANTITIES[name].measure(results, results.selected if seed is None else seed, at).value


def a_value(**changes) -> Published:
    made_up = Published(
        figure="4",
        task="linear_regression",
        quantity="autonomous_learning_rate_peak",
        at=math.nan,
        relation="=",
        published="10",
        comparison="decades",
        reading_error=0.01,
        allowance=0.09,
        source="made up",
        reading="made up",
    )
    return made_up._replace(**changes)


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
    for task in STUDY:
        for optimizer in ("learned", "momentum", "rmsprop", "adam"):
            curve = [v.at for v in values if (v.task, v.quantity) == (task, f"{optimizer}_loss")]
            assert len(curve) == 10
            assert curve == sorted(curve)


@pytest.mark.parametrize(
    ("column", "text", "message"),
    [
        ("published", "many", "published is 'many', expected a number"),
        ("published", "-1.0", "decades compare positive numbers only"),
        ("comparison", "colour", "comparison is 'colour', expected one of decades"),
        ("relation", ">", "relation is '>', expected one of"),
        ("allowance", "-0.5", "at least 0"),
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
    assert measured.standard_error == pytest.approx(losses[:, 100].std(ddof=1) / 128**0.5)
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
        projected = np.zeros((16, synthetic.COMPONENTS))
        projected[:, 0], projected[:, 1] = x, y
        curve = with_responses(linear, 1, projected_constant_gradient=projected)
        assert criterion.answer(criterion.measure(curve, 1)) == expected


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


def test_optimal_momentum_among_the_modes(results):
    linear = results["linear_regression"]
    criterion = CRITERIA["a_mode_is_the_optimal_momentum"]
    # The pair has the learning rate 2 * 0.35 * 6 and the momentum 0.9; the optimum is (3.76, 0.881).
    assert criterion.measure(linear, 1) == pytest.approx((0.9 - 0.881) / 0.02)
    modes = linear.optimizers[0].linearization
    rates, momenta = modes.learning_rates.copy(), modes.momenta.copy()
    rates[5], momenta[5] = 3.76 * 10**0.05, 0.881 + 0.006
    planted = linear.optimizers[0]._replace(
        linearization=modes._replace(learning_rates=rates, momenta=momenta)
    )
    found = linear._replace(optimizers={**linear.optimizers, 0: planted})
    assert criterion.measure(found, 1) == pytest.approx(0.5)  # in units of 0.1 decade
    early = linear._replace(early=planted.linearization)
    assert criterion.measure(early, 1) == pytest.approx(0.5)


def test_the_early_optimizer_is_gathered(tmp_path):
    synthetic.write(tmp_path)
    files = Results(tmp_path, synthetic.SEEDS, synthetic.BASELINES, synthetic.EARLY)
    (task, seed), *_ = synthetic.EARLY.items()
    expected = synthetic.linearization(task, seed)
    np.testing.assert_array_equal(gather(files, task).early.eigenvalues, expected.eigenvalues)
    assert gather(files, "rosenbrock").early is None


# --- the verdict ---------------------------------------------------------------------------------


def verdicts(results, *values, settings=STUDY) -> list[str]:
    return compare(values, results, settings, STUDY)["verdict"].tolist()


def test_verdicts(results):
    peak = value(results["linear_regression"], "autonomous_learning_rate_peak")
    inside, outside = peak * 10**0.0999, peak * 10**0.1001
    values = [a_value(published=repr(number)) for number in (peak, inside, outside, 1 / outside)]
    assert verdicts(results, *values) == ["agrees", "agrees", "differs", "differs"]
    small = verdicts(results, *values, settings=LAPTOP)
    assert small == ["agrees", "agrees", "scale too small", "scale too small"]
    absolute = {"comparison": "difference", "reading_error": 0.5, "allowance": 0.5}
    values = [a_value(published=repr(peak + step), **absolute) for step in (-0.99, 0.99, 1.01)]
    assert verdicts(results, *values) == ["agrees", "agrees", "differs"]


def test_a_bound_only_counts_what_exceeds_it(results):
    peak = value(results["linear_regression"], "autonomous_learning_rate_peak")
    values = [a_value(published=repr(peak * factor), relation="<") for factor in (100, 0.9, 0.1)]
    assert verdicts(results, *values) == ["agrees", "agrees", "differs"]


def test_what_cannot_be_measured_never_agrees(results):
    missing = a_value(quantity="autonomous_learning_rate", at=500)
    table = compare([missing], results, LAPTOP, STUDY)
    assert table.loc[0, "ours"] == ""
    assert table.loc[0, "verdict"] == "scale too small"
    assert verdicts(results, missing) == ["differs"]


def test_the_tolerance_counts_sampling_of_both_means():
    ours = Measurement(2.0, 0.1)
    assert tolerance(a_value(), ours) == pytest.approx(
        0.1 + math.log10(1 + 2 * math.sqrt(2) * 0.1 / 2.0)
    )
    absolute = a_value(comparison="difference")
    assert tolerance(absolute, ours) == pytest.approx(0.1 + 2 * math.sqrt(2) * 0.1)
    assert tolerance(a_value(), Measurement(math.inf, math.nan)) == pytest.approx(0.1)


def test_only_what_a_quantity_rests_on_makes_a_scale_too_small():
    full = STUDY["linear_regression"]
    fewer_trials = merge(full, {"tuning": {"samples": 10}})
    assert reductions(fewer_trials, full, ["momentum"]) == ["tuning.samples 10 < 2500"]
    assert reductions(fewer_trials, full, ["learned"]) == []
    assert reductions(merge(full, {"optimizer": {"units": 512}}), full, ["learned"]) == []
    narrow = merge(STUDY["two_moons"], {"problem": {"hidden_widths": [16, 16]}})
    assert reductions(narrow, STUDY["two_moons"], []) == [
        "problem.hidden_widths [16, 16] < [64, 64, 64]"
    ]
    for scale in ("paper", "laptop", "smoke"):
        settings = merge(CONFIG["study"], CONFIG["scales"][scale] or {})["tasks"]
        for task in STUDY:
            assert bool(reductions(settings[task], STUDY[task], ["learned"])) == (scale != "paper")


def test_the_table_has_a_row_per_number_and_per_statement_and_seed(results, table):
    columns = ["figure", "task", "quantity", "published", "ours", "spread", "tolerance", "verdict"]
    assert list(table.columns[:8]) == columns
    assert set(table["verdict"]) <= set(VERDICTS)
    values = published_values()
    seeds = synthetic.SEEDS
    expected = sum(
        len(seeds[v.task])
        if v.comparison == "answer" and not CRITERIA[v.quantity].of_all_seeds
        else 1
        for v in values
    )
    assert len(table) == expected
    assert (table["plotted"] == "yes").sum() == len(values)
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


def test_measuring_knows_no_published_value(results, table):
    folder = Path(lopt.claims.__file__).parent
    for name in ("measure", "criteria", "shapes", "results"):
        for node in ast.walk(ast.parse((folder / f"{name}.py").read_text())):
            modules = [node.module] if isinstance(node, ast.ImportFrom) else []
            assert "lopt.records.published" not in modules
            assert "lopt.claims.compare" not in modules
            assert "lopt.records.store" not in modules
    other_way = {"yes": "no", "no": "yes"}
    changed = [
        v._replace(published=other_way.get(v.published) or repr(3.0 * abs(float(v.published))))
        for v in published_values()
    ]
    again = compare(changed, results, LAPTOP, STUDY)
    columns = ["ours", "mean", "spread", "measured", "criterion"]
    assert table[columns].equals(again[columns])
    assert not table["verdict"].equals(again["verdict"])


def test_the_page_has_every_quantity_and_counts_verdicts(table):
    parts = dict(sections(table))
    plotted = table[table["plotted"] == "yes"]["verdict"].value_counts()
    counts = parts["Verdicts"]
    for name in VERDICTS:
        total = counts.loc[counts["figure"] == "all", name].item()
        assert total == plotted.get(name, 0)
        assert counts[name].sum() == 2 * total
    bars = {len(part.columns) + 1 for part in parts.values()}
    page = markdown("a title", "an introduction", parts.items())
    for quantity in table["quantity"]:
        assert quantity.replace("|", "\\|") in page
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert {row.count("|") - row.count("\\|") for row in rows} == bars  # no cell broke its table
    answers = parts["Figure 4, learning-rate schedules: rosenbrock, statements"]
    assert answers["ours (measured)"].item() == "no (1) seed 0; no (1) seed 1; no (1) seed 2"


def test_the_page_is_the_same_from_the_stored_table(table, tmp_path):
    save_table(tmp_path / "claims.csv", table)
    stored = pd.read_csv(tmp_path / "claims.csv", dtype=str, keep_default_na=False)
    for (heading, part), (again, from_file) in zip(sections(table), sections(stored), strict=True):
        assert heading == again
        assert part.astype(str).values.tolist() == from_file.astype(str).values.tolist()
