"""lopt: train neural networks to be optimizers, and find out how they work.

The public names, gathered; each is documented where it lives. Names load on first use, so that
``import lopt`` costs nothing (no JAX) where only the configuration is read.

    task                = lopt.make_task("linear_regression")
    family, theta, _    = lopt.load_optimizer("theta.npz")
    family.build(theta)                       an optax.GradientTransformation
    family.component(theta)                   the dynamical system that lopt.analysis reads

The classes of tasks, baselines and learned families are public names, too: ``lopt.Rosenbrock``,
``lopt.Adam``, ``lopt.GRU``, and those of every file that is added to their folders. Type checkers and editors
read the names from ``__init__.pyi``, which ``make reference`` generates.
"""

import difflib
import importlib
from typing import Any

__version__ = "0.1.0"

HOMES = {
    "lopt.keys": ["stream"],
    "lopt.extensions": ["BASELINES", "FAMILIES", "TASKS"],
    "lopt.tasks": ["Task", "make_task", "sample_batch", "as_dtype"],
    "lopt.optimizers": [
        "Baseline",
        "ComponentOptimizer",
        "as_gradient_transformation",
        "make_baseline",
    ],
    "lopt.learned": ["make_family"],
    "lopt.learned.base": ["LearnedFamily"],
    "lopt.learned.foreign_weights": ["read_weights"],
    "lopt.learned.released": ["load_released"],
    "lopt.learned.stored": ["load_optimizer", "save_optimizer"],
    "lopt.records.foreign_arrays": ["read_arrays"],
    "lopt.records.store": ["StoreError", "load", "save"],
    "lopt.records.results": ["Results"],
    "lopt.unrolling": ["Recording", "evaluate", "meta_objective", "record", "unroll"],
    "lopt.meta_training.gradient": ["meta_gradient"],
    "lopt.meta_training.loop": ["Training", "meta_train"],
    "lopt.tuning": ["Rung", "SearchRange", "search"],
    "lopt.optimizers.from_optax": ["from_optax"],
    "lopt.optimizers.recorder": ["load_recording", "recorder", "save_recording"],
    "lopt.optimizers.from_numpy": ["from_numpy"],
    "lopt.optimizers.from_step": ["Inputs", "from_step"],
    "lopt.optimizers.from_torch": ["from_torch"],
    "lopt.optimizers.loop_recorder": ["LoopRecorder", "torch_recorder"],
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
    "lopt.analysis.recorded": ["drive"],
    "lopt.analysis.similarity": [
        "behavior",
        "behavior_distance",
        "classical_scaling",
        "spectral_distance",
    ],
    "lopt.analysis.probes": ["preconditioner", "probe", "run_to"],
    "lopt.analysis.responses": [
        "effective_learning_rate",
        "respond",
        "saturation",
        "update_function",
    ],
    "lopt.analysis.validation": ["validate"],
    "lopt.inspection.analysis": ["Analysis"],
    "lopt.inspection.one_call": ["analyze"],
}
_HOME_OF = {name: module for module, names in HOMES.items() for name in names}


def _extensions() -> dict[str, tuple[Any, str]]:
    """Return the classes that extensions bring: by their names, the registry and the module."""
    from lopt.extensions import BASELINES, FAMILIES, TASKS

    return {
        registry.facts(module).name: (registry, module)
        for registry in (TASKS, BASELINES, FAMILIES)
        for module in registry.names()
    }


def _hint(name: str) -> str:
    # Extensions are looked through only where one may be meant: the first imports of all come by here.
    known = [*_HOME_OF, *_extensions()] if name[:1].isupper() else list(_HOME_OF)
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return sorted([*_HOME_OF, *_extensions()])
    if name in _HOME_OF:
        value = getattr(importlib.import_module(_HOME_OF[name]), name)
    elif name[:1].isupper() and name in (extensions := _extensions()):
        registry, module = extensions[name]
        value = registry.load(module)
    else:
        raise AttributeError(f"module 'lopt' has no attribute {name!r}{_hint(name)}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF, *_extensions()})
