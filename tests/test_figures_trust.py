"""Figures say how far they can be trusted: attractors, branches, drift, errors, rates that are none.

The oracle are records with planted answers; artists are read back from the figure and compared with them.
"""

from importlib import import_module
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import synthetic_results as synthetic
from figure_layout import faults
from matplotlib.collections import LineCollection

from lopt.figures import codes, style
from lopt.records import attractors, store
from lopt.records.analysis import Code, FixedPointAnalysis, ModeCode, RateCode
from lopt.records.results import Results

TASK, SEED = "linear_regression", 0
STAGES = ("trajectories", "fixed_points", "linearization", "responses")
GRID = len(synthetic.MAGNITUDES[TASK].constant)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("results") / "synthetic"
    synthetic.write(folder, {TASK: (SEED,)})
    store.save_json(folder / "meta_training" / TASK / "selection.json", {"selected": SEED})
    return folder


@pytest.fixture
def draw(folder):
    """A function that draws a figure of one task with other arrays in its records: (table, figure)."""

    def drawn(name, **changes):
        facts, module = {"task": TASK, "seed": SEED}, import_module(f"lopt.figures.{name}")
        for stage in STAGES:
            record = getattr(synthetic, stage)(TASK, SEED)._replace(**changes.get(stage, {}))
            store.save(folder / "analysis" / TASK / f"seed_{SEED}" / f"{stage}.npz", record, facts)
        data = module.read(
            Results(folder, {TASK: (SEED,)}, synthetic.BASELINES, {}, labels=synthetic.LABELS)
        )
        figure = module.draw(data)
        assert faults(figure) == []
        return module.numbers(data), figure

    return drawn


def entries(figure) -> list[str]:
    return [text.get_text().replace("\n", " ") for text in figure.legends[0].get_texts()]


def notes(axes) -> list[str]:
    return [text.get_text().replace("\n", " ") for text in axes.texts]


def lines(axes, **look):
    def has(line, key, value):
        found = getattr(line, f"get_{key}")()
        if key.endswith("color") or key == "color":
            return matplotlib.colors.same_color(found, value)
        return found == value

    return [line for line in axes.get_lines() if all(has(line, *wanted) for wanted in look.items())]


def hollow(line) -> bool:
    return matplotlib.colors.same_color(line.get_markerfacecolor(), "white")


def bars(axes) -> np.ndarray:
    """Ends of the vertical bars of a panel: (x, low, high) each."""
    (collection,) = axes.findobj(LineCollection)
    return np.array([[path[0, 0], *path[:, 1]] for path in collection.get_segments()])


# --- outcomes and attractors -------------------------------------------------------------------------


def test_every_code_has_a_look_of_its_own():
    assert set(codes.OUTCOMES) == set(Code)
    for part in ("label", "marker", "color"):
        assert len({getattr(look, part) for look in codes.OUTCOMES.values()}) == len(Code)


def test_no_start_is_invisible_whatever_its_search_ended_with(draw):
    count = 40
    outcomes = np.arange(count) % len(Code)
    speeds = np.where(outcomes == Code.OUTLIER, np.inf, 10.0 ** -(2.0 * outcomes + 2.0))
    _, figure = draw("figS_fixed_points", fixed_points={"codes": outcomes, "speeds": speeds})
    panel = figure.axes[0]
    low, high = panel.get_ylim()
    for code, look in codes.OUTCOMES.items():
        drawn = [y for line in lines(panel, marker=look.marker) for y in line.get_ydata()]
        assert len(drawn) == np.sum(outcomes == code)
        assert all(low < y < high for y in drawn)
        assert look.label in entries(figure)


