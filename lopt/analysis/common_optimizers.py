"""Update functions of tuned hand-made optimizers as one state variable varies (supplement, b).

Figures 2 and 5 are compared with them: momentum's update function is shifted by its state, RMSProp's changes
its slope.
"""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from lopt.analysis.responses import effective_learning_rate, update_function
from lopt.optimizers import make_baseline
from lopt.records.portraits import CommonOptimizers

__all__ = ["common_optimizers"]

VALUES = 5


def common_optimizers(
    tuned: Mapping[str, Mapping[str, float]], gradients: Float[ArrayLike, " grid"]
) -> CommonOptimizers:
    """Return the update functions of tuned baselines as the first entry of their state varies.

    The variable takes values that gradients of the grid's size give rise to, between the shares of the
    largest gradient, or of its square, that the baseline's class states as ``varied``; evenly spaced, or
    in equal ratios where all of them are positive.

    Args:
        tuned: hyperparameters by optimizer; those whose class states no ``varied`` are left out.
        gradients: ascending gradient grid.
    """
    gradients = np.asarray(gradients, np.float64)
    largest = float(np.abs(gradients).max())
    shown, symbols, values, updates, rates = [], [], [], [], []
    for name, hyperparameters in tuned.items():
        family, theta = make_baseline(name, hyperparameters, jnp.float64)
        shares: tuple[str, float, float, int] | None = getattr(family, "varied", None)
        if shares is None:
            continue
        symbol, smallest, greatest, power = shares
        space = np.geomspace if smallest > 0.0 else np.linspace
        varied = space(smallest, greatest, VALUES) * largest**power
        component = family.component(theta)
        # The varied variable is the state's first entry, the others keep their initial values.
        states = np.tile(np.asarray(component.initial_state), (len(varied), 1))
        states[:, 0] = varied
        shown.append(name)
        symbols.append(symbol)
        values.append(varied)
        updates.append(update_function(component, states, gradients))
        rates.append(effective_learning_rate(component, states))
    return CommonOptimizers(
        optimizers=np.array(shown, dtype=str),
        variables=np.array(symbols, dtype=str),
        gradients=gradients,
        values=np.reshape(values, (len(shown), VALUES)),
        updates=np.reshape(updates, (len(shown), VALUES, len(gradients))),
        learning_rates=np.reshape(rates, (len(shown), VALUES)),
    )
