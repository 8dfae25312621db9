r"""Known answers of the closed loop: heavy balls, a mode that x does not see, a drift.

* heavy ball: stable for lambda < 2 (1 + beta) / alpha; its rate is the larger root of
  mu^2 - (1 + beta - alpha lambda) mu + beta, sqrt(beta) where they are complex;
* with a state of its own beside it, of eigenvalue 0.999, that no gradient moves: the same rates;
* with a drift d: it rests at x = d (1 - beta) / (alpha lambda);
* behind a random change of basis (``lopt.optimizers.planted``): the same again.
"""

from collections.abc import Iterator

import numpy as np
import scipy.linalg

from lopt.analysis.stability import HeavyBall, closed_loop, stable_range, stationary_errors
from lopt.analysis.validation_rows import deviation, generator, row
from lopt.optimizers.planted import plant_modes
from lopt.records.analysis import ValidationRow

__all__ = ["stability"]

# Tuned momentum of the three tasks, and descent.
HEAVY_BALLS = ((3.7585, 0.881), (5.35e-4, 0.862), (0.569, 0.85), (0.3, 0.0))
TOLERANCE = 1e-10


def stability() -> Iterator[ValidationRow]:
    """Yield the rows."""
    for rate, momentum in HEAVY_BALLS:
        name = f"closed loop of the heavy ball {rate:g}, {momentum:g}"
        limit = 2.0 * (1.0 + momentum) / rate
        # No curvature at which the two roots meet: a double root is known to half the digits.
        curvatures = limit * np.geomspace(3.1e-4, 9.7, 24)
        ball = HeavyBall.of(rate, momentum, drift=1e-3)
        found = stable_range(ball, curvatures)
        yield row(
            name, "largest stable curvature over its limit", 1.0, found.largest / limit, TOLERANCE
        )
        yield row(name, "stable up to, over its limit", 1.0, found.up_to / limit, TOLERANCE)
        truth = _rates(rate, momentum, curvatures)
        apart = deviation(closed_loop(ball, curvatures).rates, truth)
        yield row(name, "deviation of rates", 0.0, apart, TOLERANCE)
        rests = stationary_errors(ball, curvatures) * curvatures
        apart = deviation(rests / (1e-3 * (1.0 - momentum) / rate), np.ones(len(curvatures)))
        yield row(name, "deviation of where it rests", 0.0, apart, TOLERANCE)
        others = {
            "beside an unseen mode": _beside(ball),
            "in another basis": _hidden(rate, momentum),
        }
        for kind, other in others.items():
            apart = deviation(closed_loop(other, curvatures).rates, truth)
            yield row(name, f"deviation of rates {kind}", 0.0, apart, TOLERANCE)
            largest = stable_range(other, curvatures).largest / limit
            yield row(name, f"largest stable curvature {kind}", 1.0, largest, TOLERANCE)


def _rates(rate: float, momentum: float, curvatures: np.ndarray) -> np.ndarray:
    """Return the larger |root| of mu^2 - b mu + beta."""
    b = 1.0 + momentum - rate * curvatures
    root = np.sqrt((b * b - 4.0 * momentum).astype(complex))
    return np.maximum(np.abs(b + root), np.abs(b - root)) / 2.0


def _beside(ball: HeavyBall) -> HeavyBall:
    """Return the heavy ball with a slow state of its own, which an update would see if it moved."""
    return ball._replace(
        jacobian=scipy.linalg.block_diag(ball.jacobian, 0.999),
        input_vector=np.append(ball.input_vector, 0.0),
        readout_vector=np.append(ball.readout_vector, 1.0),
    )


def _hidden(rate: float, momentum: float) -> HeavyBall:
    """Return the heavy ball and two faster modes without learning rate, in a random basis."""
    parts = plant_modes(
        generator("closed loop"),
        np.array([momentum, 0.3 * momentum, -0.2]),
        np.array([rate, 0.0, 0.0]),
    )
    return HeavyBall(np.zeros(()), *map(np.asarray, parts))
