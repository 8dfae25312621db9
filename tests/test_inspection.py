"""One call over the analysis: its answers against planted mechanisms, its figures, its errors."""

import dataclasses
import html
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
import synthetic_results as synthetic
from browsing import look_at
from known_mechanisms import KNOWN, gradients, wrong
from matplotlib.figure import Figure
from quadratics import quadratics

import lopt
from lopt.analysis.impulses import impulse_responses, run_learning_rates
from lopt.analysis.recorded import drive, summarize_recording
from lopt.analysis.stability import HeavyBall, stability_record
from lopt.analysis.trajectories import summarize_trajectories
from lopt.claims.evidence import OptimizerResults
from lopt.claims.measure import CRITERIA
from lopt.inspection import causes, drawn
from lopt.inspection.asking import Evidence
from lopt.inspection.causes import cause_sentences, intervention_costs
from lopt.inspection.page import moving_paths, page
from lopt.inspection.questions import QUESTIONS, answers
from lopt.inspection.slider import MovingPath, moving_part
from lopt.keys import stream
from lopt.learned.gru import GRU
from lopt.optimizers import make_baseline
from lopt.records.analysis import Code, RateCode
from lopt.tasks import sample_batch
from lopt.tasks.linear_regression import LinearRegression

# A few here, all of them below: make mechanisms.
EXAMPLES = ("clipped momentum", "momentum, warming up", "sign descent")
# What must be told of them, not only not be wrong.
TOLD = {
    "clipped momentum": set(QUESTIONS) - {"home"},  # which is asked of trained ones
    "momentum, warming up": set(QUESTIONS) - {"home"},
    "sign descent": {"momentum", "saturation", "linearity"},
}


@pytest.fixture(scope="module")
def found() -> dict[str, lopt.Analysis]:
    """Analyses in a process that computes in float32 otherwise."""
    return {
        name: lopt.analyze(KNOWN[name].make(), gradients(), name=name, starts=8, visited_states=100)
        for name in EXAMPLES
    }


@pytest.mark.parametrize("name", EXAMPLES)
def test_no_answer_is_wrong(found, name):
    assert wrong(KNOWN[name], found[name]) == []
    told = {each.name for each in found[name].answers if each.answer != "can't tell"}
    assert TOLD[name] <= told


@pytest.mark.mechanisms
@pytest.mark.parametrize("name", KNOWN)
def test_no_answer_of_the_matrix_is_wrong(name):
    known = KNOWN[name]
    met = gradients(known.size)
    analysis = lopt.analyze(known.make(), met, name=name, starts=16, visited_states=200)
    assert wrong(known, analysis) == []


def test_the_matrix_has_as_many_as_it_should():
    assert len(KNOWN) >= 24
    for known in KNOWN.values():
        yes, no = set(known.yes.split()), set(known.no.split())
        assert not yes & no and yes | no <= set(QUESTIONS)


def test_the_numbers_are_those_that_were_planted(found):
    summary = found["clipped momentum"].summary()
    # Clipped at |g| = 0.5 with rate 0.1 and momentum 0.8, at a late step.
    assert "operating point: a late step, parameter 0" in summary
    assert "80 % of what a gradient does comes after the first step" in summary
    assert "the leading mode has momentum 0.8 and 100 % of the learning rate 0.1" in summary
    assert "half of the largest update 0.05 is reached at |g| = 0.25" in summary
    met = np.abs(gradients())
    share = 100 * np.mean(met > 1.0)  # where the update is at most half a linear one's
    told = float(summary.split("is reached at |g| = 0.25, and ")[1].split(" %")[0])
    assert told == pytest.approx(share, abs=1.0)
    assert found["momentum, warming up"].answer("schedule").measured == pytest.approx(10.0)
    assert "rises by a factor 10 until iteration 20" in found["momentum, warming up"].summary()
    assert found["clipped momentum"].state_names == ("1.0.trace", "update")


def test_every_answer_has_its_criterion_and_its_number(found):
    for analysis in found.values():
        for each in analysis.answers:
            assert each.answer in ("yes", "no", "can't tell")
            assert each.criterion.startswith("yes if ") and ", no if " in each.criterion
            assert each.sentence and each.sentence in analysis.summary()
            if each.answer != "can't tell":
                assert not np.isnan(each.measured)
                assert QUESTIONS[each.name].answer(each.measured) == each.answer


