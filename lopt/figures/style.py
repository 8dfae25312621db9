"""How all figures look, and how they are written.

Widths are those of a column (3.3 in) and a page (6.9 in): fonts are in points at that size. Optimizers
differ in colour *and* line style; the colours' lightness differs too, so that they can be told apart
without colour vision (tests/test_figures.py simulates it). The two arms of constant gradients, red and
green as published, differ in marker and line style, and the green leans to blue.

The same data give the same bytes: no dates, no versions, a fixed salt for identifiers. Figures are built
without pyplot, hence without global state or a display.
"""

from collections.abc import Callable, Sequence
from functools import partial, wraps
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from lopt.records import store

__all__ = [
    "COLUMN_WIDTH",
    "GREY",
    "INK",
    "LEARNED",
    "NEGATIVE",
    "OPTIMIZERS",
    "PAGE_WIDTH",
    "POSITIVE",
    "Role",
    "column_titles",
    "gradient_axis",
    "legend",
    "limits_around",
    "log_limits",
    "mark",
    "modest_ticks",
    "number",
    "panels",
    "role",
    "row_letters",
    "save",
    "scaled_colorbar",
    "seed_colors",
    "shades",
    "small_print",
    "square_limit",
    "styled",
    "task_title",
]

COLUMN_WIDTH = 3.3  # inches
PAGE_WIDTH = 6.9

INK = "#222222"
GREY = "#B4B4B4"  # visited states
VISITED = {"marker": "o", "markersize": 1.6, "color": GREY, "linestyle": "", "mew": 0.0}
CONVERGENCE_POINT = {"marker": "s", "markersize": 4.2, "color": "black", "linestyle": ""}
INITIAL_STATE = {
    "marker": "o",
    "markersize": 5.0,
    "markerfacecolor": "white",
    "markeredgecolor": "black",
    "linestyle": "",
}

RC = {
    "font.family": "DejaVu Sans",  # comes with Matplotlib: the same glyphs everywhere
    "font.size": 7.0,
    "axes.titlesize": 8.0,
    "axes.labelsize": 7.5,
    "axes.labelpad": 2.0,
    "axes.titlepad": 4.0,
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.limits": (-3, 4),
    "axes.formatter.use_mathtext": True,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "xtick.major.pad": 2.0,
    "ytick.major.pad": 2.0,
    "lines.linewidth": 1.3,
    "lines.markersize": 4.0,
    "legend.fontsize": 6.8,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "legend.columnspacing": 1.6,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.04,
    "figure.constrained_layout.w_pad": 0.04,
    "figure.dpi": 200,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,  # text stays text
    "ps.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "lopt",
    "image.interpolation": "nearest",
}


class Role(NamedTuple):
    """How one optimizer is drawn."""

    label: str
    color: str
    linestyle: str | tuple

    def line(self) -> dict:
        """Keyword arguments of ``Axes.plot``."""
        return {"color": self.color, "linestyle": self.linestyle, "label": self.label}


# In the order of the legend.
OPTIMIZERS = {
    "rmsprop": Role("RMSProp", "#E3BC22", (0, (1.2, 0.9))),
    "momentum": Role("Momentum", "#E06A00", (0, (4.0, 1.4))),
    "adam": Role("Adam", "#8F0F2B", (0, (5.0, 1.2, 1.2, 1.2))),
    "learned": Role("Learned optimizer", "#2B6CB8", "-"),
}
LEARNED = OPTIMIZERS["learned"]
TUNED_MOMENTUM = {
    **OPTIMIZERS["momentum"].line(),
    "label": "tuned momentum",
    "linewidth": 1.1,
}
NEGATIVE = LinearSegmentedColormap.from_list("negative", ["#F0A590", "#C93C32", "#6E0A1B"])
POSITIVE = LinearSegmentedColormap.from_list("positive", ["#8FD9C0", "#1F9A78", "#004634"])

TASK_TITLES = {
    "linear_regression": "Linear Regression",
    "rosenbrock": "Rosenbrock",
    "two_moons": "Neural network training",
}


def role(optimizer: str) -> Role:
    """Return how an optimizer is drawn; one without a role of its own is grey.

    >>> role("adam").label, role("my_optimizer").label
    ('Adam', 'My optimizer')
    """
    plain = Role(optimizer.replace("_", " ").capitalize(), "#6B6B6B", (0, (2.0, 1.0)))
    return OPTIMIZERS.get(optimizer, plain)


