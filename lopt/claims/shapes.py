"""Numbers that say what a picture shows: a paired difference, a vertical shift, a bend, a straight line."""

import numpy as np
from jaxtyping import Float

__all__ = ["largest_over_smallest", "standard_score", "straightness", "turning", "vertical_share"]


def standard_score(differences: Float[np.ndarray, " problems"]) -> float:
    """Return mean over standard error of paired differences.

    Infinite where one side diverged or all problems give the same difference, NaN where neither
    side can be compared.

    >>> standard_score(np.array([1.0, 2.0, 3.0])).__round__(3)
    3.464
    >>> standard_score(np.array([1.0, -np.inf]))
    -inf
    """
    infinite = differences[np.isinf(differences)]
    if infinite.size:
        same = np.all(infinite == infinite[0]) and not np.isnan(differences).any()
        return float(infinite[0]) if same else np.nan
    mean = float(differences.mean())
    error = differences.std(ddof=1) / len(differences) ** 0.5 if len(differences) > 1 else 0.0
    if error:
        return float(mean / error)
    return float(np.copysign(np.inf, mean)) if mean else mean


def largest_over_smallest(rates: Float[np.ndarray, " rates"]) -> float:
    """Return the ratio of the extremes; infinite where the smallest is not positive.

    >>> largest_over_smallest(np.array([1.0, 3.0, 2.0])), largest_over_smallest(np.array([0.0, 1.0]))
    (3.0, inf)
    """
    return np.inf if rates.min() <= 0.0 else float(rates.max() / rates.min())


def straightness(values: Float[np.ndarray, " points"]) -> float:
    """Return the share of the variation that a straight line through equidistant values explains.

    NaN for fewer than three values or where they are all the same.

    >>> straightness(np.array([3.0, 2.0, 1.0])), straightness(np.array([0.0, 1.0, 0.0])).__round__(3)
    (1.0, 0.0)
    """
    deviations = values - np.mean(values)
    total = np.sum(deviations**2)
    if len(values) < 3 or not total > 0.0:
        return np.nan
    places = np.arange(len(values)) - 0.5 * (len(values) - 1)
    return float((places @ deviations) ** 2 / (places @ places) / total)


def vertical_share(updates: Float[np.ndarray, "curves grid"]) -> float:
    """Return the share of the variation between curves that a constant added to each explains.

    With d_i(g) = u_i(g) - mean_i u_i(g): mean_i (mean_g d_i)^2 / mean_ig d_i^2. NaN if the curves are
    the same.

    >>> line = np.linspace(-1.0, 1.0, 5)
    >>> vertical_share(np.array([line, line + 3.0])), vertical_share(np.array([line, 2.0 * line]))
    (1.0, 0.0)
    """
    deviations = updates - updates.mean(axis=0)
    total = np.mean(deviations**2)
    return float(np.mean(deviations.mean(axis=1) ** 2) / total) if total else np.nan


def turning(path: Float[np.ndarray, "points 2"]) -> float:
    """Return the total signed turning of a polyline in degrees, positive to the left.

    A point closer than a hundredth of the path's length to the last one kept is passed over: the
    direction of a step that nobody can see says nothing.

    >>> turning(np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]))
    90.0
    """
    shortest = 0.01 * np.linalg.norm(np.diff(path, axis=0), axis=1).sum()
    kept = [path[0]]
    for point in path[1:]:
        if np.linalg.norm(point - kept[-1]) > shortest:
            kept.append(point)
    angles = np.angle(np.diff(kept, axis=0) @ np.array([1.0, 1.0j]))
    return float(np.degrees(np.sum((np.diff(angles) + np.pi) % (2.0 * np.pi) - np.pi)))