def five_attractors() -> dict:
    """A point, a second one, a line, a cycle, and an unstable point of unknown rate."""
    rates = np.array([6.0, 3.0, 4.0, 5.0, 2.0])
    kinds = [Code.CONVERGED, Code.UNDETERMINED, Code.CONTINUUM, Code.LIMIT_CYCLE, Code.CONVERGED]
    widths = np.array([0.0, np.inf, 0.5, 0.25, 0.0])[:, None] * [-1.0, 1.0]
    return {
        "attractor_points": np.linspace(0.1, 0.5, 5)[:, None] * np.ones(synthetic.STATE),
        "attractor_errors": np.full((5, synthetic.STATE), 1e-14),
        "attractor_codes": np.array([int(kind) for kind in kinds]),
        "attractor_stable": np.array([1, 1, 1, 1, 0]),
        "attractor_basin_shares": np.array([0.4, 0.3, 0.2, 0.1, 0.0]),
        "attractor_basin_distances": np.zeros(5),
        "attractor_spectral_radii": np.array([0.9, 1.0, 1.0, 1.0, 1.1]),
        "attractor_periods": np.array([1, 1, 1, 7, 1]),
        "attractor_learning_rates": rates,
        "attractor_learning_rate_intervals": rates[:, None] + widths,
        "attractor_updates": -0.01 * rates,
        "attractor_update_intervals": -0.01 * rates[:, None] + 0.01 * widths,
    }


def test_every_attractor_is_shown_with_basin_rate_drift_and_kind(draw):
    planted = five_attractors()
    table, figure = draw("figS_fixed_points", fixed_points=planted)
    shares = planted["attractor_basin_shares"]
    for panel, name in ((figure.axes[2], "learning_rate"), (figure.axes[3], "update")):
        values = planted[f"attractor_{name}s"]
        marks = [line for line in panel.get_lines() if len(line.get_xdata()) == 1][:5]
        np.testing.assert_allclose([mark.get_ydata()[0] for mark in marks], values)
        places = np.array([mark.get_xdata()[0] for mark in marks])
        # Of one seed, the strip is centered at 0: its width is 0.8.
        np.testing.assert_allclose(places, 0.8 * (shares - 0.5), atol=1e-12)
        for mark, kind, stable in zip(
            marks, planted["attractor_codes"], planted["attractor_stable"], strict=True
        ):
            assert mark.get_marker() == codes.OUTCOMES[Code(int(kind))].marker
            assert hollow(mark) == (stable == 0)
        bounds, limits = planted[f"attractor_{name}_intervals"], panel.get_ylim()
        found = bars(panel)
        np.testing.assert_allclose(found[:, 0], places)
        np.testing.assert_allclose(found[:, 1:], np.clip(bounds, *limits))
        assert found[1, 1:].tolist() == list(limits)  # unbounded: across the panel
        # The square is around the convergence point.
        (square,) = lines(panel, marker="s")
        assert square.get_xydata()[0].tolist() == [places[0], values[0]]
    assert "1 found 40+30+...%" in notes(figure.axes[0])
    assert {"undetermined", "continuum", "limit cycle", "unstable"} <= set(entries(figure))
    rows = table[(table.panel == "d") & (table.series == "attractors")]
    np.testing.assert_allclose(rows.y, planted["attractor_updates"])
    np.testing.assert_allclose(rows.x, shares)
    kinds = table[(table.panel == "c") & (table.series == "attractors, kind")]
    assert kinds.value.tolist() == planted["attractor_codes"].tolist()


def test_the_point_shown_is_found_among_the_attractors():
    found = synthetic.fixed_points(TASK, SEED)
    order = np.array([1, 2, 0])
    fields = [name for name in FixedPointAnalysis._fields if name.startswith("attractor_")]
    turned = found._replace(**{name: getattr(found, name)[order] for name in fields})
    assert (attractors.shown_attractor(found), attractors.shown_attractor(turned)) == (0, 2)
    elsewhere = found._replace(convergence_point=found.convergence_point + 0.01)
    assert attractors.shown_attractor(elsewhere) is None
    none = found._replace(attractor_points=np.zeros((0, synthetic.STATE)))
    assert attractors.shown_attractor(none) is None


