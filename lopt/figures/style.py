"""How all figures look, and how they are written.

Fonts are in points at the size that a figure is made for (``lopt.figures.layout``). Who is drawn in which
color and line style is the matter of ``lopt.figures.roles``. The two arms of constant gradients, red and
green as published, differ in marker and line style, and the green leans to blue.

The same data give the same bytes: no dates, no versions, a fixed salt for identifiers. Figures are built
without pyplot, hence without global state or a display.
"""

from collections.abc import Callable, Sequence
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.colors import Colormap, LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.typing import ColorType

from lopt.figures import layout
from lopt.records import store

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType  # not there yet in the oldest Matplotlib that serves

__all__ = [
    "CONVERGENCE_POINT",
    "GRAY",
    "INITIAL_STATE",
    "INK",
    "LEARNED_COLOR",
    "NEGATIVE",
    "POSITIONS",
    "POSITIVE",
    "VISITED",
    "Look",
    "mark",
    "save",
    "seed_colors",
    "shades",
    "styled",
]

INK = "#222222"
GRAY = "#B4B4B4"  # visited states
LEARNED_COLOR = "#2B6CB8"  # of the learned optimizer
Look = dict[str, Any]
"""What a line and its markers look like: keywords of ``Line2D``."""

VISITED: Look = {"marker": "o", "markersize": 1.6, "color": GRAY, "linestyle": "", "mew": 0.0}
CONVERGENCE_POINT: Look = {"marker": "s", "markersize": 4.2, "color": "black", "linestyle": ""}
INITIAL_STATE: Look = {
    "marker": "o",
    "markersize": 5.0,
    "markerfacecolor": "white",
    "markeredgecolor": "black",
    "linestyle": "",
}
NEGATIVE = LinearSegmentedColormap.from_list("negative", ["#F0A590", "#C93C32", "#6E0A1B"])
POSITIVE = LinearSegmentedColormap.from_list("positive", ["#8FD9C0", "#1F9A78", "#004634"])
# Of a state variable, from its smallest to its largest value.
POSITIONS = LinearSegmentedColormap.from_list(
    "positions", ["#3B0F70", "#8C2981", "#DE4968", "#F58B47", "#F2C14B"]
)

RC: "dict[RcKeyType, Any]" = {
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


def shades(colormap: Colormap, count: int) -> list[str]:
    """Return ``count`` colors evenly spread over a colormap, from its first to its last."""
    places = np.linspace(0.0, 1.0, count) if count > 1 else [0.7] * count
    return [to_hex(colormap(place)) for place in places]


def seed_colors(seeds: Sequence[int], selected: int) -> dict[int, str]:
    """Return a color per seed: blue for the one that the figures show, grays for the others."""
    others = [seed for seed in seeds if seed != selected]
    grays = shades(LinearSegmentedColormap.from_list("grays", ["#6F6F6F", "#BDBDBD"]), len(others))
    return dict(zip(others, grays, strict=True)) | {selected: LEARNED_COLOR}


def mark(label: str, marker: str, color: ColorType, **more: Any) -> Line2D:
    """Return a legend's handle for a marker without a line."""
    return Line2D([], [], marker=marker, color=color, linestyle="", label=label, **more)


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Run a drawing function under this style, whatever the user's settings are, and fit what it wrote."""

    @wraps(draw)
    def in_style(*arguments) -> Figure:
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(RC)
            return layout.fit(draw(*arguments))

    return in_style


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
        matplotlib.rcParams["figure.constrained_layout.use"] = False
        for path, kind in zip(paths, kinds, strict=True):
            write = partial(figure.savefig, format=kind, metadata=UNDATED[kind])
            store.write_atomically(path, write)
