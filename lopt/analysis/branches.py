r"""Fixed points for constant gradients, followed along their branch from the point at g = 0.

``continuation`` follows a branch and says where it ends: at a fold, say. Beyond that the map
itself is run on; the fixed point that it leads to lies on another branch, which is numbered and
followed in the same way.

Source: arXiv 2011.02159, section 4 takes argmin q for each gradient, whichever branch that is on.
"""

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from lopt.analysis import root_search
from lopt.analysis.checks import check_component, check_grid, check_states
from lopt.analysis.continuation import Arm, End, Place
from lopt.analysis.cycles import radius_of
from lopt.analysis.fixed_point_search import code_of
from lopt.analysis.newton import Root, find_root
from lopt.analysis.root_search import float64
from lopt.optimizers.component import ComponentOptimizer
from lopt.records.analysis import Branches, Code

__all__ = ["constant_gradient_fixed_points"]

PATIENCE = 10  # times as many steps where a run under a constant gradient did not settle


def constant_gradient_fixed_points(
    component: ComponentOptimizer,
    start: Float[ArrayLike, " state"],
    gradients: Float[ArrayLike, " constant_grid"],
    *,
    presearch_steps: int = 300,
    polish_iterations: int = 100,
    tolerance: float = 1e-6,
) -> Branches:
    """Return a fixed point for each constant gradient, followed outward from ``start``.

    Each of the two arms (g < 0 and g > 0) is followed by growing |g| on the branch of ``start``.
    Where that ends, the map is run on under the next gradient from the last point, for
    ``presearch_steps`` and, if that does not settle, for ten times as many (past the ghost of a
    point that has vanished it moves slowly); the fixed point found there begins another branch. If
    there is none, the slowest point found stands there, with its code and branch -1.

    Args:
        component: the optimizer, float64.
        start: a fixed point for g = 0, from which both arms set out.
        gradients: strictly ascending.
        presearch_steps: see above.
        polish_iterations: the most Newton or Levenberg-Marquardt steps per search.
        tolerance: as in ``find_fixed_points``.

    Raises:
        ValueError: if ``start`` is no finite vector of the optimizer's size, or ``gradients`` is
            empty, unsorted or non-finite.

    >>> import jax
    >>> from lopt.optimizers.momentum import Momentum, MomentumTheta
    >>> with jax.enable_x64(True):
    ...     component = Momentum().component(MomentumTheta(learning_rate=0.1, momentum=0.5))
    ...     found = constant_gradient_fixed_points(component, [0.0], [-1.0, 1.0, 3.0])
    >>> found.points[:, 0].round(10).tolist(), found.branches.tolist(), found.end_codes.tolist()
    ([-2.0, 2.0, 6.0], [0, 0, 0], [0, 0])
    """
    size = check_component(component)
    origin = check_states("start", np.asarray(start)[None], size)[0]
    gradients = check_grid("gradients", gradients)
    spread = np.maximum(np.abs(origin), np.abs(np.asarray(component.initial_state)))
    count = len(gradients)
    found = Branches(
        points=np.zeros((count, size)),
        errors=np.full((count, size), np.inf),
        speeds=np.full(count, np.inf),
        iterations=np.zeros(count, int),
        codes=np.full(count, int(Code.STALLED)),
        branches=np.full(count, -1),
        spectral_radii=np.full(count, np.nan),
        end_codes=np.full(2, int(Code.CONVERGED)),
        end_gradients=np.array([gradients[0], gradients[-1]]),
    )
    at_zero, _ = find_root(component.transition, origin, 0.0, spread, iterations=polish_iterations)
    for arm, (sign, rows) in enumerate(
        ((-1.0, np.flatnonzero(gradients < 0.0)[::-1]), (1.0, np.flatnonzero(gradients >= 0.0)))
    ):
        magnitudes = np.abs(gradients[rows])
        smallest = float(np.min(magnitudes[magnitudes > 0.0], initial=np.inf))
        track = Arm(component, sign, smallest if np.isfinite(smallest) else 1.0, spread)
        place: Place | None = Place(at_zero, 0.0)
        branch, last = 0, at_zero.point
        if not at_zero.found or at_zero.singular:
            # Nothing to follow: every gradient is searched for itself.
            place, branch = None, 1
            found.end_codes[arm], found.end_gradients[arm] = Code.STALLED, 0.0
        for row in rows:
            g, before = float(gradients[row]), track.spent
            target, root, stagnant = track.gamma(g), None, False
            if place is not None:
                reached = track.advance(place, target)
                if isinstance(reached, End):
                    if branch == 0:
                        found.end_codes[arm] = reached.code
                        found.end_gradients[arm] = track.gradient(reached.gamma)
                    place, branch = None, branch + 1
                else:
                    place, root = reached, reached.root
            if root is None:
                root, stagnant, steps = _elsewhere(
                    component, last, g, spread, presearch_steps, polish_iterations
                )
                track.spent += steps
                if root.found and not root.singular and not root.jumps:
                    place = Place(root, target)
            if np.all(np.isfinite(root.point)):
                last = root.point
            code = code_of(component, root, stagnant, g, spread, tolerance)
            finite = np.all(np.isfinite(root.residual))
            found.points[row], found.errors[row] = root.point, root.error
            speed = root_search.speed(root.residual)
            found.speeds[row] = speed if finite else np.inf
            found.iterations[row] = track.spent - before
            found.codes[row] = code if finite else Code.OUTLIER
            found.branches[row] = branch if root.found else -1
            if root.found:
                found.spectral_radii[row] = radius_of(root.jacobian)[0]
    return found


def _elsewhere(
    component: ComponentOptimizer,
    start: Float[np.ndarray, " state"],
    g: float,
    spread: Float[np.ndarray, " state"],
    presearch_steps: int,
    polish_iterations: int,
) -> tuple[Root, bool, int]:
    """Return the first root that running the map leads to, or the slowest point; with its cost."""
    attempts, spent = [], 0
    for steps in (presearch_steps, PATIENCE * presearch_steps, 0):
        run = root_search.run_map(component.transition, float64(start[None]), g, steps=steps)
        run = np.asarray(run)[0]
        state = run if np.all(np.isfinite(run)) else start
        root, stagnant = find_root(
            component.transition, state, g, spread, iterations=polish_iterations
        )
        spent += steps + root.iterations
        attempts.append((root, stagnant))
        if root.found:
            return root, stagnant, spent
    speeds = [root_search.speed(root.residual) for root, _ in attempts]
    best = int(np.argmin(np.nan_to_num(speeds, nan=np.inf)))
    return *attempts[best], spent