def test_a_schedule_says_which_attractor_it_ends_at(draw):
    planted = five_attractors()
    away = np.zeros((5, synthetic.AXES))
    away[1:, 0], away[1:, 1] = [1.0, 2.0, -1.0, 3.5], [1.0, -1.0, 2.0, 3.0]
    table, figure = draw(
        "fig4_learning_rate_schedules",
        fixed_points=planted,
        responses={"projected_attractors": away},
    )
    top, bottom = figure.axes
    drawn = {tuple(line.get_xydata()[0]): line for line in top.get_lines() if line.get_mew() == 0.6}
    assert set(drawn) == {tuple(point) for point in away[1:, :2]}
    assert [hollow(drawn[tuple(point)]) for point in away[1:, :2]] == [False, False, False, True]
    assert drawn[(1.0, 1.0)].get_marker() == codes.OUTCOMES[Code.UNDETERMINED].marker
    limit = top.get_xlim()[1]
    assert limit >= np.abs(away[:, :2]).max()
    assert "shown: 1 of 4 attractors, basin 40%" in notes(bottom)
    at_end = [line for line in bottom.get_lines() if line.get_xdata()[0] == synthetic.STEPS]
    found = sorted(float(line.get_ydata()[0]) for line in at_end)
    assert found == sorted(planted["attractor_learning_rates"])
    labels = (
        "other undetermined point",
        "other continuum",
        "other limit cycle",
        "unstable fixed point",
    )
    assert set(labels) <= set(entries(figure))
    rows = table[(table.panel == "a") & (table.series == "attractors")]
    np.testing.assert_allclose(rows[["x", "y"]], away[:, :2])
    np.testing.assert_allclose(rows.value, planted["attractor_basin_shares"])


def test_one_attractor_that_all_runs_end_at_needs_no_words(draw):
    found = synthetic.fixed_points(TASK, SEED)
    fields = [name for name in FixedPointAnalysis._fields if name.startswith("attractor_")]
    one = {name: getattr(found, name)[:1] for name in fields}
    one |= {"attractor_basin_shares": np.ones(1)}
    projected = {"projected_attractors": np.zeros((1, synthetic.AXES))}
    _, figure = draw("fig4_learning_rate_schedules", fixed_points=one, responses=projected)
    assert not any("shown" in note for note in notes(figure.axes[1]))
    one |= {"attractor_basin_shares": np.array([0.8])}
    _, figure = draw("fig4_learning_rate_schedules", fixed_points=one, responses=projected)
    assert "shown: 1 of 1 attractors, basin 80%" in notes(figure.axes[1])


# --- drift -------------------------------------------------------------------------------------------


def test_the_drift_is_stated_and_drawn_with_its_interval(draw):
    drift = {
        "convergence_update": np.array(-0.11),
        "convergence_update_interval": np.array([-0.13, -0.10]),
    }
    for name, panel in (("fig2_momentum", 1), ("fig4_learning_rate_schedules", 1)):
        table, figure = draw(name, fixed_points=drift, responses=drift)
        assert r"drift: $-0.110$ $\pm$ $0.02$" in notes(figure.axes[panel])
        stated = table.set_index("y_quantity").y
        assert [stated[key] for key in ("drift", "drift_low", "drift_high")] == [-0.11, -0.13, -0.1]
    _, figure = draw("fig2_momentum", responses=drift)
    (square,) = lines(figure.axes[1], marker="s")
    assert square.get_xydata()[0].tolist() == [0.0, -0.11]
    np.testing.assert_allclose(bars(figure.axes[1]), [[0.0, -0.13, -0.10]])
    unknown = {"convergence_update_interval": np.array([-np.inf, np.inf])}
    _, figure = draw("fig2_momentum", responses=drift | unknown)
    assert "drift: undetermined" in notes(figure.axes[1])


# --- modes -------------------------------------------------------------------------------------------


