r"""Modes of a linearized optimizer, a conjugate pair counted as the one thing that it is.

The two modes of a pair are one oscillation of the real state and never act alone. Its size is what both
contribute, |alpha| + |alpha conj| = 2 |alpha|, its learning rate the sum alpha + alpha conj = 2 Re alpha.
Counting half a pair against a whole real mode would move the mode that carries the largest rate.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float

from lopt.records.analysis import Code, FixedPointAnalysis, Linearization

__all__ = [
    "WholeModes",
    "cancellation_ratio",
    "impulse_response",
    "stable_point_count",
    "whole_modes",
]


class WholeModes(NamedTuple):
    """Real modes and conjugate pairs, slowest first."""

    momenta: Float[np.ndarray, " whole"]
    """|lambda|."""
    sizes: Float[np.ndarray, " whole"]
    """Sum of |alpha| over the one or two modes."""
    learning_rates: Float[np.ndarray, " whole"]
    """Sum of alpha over them: real."""

    @property
    def leading(self) -> int | None:
        """The one of largest size; None where no mode moves the update."""
        return int(np.argmax(self.sizes)) if self.sizes.max(initial=0.0) > 0.0 else None


def whole_modes(modes: Linearization) -> WholeModes:
    """Return the modes with every conjugate pair as one."""
    firsts = modes.eigenvalues.imag >= 0.0
    alphas, count = modes.complex_learning_rates[firsts], 1.0 + (modes.eigenvalues.imag[firsts] > 0)
    return WholeModes(
        momenta=modes.momenta[firsts],
        sizes=count * np.abs(alphas),
        learning_rates=count * alphas.real,
    )


def cancellation_ratio(modes: Linearization) -> float:
    """Return sum |alpha| / |sum alpha|: 1 where all modes pull one way, large where they cancel.

    NaN where no mode moves the update.
    """
    alphas = modes.complex_learning_rates
    total, net = np.abs(alphas).sum(), np.abs(alphas.sum())
    if not total > 0.0:
        return np.nan
    return float(total / net) if net > 0.0 else np.inf


def impulse_response(
    alphas: Complex[np.ndarray, " mode"], eigenvalues: Complex[np.ndarray, " mode"], steps: int
) -> Float[np.ndarray, " steps"]:
    """Return how the update answers to a gradient of -1 met k steps ago: sum_m alpha_m lambda_m^k.

    That of momentum is alpha beta^k. Modes of opposite signs that cancel leave nothing here.

    >>> impulse_response(np.array([2.0 + 0j]), np.array([0.5 + 0j]), 3).tolist()
    [2.0, 1.0, 0.5]
    """
    return np.real(eigenvalues ** np.arange(steps)[:, None] @ alphas)


# What runs can end at that is not a point; names that the records of this version may not have.
NOT_POINTS = [Code[name] for name in ("CONTINUUM", "LIMIT_CYCLE") if name in Code.__members__]


def stable_point_count(found: FixedPointAnalysis) -> float:
    """Return how many distinct stable fixed points at g = 0 runs can end at.

    0 where no search converged, infinite where runs end at a continuum of points or at a cycle. Records
    that do not list attractors count every distinct point that was found, whether it is stable or not.
    """
    if int(found.convergence_code) != Code.CONVERGED:
        return 0.0
    stable = getattr(found, "attractor_stable", None)
    if stable is None:
        return float(len(found.distinct_points))
    stable = np.asarray(stable) == 1
    if np.isin(found.attractor_codes[stable], NOT_POINTS).any():
        return np.inf
    return float(stable.sum())
