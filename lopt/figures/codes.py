"""How figures show what the analysis says of its results: outcomes, attractors, rates that are none, errors.

A search's outcome and an attractor's kind have one marker and color everywhere; an unstable attractor is
hollow. Where a code says that a slope at g = 0 is none, or describes no gradient that is met, the gain at a
typical gradient is drawn instead of it, or beside it.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from lopt.figures import style, ticks
from lopt.records.analysis import Code, RateCode

__all__ = [
    "GAIN",
    "NO_SLOPE",
    "OUTCOMES",
    "Look",
    "gain_handles",
    "intervals",
    "outcome_handles",
    "range_of",
    "with_error",
]


class Look(NamedTuple):
    """How one code is drawn."""

    label: str
    marker: str
    color: str
    scale: float = 1.0
    """Of the marker's size, so that all look equally large."""


OUTCOMES = {
    Code.CONVERGED: Look("converged", "o", "#2B6CB8"),
    Code.UNDETERMINED: Look("undetermined", "D", "#7B4FA3"),
    Code.CONTINUUM: Look("continuum", "P", "#1F8A5B"),
    Code.LIMIT_CYCLE: Look("limit cycle", "*", "#C2327A", 1.6),
    Code.FOLD: Look("fold", "X", "#222222"),
    Code.SLOW_POINT: Look("slow point", "d", "#D98032"),
    Code.STALLED: Look("stalled", "s", "#7A7A7A"),
    Code.OUTLIER: Look("outlier", "x", "#B02A2A"),
}

GAIN = {"color": "#0B2A55", "linestyle": (0, (1.0, 0.8)), "linewidth": 1.2}
"""The line of gains at the typical gradient."""
NO_SLOPE = {"marker": "x", "color": style.INK, "markersize": 3.4, "mew": 0.8, "linestyle": ""}
"""On the marker of a gain that stands where there is no slope."""


def outcome_handles(codes: Iterable[int], size: float = 4.0) -> list[Line2D]:
    """Return a legend's handles for those of these codes that occur."""
    met = set(map(int, codes))
    return [
        style.mark(look.label, look.marker, look.color, markersize=size * look.scale)
        for code, look in OUTCOMES.items()
        if int(code) in met
    ]


def gain_handles(codes: Iterable[int], *, line: bool) -> list[Line2D]:
    """Return a legend's handles for rates that are none, or describe no gradient that is met."""
    met = set(map(int, codes))
    handles = []
    if met - {int(RateCode.SMOOTH)}:
        gain = {"linestyle": "", "marker": "+", "color": GAIN["color"], "markersize": 4.5}
        handles.append(
            Line2D([], [], **(GAIN if line else gain), label="gain at the typical $|g|$")
        )
    if int(RateCode.NOT_DIFFERENTIABLE) in met and not line:
        handles.append(Line2D([], [], **NO_SLOPE, label="no slope at $g = 0$: gain"))
    return handles


def with_error(
    value: float, interval: Float[np.ndarray, "2"], *, digits: int = 3, always: bool = True
) -> str:
    r"""Return a reading with what its interval leaves open, as a person writes it.

    Without ``always``, an error that does not reach the digits shown is left out.

    >>> with_error(-0.10985, np.array([-0.10986, -0.10984]))
    '$-0.110$ $\\pm$ $10^{-5}$'
    >>> with_error(-0.10985, np.array([-0.10986, -0.10984]), always=False)
    '$-0.110$'
    >>> with_error(2.0, np.array([2.0, 2.0])), with_error(1.0, np.array([-np.inf, np.inf]))
    ('$2.00$', 'undetermined')
    """
    low, high = map(float, interval)
    if not (np.isfinite(value) and np.isfinite(low) and np.isfinite(high)):
        return "undetermined"
    text = ticks.number(float(value), digits)
    half = max(high - float(value), float(value) - low, 0.0)
    stated = half > (0.0 if always else 0.5 * 10.0 ** (1 - digits) * abs(float(value)))
    return f"{text} $\\pm$ {ticks.number(float(f'{half:.0e}'))}" if stated else text


def range_of(
    values: Float[np.ndarray, "..."], bounds: Float[np.ndarray, "... 2"]
) -> Float[np.ndarray, " number"]:
    """Return what an axis has to show of readings with intervals: every number that is finite."""
    everything = np.concatenate([np.ravel(values), np.ravel(bounds)])
    return everything[np.isfinite(everything)]


def intervals(
    panel: Axes,
    places: Float[np.ndarray, " reading"],
    bounds: Float[np.ndarray, "reading 2"],
    colors: str | list[str],
) -> None:
    """Draw the interval of each reading, as far as the panel reaches: one without bounds crosses it."""
    low, high = panel.get_ylim()
    known = ~np.isnan(bounds).any(axis=1)
    ends = np.clip(bounds[known], low, high)
    if isinstance(colors, list):
        colors = [color for color, shown in zip(colors, np.atleast_1d(known), strict=True) if shown]
    panel.vlines(places[known], *ends.T, colors=colors, linewidth=1.0, zorder=2)