def test_modes_say_how_much_they_cancel_and_what_a_pair_does_together(draw):
    modes = synthetic.linearization(TASK, SEED)
    # The pair is the slow mode, with a negative rate; the real one leads.
    rates = np.zeros(synthetic.STATE)
    rates[:3] = [9.0, -0.5, -0.5]
    sizes = np.zeros(synthetic.STATE)
    sizes[:3] = [9.0, 4.0, 4.0]
    planted = {
        "whole_learning_rates": rates,
        "whole_sizes": sizes,
        "slow_mode": np.array(1),
        "leading_mode": np.array(0),
        "cancellation_ratio": np.array(12.5),
    }
    table, figure = draw("fig2_momentum", linearization=planted)
    pair = modes.eigenvalues[1]
    stated = notes(figure.axes[2])
    slow = rf"${pair.real:.3f}$ $\pm$ ${pair.imag:.4f}$$i$"
    assert rf"slow pair {slow}: $\Sigma\alpha =$ $-0.500$" in stated
    assert r"leading mode $0.960$: $\alpha =$ $9.00$" in stated
    assert r"$\Sigma|\alpha| \, / \, |\Sigma\alpha| =$ $12.5$" in stated
    (rings,) = lines(figure.axes[2], markeredgecolor="#DE4968", markerfacecolor="none")
    np.testing.assert_allclose(rings.get_xydata() @ [1.0, 1.0j], [pair, pair.conj()])
    table = table[table.panel == "c"]
    together = table[table.value_quantity == "learning_rate_of_all_members"]
    assert together[together.series == "slow mode"].value.tolist() == [-0.5, -0.5]
    assert table[table.y_quantity == "cancellation_ratio"].y.tolist() == [12.5]


@pytest.mark.parametrize(
    ("code", "words"),
    [(ModeCode.MERGED, "act as one"), (ModeCode.DEFECTIVE, "mean something together")],
)
def test_modes_that_are_none_by_themselves_say_so(draw, code, words):
    eigenvalues = synthetic.linearization(TASK, SEED).eigenvalues.copy()
    eigenvalues[:3] = 0.96
    merged = {
        "eigenvalues": eigenvalues,
        "clusters": np.array([0, 0, 0, *range(1, synthetic.STATE - 2)]),
        "mode_code": np.array(int(code)),
        "leading_mode": np.array(0),
        "learning_rate_errors": np.full(synthetic.STATE, 0.1),
        "whole_learning_rates": np.full(synthetic.STATE, 2.0),
    }
    _, figure = draw("fig2_momentum", linearization=merged)
    stated = notes(figure.axes[2])
    assert f"equal eigenvalues {words}" in stated
    assert r"slow mode $0.960$: $\alpha =$ $2.00$ $\pm$ $0.1$" in stated
    assert not any("leading" in note for note in stated)


# --- branches and rates ------------------------------------------------------------------------------


