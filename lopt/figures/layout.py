"""How figures are laid out, for any number of columns: nothing is cut off, nothing overlaps.

A figure states the heights of its panels. ``fit`` gives it the height that what is written around them
needs: titles, labels, the legend and the small print are broken into lines where they are too wide. Three
columns make a page (6.9 in), one a column (3.3 in), more a wider page with fonts of the same size.
"""

from collections.abc import Iterable, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.layout_engine import LayoutEngine
from matplotlib.lines import Line2D
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

from lopt.figures.tables import panel_letter
from lopt.figures.wrapping import wrap, wrap_parts

__all__ = [
    "COLUMN_WIDTH",
    "PAGE_WIDTH",
    "column_titles",
    "fit",
    "legend",
    "note_above",
    "panels",
    "row_letters",
    "sentence",
    "small_print",
]

COLUMN_WIDTH = 3.3  # inches
PAGE_WIDTH = 6.9
MARGIN = 0.03  # inches that stay free at the page's edges
GAP = 0.08  # inches between the titles or labels of neighboring columns
ROUNDS, TOLERANCE = 5, 0.02  # inches of height that may be missing
LETTER, NOTE = "row letter", "note above a panel"  # how ``fit`` knows them again
LETTER_OFFSET = 30.0  # points to the left of the panel


def panels(
    heights: Sequence[float], columns: int, width: float | None = None
) -> tuple[Figure, np.ndarray]:
    """Return a figure and its panels: a row per height in inches, columns of a third of a page."""
    if width is None:
        width = PAGE_WIDTH if columns == 3 else max(COLUMN_WIDTH, columns * PAGE_WIDTH / 3.0)
    figure = Figure(figsize=(width, 1.2 * sum(heights) + 0.6 * len(heights)))
    FigureCanvasAgg(figure)
    ratios = {"height_ratios": list(heights)}
    return figure, figure.subplots(len(heights), columns, squeeze=False, gridspec_kw=ratios)


def sentence(text: str) -> Figure:
    """Return a figure that says ``text`` only: there is nothing to draw, and why."""
    figure, axes = panels([0.6], 1, PAGE_WIDTH)
    axes[0, 0].set_axis_off()
    broken = wrap(figure, text, PAGE_WIDTH - 0.5, fontsize=matplotlib.rcParams["font.size"])
    axes[0, 0].text(0.5, 0.5, broken, ha="center", va="center", transform=axes[0, 0].transAxes)
    return figure


def column_titles(axes: np.ndarray, titles: Sequence[str]) -> None:
    """Write the titles above the columns, and line the rows' labels up.

    In a single column a panel of a fixed aspect is far from the left edge: its label stays beside it.
    """
    single = axes.shape[1] == 1
    lined_up = [panel for panel in axes[:, 0] if panel.get_aspect() == "auto" or not single]
    axes[0, 0].figure.align_ylabels(lined_up)
    for panel, title in zip(axes[0], titles, strict=True):
        panel.set_title(title, fontweight="bold")


def row_letters(axes: np.ndarray) -> None:
    """Write a, b, c ... beside the rows."""
    for number, row in enumerate(axes):
        row[0].annotate(
            panel_letter(number),
            (0.0, 1.0),
            xycoords="axes fraction",
            xytext=(-LETTER_OFFSET, 3.0),
            textcoords="offset points",
            fontsize=9.0,
            fontweight="bold",
            va="bottom",
            gid=LETTER,
        )


def note_above(panel: Axes, text: str, color: str) -> None:
    """Write a short note above a panel's right end, above those that stand there already."""
    panel.annotate(
        text,
        (1.0, 1.0),
        xycoords="axes fraction",
        xytext=(0.0, 0.0),
        textcoords="offset points",
        ha="right",
        va="bottom",
        multialignment="right",
        fontsize=5.5,
        color=color,
        gid=NOTE,
    )


