r"""Principal axes of the states that an optimizer visits, and what is drawn in their plane.

The axes are those of the states' covariance (about their mean); coordinates are taken with
a chosen origin, here always the convergence point, so that it sits at 0 in every figure:

    c_i = axis_i . (h - origin).

The plane of a figure is picked by what it has to show, not by hand: ``overlap_pair`` takes the
two axes on which a direction (the slow mode) has its largest squared cosines, ``extent_pair`` the
two along which a set of points varies most.

Source: arXiv 2011.02159, figures 2, 4 and 5 (the published planes were picked by eye).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lopt.analysis.checks import check_states
from lopt.arguments import whole

__all__ = ["PrincipalAxes", "extent_pair", "overlap_pair", "principal_axes", "project"]


class PrincipalAxes(NamedTuple):
    """Orthonormal rows, largest variance first, and the share of the variance along each."""

    axes: Float[np.ndarray, "component state"]
    explained_variance_ratios: Float[np.ndarray, " axis"]


def principal_axes(states: Float[np.ndarray, "row state"], count: int) -> PrincipalAxes:
    """Return the first ``count`` principal axes of ``states`` (or as many as there are).

    The entry of each axis with the largest size is made positive, so that figures don't flip.

    Raises:
        ValueError: if ``states`` is no finite matrix, or ``count`` is not positive.

    >>> axes, ratios = principal_axes(np.array([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]]), count=1)
    >>> axes.round(3).tolist(), ratios.round(3).tolist()
    ([[0.6, 0.8]], [1.0])
    """
    states = check_states("states", states)
    count = whole("count", count)
    _, scales, axes = np.linalg.svd(states - states.mean(axis=0), full_matrices=False)
    variances = scales**2
    total = variances.sum()
    ratios = variances / total if total > 0.0 else np.zeros_like(variances)
    axes = axes[:count]
    largest = np.argmax(np.abs(axes), axis=1)
    return PrincipalAxes(
        axes * np.where(axes[np.arange(len(axes)), largest] < 0.0, -1.0, 1.0)[:, None],
        ratios[:count],
    )


def project(
    axes: Float[np.ndarray, "component state"],
    states: Float[np.ndarray, "*rows state"],
    origin: Float[np.ndarray, " state"] | float = 0.0,
) -> Float[np.ndarray, "*rows axis"]:
    """Return the coordinates of ``states`` on ``axes``, measured from ``origin``."""
    return (np.asarray(states, np.float64) - origin) @ axes.T


def overlap_pair(
    axes: Float[np.ndarray, "component state"], direction: Float[np.ndarray, " state"]
) -> tuple[Int[np.ndarray, "2"], Float[np.ndarray, " axis"]]:
    """Return the two axes closest to ``direction``, ascending, and all squared cosines.

    >>> overlap_pair(np.eye(3), np.array([0.0, 1.0, 2.0]))[0].tolist()
    [1, 2]
    """
    overlaps = (axes @ direction) ** 2 / (direction @ direction)
    return _largest_two(overlaps), overlaps


def extent_pair(coordinates: Float[np.ndarray, "row axis"]) -> Int[np.ndarray, "2"]:
    """Return the two columns with the largest variance, ascending."""
    return _largest_two(coordinates.var(axis=0))


def _largest_two(sizes: Float[np.ndarray, " axis"]) -> Int[np.ndarray, "2"]:
    """Return the indices of the two largest, ascending; a single one is repeated."""
    return np.sort(np.resize(np.argsort(-sizes, kind="stable")[:2], 2))
