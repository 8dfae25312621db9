"""The gradient grids of a study's analysis: what is computed for learned optimizers and nulls alike."""

import numpy as np
from jaxtyping import Float

__all__ = ["arms", "gradient_edges", "update_gradients"]

UPDATE_POINTS, GRADIENT_BINS = 201, 100  # resolution of the figures' curves and histograms


def arms(
    log10_smallest: float, log10_largest: float, count: int
) -> Float[np.ndarray, " constant_grid"]:
    """Return ``count`` gradients per arm, log-spaced in magnitude, ascending.

    >>> arms(0.0, 1.0, 2).tolist()
    [-10.0, -1.0, 1.0, 10.0]
    """
    magnitudes = np.logspace(log10_smallest, log10_largest, count)
    return np.concatenate([-magnitudes[::-1], magnitudes])


def update_gradients(limit: float) -> Float[np.ndarray, " update_grid"]:
    """Return the grid of the update functions, |g| up to ``limit``."""
    return np.linspace(-limit, limit, UPDATE_POINTS)


def gradient_edges(limit: float) -> Float[np.ndarray, " gradient_edge"]:
    """Return the edges of the histogram of the gradients met, |g| up to ``limit``."""
    return np.linspace(-limit, limit, GRADIENT_BINS + 1)