def test_branches_are_told_apart_and_ends_marked(draw):
    arm = synthetic.MAGNITUDES[TASK].constant
    branches = np.zeros(2 * GRID, int)
    branches[-2:], branches[0] = [1, 2], -1
    outcomes = np.zeros(2 * GRID, int)
    outcomes[0] = Code.SLOW_POINT
    points = {
        "constant_gradient_branches": branches,
        "constant_gradient_codes": outcomes,
        "branch_end_codes": np.array([int(Code.STALLED), int(Code.FOLD)]),
        "branch_end_gradients": np.array([-8.0, 4.0]),
    }
    responses = {"constant_gradient_branches": branches}
    own = branches == 0
    for name, panel in (("figS_fixed_points", 1), ("fig5_learning_rate_adaptation", 2)):
        table, figure = draw(name, fixed_points=points, responses=responses)
        axes = figure.axes[panel]
        drawn = [
            (abs(x) * (1 if line.get_marker() == "^" else -1), hollow(line))
            for line in axes.get_lines()
            if line.get_marker() in "v^"
            for x in line.get_xdata()
        ]
        gradients = np.concatenate([-arm[::-1], arm])
        assert [is_hollow for _, is_hollow in sorted(drawn)] == (~own).tolist()
        np.testing.assert_allclose([g for g, _ in sorted(drawn)], gradients)
        ends = {
            line.get_xdata()[0]: line for line in axes.get_lines() if line.get_linewidth() == 1.0
        }
        colors = {end: line.get_color() for end, line in ends.items()}
        assert colors == {
            8.0: style.shades(style.NEGATIVE, 3)[1],
            4.0: style.shades(style.POSITIVE, 3)[1],
        }
        assert all(line.get_linestyle() == "--" for line in ends.values())
        for end in ("branch folds", "branch is lost"):
            assert any(entry.endswith(end) for entry in entries(figure))
        (slow,) = (
            line
            for line in lines(axes, marker=codes.OUTCOMES[Code.SLOW_POINT].marker)
            if len(line.get_xdata())
        )
        assert slow.get_xdata().tolist() == [arm[-1]]
        assert {"on another branch", "slow point"} <= set(entries(figure))
        assert set(table[table.series == "ends of the branch"].x) == {-8.0, 4.0}
        stored = table[table.series == "branches"].value.to_numpy(int)
        assert stored[-2 * GRID :].tolist() == branches.tolist()
    assert {"branch folds at $g =$ $4$", "branch is lost at $g =$ $-8$"} <= set(notes(axes))


def test_the_solid_curve_is_the_branch_of_the_convergence_point(draw):
    branches = np.zeros(2 * GRID, int)
    branches[-3:] = [1, 1, 2]
    record = synthetic.responses(TASK, SEED)
    _, figure = draw(
        "fig5_learning_rate_adaptation", responses={"constant_gradient_branches": branches}
    )
    top, middle, bottom = figure.axes
    projected = record.projected_constant_gradient[:, :2]
    solid = [line for line in lines(top, linestyle="-") if len(line.get_xdata()) > 2]
    expected = np.insert(projected[branches == 0], GRID, [0.0, 0.0], axis=0)
    np.testing.assert_array_equal(solid[0].get_xydata(), expected)
    assert len(solid) == 1
    dotted = [line for line in lines(top, linestyle="--") if len(line.get_xdata()) == 2]
    np.testing.assert_array_equal(dotted[0].get_xydata(), projected[-3:-1])
    positive = [line for line in lines(bottom, linestyle="-") if len(line.get_xdata()) > 2]
    np.testing.assert_array_equal(positive[0].get_xdata(), record.constant_gradients[GRID:-3])
    # Of the four update functions, the last is of another branch.
    labels = [text.get_text() for text in middle.get_legend().get_texts()]
    assert [label.endswith("*") for label in labels] == [False, False, False, True]
    # All on one branch: nothing is hollow, and nothing is said of branches that end.
    whole = np.zeros(2 * GRID, int)
    fixed = {"branch_end_codes": np.zeros(2, int)}
    _, figure = draw(
        "fig5_learning_rate_adaptation",
        fixed_points=fixed,
        responses={"constant_gradient_branches": whole},
    )
    assert not {"on another branch", "that branch folds"} & set(entries(figure))