def test_what_an_optimizer_met_in_its_training_is_compared_with_what_it_meets():
    family, sizes = GRU(2), {"smallest": 1e-5, "median": 0.1, "largest": 0.5}
    trained = (family, family.init(stream(0, "here")), {"task": "rosenbrock", "gradients": sizes})
    met = np.abs(gradients())
    analysis = lopt.analyze(trained, gradients(), starts=4, visited_states=50)
    assert analysis.name == "GRU rosenbrock"
    for largest, verdict in ((1e3, "yes"), (0.5, "can't tell"), (0.01, "no")):
        other = dataclasses.replace(analysis, trained_on=sizes | {"largest": largest})
        answer, beyond = other.answer("home"), np.mean(met > largest) + np.mean(met < 1e-5)
        assert answer.answer == verdict
        assert answer.measured == pytest.approx(beyond, abs=0.02)
        assert f"beyond the trained range, |g| from 1e-05 to {largest:.3g}" in other.summary()
    assert analysis.trained_on == sizes
    with pytest.raises(KeyError, match="there is no question 'home'"):
        dataclasses.replace(analysis, trained_on=None).answer("home")


def test_claims_and_summary_share_where_yes_begins():
    for name, criterion in (
        ("saturation", "initial_update_saturates"),
        ("schedule", "has_schedule"),
        ("adaptation", "learning_rate_falls_along_both_arms"),
        ("one_point", "one_convergence_point"),
    ):
        assert QUESTIONS[name].yes == CRITERIA[criterion].threshold
        for number in (0.0, 0.1, 0.5, 1.0, 1.2, 2.0, 9.0):
            answered = QUESTIONS[name].answer(number)
            assert answered == "can't tell" or answered == CRITERIA[criterion].answer(number)


def evidence(impulses=None, run_rates=None, **changes) -> Evidence:
    """Of an optimizer in closed form (``synthetic_results``), with fields of its records changed."""
    records = {
        stage: getattr(synthetic, stage)("linear_regression", 0)
        for stage in ("trajectories", "fixed_points", "linearization", "responses")
    }
    for stage, record in records.items():
        own = {name: np.asarray(value) for name, value in changes.items() if name in record._fields}
        records[stage] = record._replace(**own)
    return Evidence(OptimizerResults(**records), impulses, run_rates, False)


def answer_to(name, *arguments, **changes) -> tuple[str, float, str]:
    found = {each.name: each for each in answers(evidence(*arguments, **changes))}[name]
    return found.answer, found.measured, found.sentence


NO_SLOPE = {"convergence_rate_code": RateCode.NOT_DIFFERENTIABLE}
AT_ONCE, LATER = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])


def test_without_a_slope_momentum_is_that_of_typical_gradients_of_either_sign():
    assert answer_to("momentum", np.stack([AT_ONCE, AT_ONCE]), **NO_SLOPE)[:2] == ("no", 0.0)
    answer, _, told = answer_to("momentum", np.stack([AT_ONCE, LATER]), **NO_SLOPE)
    assert answer == "can't tell" and told.endswith("gradient: 0 %, 100 % come later")


def test_an_arm_that_does_not_saturate_or_falls_again_is_told():
    grid = np.array([-10.0, -1.0, -0.1, 0.1, 1.0, 10.0])
    answer, growth, _ = answer_to(
        "saturation",
        update_gradients=grid,
        initial_updates=np.where(grid < 0.0, 1.0, -grid),  # clipped on one side only
        initial_rate_code=RateCode.NOT_DIFFERENTIABLE,
    )
    assert answer == "no" and growth == pytest.approx(1.0)
    answer, slope, told = answer_to("saturation", saturation_slopes=[-0.2, -0.1])
    assert (answer, slope) == ("can't tell", -0.1)
    assert told == "beyond some gradient the update falls again"


def test_a_schedule_from_zero_rises_without_bound_and_one_doubtful_rate_is_enough():
    assert answer_to("schedule", run_rates=np.array([0.0, 0.5, 1.0]))[:2] == ("yes", np.inf)
    codes = np.zeros_like(synthetic.responses("linear_regression", 0).autonomous_rate_codes)
    codes[3] = RateCode.NOT_REPRESENTATIVE
    answer, _, told = answer_to("schedule", autonomous_rate_codes=codes)
    assert answer == "can't tell" and "it depends on their size" in told


def test_adaptation_is_asked_where_every_point_and_rate_is_determined():
    responses = synthetic.responses("linear_regression", 0)
    assert answer_to("adaptation")[0] == "yes"
    codes = np.zeros(len(responses.constant_gradients), int)
    codes[0] = Code.FOLD
    told = answer_to("adaptation", constant_gradient_codes=codes)[2]
    assert told.startswith(f"under 1 of {len(codes)} constant gradients no fixed point")
    wide = responses.constant_gradient_learning_rates[:, None] * [0.9, 1.1]
    told = answer_to("adaptation", constant_gradient_learning_rate_intervals=wide)[2]
    assert told == "its rate under constant gradients is not positive, or not determined"


