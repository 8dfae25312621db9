r"""Error, tolerance and verdict of one value: all that decides whether ours is the published one.

    error     = log10(ours / published)  or  ours - published, signed, as the published value's row says
    tolerance = sqrt(reading^2 + allowance^2 + sampling^2)
    sampling  = log10(1 + s / m)  or  s,    s = 2 sqrt(2) robust standard errors over problems, m their
                                            robust mean (``lopt.claims.sampling``)

The three terms are independent, so they add in quadrature; the published mean is one over as many problems,
and as uncertain, as ours. A bound ("<") only counts what exceeds it.

    agrees      the error is within the tolerance; a statement has the published answer
    exceeds     ours is beyond it on the side that is better (a loss below the published one)
    differs     neither, or it can't be measured in these results
"""

import math

from lopt.claims.registry import Measurement
from lopt.records.published import Published

__all__ = ["VERDICTS", "answer_verdict", "sampling_error", "signed_error", "tolerance", "verdict"]

AGREES, EXCEEDS, DIFFERS = VERDICTS = ("agrees", "exceeds", "differs")
BETTER_SIDE = {"lower": -1.0, "higher": 1.0}


def sampling_error(comparison: str, ours: Measurement) -> float:
    """Return what sampling alone explains, in the units of the comparison."""
    twice = 2.0 * math.sqrt(2.0) * ours.standard_error
    if not math.isfinite(twice):
        return 0.0  # of a mean that is not finite itself
    if comparison != "decades":
        return twice
    center = ours.value if math.isnan(ours.center) else ours.center
    # Upwards, where it is finite however heavy the tail of the problems is.
    return math.log10(1.0 + twice / center) if center > 0.0 else 0.0


def tolerance(reading_error: float, allowance: float, sampling: float) -> float:
    """Return the largest size of the error with which ours still agrees."""
    return math.sqrt(reading_error**2 + allowance**2 + sampling**2)


def signed_error(published: Published, ours: float) -> float:
    """Return the error of ``ours``, negative where it is below; NaN where there is nothing to compare."""
    target = float(published.published)
    if published.comparison == "decades" and not math.isnan(ours):
        error = math.log10(ours / target) if ours > 0.0 else -math.inf
    else:
        error = ours - target
    return max(error, 0.0) if published.relation == "<" else error


def verdict(error: float, limit: float, better: str) -> str:
    """Return one of ``VERDICTS`` for a number.

    >>> verdict(0.1, 0.2, ""), verdict(-0.3, 0.2, "lower"), verdict(0.3, 0.2, "lower")
    ('agrees', 'exceeds', 'differs')
    """
    if abs(error) <= limit:
        return AGREES
    return EXCEEDS if error * BETTER_SIDE.get(better, math.nan) > 0.0 else DIFFERS


def answer_verdict(published: str, ours: str, better: str) -> str:
    """Return one of ``VERDICTS`` for a statement."""
    if ours == published:
        return AGREES
    return EXCEEDS if better and ours == better else DIFFERS