def test_rates_along_the_arms_have_error_bars_and_say_where_they_are_none(draw):
    record = synthetic.responses(TASK, SEED)
    rates = record.constant_gradient_learning_rates
    bounds = np.stack([rates - 0.5, rates + 1.0], axis=1)
    bounds[3] = [-np.inf, np.inf]
    kinds = np.zeros(2 * GRID, int)
    kinds[[1, 2]] = RateCode.NOT_DIFFERENTIABLE
    kinds[5] = RateCode.NOT_REPRESENTATIVE
    gains = 0.5 * rates
    table, figure = draw(
        "fig5_learning_rate_adaptation",
        responses={
            "constant_gradient_learning_rate_intervals": bounds,
            "constant_gradient_rate_codes": kinds,
            "constant_gradient_gains": gains,
        },
    )
    panel = figure.axes[2]
    np.testing.assert_allclose(bars(panel)[:, 1:], np.clip(bounds, *panel.get_ylim()))
    magnitudes = np.abs(record.constant_gradients)
    (crosses,) = lines(panel, marker="x")
    np.testing.assert_allclose(crosses.get_xydata(), np.stack([magnitudes, rates], axis=1)[[1, 2]])
    (pluses,) = lines(panel, marker="+")
    seen = pluses.get_xydata()[np.isfinite(pluses.get_ydata())]
    np.testing.assert_allclose(seen, [[magnitudes[5], gains[5]]])
    assert {"gain at the typical $|g|$", "no slope at $g = 0$: gain"} <= set(entries(figure))
    low = table[table.y_quantity == "effective_learning_rate_low"]
    np.testing.assert_allclose(low[low.panel == "c"].y, bounds[:, 0])
    _, figure = draw("fig5_learning_rate_adaptation")
    assert not any("gain" in entry for entry in entries(figure))


def test_a_schedule_without_slopes_shows_gains(draw):
    record = synthetic.responses(TASK, SEED)
    kinds = np.zeros(synthetic.STEPS + 1, int)
    kinds[:50], kinds[50:80] = RateCode.NOT_DIFFERENTIABLE, RateCode.NOT_REPRESENTATIVE
    _, figure = draw("fig4_learning_rate_schedules", responses={"autonomous_rate_codes": kinds})
    rates, gains = (
        line.get_ydata() for line in figure.axes[1].get_lines() if len(line.get_ydata()) > 100
    )
    expected = np.where(
        kinds == RateCode.NOT_DIFFERENTIABLE, np.nan, record.autonomous_learning_rates
    )
    np.testing.assert_array_equal(rates, expected)
    np.testing.assert_array_equal(gains, record.autonomous_gains)
    assert "gain at the typical $|g|$" in entries(figure)
    _, figure = draw("fig4_learning_rate_schedules")
    assert len([line for line in figure.axes[1].get_lines() if len(line.get_ydata()) > 100]) == 1
    assert "gain at the typical $|g|$" not in entries(figure)


def test_an_optimizer_without_any_reading_can_be_drawn(draw):
    """No attractor, no fixed point, no rate: axes without numbers, but a figure."""
    found = synthetic.fixed_points(TASK, SEED)
    fields = [name for name in FixedPointAnalysis._fields if name.startswith("attractor_")]
    nothing = {name: getattr(found, name)[:0] for name in fields}
    nothing |= {
        "codes": np.full(40, int(Code.OUTLIER)),
        "speeds": np.full(40, np.inf),
        "constant_gradient_codes": np.full(2 * GRID, int(Code.STALLED)),
        "constant_gradient_speeds": np.full(2 * GRID, np.inf),
        "constant_gradient_branches": np.full(2 * GRID, -1),
        "branch_end_codes": np.full(2, int(Code.STALLED)),
        "branch_end_gradients": np.zeros(2),
    }
    responses = {
        "projected_attractors": np.zeros((0, synthetic.AXES)),
        "constant_gradient_branches": np.full(2 * GRID, -1),
        "constant_gradient_learning_rates": np.full(2 * GRID, np.nan),
        "constant_gradient_learning_rate_intervals": np.full((2 * GRID, 2), np.nan),
    }
    for name in (
        "figS_fixed_points",
        "fig4_learning_rate_schedules",
        "fig5_learning_rate_adaptation",
    ):
        _, figure = draw(name, fixed_points=nothing, responses=responses)
        assert all(np.isfinite(axes.get_ylim()).all() for axes in figure.axes), name
    assert any("branch is lost at $g =$ $0$, $0$" in note for note in notes(figure.axes[2]))