def legend(figure: Figure, handles: Sequence[Line2D]) -> None:
    """Put one legend above all panels, where it covers no data, in as few rows as its width allows."""
    if not handles:
        return
    size, em = matplotlib.rcParams["legend.fontsize"], matplotlib.rcParams["legend.fontsize"] / 72.0
    available = figure.get_figwidth() - 2.0 * MARGIN
    beside = (matplotlib.rcParams["legend.handlelength"] + 2.0) * em  # the line and its margins
    for handle in handles:
        handle.set_label(wrap(figure, str(handle.get_label()), available - beside, fontsize=size))
    renderer = _renderer(figure)
    for rows in range(1, len(handles) + 1):
        # As few columns as fill these rows: entries run down the columns.
        columns = -(-len(handles) // rows)
        made = figure.legend(
            handles=handles, loc="outside upper center", ncols=columns, borderpad=0.1
        )
        if columns == 1 or made.get_window_extent(renderer).width <= available * figure.dpi:
            return
        made.remove()


def small_print(
    figure: Figure, scale: str, seeds: Sequence[tuple[str, int]] = (), note: str = ""
) -> None:
    """Say at the foot which scale and which trained optimizers (title, seed) the figure shows."""
    parts = [f"scale: {scale}"] if scale else []
    if seeds:
        parts.append("seed: " + ", ".join(f"{title} {seed}" for title, seed in seeds))
    if note:
        parts.append(note)
    if not parts:
        return
    width, size = figure.get_figwidth() - 4.0 * MARGIN, 5.5
    text = wrap_parts(figure, parts, "  ·  ", width, fontsize=size)
    figure.supxlabel(text, fontsize=size, color="#666666", x=0.995, ha="right")


def fit(figure: Figure) -> Figure:
    """Lay the figure out, for good: panels get their heights, and what is too wide is broken into lines.

    Broken lines leave less room for panels, and what is too wide depends on the panels' places: a few
    rounds settle that, mostly two.
    """
    engine, (_, place) = figure.get_layout_engine(), _grid(figure)[0]
    assert engine is not None  # the style's, which every figure is made under
    heights = np.asarray(place.get_gridspec().get_height_ratios())  # as ``panels`` was told
    texts: dict[Text, str] = {}
    for _ in range(ROUNDS):
        _lay_out(figure, engine)
        changed = _break_lines(figure, texts)
        missing = float(heights.sum()) - sum(_heights(figure))
        if not changed and abs(missing) < TOLERANCE:
            break
        figure.set_figheight(figure.get_figheight() + missing)
    else:
        _lay_out(figure, engine)
    figure.set_layout_engine("none")
    _round_places(figure)
    _align_letters(figure)
    return figure


def _round_places(figure: Figure) -> None:
    """Round the panels' places, for the same pixels every time.

    The engine's solver orders its unknowns by their addresses in memory: the last bit of a place differs
    from one call to the next.
    """
    for panel, _ in _grid(figure):
        bounds = np.round(panel.get_position(original=True).bounds, 9)
        panel.set_position(Bbox.from_bounds(*bounds))
        panel.apply_aspect()


def _lay_out(figure: Figure, engine: LayoutEngine) -> None:
    engine.execute(figure)
    for panel, _ in _grid(figure):
        panel.apply_aspect()  # which otherwise happens as late as the figure is drawn


def _heights(figure: Figure) -> list[float]:
    """Return the room for panels in each row, which panels of a fixed aspect do not fill."""
    rows = {}
    for panel, place in _grid(figure):
        height = panel.get_position(original=True).height * figure.get_figheight()
        rows.setdefault(place.rowspan.start, height)
    return list(rows.values())


def _grid(figure: Figure) -> list[tuple[Axes, SubplotSpec]]:
    """Return the panels, and where in the grid each is."""
    places = ((axes, axes.get_subplotspec()) for axes in figure.axes)
    return [(axes, place) for axes, place in places if place is not None]


def _annotations(axes: Axes, kind: str) -> list[Annotation]:
    return [text for text in axes.texts if isinstance(text, Annotation) and text.get_gid() == kind]


def _renderer(figure: Figure) -> RendererAgg:
    """Return what texts are measured by: that of the canvas which ``panels`` gives a figure."""
    assert isinstance(figure.canvas, FigureCanvasAgg)
    return figure.canvas.get_renderer()


def _break_lines(figure: Figure, texts: dict[Text, str]) -> bool:
    """Break titles, labels and notes that are too long for their places; whether any text changed."""
    changed, renderer = False, _renderer(figure)
    for text, available in _places(figure):
        whole = texts.setdefault(text, text.get_text())
        broken = wrap(
            figure, whole, available, fontsize=text.get_fontsize(), fontweight=text.get_fontweight()
        )
        changed |= broken != text.get_text()
        text.set_text(broken)
    for panel, _ in _grid(figure):
        height = 0.0
        for note in _annotations(panel, NOTE):
            note.xyann = (0.0, height)
            height += note.get_window_extent(renderer).height * 72.0 / figure.dpi + 1.0
    return changed


def _places(figure: Figure) -> Iterable[tuple[Text, float]]:
    """Yield every text that may have to be broken, and the length in inches that it has."""
    edges = (0.0, figure.get_figwidth())
    groups: dict[tuple[str, int], list[tuple[float, float, Text]]] = {}
    for axes in figure.axes:
        box = axes.get_window_extent().transformed(figure.dpi_scale_trans.inverted())
        yield axes.yaxis.label, box.height + 4.0 / 72.0
        for kind, text in (("title", axes.title), ("label", axes.xaxis.label)):
            if text.get_text():
                place = (box.x0 + box.x1) / 2.0
                group = groups.setdefault((kind, round(10.0 * box.y0)), [])
                group.append((place, box.x0, text))
        for note in _annotations(axes, NOTE):
            yield note, box.width
    for (kind, _), group in groups.items():
        group.sort(key=lambda entry: entry[0])
        places = [place for place, _, _ in group]
        for number, (place, left, text) in enumerate(group):
            # Half-way to the neighbors; beside the first title stands the row's letter.
            letter = left - (LETTER_OFFSET - 12.0) / 72.0 if kind == "title" else edges[0]
            low = (places[number - 1] + place + GAP) / 2.0 if number else letter
            last = number == len(group) - 1
            high = edges[1] - MARGIN if last else (place + places[number + 1] - GAP) / 2.0
            yield text, 2.0 * min(place - low, high - place)


def _align_letters(figure: Figure) -> None:
    """Put the rows' letters below each other, flush with the labels or letters that are outermost."""
    letters = [(axes, text) for axes in figure.axes for text in _annotations(axes, LETTER)]
    renderer = _renderer(figure)
    if letters:
        flush = [text for axes, letter in letters for text in (letter, axes.yaxis.label)]
        left = min(text.get_window_extent(renderer).x0 for text in flush if text.get_text())
        for axes, text in letters:
            offset = (left - axes.get_window_extent().x0) * 72.0 / figure.dpi
            text.xyann = (offset, text.xyann[1])
