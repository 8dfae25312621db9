r"""Modes of a linearized optimizer, each counted as the one thing that it is.

The two modes of a conjugate pair are one oscillation of the real state and never act alone, and modes whose
eigenvalues are equal within their errors (a cluster) mean something as a group only. The records count both
once, by ``heads``: the size of such a whole mode is the sum of its members' |alpha|, its learning rate the
sum of their alphas. Counting half a pair against a whole real mode would move the mode that carries the
largest rate.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float

from lopt.records.analysis import Code, FixedPointAnalysis, Linearization

__all__ = [
    "NOT_POINTS",
    "WholeModes",
    "cancellation_ratio",
    "impulse_response",
    "stable_point_count",
    "whole_modes",
]


# What runs can end at that is not a point.
NOT_POINTS = (Code.CONTINUUM, Code.LIMIT_CYCLE)


class WholeModes(NamedTuple):
    """Real modes, conjugate pairs and clusters, slowest first."""

    momenta: Float[np.ndarray, " whole"]
    """|lambda|."""
    sizes: Float[np.ndarray, " whole"]
    """Sum of |alpha| over the members."""
    learning_rates: Float[np.ndarray, " whole"]
    """Sum of alpha over them: real."""

    @property
    def leading(self) -> int | None:
        """The one of largest size; None where no mode moves the update."""
        return int(np.argmax(self.sizes)) if self.sizes.max(initial=0.0) > 0.0 else None


def whole_modes(modes: Linearization) -> WholeModes:
    """Return the modes with every conjugate pair and every cluster as one."""
    heads = np.asarray(modes.heads) == 1
    return WholeModes(
        momenta=modes.momenta[heads],
        sizes=modes.whole_sizes[heads],
        learning_rates=modes.whole_learning_rates[heads],
    )


def cancellation_ratio(modes: Linearization) -> float:
    """Return sum |alpha| / |sum alpha|: 1 where all modes pull one way, large where they cancel.

    NaN where no mode moves the update.
    """
    return float(modes.cancellation_ratio) if np.any(modes.whole_sizes) else np.nan


def impulse_response(
    alphas: Complex[np.ndarray, " mode"], eigenvalues: Complex[np.ndarray, " mode"], steps: int
) -> Float[np.ndarray, " steps"]:
    """Return how the update answers to a gradient of -1 met k steps ago: sum_m alpha_m lambda_m^k.

    That of momentum is alpha beta^k. Modes of opposite signs that cancel leave nothing here.

    >>> impulse_response(np.array([2.0 + 0j]), np.array([0.5 + 0j]), 3).tolist()
    [2.0, 1.0, 0.5]
    """
    return np.real(eigenvalues ** np.arange(steps)[:, None] @ alphas)


def stable_point_count(found: FixedPointAnalysis) -> float:
    """Return how many distinct stable fixed points at g = 0 runs can end at.

    0 where no search converged, infinite where runs end at a continuum of points or at a cycle.
    """
    if int(found.convergence_code) != Code.CONVERGED:
        return 0.0
    stable = np.asarray(found.attractor_stable) == 1
    if np.isin(np.asarray(found.attractor_codes)[stable], NOT_POINTS).any():
        return np.inf
    return float(stable.sum())