def task_title(task: str) -> str:
    """Return the title of a task's column.

    >>> task_title("two_moons"), task_title("my_task")
    ('Neural network training', 'My task')
    """
    return TASK_TITLES.get(task, task.replace("_", " ").capitalize())


def shades(colormap: Colormap, count: int) -> list[str]:
    """Return ``count`` colours evenly spread over a colormap, light to dark."""
    places = np.linspace(0.0, 1.0, count) if count > 1 else [0.7] * count
    return [matplotlib.colors.to_hex(colormap(place)) for place in places]


def seed_colors(seeds: Sequence[int], selected: int) -> dict[int, str]:
    """Return a colour per seed: blue for the one that the figures show, greys for the others."""
    others = [seed for seed in seeds if seed != selected]
    greys = shades(LinearSegmentedColormap.from_list("greys", ["#6F6F6F", "#BDBDBD"]), len(others))
    return dict(zip(others, greys, strict=True)) | {selected: LEARNED.color}


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Run a drawing function under this style, whatever the user's settings are."""

    @wraps(draw)
    def in_style(*arguments) -> Figure:
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(RC)
            return draw(*arguments)

    return in_style


def panels(rows: int, columns: int, height: float, **gridspec) -> tuple[Figure, np.ndarray]:
    """Return a figure of ``rows`` x ``columns`` panels, of page width for three columns."""
    width = PAGE_WIDTH if columns == 3 else max(COLUMN_WIDTH, columns * PAGE_WIDTH / 3.0)
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, gridspec_kw=gridspec or None)


def column_titles(axes: np.ndarray, tasks: Sequence[str]) -> None:
    """Write the tasks' names above the columns, and line the rows' labels up."""
    axes[0, 0].figure.align_ylabels(axes[:, 0])
    for panel, task in zip(axes[0], tasks, strict=True):
        panel.set_title(task_title(task), fontweight="bold")


def row_letters(axes: np.ndarray) -> None:
    """Write a, b, c ... beside the rows."""
    for row, letter in zip(axes, "abcdefgh", strict=False):
        row[0].annotate(
            letter,
            (0.0, 1.0),
            xycoords="axes fraction",
            xytext=(-30.0, 3.0),
            textcoords="offset points",
            fontsize=9.0,
            fontweight="bold",
            va="bottom",
        )


def legend(figure: Figure, handles: Sequence[Line2D], columns: int | None = None) -> None:
    """Put one legend above all panels, where it covers no data."""
    figure.legend(
        handles=handles, loc="outside upper center", ncols=columns or len(handles), borderpad=0.1
    )


def mark(label: str, marker: str, color: str, **more) -> Line2D:
    """Return a legend's handle for a marker without a line."""
    return Line2D([], [], marker=marker, color=color, linestyle="", label=label, **more)


def small_print(
    figure: Figure, scale: str, seeds: dict[str, int] | None = None, note: str = ""
) -> None:
    """Say at the foot which scale and which trained optimizers the figure shows."""
    parts = [f"scale: {scale}"]
    if seeds:
        parts.append(
            "seed: " + ", ".join(f"{task_title(task)} {seed}" for task, seed in seeds.items())
        )
    if note:
        parts.append(note)
    text = parts[0]
    for part in parts[1:]:
        too_wide = len(text.splitlines()[-1]) + len(part) > 120  # characters, at this size
        text += ("\n" if too_wide else "  ·  ") + part
    figure.supxlabel(text, fontsize=5.5, color="#666666", x=0.995, ha="right")


def limits_around(values: np.ndarray, margin: float = 0.08) -> tuple[float, float]:
    """Return axis limits that hold the finite ``values`` with some margin.

    >>> limits_around([0.0, 1.0], margin=0.5)
    (-0.5, 1.5)
    """
    values = np.asarray(values, float)
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    pad = margin * (high - low) or max(abs(high), 1.0) * margin
    return low - pad, high + pad


def square_limit(points: np.ndarray, published: float) -> float:
    """Return the half-width of a square around 0 that shows ``points``.

    It is the ``published`` one, unless the points would leave it or crowd in its middle.

    >>> square_limit([[3.0, -1.0]], 4.0), square_limit([[10.0, 0.0]], 4.0)
    (4.0, 12.5)
    """
    extent = 1.25 * float(np.max(np.abs(points), initial=0.0))
    return published if 0.25 * published <= extent <= published or not extent else extent