@pytest.mark.parametrize(
    ("interval", "answer"),
    [((0.05, 0.06), "yes"), ((0.0005, 0.05), "can't tell"), ((-0.05, 0.05), "can't tell")],
)
def test_drift_is_measured_by_the_answer_to_a_typical_gradient(interval, answer):
    """Which is 0.5 times 2 here."""
    found = answer_to(
        "drift",
        0.5 * np.stack([AT_ONCE, AT_ONCE]),
        typical_gradient=2.0,
        convergence_update=0.05,
        convergence_update_interval=interval,
    )
    assert found[:2] == (answer, pytest.approx(0.05))


def test_runs_end_where_they_are_seen_to_end():
    """On a cycle, whatever else is stable; at a point only if all of them do."""
    answer, _, told = answer_to(
        "one_point",
        attractor_codes=[Code.LIMIT_CYCLE, Code.CONTINUUM, Code.CONVERGED],
        attractor_basin_shares=[1.0, 0.0, 0.0],
        attractor_periods=[2, 1, 1],
    )
    assert (answer, told) == ("no", "they end on a cycle")
    answer, count, told = answer_to("one_point", basin_share=0.75, attractor_stable=[1, 0, 0])
    assert (answer, count) == ("can't tell", 1.0) and "but only 75 %" in told


def test_an_eigenvalue_known_to_half_of_its_distance_from_1_forgets_for_all_one_knows():
    modes = synthetic.linearization("linear_regression", 0)
    slowest = np.full_like(modes.momenta, 0.5)
    slowest[0] = 0.99
    errors = np.full_like(modes.eigenvalue_errors, 1e-12)
    assert answer_to("forgets", momenta=slowest, eigenvalue_errors=errors)[0] == "yes"
    answer, _, told = answer_to("forgets", momenta=slowest, eigenvalue_errors=errors + 0.005)
    assert (answer, told) == ("can't tell", "the largest eigenvalue 0.99 is only known to 0.005")


def test_whether_a_rate_is_representative_is_what_its_code_says():
    amplitudes = synthetic.responses("linear_regression", 0).gain_amplitudes
    same = {"convergence_learning_rate": 1.0, "convergence_gains": np.full_like(amplitudes, 1.0)}
    code = {"convergence_rate_code": RateCode.NOT_REPRESENTATIVE}
    assert answer_to("linearity", **same, **code)[0] == "no"
    same["convergence_gains"] = 3.0 * same["convergence_gains"]
    assert answer_to("linearity", **same, convergence_rate_code=RateCode.SMOOTH)[0] == "yes"


def test_figures_of_one_and_of_several(found):
    one, other = found["clipped momentum"], found["momentum, warming up"]
    for mechanism, rows in drawn.ROWS.items():
        plot = getattr(one, f"plot_{mechanism}")
        if mechanism == "interventions":  # below: nobody asked for them
            continue
        figure = plot(other)
        assert isinstance(figure, Figure)
        titles = [axes.get_title() for axes in figure.axes[:2]]
        assert [" ".join(title.split()) for title in titles] == [
            "clipped momentum (a late step, parameter 0)",
            "momentum, warming up (a late step, parameter 0)",
        ]
        given = Figure().subplots(rows, 1)
        assert plot(axes=given).shape == (rows, 1)
        assert all(axes.has_data() for axes in given)
        with pytest.raises(ValueError, match=f"axes has {rows} entries, expected {2 * rows}"):
            plot(other, axes=given)
    density = one.plot_clipping().axes[1].get_ylabel()
    assert density == "density of gradients"


def test_a_figure_shows_the_numbers_of_the_analysis(found):
    analysis = found["clipped momentum"]
    panel = analysis.plot_clipping().axes[0]
    x, y = panel.lines[0].get_data()
    np.testing.assert_array_equal(x, analysis.responses.update_gradients)
    np.testing.assert_allclose(y, -0.1 * np.clip(x, -0.5, 0.5), atol=1e-12)


def test_stability_without_a_task_is_that_of_the_heavy_ball(found):
    record = found["clipped momentum"].stability
    # Rate 0.1, momentum 0.8 (Polyak): 2 (1 + beta) / alpha; sqrt(beta) where its roots are complex.
    np.testing.assert_allclose(record.stable_up_to, [2 * 1.8 / 0.1], rtol=1e-9)
    assert np.min(record.rates) == pytest.approx(0.8**0.5, rel=1e-9)
    assert "stable up to curvature 36" in found["clipped momentum"].summary()
    with pytest.raises(ValueError, match="figure of the interventions of clipped momentum: ask"):
        found["clipped momentum"].plot_interventions()
    assert found["sign descent"].stability is None
    assert "no stability: its update has no slope at g = 0" in found["sign descent"].summary()


