"""Figures: what is drawn against the arrays it comes from, and the same bytes every time.

The oracle are the closed forms of ``synthetic_results``: artists are read back from the figure and compared
with the arrays, never pixels with pixels.
"""

import ast
import filecmp
import re
import shutil
import subprocess
import sys
from importlib import import_module
from itertools import combinations, pairwise
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
import synthetic_results as synthetic
import yaml
from figure_layout import faults
from matplotlib.collections import FillBetweenPolyCollection, PathCollection
from matplotlib.patches import StepPatch
from matplotlib.text import Annotation

from lopt.figures import layout, style, tables, ticks
from lopt.figures.roles import LEARNED, Roles
from lopt.figures.wrapping import wrap
from lopt.records import store
from lopt.records.evaluation import Evaluation
from lopt.records.portraits import StartLosses
from lopt.records.results import Results
from lopt.records.store import StoreError

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "lopt"
NAMES = sorted(path.stem for path in (ROOT / "lopt" / "figures").glob("fig*.py"))
TASKS = tuple(synthetic.SEEDS)
PER_TASK = [name for name in NAMES if name != "figS_validation"]
each_figure = pytest.mark.parametrize("name", NAMES)
each_figure_of_tasks = pytest.mark.parametrize("name", PER_TASK)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results") / "synthetic"
    synthetic.write(folder)
    return folder


def results_in(folder, seeds=synthetic.SEEDS, baselines=synthetic.BASELINES, note="a note"):
    """The results in a folder, with the names and colors of what comes with the package."""
    early = {task: seed for task, seed in synthetic.EARLY.items() if task in seeds}
    names = synthetic.LABELS, synthetic.COLORS
    return Results(folder, seeds, baselines, early, note, *names)


@pytest.fixture(scope="module")
def results(folder):
    return results_in(folder)


@pytest.fixture(scope="module")
def drawn(results, tmp_path_factory):
    """A function from a figure's name to (data, figure), each drawn and saved once."""
    known = {}

    def draw(name):
        if name not in known:
            module = import_module(f"lopt.figures.{name}")
            data = module.read(results)
            figure = module.draw(data)
            known[name] = data, figure
            figure.saved = tmp_path_factory.mktemp(name)
            style.save(figure, figure.saved / "1.pdf", figure.saved / "1.png")
        return known[name]

    return draw


def panel(figure, row, column, columns=3):
    """The panel in this row and column (color bars and insets come later in the list)."""
    return figure.axes[row * columns + column]


def lines(axes, **look):
    """The lines of a panel that have these properties (color, marker, linestyle)."""
    found = []
    for line in axes.get_lines():
        if all(getattr(line, f"get_{key}")() == value for key, value in look.items()):
            found.append(line)
    return found


def shown(task):
    return synthetic.SELECTED[task]


def test_there_is_a_module_for_every_figure():
    assert len(NAMES) == 15
    for name in NAMES:
        module = import_module(f"lopt.figures.{name}")
        assert module.__doc__ and {"read", "draw", "numbers", "Data"} <= set(module.__all__)


