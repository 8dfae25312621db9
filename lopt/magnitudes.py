"""How large gradients are: histograms of log10 |g|, which runs fill while they go on, and quantiles.

counts = count_magnitudes(counts, g, span)       in a scan; then, on the host,
magnitude_quantiles(counts, edges)               |g| at ``QUANTILE_LEVELS``
share_outside(counts, edges, low, high)          of gradients beyond given sizes
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

__all__ = [
    "QUANTILE_LEVELS",
    "MagnitudeSpan",
    "count_magnitudes",
    "default_magnitude_edges",
    "magnitude_quantiles",
    "share_outside",
    "span_of",
]

QUANTILE_LEVELS = (0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)


class MagnitudeSpan(NamedTuple):
    """First and last edge of log10 |g|, and the number of equal bins between them."""

    low: float
    high: float
    bins: int


def default_magnitude_edges() -> Float[np.ndarray, " magnitude_edge"]:
    """Return edges for log10 |g| from -12 to 8, forty bins a decade."""
    return np.linspace(-12.0, 8.0, 801)


def span_of(edges: Float[np.ndarray, " magnitude_edge"]) -> MagnitudeSpan:
    """Return what equally spaced edges span."""
    return MagnitudeSpan(float(edges[0]), float(edges[-1]), len(edges) - 1)


def count_magnitudes(
    counts: Int[Array, " bins"], g: Float[Array, "..."], span: MagnitudeSpan
) -> Int[Array, " bins"]:
    """Return the counts with those of ``g`` added: what lies outside, zeros too, in the outer bins.

    What is not finite is not counted.
    """
    low, high, bins = span
    place = jnp.floor((jnp.log10(jnp.abs(g)) - low) * (bins / (high - low)))
    place = jnp.clip(jnp.nan_to_num(place), 0, bins - 1).astype(jnp.int32)
    return counts.at[place].add(jnp.isfinite(g).astype(counts.dtype))


def magnitude_quantiles(
    counts: Int[np.ndarray, " bin"], edges: Float[np.ndarray, " edge"]
) -> Float[np.ndarray, " quantile"]:
    """Return quantiles of |g|, interpolating the cumulative histogram of log10 |g|."""
    cumulative = np.concatenate([[0], np.cumsum(counts)]) / counts.sum()
    # Both edges of each bin that is not empty: between two of them the distribution jumps.
    filled = np.flatnonzero(np.diff(cumulative) > 0)
    kept = np.stack([filled, filled + 1], axis=1).reshape(-1)
    return 10.0 ** np.interp(QUANTILE_LEVELS, cumulative[kept], edges[kept])


def share_outside(
    counts: Int[np.ndarray, " bin"], edges: Float[np.ndarray, " edge"], low: float, high: float
) -> float:
    """Return the share of |g| below ``low`` or above ``high``, interpolating within bins; none is below 0.

    >>> share_outside(np.array([1, 2, 1]), np.array([-3.0, -2.0, -1.0, 0.0]), 0.01, 0.1)
    0.5
    """
    cumulative = np.concatenate([[0], np.cumsum(counts)]) / counts.sum()
    with np.errstate(divide="ignore"):
        below, up_to = np.interp(np.log10([low, high]), edges, cumulative)
    return float(below + 1.0 - up_to)