def test_what_each_mechanism_is_worth_in_closed_form():
    """Momentum that clips what it never meets: without its memory it is gradient descent."""
    mine = optax.chain(optax.clip(1e6), optax.sgd(0.2, momentum=0.9))
    task = LinearRegression(3)
    analysis = lopt.analyze(
        mine, task, problems=3, steps=40, starts=4, visited_states=40, interventions=True
    )
    table = analysis.interventions.set_index("optimizer")
    drawn_problems = sample_batch(task, stream(0, "analysis", "problems"), 3)
    losses = [
        np.stack(
            [
                lopt.unroll(
                    task, optimizer, jax.tree.map(lambda leaf, p=p: leaf[p], drawn_problems), 40
                )
                for p in range(3)
            ]
        )
        for optimizer in (mine, optax.sgd(0.2))
    ]
    objectives = [float(np.mean(lopt.meta_objective(part))) for part in losses]
    assert table["meta_objective"]["intact"] == pytest.approx(objectives[0], rel=1e-4)
    assert table["meta_objective"]["no_memory"] == pytest.approx(objectives[1], rel=1e-4)
    others = ["no_schedule", "no_clipping", "no_adaptation", "no_drift", "linear", "modes_1"]
    np.testing.assert_allclose(table["cost"][others], 1.0, rtol=1e-9)
    summary = analysis.summary()
    assert "removing the clipping changes nothing (x1)" in summary
    cost = objectives[1] / objectives[0]
    assert f"removing the memory {'costs' if cost > 1 else 'helps:'} x{cost:.3g}" in summary
    # The curvatures that its runs meet are the problems' own.
    met = analysis.stability.met_curvatures
    largest = max(float(np.linalg.eigvalsh(h).max()) for h in np.asarray(drawn_problems.hessian))
    assert met.max() == pytest.approx(largest, rel=1e-4)
    assert analysis.figures == tuple(drawn.FIGURES)
    panel = analysis.plot_interventions().axes[0]
    assert "no memory" in [label.get_text() for label in panel.get_yticklabels()]
    assert len(analysis.plot_stability(analysis).axes) == 4


@dataclasses.dataclass(frozen=True)
class BelowZero(LinearRegression):
    """Losses that begin far below 0, of runs that are as good as ever."""

    def loss(self, problem, x):
        return super().loss(problem, x) - 1e6


def test_where_the_loss_begins_below_0_no_run_is_said_to_diverge(x64):
    family, theta = make_baseline("momentum", {"learning_rate": 0.1, "momentum": 0.9}, np.float64)
    component, task = family.component(theta), BelowZero(2)
    modes = lopt.linearize(component, np.zeros(1))
    problems = quadratics(2, 2)
    with pytest.raises(ValueError, match=r"the loss at the start is -1e.*in 2 of 2 problems"):
        intervention_costs(component, modes, task, problems, steps=3)


def costs_of(*costs: float) -> pd.DataFrame:
    rows = {
        "optimizer": ["intact", "no_schedule"],
        "kind": ["intact", "intervention"],
        "cost": costs,
    }
    return pd.DataFrame(rows).assign(
        problems=4, diverged=0, meta_objective=0.5, cost_se=0.01, difference=0.1, difference_se=0.01
    )


def test_what_interventions_are_measured_at_is_said():
    """Of a map that is frozen, or of a point that is one of many, costs are not the optimizer's own."""
    plain = cause_sentences(costs_of(1.0, 1.2), None, True)
    assert plain == [
        "intact, its meta-objective on 4 problems is 0.5",
        "removing the schedule costs x1.2 ± 0.01",
    ]
    place = "one of a continuum of fixed points"
    told = cause_sentences(costs_of(1.0, 1.2), None, True, frozen=True, place=place)
    assert (
        told[0]
        == "intact, the meta-objective of the map at its operating point on 4 problems is 0.5"
    )
    assert told[1] == f"what follows starts or is linearized at {place}: another gives other costs"
    assert told[2:] == plain[1:]


def test_a_small_cost_that_is_significant_is_one():
    assert cause_sentences(costs_of(1.0, 1.0005), None, True)[1] == (
        "removing the schedule costs x1 ± 0.01"
    )


def test_what_is_stable_again_and_what_lies_beyond_is_told():
    met, weights, grid = np.array([0.25, 1.0]), np.array([0.7, 0.3]), np.geomspace(1e-4, 10.0, 5)
    rows = [("learned", -1, HeavyBall.of(0.1, 0.0))]
    record = stability_record(rows, grid, met, weights, np.zeros(2, int))
    record = record._replace(stable_up_to=np.full(1, 0.5), largest_stable=np.full(1, 5.0))
    assert cause_sentences(None, record, True) == [
        "stable up to curvature 0.5, and again beyond it in places; those of the task reach up to 1, "
        "30 % of the spectrum beyond"
    ]


