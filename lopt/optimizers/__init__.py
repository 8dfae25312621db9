"""Optimizers as dynamical systems on one parameter: hand-made ones, one file each, and how to read others.

A new baseline is a new file with a NamedTuple of hyperparameters and one frozen dataclass that derives from
``base.Baseline``; its module's name is its name in ``config.yaml``. Learned families: ``lopt.learned``.
"""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from lopt.extensions import BASELINES
from lopt.optimizers.base import Baseline
from lopt.optimizers.component import (
    ComponentOptimizer,
    OptimizerFamily,
    as_gradient_transformation,
)

__all__ = [
    "Baseline",
    "ComponentOptimizer",
    "OptimizerFamily",
    "as_gradient_transformation",
    "make_baseline",
]


def make_baseline(
    name: str, hyperparameters: Mapping[str, float], dtype: Any = jnp.float32
) -> tuple[Baseline, Any]:
    """Return the family called ``name`` and the theta that ``hyperparameters`` describe.

    >>> family, theta = make_baseline("momentum", {"learning_rate": 0.5, "momentum": 0.9})
    >>> family, theta._fields, float(theta.learning_rate)
    (Momentum(), ('learning_rate', 'momentum'), 0.5)

    Raises:
        ValueError: if there is no such baseline, or its hyperparameters are not exactly these.
    """
    family = BASELINES.load(name)()
    wanted = family.theta_type._fields
    if set(hyperparameters) != set(wanted):
        raise ValueError(
            f"{name} has the hyperparameters {', '.join(wanted)}; got {', '.join(hyperparameters)}"
        )
    return family, family.theta_type(*(jnp.asarray(hyperparameters[key], dtype) for key in wanted))
