"""What tasks and hand-made optimizers look like: NamedTuples of arrays, one per kind.

A task's portrait is what figure 1 shows of it above the losses: the task's own method ``portrait``
computes it. This module knows neither JAX nor files, so that the figures can read portraits.

A task whose portrait is none of these kinds brings a NamedTuple here and a function in
``lopt.figures.fig1_performance`` that draws it. A task without a portrait of its own is shown by its start
losses: nothing has to be done.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

__all__ = [
    "CommonOptimizers",
    "ConditionNumbers",
    "LabelledImages",
    "LabelledPoints",
    "Landscape",
    "Portrait",
    "StartLosses",
]


class ConditionNumbers(NamedTuple):
    """How ill-conditioned a distribution of quadratics is."""

    log10_condition_numbers: Float[np.ndarray, " problem"]
    """log10 of the largest over the smallest eigenvalue of the Hessian, problem by problem."""
    optimal_learning_rate: Float[np.ndarray, ""]
    """Learning rate of the heavy ball that is fastest on the whole range of eigenvalues ..."""
    optimal_momentum: Float[np.ndarray, ""]
    """... and its momentum (Polyak 1964): the star on the supplement's plane of modes."""


class Landscape(NamedTuple):
    """The loss of a task of two parameters on a grid."""

    x: Float[np.ndarray, " column"]
    """First parameter, ascending."""
    y: Float[np.ndarray, " row"]
    """Second parameter, ascending."""
    log10_losses: Float[np.ndarray, "row column"]
    """log10 f(x, y)."""
    minimum: Float[np.ndarray, "2"]
    """Where the loss is smallest."""


class LabelledPoints(NamedTuple):
    """The data of a classification task in the plane."""

    positions: Float[np.ndarray, "point 2"]
    labels: Int[np.ndarray, " point"]


class LabelledImages(NamedTuple):
    """Some of the data of a task that classifies images."""

    images: Float[np.ndarray, "image row column"]
    """Gray levels, 0 (paper) to 1 (ink), the first row on top."""
    labels: Int[np.ndarray, " image"]


class StartLosses(NamedTuple):
    """Where optimization starts: the portrait of a task that has no other."""

    log10_losses: Float[np.ndarray, " problem"]
    """log10 f(x_0), problem by problem."""


class CommonOptimizers(NamedTuple):
    """Update functions of hand-made optimizers as one state variable varies (supplement, b)."""

    optimizers: np.ndarray
    """Names, one a row of the arrays below."""
    variables: np.ndarray
    """The name of the state variable that varies, one per optimizer."""
    gradients: Float[np.ndarray, " grid"]
    """Gradient grid g of the update functions, ascending."""
    values: Float[np.ndarray, "optimizer value"]
    """Values of the variable, ascending."""
    updates: Float[np.ndarray, "optimizer value grid"]
    """dx(g) at each value."""
    learning_rates: Float[np.ndarray, "optimizer value"]
    """Effective learning rate -d(dx)/dg at g = 0 at each value."""


Portrait = ConditionNumbers | Landscape | LabelledPoints | LabelledImages | StartLosses