def leaky(rate: float) -> lopt.ComponentOptimizer:
    return lopt.ComponentOptimizer(
        jnp.zeros(1), lambda h, g: 0.5 * h + g[..., None], lambda h: -rate * h[..., 0]
    )


def test_where_nothing_can_be_linearized_the_other_interventions_are_left(x64, monkeypatch):
    task, problems = LinearRegression(3), quadratics(2, 3)
    modes = lopt.linearize(leaky(0.1), jnp.zeros(1))
    table = intervention_costs(leaky(0.1), modes, task, problems, steps=2, has_slope=False)
    assert table.optimizer.tolist() == ["intact", "no_schedule", "no_memory", "no_drift"]
    # Losses that differ by rounding alone.
    still = np.array([[1.0, 1.0 + 2.0**-52, 1.0], [3.0, 3.0, 3.0 - 2.0**-51]])
    monkeypatch.setattr(causes, "evaluate", lambda *arguments, **settings: still)
    with pytest.raises(ValueError, match="the map at the operating point does not move"):
        intervention_costs(leaky(0.0), modes, task, problems, steps=2, has_slope=False)


def test_a_sum_of_all_gradients_ends_on_a_continuum():
    told, summary = asked(0.0, lambda h, i: (h + i.gradient, -0.1 * (h + i.gradient)), "one_point")
    assert told["one_point"][0] == "no" and "(at one of a continuum of fixed points)" in summary


def test_of_what_is_stable_at_large_curvatures_only_no_share_is_beyond():
    met, weights, grid = np.array([0.001, 1.0]), np.full(2, 0.5), np.geomspace(1e-4, 10.0, 5)
    rows = [("learned", -1, HeavyBall.of(0.1, 0.0))]
    record = stability_record(rows, grid, met, weights, np.zeros(2, int))
    record = record._replace(stable_up_to=np.zeros(1), largest_stable=np.full(1, 5.0))
    assert cause_sentences(None, record, True) == [
        "unstable at small curvatures; stable ones reach up to 5; those of the task reach up to 1"
    ]


# Moves the slider, and leaves what it saw in the page.
PROBE = """
<script>
window.seen = {errors: [], places: {}};
window.addEventListener("error", event => seen.errors.push(String(event.message)));
</script>
"""
VISITS = """
<script>
const choice = document.getElementById("path"), slider = document.getElementById("place");
for (const path of choice.options) {
  choice.value = path.value;
  choice.dispatchEvent(new Event("change"));
  const places = [];
  for (const k of [0, Number(slider.max)]) {
    slider.value = k;
    slider.dispatchEvent(new Event("input"));
    places.push({
      where: document.getElementById("where").textContent,
      update: document.querySelector("#update .now").getAttribute("d"),
      here: document.querySelector("#rate .here").getAttribute("cx"),
    });
  }
  seen.places[path.textContent] = places;
}
seen.fetched = performance.getEntriesByType("resource").map(entry => entry.name)
  .filter(name => !name.startsWith("data:"));
seen.images = [...document.images].map(image => image.naturalWidth);
const note = document.createElement("pre");
note.id = "seen";
note.textContent = JSON.stringify(seen);
document.body.appendChild(note);
</script>
"""