def log_limits(values: np.ndarray, decades: float, margin: float = 1.5) -> tuple[float, float]:
    """Return limits of a logarithmic axis: the largest value, and at most ``decades`` below it.

    >>> log_limits([1e-9, 1.0, 10.0], decades=3.0, margin=1.0)
    (0.01, 10.0)
    """
    values = np.asarray(values, float)
    values = values[np.isfinite(values) & (values > 0.0)]
    if not values.size:
        return 0.1, 1.0
    high = float(values.max())
    low = max(float(values.min()), high * 10.0**-decades)
    return low / margin, high * margin


def gradient_axis(panel: Axes, gradients: np.ndarray) -> None:
    """Let the axis of gradients end where the update functions do, with ticks at 0 and both ends."""
    low, high = float(gradients[0]), float(gradients[-1])
    panel.set_xlim(low, high)
    panel.set_xticks([low, 0.0, high] if low < 0.0 < high else [low, high])
    panel.set_xticks([low / 2.0, high / 2.0], minor=True)
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    panel.axhline(0.0, color=GREY, linewidth=0.5, zorder=0)
    panel.axvline(0.0, color=GREY, linewidth=0.5, zorder=0)


def number(value: float) -> str:
    r"""Return a number of two digits as a person writes it.

    >>> number(-1e4), number(0.00316), number(0.72)
    ('$-10^{4}$', '$3.2\\times10^{-3}$', '$0.72$')
    """
    mantissa, exponent = f"{value:.1e}".split("e")
    mantissa, exponent = mantissa.removesuffix(".0"), int(exponent)
    if value == 0.0 or -3 < exponent < 4:
        return f"${value:.2g}$" if abs(value) < 100.0 else f"${value:.0f}$"
    power = f"10^{{{exponent}}}"
    return {"1": f"${power}$", "-1": f"$-{power}$"}.get(mantissa, rf"${mantissa}\times{power}$")


def modest_ticks(panel: Axes, x: int = 4, y: int = 4) -> None:
    """Leave few, round ticks on linear axes, and whole decades on long logarithmic ones."""
    for axis, count in ((panel.xaxis, x), (panel.yaxis, y)):
        if axis.get_scale() == "linear":
            axis.set_major_locator(MaxNLocator(count, steps=[1, 2, 2.5, 5, 10]))
        elif axis.get_scale() == "log":
            _log_ticks(axis)


def _log_ticks(axis: Axis) -> None:
    low, high = np.log10(axis.get_view_interval())
    if np.floor(high) - np.ceil(low) >= 1.0:  # two whole decades or more carry the labels
        axis.set_minor_formatter(NullFormatter())
        if high - low > 4.0:
            axis.set_minor_locator(NullLocator())
    else:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
        axis.set_minor_locator(NullLocator())


def scaled_colorbar(bar: Colorbar, label: str) -> None:
    """Label a horizontal colour bar; a power of ten goes into the label, where nothing overlaps it."""
    largest = max(abs(bar.vmin), abs(bar.vmax))
    exponent = int(np.floor(np.log10(largest))) if np.isfinite(largest) and largest > 0.0 else 0
    exponent = exponent if not -2 <= exponent <= 3 else 0
    bar.locator = MaxNLocator(4)
    bar.formatter = FuncFormatter(lambda value, _: f"{value / 10.0**exponent:g}")
    bar.update_ticks()
    bar.outline.set_linewidth(0.5)
    bar.set_label(f"{label} ($10^{{{exponent}}}$)" if exponent else label)


# What files say about themselves by default, and would differ from one day or version to the next.
UNDATED = {"pdf": {"CreationDate": None}, "png": {"Software": None}, "svg": {"Date": None}}


def save(figure: Figure, *paths: str | Path) -> None:
    """Write the figure to each path, as its ending says; the same figure gives the same bytes.

    Raises:
        ValueError: for an ending other than .pdf, .png or .svg.
    """
    kinds = [Path(path).suffix.removeprefix(".") for path in paths]
    for path, kind in zip(paths, kinds, strict=True):
        if kind not in UNDATED:
            raise ValueError(f"{path}: figures are written as {', '.join(UNDATED)}")
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(RC)
        # One layout for all files, made at the resolution of the PNG.
        if figure.get_layout_engine() is not None:
            figure.get_layout_engine().execute(figure)
        matplotlib.rcParams["figure.constrained_layout.use"] = False
        figure.set_layout_engine(None)
        for path, kind in zip(paths, kinds, strict=True):
            write = partial(figure.savefig, format=kind, metadata=UNDATED[kind])
            store.write_atomically(path, write)
