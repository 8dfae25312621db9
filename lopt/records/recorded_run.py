"""What a training loop of anybody's met, sampled: the file that a recorder writes and the analysis reads."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

__all__ = ["RecordedRun"]


class RecordedRun(NamedTuple):
    """One run, seen at some of its parameters; entry k belongs to x[k], before its update."""

    gradients: Float[np.ndarray, "steps components"]
    x: Float[np.ndarray, "steps components"]
    updates: Float[np.ndarray, "steps components"]
    losses: Float[np.ndarray, " steps"]
    """NaN where the loop did not say them."""
