r"""Continua of fixed points: whether a point belongs to one, and which points belong together.

On a line (or plane) of fixed points dF/dh has an eigenvalue 1 along it. So it has at a fold or at a
point that attracts algebraically; what tells a continuum apart is that there are other fixed
points next to it, in the direction of the null vector of I - dF/dh.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

from lopt.analysis.newton import Root, newton
from lopt.analysis.root_search import Transition
from lopt.records.analysis import Code

__all__ = ["is_continuum", "join_continua"]

ALONG_CONTINUUM = 1e-3  # how far along its null vector a continuum is probed, of the state's scale


def is_continuum(
    transition: Transition, root: Root, g: float, spread: Float[np.ndarray, " state"]
) -> bool:
    """Return whether moving along the null vectors of I - dF/dh leads to other fixed points.

    Newton's method from the moved state keeps its place along them (it takes the smallest step)
    if there are fixed points all along, and comes back if this one stands alone.
    """
    kept = np.flatnonzero(root.kept)
    a = np.eye(len(kept)) - root.jacobian[np.ix_(kept, kept)]
    scale = np.maximum(root.scale[kept], spread[kept])
    unit = np.where(scale > 0.0, scale, 1.0)
    null = np.linalg.svd(a * unit / unit[:, None])[2][-1]
    for sign in (1.0, -1.0):
        moved = root.point.copy()
        moved[kept] += sign * ALONG_CONTINUUM * null * unit
        end = newton(transition, moved, g, spread, iterations=20)
        travelled = ((end.point - root.point)[kept] / unit) @ null * sign
        if end.found and end.singular and travelled >= 0.5 * ALONG_CONTINUUM:
            return True
    return False


def join_continua(
    transition: Transition,
    points: Float[np.ndarray, "row state"],
    codes: Int[np.ndarray, " row"],
    g: float,
    spread: Float[np.ndarray, " state"],
    groups: Int[np.ndarray, " row"],
    leaders: list[int],
) -> Int[np.ndarray, " row"]:
    """Return the groups with those of one continuum joined.

    Two points belong to one if Newton's method from the middle between them ends at a fixed point
    there, nearer to the middle than half their distance. Pairs are the edges of the shortest tree
    through all points: neighbors along a line, and one bridge between any two groups.
    """
    numbers = [n for n, leader in enumerate(leaders) if codes[leader] == Code.CONTINUUM]
    if not numbers:
        return groups
    points = points[[leaders[number] for number in numbers]]
    linked = np.eye(len(numbers), dtype=bool)
    distances = np.linalg.norm(points[:, None] - points, axis=2)
    for i, j in zip(*minimum_spanning_tree(distances).nonzero(), strict=True):
        halfway = 0.5 * (points[i] + points[j])
        middle = newton(transition, halfway, g, spread, iterations=20)
        moved = np.linalg.norm(middle.point - halfway)
        linked[i, j] = middle.found and middle.singular and moved <= 0.25 * distances[i, j]
    labels = connected_components(linked, directed=False)[1]
    groups = groups.copy()
    for number, label in zip(numbers, labels, strict=True):
        groups[groups == number] = numbers[int(np.argmax(labels == label))]
    return groups
