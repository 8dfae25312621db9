r"""Fixed points for constant gradients, followed along their branch from the point at g = 0.

On a branch h(g) with h = F(h, g) the tangent is dh/dg = (I - J)^-1 j. Steps are taken in
gamma = asinh(g / g_0) with g_0 the smallest gradient asked for (even over decades, linear through
0): Euler's prediction, Newton's correction. A step counts only if it is what the tangents at its
two ends say,

    |h_1 - h_0 - Delta (h_0' + h_1') / 2|  <=  0.1 |Delta| (|h_0'| + |h_1'|) / 2,

in units of the entries; otherwise it is halved. A point on *another* branch fails that however
well it has converged. Where steps become too small the branch is followed by its arc length
instead, s with |dh/ds|^2 + (dgamma/ds)^2 = 1, which goes through a fold: there gamma turns back,
and no point of the branch exists beyond. The fold is found where dgamma/ds = 0.

Beyond the end of a branch the map itself is run on; the fixed point that it leads to lies on
another branch, which is numbered and followed in the same way.

Sources: Keller 1977 (pseudo-arclength); Allgower and Georg 1990, Numerical Continuation Methods.
arXiv 2011.02159, section 4 takes argmin q for each gradient, whichever branch that is on.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import ArrayLike, Float

from lopt.analysis import root_search
from lopt.analysis.attractors import radius_of
from lopt.analysis.checks import check_component, check_grid, check_states
from lopt.analysis.fixed_point_search import code_of
from lopt.analysis.newton import Root, find_root, linear_part, newton
from lopt.analysis.root_search import float64
from lopt.optimizers.component import ComponentOptimizer
from lopt.records.analysis import Branches, Code

__all__ = ["constant_gradient_fixed_points"]

PATIENCE = 10  # times as many steps where a run under a constant gradient did not settle
AGREEMENT = 0.1  # how far a step may differ from what the tangents at its ends say
SMALLEST_STEP = 1e-4  # in gamma: below, the branch is followed by arc length
CONTINUOUS = 1e-2  # a change of the state smaller than this, over a smallest step, is no jump
CORRECTIONS = 8  # Newton steps after a prediction
ARCS = 200  # steps of arc length at most, between two gradients
REFINEMENTS = 40  # of the place of a fold


class _Place(NamedTuple):
    """A point of a branch: h at gamma, with what Newton's method knows about it."""

    root: Root
    gamma: float


class _End(NamedTuple):
    """Why a branch could not be followed to where it should have been, and where it ended."""

    code: Code
    gamma: float