def facts(name):
    """What a figure's module states of itself, as the workflow reads it: from its syntax tree."""
    found = {}
    for node in ast.parse((PACKAGE / "figures" / f"{name}.py").read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            if node.targets[0].id in ("TITLE", "CAPTION", "READS"):
                found[node.targets[0].id] = ast.literal_eval(node.value)
    return found


# Every kind of file that a figure may read, by how its path ends.
KINDS = {
    "selection": "selection.json",
    "curves": "curve.csv",
    "portraits": r"portraits/\w+.npz",
    "losses": "losses.npz",
    "baselines": "best.json",
    "trials": "trials.csv",
    "trajectories": "trajectories.npz",
    "fixed_points": "fixed_points.npz",
    "linearization": "linearization.npz",
    "responses": "responses.npz",
    "common_optimizers": r"common_optimizers/\w+.npz",
    "validation": "validation.csv",
    "interventions": "interventions.csv",
    "stability": "stability.npz",
    "distilled": "distilled.csv",
    "transfer": "interventions/transfer.csv",
    "census": r"/census\.csv",
    "census_measured": r"census_measured\.csv",
    "similarity": "similarity.npz",
}


@each_figure
def test_a_figure_states_what_it_reads(name, results, opened):
    import_module(f"lopt.figures.{name}").read(results)
    paths = [path.as_posix() for path in opened]
    read = {kind for kind, end in KINDS.items() for path in paths if re.search(f"{end}$", path)}
    assert paths and all(any(re.search(f"{end}$", p) for end in KINDS.values()) for p in paths)
    if all("/momentum/" in path for path in paths if path.endswith("best.json")):
        read = {"momentum" if kind == "baselines" else kind for kind in read}
    if any(f"seed_{seed}/" in path for path in paths for seed in synthetic.EARLY.values()):
        read = {"linearization_early" if kind == "linearization" else kind for kind in read}
    assert set(facts(name)["READS"]) == read


@each_figure
def test_a_figure_has_a_title_and_a_caption(name):
    stated, module = facts(name), import_module(f"lopt.figures.{name}")
    assert stated == {key: getattr(module, key) for key in ("TITLE", "CAPTION", "READS")}
    assert stated["CAPTION"].startswith("**") and stated["CAPTION"].rstrip().endswith(".")
    number = re.match(r"fig(\d)", name)
    assert not number or stated["TITLE"] == f"Figure {number[1]}"
    assert len({facts(other)["TITLE"] for other in NAMES}) == len(NAMES)


def test_figures_know_no_task_or_baseline_by_name():
    names = {*synthetic.LABELS, *synthetic.LABELS.values()} - {"momentum"}  # the paper's subject
    for path in sorted((PACKAGE / "figures").glob("*.py")):
        if path.stem != "reading":
            nodes = ast.walk(ast.parse(path.read_text()))
            constants = {node.value for node in nodes if isinstance(node, ast.Constant)}
            assert not constants & names, path


def test_no_jax_and_no_pyplot():
    code = "import sys; " + "; ".join(f"import lopt.figures.{name}" for name in NAMES)
    code += "; print([m for m in sys.modules if m in ('jax', 'jaxlib', 'matplotlib.pyplot')])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@each_figure
def test_the_same_results_give_the_same_bytes(name, drawn, results, tmp_path):
    module = import_module(f"lopt.figures.{name}")
    data, figure = drawn(name)
    kinds = ["png", "pdf"] if name in ("fig1_performance", "figS_modes") else ["png"]
    with matplotlib.rc_context({"font.size": 20.0, "lines.linewidth": 9.0, "savefig.dpi": 30}):
        again = module.read(results)
        second = module.draw(again)
        style.save(second, *(tmp_path / f"2.{kind}" for kind in kinds))
    for kind in kinds:
        assert filecmp.cmp(figure.saved / f"1.{kind}", tmp_path / f"2.{kind}", shallow=False)
    for number, record in enumerate((data, again)):
        store.save_table(tmp_path / f"{number}.csv", module.numbers(record))
    assert filecmp.cmp(tmp_path / "0.csv", tmp_path / "1.csv", shallow=False)


@each_figure
def test_the_layout_solvers_last_bit_decides_no_pixel(name, drawn):
    for axes in drawn(name)[1].axes:
        if axes.get_subplotspec() is not None:
            corner = axes.get_position(original=True).p0
            assert list(corner) == list(np.round(corner, 9))


@each_figure
def test_files_are_made_for_print(name, drawn):
    figure = drawn(name)[1]
    pdf, png = ((figure.saved / f"1.{kind}").read_bytes() for kind in ("pdf", "png"))
    assert b"/Type0" in pdf and b"/Type3" not in pdf  # text stays text
    assert b"CreationDate" not in pdf
    width = int.from_bytes(png[16:20])
    assert width == round(200 * layout.PAGE_WIDTH)


# The 3 columns of ``drawn``, and these; a new task has no label, a new baseline no color.
LONG, LONGER = "a_rather_long_task_name", "another_task_with_an_even_longer_name_than_that"
NEW_BASELINES = (*synthetic.BASELINES, "schedule_free_lion", "nesterov")
STUDIES = {
    1: ({LONG: (0, 1, 2, 3, 4)}, NEW_BASELINES),
    2: ({"rosenbrock": (0,), LONG: (3, 4)}, ("adam",)),
    4: ({**synthetic.SEEDS, LONG: (0, 1, 2, 3)}, synthetic.BASELINES),
    5: ({LONG: tuple(range(20)), **synthetic.SEEDS, LONGER: (4, 5)}, NEW_BASELINES),
}
# Where a figure has many panels, four columns stand for five.
MANY_PANELS = ("fig2_momentum", "fig5_learning_rate_adaptation", "figS_tuning")
CASES = [(1, name) for name in NAMES] + [(2, name) for name in NAMES]
CASES += [(4 if name in MANY_PANELS else 5, name) for name in PER_TASK]
LOW = {"figS_validation": 0.5}  # inches: a row per kind of answer
NOTE = "two_moons meta-trained with hidden_widths [32, 32, 32]"


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """A function from a number of tasks to their results."""
    known = {}

    def study(count):
        if count not in known:
            folder = tmp_path_factory.mktemp("studies") / "laptop"
            synthetic.write(folder, *STUDIES[count])
            known[count] = results_in(folder, *STUDIES[count], NOTE)
        return known[count]

    return study


@each_figure
def test_nothing_overlaps_and_nothing_is_cut_off(name, drawn):
    assert faults(drawn(name)[1], LOW.get(name, 1.0)) == []


@pytest.mark.parametrize(("count", "name"), CASES)
def test_any_number_of_columns_is_laid_out(count, name, studies):
    module = import_module(f"lopt.figures.{name}")
    data = module.read(studies(count))
    figure = module.draw(data)
    says_why = name == "figS_common_optimizers" and "momentum" not in STUDIES[count][1]
    assert faults(figure, 0.5 if says_why else LOW.get(name, 1.0)) == []
    assert NOTE in figure.get_supxlabel().replace("\n", " ")
    if name in PER_TASK and not says_why:
        titles = [axes.get_title().replace("\n", " ") for axes in figure.axes[:count]]
        roles = Roles.of(studies(count))
        assert titles == [roles.label(task) for task in STUDIES[count][0]]
        assert set(module.numbers(data).task) == set(STUDIES[count][0])
    width = count * layout.PAGE_WIDTH / 3.0 if count > 1 else layout.COLUMN_WIDTH
    across = says_why or name == "figS_validation"
    assert figure.get_figwidth() == pytest.approx(layout.PAGE_WIDTH if across else width)


def test_panels_are_as_high_as_stated_whatever_stands_around_them(studies):
    for count in (1, 5):
        module = import_module("lopt.figures.figS_modes")
        figure = module.draw(module.read(studies(count)))
        for axes in figure.axes:
            assert axes.bbox.height / figure.dpi == pytest.approx(1.79, abs=layout.TOLERANCE)


class TestTheCheckOfLayouts:
    """It finds what a reader would complain about: each fault planted in a figure without any."""

    @pytest.fixture
    def figure(self, studies):
        module = import_module("lopt.figures.fig3_gradient_clipping")
        figure = module.draw(module.read(studies(2)))
        assert faults(figure) == []
        return figure

    def test_an_overlong_legend(self, figure):
        handles = [style.mark(f"a label of some length {k}", "o", "black") for k in range(5)]
        figure.legend(handles=handles, ncols=5, loc="upper center")
        found = faults(figure)
        assert "clipped: the legend" in found
        assert any(fault.startswith("legend on something else") for fault in found)

    def test_a_figure_that_is_too_low(self, figure):
        figure.set_figheight(1.6)
        found = faults(figure)
        assert any(re.fullmatch(r"row 0 is 0\.\d+ in high", fault) for fault in found)
        assert any(fault.startswith("text on") for fault in found)

    def test_titles_that_collide(self, figure):
        for axes in figure.axes[:2]:
            axes.set_title("A title that is much too long for its column")
        assert any(fault.startswith("text on text: 'A title") for fault in faults(figure))

    def test_a_label_over_a_neighbor(self, figure):
        figure.axes[1].set_ylabel("a label far out", labelpad=40.0)
        found = faults(figure)
        assert "text on another panel: 'a label far out' on panel 0" in found

    def test_text_beyond_the_page(self, figure):
        figure.axes[3].text(1.2, 0.5, "outside", transform=figure.axes[3].transAxes)
        assert "clipped: 'outside'" in faults(figure)

    def test_unequal_panels_in_a_row(self, figure):
        place = figure.axes[1].get_position()
        figure.axes[1].set_position([place.x0, place.y0, place.width, 0.9 * place.height])
        assert any(fault.startswith("row 0 has panels") for fault in faults(figure))

    def test_panels_on_each_other(self, figure):
        figure.axes[1].set_position(figure.axes[0].get_position())
        assert "panel on panel: panel 0 and panel 1" in faults(figure)


class TestWrapping:
    def lines(self, text, width):
        figure, _ = layout.panels([1.0], 1)
        return wrap(figure, text, width, fontsize=7.0).split("\n")

    def test_lines_break_at_spaces_only_and_lose_nothing(self):
        text = "a text of several words that are to be set in a narrow column"
        lines = self.lines(text, 1.0)
        assert len(lines) > 2 and " ".join(lines) == text
        assert self.lines(text, 20.0) == [text]

    def test_formulas_stay_whole(self):
        formula = "$g > 0 \\; a b c d e f$"
        assert formula in self.lines(f"before {formula} behind", 0.3)

    def test_a_word_wider_than_the_line_is_cut(self):
        lines = self.lines("x" * 100, 1.0)
        assert "".join(lines) == "x" * 100 and 2 < len(lines) < 20


@each_figure_of_tasks
def test_every_curve_is_in_the_table(name, drawn):
    data, figure = drawn(name)
    table = import_module(f"lopt.figures.{name}").numbers(data)
    assert list(table) == tables.COLUMNS
    assert set(table.task) == set(TASKS)
    numbers = np.unique(table[["x", "y", "value"]].to_numpy(float))
    curves = 0
    for axes in figure.axes:
        for line in axes.get_lines():
            y = np.asarray(line.get_ydata(), float)
            if len(y) >= 20 and line.get_transform() == axes.transData:
                assert np.isin(y[np.isfinite(y)], numbers).all()
                curves += 1
    points_only = ("figS_modes", "fig6_interventions", "fig8_census", "figS_similarity")
    assert curves or name in points_only


@each_figure_of_tasks
def test_titles_labels_and_small_print(name, drawn):
    figure = drawn(name)[1]
    assert figure.get_supxlabel().startswith("scale: synthetic (a note)")
    titles = [axes.get_title() for axes in figure.axes[:3]]
    assert titles == ["Linear Regression", "Rosenbrock", "Neural network training"]
    for axes in figure.axes:
        place = axes.get_subplotspec()
        if place is not None and place.is_last_row():
            assert axes.get_xlabel()
        if place is not None and place.is_first_col():
            assert axes.get_ylabel()


class TestPerformance:
    def test_losses_are_means_with_standard_errors(self, drawn):
        figure = drawn("fig1_performance")[1]
        for column, task in enumerate(TASKS):
            evaluation, axes = synthetic.evaluation(task), panel(figure, 1, column)
            curves = [line for line in axes.get_lines() if len(line.get_ydata()) == 201]
            assert [line.get_label() for line in curves] == [
                "RMSProp",
                "Momentum",
                "Adam",
                "Learned optimizer",
            ]
            bands = axes.findobj(FillBetweenPolyCollection)
            runs = ["rmsprop", "momentum", "adam", "learned"]
            for name, line, band in zip(runs, curves, bands, strict=True):
                seed = shown(task) if name == "learned" else -1
                run = np.flatnonzero(
                    (evaluation.optimizers == name) & (evaluation.seeds == seed)
                ).item()
                losses = evaluation.losses[run].astype(float)
                np.testing.assert_allclose(line.get_ydata(), losses.mean(0), rtol=1e-12)
                error = np.sqrt(losses.var(0, ddof=1) / len(losses))
                vertices = band.get_paths()[0].vertices[:, 1]
                np.testing.assert_allclose(vertices.max(), (losses.mean(0) + error).max())
                assert (
                    band.get_facecolor()[0, :3] == matplotlib.colors.to_rgb(line.get_color())
                ).all()
            assert axes.get_xlim() == (0, 200) and axes.get_yscale() == "log"
        assert panel(figure, 1, 0).get_ylim()[0] == pytest.approx(1e-5)

    def test_pictures_of_the_tasks(self, drawn):
        figure = drawn("fig1_performance")[1]
        histogram = panel(figure, 0, 0).findobj(StepPatch)[0].get_data()
        assert np.sum(histogram.values * np.diff(histogram.edges)) == pytest.approx(1.0)
        assert panel(figure, 0, 0).get_xlim() == (0.0, 3.0)
        heat, (star,) = panel(figure, 0, 1), lines(panel(figure, 0, 1), marker="*")
        assert star.get_xydata().tolist() == [[1.0, 1.0]]
        assert (heat.get_xlim(), heat.get_ylim()) == ((-2.0, 2.0), (-1.0, 3.0))
        portrait = synthetic.portrait("two_moons")
        for label, line in enumerate(panel(figure, 0, 2).get_lines()):
            np.testing.assert_array_equal(
                line.get_xydata(), portrait.positions[portrait.labels == label]
            )

    def test_a_new_task_shows_its_start_losses(self, folder, tmp_path):
        copy = shutil.copytree(folder, tmp_path / "results")
        for path in sorted(copy.rglob("rosenbrock*"), reverse=True):
            path.rename(path.with_name(path.name.replace("rosenbrock", "my_task")))
        facts = {"task": "my_task"}
        portrait = StartLosses(np.linspace(0.0, 1.0, 100))
        store.save(copy / "portraits" / "my_task.npz", portrait, facts)
        path = copy / "evaluation" / "my_task" / "losses.npz"
        store.save(path, store.load(path, Evaluation)[0], facts)
        module = import_module("lopt.figures.fig1_performance")
        data = module.read(Results(copy, {"my_task": (0, 1, 2)}))
        figure = module.draw(data)
        assert figure.get_figwidth() == layout.COLUMN_WIDTH
        assert panel(figure, 0, 0, columns=1).get_title() == "My task"
        assert len(module.numbers(data)) == 30 + 4 * 201

    def test_images_are_a_mosaic_in_their_order(self, folder):
        module = import_module("lopt.figures.fig1_performance")
        data = module.read(Results(folder, {"two_moons": (3,)}))
        portrait = synthetic.portrait("digits")
        data = data._replace(columns=(data.columns[0]._replace(portrait=portrait),))
        figure = module.draw(data)
        assert faults(figure) == []
        (image,) = panel(figure, 0, 0, columns=1).get_images()
        mosaic = image.get_array()
        assert mosaic.shape == (4 * 10, 5 * 10)  # 20 of 8 x 8 pixels, each in a margin of one
        np.testing.assert_array_equal(mosaic[1:9, 1:9], portrait.images[0])
        np.testing.assert_array_equal(mosaic[11:19, 21:29], portrait.images[7])
        assert mosaic[0].max() == mosaic[:, 9:11].max() == 0.0
        table = module.numbers(data)
        pixels = table[table["series"] == "image 7, class 3"]
        np.testing.assert_array_equal(pixels["value"], portrait.images[7].ravel())

    def test_divergence_is_drawn_as_far_as_it_is_finite(self, folder, tmp_path):
        copy = shutil.copytree(folder, tmp_path / "results")
        path = copy / "evaluation" / "rosenbrock" / "losses.npz"
        evaluation, metadata = store.load(path, Evaluation)
        evaluation.losses[3, 0, 50:] = np.inf
        store.save(path, evaluation, metadata)
        module = import_module("lopt.figures.fig1_performance")
        figure = module.draw(module.read(Results(copy, synthetic.SEEDS)))
        style.save(figure, tmp_path / "1.png")
        assert faults(figure) == []
        low, high = panel(figure, 1, 1).get_ylim()
        assert low < high < 10.0 * evaluation.losses[:, :, 0].max()
        notes = [text.get_text() for text in panel(figure, 1, 1).texts]
        assert notes == ["Momentum diverges on 1 of 128"]
        assert not panel(figure, 1, 2).texts

    def test_the_selected_seed_must_have_been_evaluated(self, folder, tmp_path):
        copy = shutil.copytree(folder, tmp_path / "results")
        selection = copy / "meta_training" / "rosenbrock" / "selection.json"
        store.save_json(selection, {"selected": 9})
        module = import_module("lopt.figures.fig1_performance")
        with pytest.raises(StoreError, match=r"selection\.json: selected is 9, expected one of"):
            module.read(Results(copy, synthetic.SEEDS))
        with pytest.raises(StoreError, match=r"rosenbrock/losses\.npz: has no run .* seed 9"):
            module.read(Results(copy, {**synthetic.SEEDS, "rosenbrock": (0, 1, 2, 9)}))


class TestMomentum:
    def test_arrows_point_at_the_positions(self, drawn):
        figure = drawn("fig2_momentum")[1]
        for column, task in enumerate(TASKS):
            responses, axes = synthetic.responses(task, shown(task)), panel(figure, 0, column)
            arrows = [note for note in axes.findobj(Annotation) if note.arrow_patch is not None]
            heads = np.array([arrow.xy for arrow in arrows])
            expected = responses.projected_slow_mode_states[:, responses.slow_mode_pair]
            np.testing.assert_array_equal(heads, expected)
            tails = np.array([arrow.xyann for arrow in arrows])
            along = responses.projected_slow_mode_direction[responses.slow_mode_pair]
            np.testing.assert_allclose((tails - heads) @ along, 0.0, atol=1e-12)
            assert axes.get_xlim() == axes.get_ylim() == (-1.0, 1.0)
            assert (axes.get_xlabel(), axes.get_ylabel()) == ("PC 1", "PC 3")
            (square,) = lines(axes, marker="s")
            assert square.get_xydata().tolist() == [[0.0, 0.0]]

    def test_update_functions_share_the_arrows_colors(self, drawn):
        figure = drawn("fig2_momentum")[1]
        for column, task in enumerate(TASKS):
            arrows = [
                matplotlib.colors.to_hex(note.arrow_patch.get_edgecolor())
                for note in panel(figure, 0, column).findobj(Annotation)
                if note.arrow_patch is not None
            ]
            curves = [
                line for line in panel(figure, 1, column).get_lines() if len(line.get_ydata()) > 2
            ]
            assert [line.get_color().lower() for line in curves] == arrows
            expected = synthetic.responses(task, shown(task)).slow_mode_updates
            np.testing.assert_array_equal([line.get_ydata() for line in curves], expected)

    def test_shifts_too_small_to_see_get_an_inset(self, drawn):
        module, (data, figure) = import_module("lopt.figures.fig2_momentum"), drawn("fig2_momentum")
        assert not panel(figure, 1, 0).child_axes
        column = data.columns[0]
        shifts = np.linspace(-1e-3, 1e-3, 5)[:, None] * np.cos(column.gradients)
        small = column._replace(updates=column.updates[2] + shifts)
        data = data._replace(columns=(small, *data.columns[1:]))
        (inset,) = panel(module.draw(data), 1, 0).child_axes
        found = [line.get_ydata() for line in inset.get_lines()]
        np.testing.assert_allclose(found, shifts, atol=1e-12)
        table = module.numbers(data).query("panel == 'b, inset'")
        np.testing.assert_allclose(table.y, shifts.ravel(), atol=1e-12)

    def test_inset_shows_the_variance(self, drawn):
        figure = drawn("fig2_momentum")[1]
        for column, task in enumerate(TASKS):
            (inset,) = panel(figure, 0, column).child_axes
            (line,) = inset.get_lines()
            expected = synthetic.trajectories(task, shown(task)).total_variance
            np.testing.assert_array_equal(line.get_ydata(), expected)

    def test_eigenvalues_are_colored_by_learning_rate(self, drawn):
        figure = drawn("fig2_momentum")[1]
        for column, task in enumerate(TASKS):
            (cloud,) = panel(figure, 2, column).findobj(PathCollection)
            found = cloud.get_offsets() @ [1.0, 1.0j]
            linearization = synthetic.linearization(task, shown(task))
            # A pair counts whole: |alpha| of both.
            sizes = np.abs(linearization.complex_learning_rates)
            sizes = sizes * np.where(linearization.eigenvalues.imag == 0.0, 1.0, 2.0)
            order = np.argsort(sizes, kind="stable")
            np.testing.assert_allclose(found, linearization.eigenvalues[order], rtol=1e-12)
            colors = np.asarray(cloud.get_array())
            assert np.all(np.diff(colors) >= 0.0)  # the fastest on top
            np.testing.assert_allclose(colors, sizes[order], rtol=1e-12)


def test_gradient_clipping(drawn):
    figure = drawn("fig3_gradient_clipping")[1]
    for column, task in enumerate(TASKS):
        top, bottom = panel(figure, 0, column), panel(figure, 1, column)
        limit = synthetic.MAGNITUDES[task].gradients
        assert top.get_xlim() == bottom.get_xlim() == (-limit, limit)
        (curve,) = [line for line in top.get_lines() if len(line.get_ydata()) > 2]
        magnitudes, grid = synthetic.MAGNITUDES[task], np.asarray(curve.get_xdata())
        expected = -magnitudes.update * np.tanh(magnitudes.learning_rate * grid / magnitudes.update)
        np.testing.assert_allclose(curve.get_ydata(), expected, rtol=1e-12)
        met = synthetic.trajectories(task, shown(task))
        (histogram,) = (patch.get_data() for patch in bottom.findobj(StepPatch))
        total = met.gradient_counts.sum() + met.gradients_outside.sum()
        area = np.sum(histogram.values * np.diff(histogram.edges))
        assert area == pytest.approx(met.gradient_counts.sum() / total)
        assert bottom.get_yscale() == "log"


def test_the_share_of_gradients_beyond_the_axis(drawn):
    for column, task in zip(drawn("fig3_gradient_clipping")[0].columns, TASKS, strict=True):
        met = synthetic.trajectories(task, shown(task))
        centers = (met.gradient_edges[1:] + met.gradient_edges[:-1]) / 2
        limit = synthetic.MAGNITUDES[task].gradients
        beyond = met.gradient_counts[np.abs(centers) > limit].sum() + met.gradients_outside.sum()
        total = met.gradient_counts.sum() + met.gradients_outside.sum()
        assert column.share_beyond == pytest.approx(beyond / total, rel=1e-6)


def test_learning_rate_schedules(drawn, results):
    figure = drawn("fig4_learning_rate_schedules")[1]
    for column, task in enumerate(TASKS):
        responses = synthetic.responses(task, shown(task))
        top, bottom = panel(figure, 0, column), panel(figure, 1, column)
        assert top.get_xlim() == top.get_ylim() == (-4.0, 4.0)
        path = next(line for line in top.get_lines() if len(line.get_xdata()) == 201)
        np.testing.assert_array_equal(path.get_xydata(), responses.projected_autonomous[:, :2])
        circle, square = top.get_lines()[-1], top.get_lines()[-2]
        assert (circle.get_marker(), square.get_marker()) == ("o", "s")
        np.testing.assert_array_equal(circle.get_xydata()[0], path.get_xydata()[0])
        rates, dashed = bottom.get_lines()[:2]
        np.testing.assert_array_equal(rates.get_ydata(), responses.autonomous_learning_rates)
        best = results.best(task, "momentum")["hyperparameters"]["learning_rate"]
        assert set(dashed.get_ydata()) == {best}
        assert dashed.get_linestyle() == "--"
        low, high = bottom.get_ylim()
        assert low == 0.0 and high > max(best, responses.autonomous_learning_rates.max())


def test_learning_rate_adaptation(drawn):
    figure = drawn("fig5_learning_rate_adaptation")[1]
    for column, task in enumerate(TASKS):
        responses = synthetic.responses(task, shown(task))
        g, arm = responses.constant_gradients, synthetic.MAGNITUDES[task].constant
        for row in (0, 2):
            axes = panel(figure, row, column)
            negative, positive = lines(axes, marker="v"), lines(axes, marker="^")
            assert len(negative) == len(positive) == len(arm)
            # Ascending gradients: dark to light red, then light to dark green.
            for marks, darkens in ((negative, False), (positive, True)):
                light = [sum(matplotlib.colors.to_rgb(mark.get_color())) for mark in marks]
                assert all((b < a) == darkens for a, b in pairwise(light))
            points = np.array([mark.get_xydata()[0] for mark in negative + positive])
            if row == 0:
                expected = responses.projected_constant_gradient[:, :2]
            else:
                expected = np.stack([np.abs(g), responses.constant_gradient_learning_rates], axis=1)
            np.testing.assert_array_equal(points, expected)
        middle = panel(figure, 1, column)
        curves = [line for line in middle.get_lines() if len(line.get_ydata()) > 2]
        assert len(curves) == 4
        for line, row in zip(curves, responses.constant_gradient_shown, strict=True):
            zero = int(np.argmin(np.abs(line.get_xdata())))
            assert line.get_ydata()[zero] == pytest.approx(0.0, abs=1e-15)
            slope = np.gradient(line.get_ydata(), line.get_xdata())[zero]
            rate = responses.constant_gradient_learning_rates[row]
            assert -slope == pytest.approx(rate, rel=0.1)  # of a coarse grid
        assert panel(figure, 2, column).get_xscale() == "log"


def test_modes(drawn):
    data, figure = drawn("figS_modes")
    for column, task in zip(data.columns, TASKS, strict=True):
        early = {synthetic.EARLY[task]} if task in synthetic.EARLY else set()
        assert set(column.modes) == {*synthetic.SEEDS[task]} | early
        for seed, modes in column.modes.items():
            # Conjugate pairs once: their learning rates add up to the effective learning rate.
            linearization = synthetic.linearization(task, seed)
            total = linearization.complex_learning_rates.sum()
            assert modes.learning_rates.sum() == pytest.approx(total.real)
            assert modes.pairs.sum() == 1
    notes = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "mode, ended early" in notes
    without = import_module("lopt.figures.figS_modes").draw(
        data._replace(columns=tuple(column._replace(early=None) for column in data.columns))
    )
    texts = [text.get_text() for text in without.legends[0].get_texts()]
    assert "mode, ended early" not in texts
    stars = lines(panel(figure, 0, 0), marker="*")
    assert [3.76, 0.881] in [star.get_xydata()[0].tolist() for star in stars]


def test_a_diverged_training_leaves_its_axis_to_the_others(drawn):
    data, _ = drawn("figS_meta_training")
    module = import_module("lopt.figures.figS_meta_training")
    column = data.columns[0]
    curve = column.curves[column.seed].copy()
    lowest = curve.meta_objective.min()
    curve.loc[curve.index[-1], "meta_objective"] = 1e9
    figure = module.draw(data._replace(columns=(column._replace(curves={column.seed: curve}),)))
    low, high = figure.axes[0].get_ylim()
    assert low < lowest < 1.0 < high <= module.LARGEST


def test_meta_training(drawn, results):
    data, figure = drawn("figS_meta_training")
    for number, (column, task) in enumerate(zip(data.columns, TASKS, strict=True)):
        axes = panel(figure, 0, number)
        for seed, curve in column.curves.items():
            blue = seed == shown(task)
            found = [
                line
                for line in axes.get_lines()
                if np.array_equal(line.get_ydata(), curve.meta_objective)
            ]
            assert any((line.get_color() == style.LEARNED_COLOR) == blue for line in found)
        scores = {results.best(task, name)["meta_objective"] for name in synthetic.BASELINES}
        flat = [set(line.get_ydata()) for line in axes.get_lines() if len(line.get_ydata()) == 2]
        assert scores <= set.union(*flat)


def test_fixed_points(drawn):
    table = import_module("lopt.figures.figS_fixed_points").numbers(drawn("figS_fixed_points")[0])
    for task, seeds in synthetic.SEEDS.items():
        for seed in seeds:
            chosen = (table.task == task) & (table.seed == seed) & (table.panel == "a")
            analysis = synthetic.fixed_points(task, seed)
            searches = table[chosen & (table.series == "searches")]
            np.testing.assert_array_equal(searches.y, analysis.speeds)
            np.testing.assert_array_equal(searches.value, analysis.codes)
            summary = table[chosen & (table.series == "summary")].set_index("y_quantity").y
            assert summary["distinct_fixed_points"] == len(analysis.distinct_points)


def test_common_optimizers(drawn):
    figure = drawn("figS_common_optimizers")[1]
    for column, task in enumerate(TASKS):
        record = synthetic.common_optimizers(task)
        for row in range(2):
            curves = [
                line for line in panel(figure, row, column).get_lines() if len(line.get_ydata()) > 2
            ]
            np.testing.assert_array_equal(
                [line.get_ydata() for line in curves], record.updates[row]
            )


# arXiv 2011.02159, figure 4: the dashed lines.
PUBLISHED_RATES = {"linear_regression": 3.765, "rosenbrock": 5.33e-4, "two_moons": 0.569}


def test_tuning(drawn, results):
    figure = drawn("figS_tuning")[1]
    for column, task in enumerate(TASKS):
        for row, name in enumerate(synthetic.BASELINES):
            trials, axes = results.trials(task, name), panel(figure, row, column)
            (star,) = lines(axes, marker="*")
            winner = trials[trials["rank"] == 1].iloc[0]
            np.testing.assert_allclose(
                star.get_xydata()[0], [winner.learning_rate, winner.score], rtol=1e-8
            )
            drawn_trials = sum(len(line.get_xdata()) for line in lines(axes, marker="o"))
            assert drawn_trials == np.isfinite(trials.score).sum()
            (ticks,) = lines(axes, marker="|")
            assert len(ticks.get_xdata()) == (~np.isfinite(trials.score)).sum()
            published = {line.get_xdata()[0] for line in lines(axes, marker="None")}
            assert published == ({PUBLISHED_RATES[task]} if name == "momentum" else set())


class WithoutRates(Results):
    """Results whose momentum has no learning rate: the first of its numbers is another, 0 in one trial."""

    def best(self, task, optimizer):
        best = super().best(task, optimizer)
        if optimizer != "momentum":
            return best
        return best | {"hyperparameters": {"share": 0.5, "half_life": 2.0}}

    def trials(self, task, optimizer):
        table = super().trials(task, optimizer)
        if optimizer != "momentum":
            return table
        shares = np.linspace(0.0, 1.0, len(table))
        return table.assign(share=shares).drop(columns="learning_rate")


def test_the_tuning_of_a_baseline_without_a_learning_rate(folder):
    module, task = import_module("lopt.figures.figS_tuning"), "rosenbrock"
    data = module.read(WithoutRates(folder, {task: (0, 1, 2)}, ("momentum", "adam")))
    figure = module.draw(data)
    above, below = figure.axes
    assert above.get_xlabel() == "share" and above.get_xscale() == "linear"
    assert below.get_xlabel() == "learning rate" and below.get_xscale() == "log"
    assert lines(above, marker="*")[0].get_xdata()[0] == 0.5
    table = module.numbers(data)
    assert set(table.loc[table["panel"] == "a", "x_quantity"]) == {"share"}


@pytest.fixture
def opened(monkeypatch):
    """The results opened through the store, in order."""
    paths = []
    for name in ("load", "load_json", "load_table"):
        original = getattr(store, name)

        def recording(path, *arguments, original=original, **options):
            if PACKAGE not in Path(path).parents:  # published values come with the package
                paths.append(Path(path))
            return original(path, *arguments, **options)

        monkeypatch.setattr(store, name, recording)
    return paths


@each_figure
def test_missing_and_damaged_files_are_named(name, folder, tmp_path, opened):
    copy = shutil.copytree(folder, tmp_path / "results")
    read = import_module(f"lopt.figures.{name}").read
    read(Results(copy, synthetic.SEEDS))
    assert opened
    kinds = {(path.parent.name if path.suffix != ".npz" else path.stem): path for path in opened}
    for path in kinds.values():
        content = path.read_bytes()
        path.unlink()
        with pytest.raises(StoreError, match=re.escape(str(path))):
            read(Results(copy, synthetic.SEEDS))
        path.write_bytes(content[: len(content) // 2] if path.suffix == ".npz" else b"{1,\n")
        with pytest.raises(StoreError, match=re.escape(str(path))):
            read(Results(copy, synthetic.SEEDS))
        path.write_bytes(content)


@pytest.mark.workflow
def test_rules_declare_what_figures_read(folder, opened, tmp_path):
    own = tmp_path / "own.yaml"
    smoke = {
        "tasks": list(synthetic.SEEDS),
        "every_task": {"variants": {"gru_4": {"optimizer": {"units": 4}}}},
    }
    own.write_text(yaml.safe_dump({"scales": {"smoke": smoke}}))
    run = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--dry-run", "--forceall", "--cores", "1"),
            *("--snakefile", ROOT / "Snakefile", "--configfile", ROOT / "config.yaml", own),
            *("--directory", tmp_path, "--config", "scale=smoke", "--", "all", "census"),
        ],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr

    def any_seed(paths):
        return {re.sub(r"seed_\d+", "seed", path) for path in paths}

    blocks = re.findall(
        r"rule draw:\n    input: (.*)\n(?:    .*\n)*?    wildcards: scale=smoke, figure=(\w+)\n",
        run.stdout,
    )
    declared = {figure: any_seed(inputs.split(", ")) for inputs, figure in blocks}
    assert set(declared) == set(NAMES)
    for name in NAMES:
        opened.clear()
        import_module(f"lopt.figures.{name}").read(Results(folder, synthetic.SEEDS))
        read = any_seed(f"results/smoke/{path.relative_to(folder)}" for path in opened)
        assert declared[name] == read


def test_without_momentum_among_the_baselines_no_line_is_drawn(folder):
    results = results_in(folder, baselines=["adam"])
    for name in ("fig4_learning_rate_schedules", "fig5_learning_rate_adaptation", "figS_modes"):
        module = import_module(f"lopt.figures.{name}")
        data = module.read(results)
        entries = [text.get_text() for text in module.draw(data).legends[0].get_texts()]
        assert "tuned momentum" not in entries
        tuned = module.numbers(data).query("series == 'tuned momentum'")
        assert tuned.y.isna().all()


def test_json_without_its_entry_is_named(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "results")
    path = copy / "baselines" / "rosenbrock" / "momentum" / "best.json"
    store.save_json(path, {"optimizer": "momentum"})
    with pytest.raises(StoreError, match=r"momentum/best\.json: lacks 'hyperparameters'"):
        Results(copy, synthetic.SEEDS).best("rosenbrock", "momentum")


# Machado, Oliveira and Fernandes 2009: linear RGB as seen without one kind of cone.
CONES = {
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritanopia": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


def lab(color, cones):
    """CIELAB of a color as seen without one kind of cone."""
    rgb = np.array(matplotlib.colors.to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(cones @ linear, 0.0, 1.0)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.array(to_xyz) @ seen / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", CONES)
def test_optimizers_can_be_told_apart_without_color_vision(vision):
    study = Roles(synthetic.LABELS, synthetic.COLORS, NEW_BASELINES)
    roles = [study.role(name) for name in (*NEW_BASELINES, "learned")]
    seen = [lab(role.color, np.array(CONES[vision])) for role in roles]
    for first, second in combinations(seen, 2):
        assert np.linalg.norm(first - second) > 15.0  # 2.3 is just noticeable
    assert len({str(role.linestyle) for role in roles}) == len(roles)


def test_names_and_colors_travel_with_the_results(folder):
    labels, colors = {"rosenbrock": "A banana", "adam": "ADAM"}, {"adam": "#123456"}
    results = Results(folder, synthetic.SEEDS, synthetic.BASELINES, labels=labels, colors=colors)
    module = import_module("lopt.figures.fig1_performance")
    figure = module.draw(module.read(results))
    titles = [axes.get_title() for axes in figure.axes[:3]]
    assert titles == ["Linear regression", "A banana", "Two moons"]
    looks = {line.get_label(): line.get_color() for line in panel(figure, 1, 0).get_lines()}
    assert looks.keys() == {"ADAM", "Rmsprop", "Momentum", LEARNED.label}
    assert (looks["ADAM"], looks[LEARNED.label]) == ("#123456", LEARNED.color)
    assert len(set(looks.values())) == 4


def test_baselines_differ_however_many_there_are():
    study = Roles({}, {}, tuple(f"optimizer_{number}" for number in range(20)))
    looks = {(role.color, role.linestyle) for role in map(study.role, study.baselines)}
    assert len(looks) == 20 and all(linestyle != "-" for _, linestyle in looks)


def test_what_comes_with_the_package_looks_as_ever():
    study = Roles(synthetic.LABELS, synthetic.COLORS, synthetic.BASELINES)
    assert [study.role(name) for name in study.in_order(["learned", *synthetic.BASELINES])] == [
        ("RMSProp", "#E3BC22", (0, (1.2, 0.9))),
        ("Momentum", "#E06A00", (0, (4.0, 1.4))),
        ("Adam", "#8F0F2B", (0, (5.0, 1.2, 1.2, 1.2))),
        ("Learned optimizer", "#2B6CB8", "-"),
    ]


def test_only_known_kinds_of_files_are_written(drawn, tmp_path):
    with pytest.raises(ValueError, match=r"1\.jpg: figures are written as pdf, png, svg"):
        style.save(drawn("figS_modes")[1], tmp_path / "1.png", tmp_path / "1.jpg")
    assert not list(tmp_path.iterdir())


def test_limits_follow_the_data_where_the_published_ones_do_not_fit():
    assert ticks.square_limit(np.array([[0.5, -0.4]]), 1.0) == 1.0
    assert ticks.square_limit(np.array([[0.01, 0.0]]), 1.0) == pytest.approx(0.0125)
    assert ticks.limits_around(np.array([np.nan, np.inf])) == (0.0, 1.0)
    assert ticks.log_limits(np.array([0.0, -1.0]), 3.0) == (0.1, 1.0)


def test_rows_of_a_table():
    part = tables.rows("a", "t", 0, "s", ("x", [1.0, 2.0]), ("y", [3.0, 4.0]), ("z", 5.0))
    assert part.value.tolist() == [5.0, 5.0]
    assert tables.table([]).empty
    assert isinstance(tables.table([part]), pd.DataFrame)


# Figures 6 and 7.


def test_validation_of_many_optimizers_stands_in_two_columns(drawn):
    module, (data, _) = import_module("lopt.figures.figS_validation"), drawn("figS_validation")
    names = [f"optimizer {number}" for number in range(30)]
    many = data._replace(
        optimizers=tuple(name for name in names for _ in data.quantities),
        quantities=data.quantities * len(names),
        errors=np.tile(data.errors, len(names)),
        tolerances=np.tile(data.tolerances, len(names)),
        passed=data.passed * len(names),
    )
    figure = module.draw(many)
    left, right = figure.axes
    labels = [[tick.get_text() for tick in panel.get_yticklabels()] for panel in (left, right)]
    assert [label for label in labels[0] + labels[1] if label in names] == names
    assert abs(len(labels[0]) - len(labels[1])) <= len(set(map(module.kind, data.quantities))) + 1
    assert faults(figure, LOW["figS_validation"]) == []


def test_figure_6_draws_costs_and_says_what_diverged(drawn):
    figure = drawn("fig6_interventions")[1]
    for number, task in enumerate(TASKS):
        table = synthetic.interventions(task, synthetic.SEEDS[task])
        own = table[(table.seed == shown(task)) & (table.kind == "intervention")]
        costs, truncations = panel(figure, 0, number), panel(figure, 1, number)
        high = costs.get_xlim()[1]
        ends = {round(bar.get_x() + bar.get_width(), 9) for bar in costs.patches}
        hand_written = synthetic.distilled(task, synthetic.SEEDS[task])
        hand_written = hand_written[hand_written.seed == shown(task)].meta_objective / 0.03
        assert ends == {round(min(cost, high), 9) for cost in (*own.cost, *hand_written)}
        said = {text.get_text() for text in costs.texts if text.get_text() not in "abc"}
        if shown(task) == synthetic.SEEDS[task][0]:  # the seed whose runs diverge
            assert "7 of 128 diverge \u2192" in said
        assert any(
            "\u2192" in text and "diverge" not in text for text in said
        )  # 500 times, in a number
        modes = table[(table.seed == shown(task)) & (table.kind == "modes")]
        (line,) = (line for line in truncations.get_lines() if line.get_linewidth() == 0.8)
        assert line.get_xdata().tolist() == modes.modes.tolist()
        finite = np.isfinite(modes.cost.to_numpy())
        np.testing.assert_allclose(line.get_ydata()[finite], modes.meta_objective[finite])
        np.testing.assert_allclose(line.get_ydata()[~finite], 4.0 * 0.03)  # the median


def test_dots_of_figure_6_are_the_other_seeds(drawn):
    for column in drawn("fig6_interventions")[0].columns:
        seeds = synthetic.SEEDS[column.task]
        table = synthetic.interventions(column.task, seeds)
        others = table[table.seed != shown(column.task)]
        for row in column.interventions:
            if row.name in set(table.optimizer):
                costs = others[others.optimizer == row.name].cost
                np.testing.assert_allclose(row.others, costs, rtol=1e-12)
                assert len(row.others) == len(seeds) - 1


def test_figure_6_has_interventions_in_order_on_the_first_panel(drawn):
    figure = drawn("fig6_interventions")[1]
    names = [label.get_text() for label in panel(figure, 0, 0).get_yticklabels()]
    assert names[:3] == ["no drift", "no schedule", "no clipping"]
    assert names[3:6] == ["no adaptation", "linear", "no memory"]
    assert names[6] == "distilled, read off"
    assert not any(label.get_text() for label in panel(figure, 0, 1).get_yticklabels())


def test_figure_6_has_the_same_row_in_every_column(drawn):
    """As where one task's hand-written optimizer was tuned, another's has a mechanism of its own."""
    module, (data, _) = (
        import_module("lopt.figures.fig6_interventions"),
        drawn("fig6_interventions"),
    )
    first, second, *others = data.columns
    more = first.interventions[0]._replace(name="no_second_state", cost=2.0)
    changed = data._replace(
        columns=(
            first._replace(interventions=(more, *first.interventions[:-1])),
            second._replace(interventions=second.interventions[1:]),
            *others,
        )
    )
    figure = module.draw(changed)
    places = panel(figure, 0, 0)
    names = [label.get_text() for label in places.get_yticklabels()]
    assert len(names) == len(
        {row.name for column in changed.columns for row in column.interventions}
    )
    for number, column in enumerate(changed.columns):
        here = panel(figure, 0, number)
        assert here.get_ylim() == places.get_ylim()
        labels = [
            module.LABELS.get(row.name, row.name.replace("_", " ")) for row in column.interventions
        ]
        bars = {round(bar.get_y() + bar.get_height() / 2.0, 6): bar for bar in here.patches}
        assert sorted(bars) == sorted(float(names.index(label)) for label in labels)
        inside = [row for row in column.interventions if row.cost < here.get_xlim()[1]]
        assert inside
        for row in inside:
            label = module.LABELS.get(row.name, row.name.replace("_", " "))
            bar = bars[float(names.index(label))]
            assert bar.get_x() + bar.get_width() == pytest.approx(row.cost)
        missing = [text.get_position() for text in here.texts if text.get_text() == "none"]
        assert len(missing) == len(names) - len(labels)


@pytest.mark.parametrize("baseline", [0.5, np.inf])
def test_figure_6_has_no_costs_of_what_diverges_itself(drawn, tmp_path, baseline):
    module = import_module("lopt.figures.fig6_interventions")
    data, _ = drawn("fig6_interventions")
    lost, *others = data.columns

    def unknown(rows, **changes):
        return tuple(row._replace(cost=np.nan, error=np.nan, **changes) for row in rows)

    (intact,) = unknown([lost.intact], objective=np.inf, diverged=1, problems=1)
    column = lost._replace(
        intact=intact,
        interventions=unknown(lost.interventions),
        baselines=unknown(lost.baselines, objective=baseline),
    )
    figure = module.draw(data._replace(columns=(column, *others)))
    style.save(figure, tmp_path / "1.pdf", tmp_path / "1.png")
    costs = panel(figure, 0, 0)
    assert not costs.patches
    said = [text.get_text() for text in costs.texts if text.get_text() != "a"]
    assert said.count("unknown") == len(lost.interventions)
    assert not any("\u2192" in text for text in said)


def test_figure_6_counts_one_problem_as_one(drawn):
    module = import_module("lopt.figures.fig6_interventions")
    data, _ = drawn("fig6_interventions")
    first = data.columns[0]
    one = data._replace(columns=(first._replace(intact=first.intact._replace(problems=1)),))
    assert any("1 problem" in text.get_text() for text in module.draw(one).texts)
    assert not any("1 problems" in text.get_text() for text in module.draw(one).texts)


def test_figure_7_draws_rates_over_the_curvatures_met(drawn):
    figure = drawn("fig7_stability")[1]
    for number, task in enumerate(TASKS):
        record = synthetic.stability(task, synthetic.SEEDS[task])
        rates, met = panel(figure, 0, number), panel(figure, 1, number)
        curves = [line for line in rates.get_lines() if len(line.get_xdata()) == 61]
        assert len(curves) == len(record.optimizers)
        for curve, truth in zip(curves, record.rates, strict=True):
            np.testing.assert_allclose(curve.get_ydata(), truth)
        (steps,) = (patch for patch in met.patches if isinstance(patch, StepPatch))
        positive = record.met_curvatures > 0.0
        assert steps.get_data().values.sum() == pytest.approx(record.met_weights[positive].sum())
        assert rates.get_xlim() == met.get_xlim() == pytest.approx(record.curvatures[[0, -1]])
        assert any(text.get_text().startswith("10% below") for text in met.texts)
        away = panel(figure, 2, number)
        runs = [line for line in away.get_lines() if line.get_marker() in ("o", "X")]
        labels = [label.get_text() for label in panel(figure, 2, 0).get_yticklabels()]
        assert labels[-2:] == ["5 times the steps", "gradients \u00d7 100"]
        assert len(runs) == len(labels) == len(TASKS) + 2
        at = {labels[int(line.get_ydata()[0])]: line for line in runs}
        beyond = [text.xy for text in away.texts if text.get_text() == "\u2192"]
        assert beyond == [
            (30.0, line.get_ydata()[0]) for line in runs if line.get_xdata()[0] == 30.0
        ]
        assert beyond  # what went further has an arrow
        home = at[f"on {synthetic.LABELS[task]}"]
        assert home.get_xdata()[0] == 0.03 and home.get_marker() == "o"
        assert [line.get_marker() for line in runs].count("X") == len(TASKS) - 1
        assert at["gradients \u00d7 100"].get_markerfacecolor() == "white"