def test_the_report_is_one_page_whose_slider_moves_the_state(found, tmp_path):
    analysis = found["clipped momentum"]
    analysis.report(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert "http" not in text.replace("http-equiv", "")
    for each in analysis.answers:
        assert html.escape(each.sentence) in text
    seen = look_at(tmp_path / "report.html", PROBE, VISITS, tmp_path)
    assert seen["errors"] == [] and seen["fetched"] == []
    assert len(seen["images"]) == 5 and all(seen["images"])
    autonomous, slow = seen["places"].values()
    assert [each["where"] for each in autonomous] == [
        "iteration 0: effective learning rate 0.1",
        "iteration 80: effective learning rate 0.1",
    ]
    # At rest the state stays where it is; along the slow mode the update function moves up.
    assert autonomous[0]["update"] == autonomous[1]["update"]
    assert [each["here"] for each in autonomous] == ["60.00", "410.00"]
    heights = [
        np.array([float(point.split()[1]) for point in each["update"][1:].split("L")])
        for each in slow
    ]
    assert len(heights[0]) == len(analysis.responses.update_gradients)
    assert np.ptp(heights[0] - heights[1]) < 0.02 and np.all(heights[0] > heights[1] + 1.0)


def test_the_moving_part_ends_no_script_early_and_has_numbers_that_json_has():
    updates = np.array([[0.5], [np.nan]])
    path = MovingPath("</script>", "iteration", np.arange(2.0), updates, np.array([np.inf, 1.0]))
    part = moving_part(np.zeros(1), [path])
    assert part.count("</script>") == 2  # of the data, and of what moves it
    assert '"updates": [[0.5], [null]], "rates": [null, 1.0]' in part


def test_tables_and_paths_of_a_report_are_those_of_the_records():
    results = evidence().results
    points = results.fixed_points._replace(
        attractor_points=results.fixed_points.attractor_points[:, :7]
    )
    size = len(results.fixed_points.convergence_point)
    component = lopt.ComponentOptimizer(
        jnp.zeros(size), lambda h, g: 0.5 * h + g[..., None], lambda h: -h.sum(-1)
    )
    names = tuple(f"s{entry}" for entry in range(size))
    heads = np.arange(size) % 8 == 1
    modes = results.linearization._replace(heads=heads.astype(int))
    results = results._replace(fixed_points=points, linearization=modes)
    text = page("t", ["<i>"], answers(evidence()), results, names, component, {})
    assert "&lt;i&gt;" in text and "<i>" not in text
    attractors, modes = text.split("Where runs end")[1].split("Modes at the convergence point")
    rows = [re.findall("<td[^>]*>(.*?)</td>", row) for row in attractors.split("<tr")[2:]]
    assert [row[1] for row in rows] == ["yes", "yes", "no"]
    assert all(row[-1].endswith("s5 = 0.1, ...") for row in rows[:1])
    assert modes.count("<tr") - 1 == heads.sum() == 3
    strongest = np.argmax(np.where(heads, results.linearization.whole_sizes, -1.0))
    first = re.findall("<td[^>]*>(.*?)</td>", modes.split("<tr")[2])
    assert float(first[0]) == pytest.approx(results.linearization.momenta[strongest], rel=1e-3)
    # Along the slow mode, to where the furthest update function was taken, and in its direction.
    slow = moving_paths(component, results)[1]
    reach = np.abs(results.responses.slow_mode_positions).max()
    assert (slow.places[0], slow.places[-1]) == (-reach, reach)
    change = -0.5 * 2.0 * reach * results.responses.slow_mode_direction.sum()
    np.testing.assert_allclose(slow.updates[-1] - slow.updates[0], change, rtol=1e-9)


def test_a_report_of_what_is_missing_says_so(tmp_path):
    exploding = lopt.ComponentOptimizer(
        jnp.ones(1), lambda h, g: 3.0 * h + 1.0 + 0.0 * g[..., None], lambda h: h[..., 0]
    )
    lopt.analyze(exploding, np.ones((1000, 1)), name="<b>").report(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert "How &lt;b&gt; works" in text and "<b>" not in text and "<script" not in text
    assert "There are no trajectories: all 1 recorded runs became non-finite." in text


def asked(start, step, *questions: str) -> tuple[dict[str, tuple[str, str]], str]:
    """Answers and sentences of an optimizer of one component, and its summary."""
    optimizer = lopt.from_step(start, step)
    found = lopt.analyze(optimizer, gradients(), starts=4, visited_states=40)
    told = {each.name: (each.answer, each.sentence) for each in found.answers}
    return {name: told[name] for name in questions}, found.summary()


def test_what_turns_for_ever_ends_at_no_point():
    told, summary = asked(
        1.0, lambda h, i: (-h, -0.1 * (1.0 + 0.5 * h) * i.gradient), "one_point", "schedule"
    )
    assert told["one_point"] == ("no", "they end on a cycle")
    assert told["schedule"] == ("yes", "it is 0.15 at the start, varies between 0.05 and 0.15")
    assert "stable up to curvature 20 (at a fixed point that no run ends at)" in summary


def test_what_grows_unseen_is_no_cycle_and_chaos_is_told_apart():
    told, _ = asked(
        {"a": 1e-6}, lambda h, i: ({"a": 1.01 * h["a"]}, -0.01 * i.gradient), "one_point"
    )
    assert told["one_point"] == ("can't tell", "the fixed point that was found is not stable")
    told, _ = asked(0.3, lambda h, i: (3.9 * h * (1.0 - h), -0.1 * h * i.gradient), "one_point")
    assert told["one_point"] == ("no", "they go on for ever, in bounds, without coming back")


def test_a_delay_is_stable_and_does_not_drift():
    told, summary = asked(
        0.0, lambda h, i: (i.gradient, -0.05 * h), "momentum", "saturation", "drift"
    )
    assert told["momentum"][0] == "yes" and told["drift"][0] == "no"
    assert told["saturation"] == ("can't tell", "no gradient changes its first update")
    assert "stable up to curvature 20" in summary


def test_a_memory_that_fades_slowly_is_followed_until_it_has():
    """Half of what a gradient does comes at once, half over 5,000 steps; and a sum that never ends."""

    def slow(keeps, rate):
        def step(h, i):
            after = keeps * h + i.gradient
            return after, -0.1 * i.gradient - rate * after

        return asked(0.0, step, "momentum")[0]["momentum"]

    assert slow(0.999, 3e-4)[1].startswith("74.8 % of what a gradient does comes after the first")
    answer, reason = slow(1.0, 1e-7)
    assert answer == "can't tell" and reason.startswith("what a gradient does goes on after 10,000")


def test_a_constant_rate_is_no_schedule_whatever_its_sign():
    """A transformation without its minus sign, as of a chain that lacks its last link."""
    told, _ = asked((), lambda h, i: ((), 0.1 * i.gradient), "schedule")
    assert told["schedule"] == (
        "no",
        "it is 0.1 (it follows the gradient upward) at the start, and stays so",
    )


def test_what_answers_to_some_gradients_only_is_not_said_to_answer_to_none():
    def ternary(h, i):
        return (), -0.1 * jnp.sign(i.gradient) * (jnp.abs(i.gradient) > 0.5)

    told, _ = asked((), ternary, "saturation")
    assert told["saturation"][0] == "can't tell"
    assert told["saturation"][1].startswith("its first update answers to some gradients only")
    told, _ = asked((), lambda h, i: ((), -0.1 * jnp.maximum(i.gradient, 0.0)), "saturation")
    assert told["saturation"][0] == "no" and "to the power of 1" in told["saturation"][1]


def test_the_slowest_of_merged_modes_is_not_their_mean():
    """Two memories that the rates can't tell apart: the second moment of Adam is kept at 0.999."""
    found = lopt.analyze(optax.nadam(0.1), gradients(), starts=4, visited_states=40)
    assert found.answer("forgets").measured == pytest.approx(0.999, abs=1e-6)


def test_a_slope_of_zero_is_one():
    def dead(h, i):
        return (), -0.1 * jnp.sign(i.gradient) * jnp.maximum(jnp.abs(i.gradient) - 0.05, 0.0)

    told, summary = asked((), dead, "linearity", "saturation")
    assert told["linearity"][0] == "no" and told["linearity"][1].startswith("it is 0; at |g|")
    assert told["saturation"][0] == "no"
    assert told["saturation"][1].startswith(
        "its slope at g = 0 is 0; from |g| = 0.22 to 2.2 it grows"
    )
    assert "no stability: no gradient close to 0 moves its update" in summary


def test_a_flat_end_saturates_whatever_the_sign_of_its_rounding():
    def flat(h, i):
        return (), -0.01 * i.gradient / jnp.maximum(jnp.abs(i.gradient), 1e-2)

    told, _ = asked((), flat, "saturation")
    assert told["saturation"][0] == "yes"


def test_a_momentum_of_alternating_sign_is_told():
    told, _ = asked(
        0.0, lambda h, i: (-0.9 * h + i.gradient, -0.1 * (-0.9 * h + i.gradient)), "momentum"
    )
    assert "has momentum 0.9 (its sign alternates)" in told["momentum"][1]


def test_what_a_sign_reads_is_not_merged():
    """No mode has a learning rate there, so that none can be too uncertain to be told from another."""
    told, summary = asked(
        0.0, lambda h, i: (h + i.gradient, -0.01 * jnp.sign(h + i.gradient)), "forgets"
    )
    assert told["forgets"] == ("no", "its slowest mode keeps 1 of its state a step")
    assert "continuum" in summary
    with jax.enable_x64(True):
        lion = lopt.from_optax(optax.lion(0.01), dtype="float64")
        found = lopt.linearize(lion, jnp.zeros(2))
    np.testing.assert_allclose(np.sort(found.eigenvalues.real), [0.0, 0.99], atol=1e-12)
    assert len(set(found.clusters)) == 2


def test_the_closed_loop_says_what_it_leaves_out():
    decayed = optax.chain(optax.add_decayed_weights(5.0), optax.sgd(0.1))
    found = lopt.analyze(decayed, "linear_regression", problems=2, starts=4, visited_states=40)
    assert "(without what it does with the parameter itself, as in weight decay)" in found.summary()


def test_what_has_no_analysis_says_why():
    exploding = lopt.ComponentOptimizer(
        jnp.ones(1), lambda h, g: 3.0 * h + 1.0 + 0.0 * g[..., None], lambda h: h[..., 0]
    )
    analysis = lopt.analyze(exploding, np.ones((1000, 1)))
    assert "no trajectories: all 1 recorded runs became non-finite" in analysis.summary()
    assert {each.answer for each in analysis.answers} == {"can't tell", "no"}
    assert analysis.answer("reads_parameter").answer == "no"
    assert analysis.answer("finite_runs").sentence == "1 of 1 runs became non-finite"
    assert "there are no responses (rests on traj" in analysis.answer("schedule").sentence
    with pytest.raises(ValueError, match="there is no figure of the momentum: there are no"):
        analysis.plot_momentum()
    with pytest.raises(KeyError, match="there is no question 'charm'; there are momentum"):
        analysis.answer("charm")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.1, "rosenbrock"), "the optimizer is a float; expected a ComponentOptimizer"),
        ((optax.sgd(0.1), "mars"), "there is no task 'mars'; there are .*rosenbrock"),
        ((optax.sgd(0.1), object()), "the source is a object; expected a task"),
        (
            (optax.sgd(0.1), [[1.0, 2.0], [1.0, np.nan]]),
            "not a finite number, first at step 1; what comes",
        ),
        ((optax.sgd(0.1), np.zeros((0, 2))), r"gradients has shape \[0, 2\]"),
        ((optax.adamw(0.1), np.ones((3, 2))), "reads the parameter, and gradients alone"),
        (("nowhere.npz", "rosenbrock"), "nowhere.npz: there is no such file"),
        ((optax.lamb(0.1), "rosenbrock"), "it couples components"),
    ],
)
def test_what_cannot_be_analyzed_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        lopt.analyze(*arguments)


