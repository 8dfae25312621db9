r"""Follow a branch of fixed points as the gradient grows, and find where it folds.

On a branch h(g) with h = F(h, g) the tangent is dh/dg = (I - J)^-1 j. Steps are taken in
gamma = asinh(g / g_0) with g_0 the smallest gradient asked for (even over decades, linear through
0): Euler's prediction, Newton's correction. A step counts only if it is what the tangents at its
two ends say,

    |h_1 - h_0 - Delta (h_0' + h_1') / 2|  <=  0.1 |Delta| (|h_0'| + |h_1'|) / 2,

in units of the entries; otherwise it is halved. A point on *another* branch fails that however
well it has converged. Where steps become too small the branch is followed by its arc length
instead, s with |dh/ds|^2 + (dgamma/ds)^2 = 1, which goes through a fold: there gamma turns back,
and no point of the branch exists beyond. The fold is found where dgamma/ds = 0.

Sources: Keller 1977 (pseudo-arclength); Allgower and Georg 1990, Numerical Continuation Methods.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lopt.analysis.newton import Root, linear_part, newton
from lopt.optimizers.component import ComponentOptimizer
from lopt.records.analysis import Code

__all__ = ["Arm", "End", "Place"]

AGREEMENT = 0.1  # how far a step may differ from what the tangents at its ends say
SMALLEST_STEP = 1e-4  # in gamma: below, the branch is followed by arc length
CONTINUOUS = 1e-2  # a change of the state smaller than this, over a smallest step, is no jump
CORRECTIONS = 8  # Newton steps after a prediction
ARCS = 200  # steps of arc length at most, between two gradients
REFINEMENTS = 40  # of the place of a fold


class Place(NamedTuple):
    """A point of a branch: h at gamma, with what Newton's method knows about it."""

    root: Root
    gamma: float


class End(NamedTuple):
    """Why a branch could not be followed to where it should have been, and where it ended."""

    code: Code
    gamma: float


class Arm:
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

    def tangent(self, place: Place) -> Float[np.ndarray, " state"]:
        """dh / dgamma."""
        root = place.root
        pull = root.input_vector * self.slope(place.gamma)
        tangent = np.zeros_like(root.point)
        tangent[root.kept] = root.inverse @ pull[root.kept]
        # Entries without memory follow the others.
        follow = root.jacobian[~root.kept] @ tangent + pull[~root.kept]
        tangent[~root.kept] = follow
        return tangent

    def advance(self, place: Place, target: float) -> Place | End:
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
                if isinstance(turned, End):
                    return turned
                place, step = turned, max(SMALLEST_STEP, target - turned.gamma)
        return place

    def _step(self, place: Place, gamma: float) -> Place | None:
        """Return the next point if it is on the same branch."""
        length, before = gamma - place.gamma, self.tangent(place)
        # As far as the tangent says in gamma, and if that is too far from the branch, in g: an average is
        # proportional to g, and Newton's method may need it to the last digits (of AdaBelief's, the second
        # moment is about (g - m)^2).
        change_of_g = self.gradient(gamma) - self.gradient(place.gamma)
        for stretch in (length, change_of_g / self.slope(place.gamma)):
            root = self.correct(place.root.point + stretch * before, gamma)
            if root.found and not root.singular:
                break
        else:
            return None
        new = Place(root, gamma)
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

    def _arc(self, place: Place, target: float) -> Place | End:
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
                    return End(Code.STALLED, gamma)
                continue
            if new[2][-1] <= 0.0:
                end = self._fold(full, kept, unit, h, gamma, tangent, length)
                return End(Code.FOLD, end)
            if new[1] >= target:
                # Past it without a fold: the point at the target itself.
                share = (target - gamma) / (new[1] - gamma)
                full = full.copy()
                full[kept] = h + share * (new[0] - h)
                root = self.correct(full, target)
                near = np.abs(root.point - full)[kept] <= np.abs(new[0] - h) + root.error[kept]
                if root.found and not root.singular and near.all():
                    return Place(root, target)
                return End(Code.STALLED, gamma)
            h, gamma, tangent = new
            length *= 1.5
        return End(Code.STALLED, gamma)

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
            with np.errstate(over="ignore"):  # a step beyond all numbers is too long, too
                long = np.linalg.norm(step) > 0.5 * min(size, length)
            if not np.all(np.isfinite(step)) or long:
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
