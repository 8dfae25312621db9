r"""How well a mean over problems is known, by an estimate that no single problem can inflate.

The published means are over as many problems as ours and as uncertain; two standard errors of the
difference of the two are what sampling alone explains. The ordinary standard error grows with our own
tail: one problem on which an optimizer diverges would widen the tolerance by half a decade and so excuse
itself. Here the tails are drawn in first: the largest and the smallest twentieth of the values
(at least one of each) are set to the nearest of the rest (winsorizing). What is left has a coefficient of
variation of at most sqrt(0.95 / 0.05), whatever the problems do, so that with 128 problems two standard
errors of a difference are never more than 0.32 decades.

Source: Tukey and McLaughlin 1963; Yuen 1974.
"""

import numpy as np
from jaxtyping import Float

__all__ = ["robust_mean"]

DRAWN_IN = 0.05


def robust_mean(values: Float[np.ndarray, " problems"]) -> tuple[float, float]:
    """Return the mean of the winsorized values and its standard error (0 for fewer than four).

    >>> mean, error = robust_mean(np.append(np.arange(9.0), 1e9))
    >>> round(mean, 3), round(error, 3)
    (4.5, 0.86)
    """
    count = len(values)
    drawn_in = max(1, int(np.ceil(DRAWN_IN * count)))
    if count < 4:
        return float(np.mean(values)), 0.0
    ordered = np.sort(values)
    with np.errstate(invalid="ignore"):  # where more than the tail is infinite
        inner = np.clip(ordered, ordered[drawn_in], ordered[-1 - drawn_in])
        return float(np.mean(inner)), float(np.std(inner, ddof=1) / count**0.5)
