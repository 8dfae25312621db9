"""Three numbers that say what a picture shows: a paired difference, a vertical shift, a bend."""

import numpy as np
from jaxtyping import Float

__all__ = ["standard_score", "turning", "vertical_share"]


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