@pytest.mark.parametrize("setting", ["problems", "steps", "starts", "largest_gradient"])
def test_wrong_settings_are_named(setting):
    with pytest.raises(ValueError, match=f"{setting} is -1"):
        lopt.analyze(optax.sgd(0.1), "rosenbrock", **{setting: -1})


def test_a_recording_says_what_the_runs_themselves_say(x64):
    task, component = LinearRegression(3), lopt.from_optax(optax.adam(0.1))
    problems = quadratics(4, 3)
    edges = np.linspace(-2.0, 2.0, 21)
    direct = summarize_trajectories(
        task,
        component,
        problems,
        steps=12,
        key=stream(0, "keys"),
        gradient_edges=edges,
        visited_states=60,
        late_states=10**6,
    )
    recording = jax.vmap(lambda problem: lopt.record(task, component, problem, 12))(problems)
    summary = summarize_recording(
        component, recording, gradient_edges=edges, visited_states=10**6, late_states=10**6
    )
    for name, value in summary._asdict().items():
        truth = np.asarray(getattr(direct, name))
        if name.startswith("visited"):
            continue  # a random choice of them
        if name == "late_states":  # in another order
            value, truth = (np.sort(part, axis=0) for part in (value, truth))
        np.testing.assert_allclose(value, truth, rtol=1e-9, atol=1e-12, err_msg=name)
    for h, k in zip(direct.visited_states, direct.visited_iterations, strict=True):
        assert np.any(np.all(np.isclose(h, recording.h[:, k], rtol=1e-9, atol=1e-12), axis=-1))
    # Driven by the gradients that it met it does what it did.
    driven = drive(component, recording.gradients[:, :-1], recording.x[:, :-1])
    np.testing.assert_allclose(driven.h, recording.h, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(driven.updates, recording.updates, rtol=1e-9, atol=1e-12)
    other = lopt.from_optax(optax.sgd(0.1))
    with pytest.raises(ValueError, match="the optimizer has 1 state variables"):
        summarize_recording(other, recording, gradient_edges=edges)


def test_quantiles_of_the_gradients_met_reach_the_largest(x64):
    """Where the last filled bin holds more than the last quantile leaves, too."""
    component = lopt.from_optax(optax.sgd(0.1))
    met = np.concatenate([np.full((990, 1), 0.1), np.full((10, 1), 2.0)])
    summary = summarize_recording(
        component, drive(component, met), gradient_edges=np.linspace(-3.0, 3.0, 7)
    )
    np.testing.assert_allclose(np.log10(summary.gradient_quantiles[:5]), -1.0, atol=0.03)
    np.testing.assert_allclose(np.log10(summary.gradient_quantiles[-1]), np.log10(2.0), atol=0.03)


def test_impulses_and_clocks_in_closed_form(x64):
    nesterov = lopt.from_optax(optax.sgd(0.1, momentum=0.5, nesterov=True))
    truth = 0.1 * np.append(1.5, 0.5 ** np.arange(2, 6))
    for arm in impulse_responses(nesterov, nesterov.initial_state, 3.0, steps=5):
        np.testing.assert_allclose(arm, truth, rtol=1e-12)
    scheduled = lopt.from_optax(optax.sgd(optax.linear_schedule(1.0, 0.0, 4)))
    np.testing.assert_allclose(run_learning_rates(scheduled, 6), [1, 0.75, 0.5, 0.25, 0, 0])
    with pytest.raises(ValueError, match="amplitude is 0"):
        impulse_responses(nesterov, nesterov.initial_state, 0.0)


def test_the_audit_sees_a_parameter_that_moves_with_the_state():
    """schedule_free keeps a copy of the parameter: another start alone changes no update."""
    assert lopt.from_optax(optax.contrib.schedule_free_sgd(0.1)).audit.reads_parameter
