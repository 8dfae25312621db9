"""What the evaluation stores: the losses of every optimizer of a task on the same held-out problems."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

__all__ = ["LEARNED", "Evaluation"]

LEARNED = "learned"
"""How learned optimizers are named where tuned ones are named by their module."""


class Evaluation(NamedTuple):
    """Losses of every optimizer on the same problems (``losses.npz``).

    ``optimizers`` names each run's optimizer ("learned", "momentum", ...); ``seeds`` is the training
    seed of a learned one and -1 for a tuned one.
    """

    optimizers: np.ndarray
    seeds: Int[np.ndarray, " runs"]
    losses: Float[np.ndarray, "runs problems steps_plus_1"]
