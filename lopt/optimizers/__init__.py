"""Optimizer families, one file each, all as dynamical systems on one component.

The hand-made ones are listed in ``BASELINES``; the learned ones are in ``lopt.learned``. A new baseline is
a new file with a NamedTuple of hyperparameters and a frozen dataclass that has ``theta_type``,
``component`` and ``build``, one line in ``BASELINES``, and its search ranges under ``tuning:`` in
``config.yaml``.
"""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from lopt.optimizers.adam import Adam, AdamTheta
from lopt.optimizers.component import (
    ComponentOptimizer,
    OptimizerFamily,
    as_gradient_transformation,
)
from lopt.optimizers.momentum import Momentum, MomentumTheta, optimal_momentum
from lopt.optimizers.rmsprop import RMSProp, RMSPropTheta

__all__ = [
    "BASELINES",
    "Adam",
    "AdamTheta",
    "ComponentOptimizer",
    "Momentum",
    "MomentumTheta",
    "OptimizerFamily",
    "RMSProp",
    "RMSPropTheta",
    "as_gradient_transformation",
    "make_baseline",
    "optimal_momentum",
]

BASELINES: dict[str, Momentum | RMSProp | Adam] = {
    "momentum": Momentum(),
    "rmsprop": RMSProp(),
    "adam": Adam(),
}


def make_baseline(
    name: str, hyperparameters: Mapping[str, float], dtype: Any = jnp.float32
) -> tuple[Momentum | RMSProp | Adam, Any]:
    """Return the family called ``name`` and the theta that ``hyperparameters`` describe.

    >>> family, theta = make_baseline("momentum", {"learning_rate": 0.5, "momentum": 0.9})
    >>> family, theta._fields, float(theta.learning_rate)
    (Momentum(), ('learning_rate', 'momentum'), 0.5)

    Raises:
        ValueError: if there is no such baseline, or its hyperparameters are not exactly these.
    """
    if name not in BASELINES:
        raise ValueError(f"unknown baseline {name!r}; there are {', '.join(BASELINES)}")
    family = BASELINES[name]
    wanted = family.theta_type._fields
    if set(hyperparameters) != set(wanted):
        raise ValueError(
            f"{name} has the hyperparameters {', '.join(wanted)}; got {', '.join(hyperparameters)}"
        )
    return family, family.theta_type(*(jnp.asarray(hyperparameters[key], dtype) for key in wanted))
