"""lopt: train neural networks to be optimizers, and find out how they work.

The public names, gathered; each is documented where it lives. Names load on first use, so that
``import lopt`` costs nothing (no JAX) where only the configuration is read.

    task     = lopt.make_task("linear_regression")
    family   = lopt.GRU(units=256)
    theta, _ = lopt.load("theta.npz", lopt.GRUTheta)
    family.build(theta)                       an optax.GradientTransformation
    family.component(theta)                   the dynamical system that lopt.analysis reads
"""

import importlib
from typing import Any

_HOMES = {
    "lopt.keys": ["stream"],
    "lopt.tasks": ["TASKS", "Task", "make_task", "sample_batch", "as_dtype"],
    "lopt.optimizers": [
        "BASELINES",
        "GRU",
        "GRUTheta",
        "Adam",
        "ComponentOptimizer",
        "Momentum",
        "RMSProp",
        "as_gradient_transformation",
        "make_baseline",
    ],
    "lopt.store": ["StoreError", "load", "save"],
    "lopt.weights": ["load_released"],
    "lopt.unroll": ["evaluate", "meta_objective", "record", "unroll"],
    "lopt.meta_gradient": ["meta_gradient"],
    "lopt.meta_training": ["meta_train"],
    "lopt.tuning": ["Rung", "SearchRange", "search"],
    "lopt.optimizers.from_optax": ["from_optax"],
    "lopt.optimizers.aggregated_momentum": ["AggregatedMomentum"],
    "lopt.optimizers.surrogates": [
        "LinearSurrogate",
        "linear_surrogate",
        "select_modes",
        "truncated_surrogate",
    ],
    "lopt.analysis.trajectories": ["autonomous_trajectory", "summarize_trajectories"],
    "lopt.analysis.fixed_points": [
        "analyze_fixed_points",
        "constant_gradient_fixed_points",
        "convergence_point",
        "find_attractors",
        "find_fixed_points",
    ],
    "lopt.analysis.linearization": ["linearize"],
    "lopt.analysis.responses": [
        "effective_learning_rate",
        "respond",
        "saturation",
        "update_function",
    ],
    "lopt.analysis.validation": ["validate"],
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'lopt' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