class _Arm:
    """One arm: the optimizer under g = sign g_0 sinh(gamma), gamma >= 0."""

    def __init__(
        self,
        component: ComponentOptimizer,
        sign: float,
        smallest: float,
        spread: Float[np.ndarray, " state"],
    ) -> None:
        self.transition, self.sign, self.smallest = component.transition, sign, smallest
        self.spread = spread
        self.spent = 0
        self.asked: dict[float, float] = {}

    def gradient(self, gamma: float) -> float:
        """The gradient at gamma: the very number where that was asked for."""
        if gamma in self.asked:
            return self.asked[gamma]
        return self.sign * self.smallest * float(np.sinh(gamma))

    def gamma(self, gradient: float) -> float:
        """Gamma of a gradient that is asked for."""
        gamma = float(np.arcsinh(abs(gradient) / self.smallest))
        self.asked[gamma] = gradient
        return gamma

    def slope(self, gamma: float) -> float:
        """dg / dgamma."""
        return self.sign * self.smallest * float(np.cosh(gamma))

    def correct(self, prediction: np.ndarray, gamma: float) -> Root:
        root = newton(
            self.transition, prediction, self.gradient(gamma), self.spread, iterations=CORRECTIONS
        )
        self.spent += root.iterations + 1
        return root

    def tangent(self, place: _Place) -> Float[np.ndarray, " state"]:
        """dh / dgamma."""
        root = place.root
        pull = root.input_vector * self.slope(place.gamma)
        tangent = np.zeros_like(root.point)
        tangent[root.kept] = root.inverse @ pull[root.kept]
        # Entries without memory follow the others.
        follow = root.jacobian[~root.kept] @ tangent + pull[~root.kept]
        tangent[~root.kept] = follow
        return tangent

    def advance(self, place: _Place, target: float) -> _Place | _End:
        """Return the branch's point at gamma = ``target``, or where the branch ended."""
        step = target - place.gamma
        while place.gamma < target:
            last = step >= target - place.gamma
            gamma = target if last else place.gamma + step
            new = self._step(place, gamma)
            if new is not None:
                place, step = new, 2.0 * step
            elif gamma - place.gamma > SMALLEST_STEP:
                step = 0.5 * (gamma - place.gamma)
            else:
                turned = self._arc(place, target)
                if isinstance(turned, _End):
                    return turned
                place, step = turned, max(SMALLEST_STEP, target - turned.gamma)
        return place

    def _step(self, place: _Place, gamma: float) -> _Place | None:
        """Return the next point if it is on the same branch."""
        length, before = gamma - place.gamma, self.tangent(place)
        root = self.correct(place.root.point + length * before, gamma)
        if not root.found or root.singular:
            return None
        new = _Place(root, gamma)
        after, change = self.tangent(new), root.point - place.root.point
        unit = np.maximum(root.scale, place.root.scale)
        unit = np.where(unit > 0.0, unit, 1.0)
        expected = 0.5 * length * (before + after) / unit
        allowed = 0.5 * length * (np.abs(before) + np.abs(after)) / unit
        rounding = (root.error + place.root.error) / unit
        departure = np.linalg.norm(change / unit - expected)
        # A kink of F bends the branch without breaking it: then nothing moves far.
        tiny = length <= 2.0 * SMALLEST_STEP and np.linalg.norm(change / unit) <= CONTINUOUS
        agreed = departure <= AGREEMENT * np.linalg.norm(allowed) + np.linalg.norm(rounding)
        return new if agreed or tiny else None

    def _arc(self, place: _Place, target: float) -> _Place | _End:
        """Follow the branch by its arc length, to ``target`` or through a fold.

        Returns a point beyond which steps in gamma work again, or where the branch ended.
        """
        kept, unit = place.root.kept, np.maximum(place.root.scale, 1e-3 * self.spread)
        unit = np.where(unit > 0.0, unit, 1.0)[kept]
        h, gamma = place.root.point[kept], place.gamma
        full = place.root.point
        tangent = np.append(self.tangent(place)[kept] / unit, 1.0)
        tangent /= np.linalg.norm(tangent)
        # As far along as a smallest step in gamma would have been, at first.
        length = SMALLEST_STEP / tangent[-1]
        for _ in range(ARCS):
            new = self._arc_step(full, kept, unit, h, gamma, tangent, length)
            if new is None or new[2] @ tangent < 0.9:
                length *= 0.5
                if length < 1e-9:
                    return _End(Code.STALLED, gamma)
                continue
            if new[2][-1] <= 0.0:
                end = self._fold(full, kept, unit, h, gamma, tangent, length)
                return _End(Code.FOLD, end)
            if new[1] >= target:
                # Past it without a fold: the point at the target itself.
                share = (target - gamma) / (new[1] - gamma)
                full = full.copy()
                full[kept] = h + share * (new[0] - h)
                root = self.correct(full, target)
                near = np.abs(root.point - full)[kept] <= np.abs(new[0] - h) + root.error[kept]
                if root.found and not root.singular and near.all():
                    return _Place(root, target)
                return _End(Code.STALLED, gamma)
            h, gamma, tangent = new
            length *= 1.5
        return _End(Code.STALLED, gamma)

    def _arc_step(
        self,
        full: np.ndarray,
        kept: np.ndarray,
        unit: np.ndarray,
        h: np.ndarray,
        gamma: float,
        tangent: np.ndarray,
        length: float,
    ) -> tuple[np.ndarray, float, np.ndarray] | None:
        """Return state, gamma and tangent a distance ``length`` along, or None if it got lost."""
        start = np.append(h / unit, gamma)
        at = start + length * tangent
        size = np.inf
        for _ in range(CORRECTIONS):
            state = full.copy()
            state[kept] = at[:-1] * unit
            part = linear_part(self.transition, state, self.gradient(at[-1]))
            self.spent += 1
            a = np.eye(int(kept.sum())) - part.jacobian[np.ix_(kept, kept)]
            pull = part.input_vector[kept] * self.slope(at[-1])
            bordered = np.block(
                [[a * unit / unit[:, None], -(pull / unit)[:, None]], [tangent[None, :]]]
            )
            residual = np.append((part.value - state)[kept] / unit, length - tangent @ (at - start))
            try:
                step = np.linalg.solve(bordered, residual)
                ahead = np.linalg.solve(bordered, np.append(np.zeros(len(unit)), 1.0))
            except np.linalg.LinAlgError:
                return None
            if not np.all(np.isfinite(step)) or np.linalg.norm(step) > 0.5 * min(size, length):
                # Rounding is all that is left, or the correction does not stay beside the tangent.
                if size <= 1e-8 * max(length, 1e-8):
                    break
                return None
            at, size = at + step, float(np.linalg.norm(step))
            if size <= 1e-12 * max(1.0, float(np.linalg.norm(at))):
                break
        else:
            return None
        return at[:-1] * unit, float(at[-1]), ahead / np.linalg.norm(ahead)

    def _fold(
        self,
        full: np.ndarray,
        kept: np.ndarray,
        unit: np.ndarray,
        h: np.ndarray,
        gamma: float,
        tangent: np.ndarray,
        length: float,
    ) -> float:
        """Return gamma where dgamma/ds = 0, between here and ``length`` along."""
        low, high, best = 0.0, length, gamma
        for _ in range(REFINEMENTS):
            middle = 0.5 * (low + high)
            new = self._arc_step(full, kept, unit, h, gamma, tangent, middle)
            if new is None:
                break
            best = max(best, new[1])
            if abs(new[2][-1]) <= 1e-9:
                break
            low, high = (middle, high) if new[2][-1] > 0.0 else (low, middle)
        return best


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
        track = _Arm(component, sign, smallest if np.isfinite(smallest) else 1.0, spread)
        place: _Place | None = _Place(at_zero, 0.0)
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
                if isinstance(reached, _End):
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
                    place = _Place(root, target)
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
