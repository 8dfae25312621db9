"""Where the axes of figures end, and what stands along them."""

import re

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colorbar import Colorbar
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from lopt.figures.style import GRAY

__all__ = [
    "gradient_axis",
    "limits_around",
    "log_limits",
    "modest_ticks",
    "number",
    "scaled_colorbar",
    "square_limit",
]


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
    panel.axhline(0.0, color=GRAY, linewidth=0.5, zorder=0)
    panel.axvline(0.0, color=GRAY, linewidth=0.5, zorder=0)


def number(value: float, digits: int = 2) -> str:
    r"""Return a number of two digits as a person writes it, or one of more with all of them.

    >>> number(-1e4), number(0.00316), number(0.72), number(0.5, digits=3)
    ('$-10^{4}$', '$3.2\\times10^{-3}$', '$0.72$', '$0.500$')
    """
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    mantissa, exponent = re.sub(r"\.0+$", "", mantissa), int(exponent)
    if value == 0.0 or -3 < exponent < 4:
        if digits > 2 and value:
            return f"${value:.{max(digits - 1 - exponent, 0)}f}$"
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
    """Label a horizontal color bar; a power of ten goes into the label, where nothing overlaps it."""
    low, high = bar.mappable.get_clim()
    largest = max(abs(low or 0.0), abs(high or 0.0))
    exponent = int(np.floor(np.log10(largest))) if np.isfinite(largest) and largest > 0.0 else 0
    exponent = exponent if not -2 <= exponent <= 3 else 0
    bar.locator = MaxNLocator(4)
    bar.formatter = FuncFormatter(lambda value, _: f"{value / 10.0**exponent:g}")
    bar.update_ticks()
    bar.outline.set_linewidth(0.5)
    bar.set_label(f"{label} ($10^{{{exponent}}}$)" if exponent else label)
