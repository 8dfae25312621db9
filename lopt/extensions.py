"""What the study can be extended with: tasks, baselines, learned families and figures, a file each.

    TASKS.names()                    the tasks that there are: files in lopt/tasks that hold one
    TASKS.facts("rosenbrock")        what its file says of it: fields, bounds, label
    TASKS.load("rosenbrock")         the class

A new file in one of these folders is a new extension: its module's name is its name in ``config.yaml``.
Reading facts imports nothing, so that planning a run needs no JAX.
"""

import ast
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lopt.facts import FactsError
from lopt.registry import Registry

__all__ = [
    "BASELINES",
    "FAMILIES",
    "TASKS",
    "colors",
    "figure_facts",
    "figures",
    "labels",
    "size",
    "variant_labels",
]

TASKS = Registry(
    "lopt.tasks", "Task", taken=("all",), needs=("components", "sample", "init", "loss")
)
"""The tasks that there are, by the names of their files in ``lopt/tasks``."""
BASELINES = Registry(
    "lopt.optimizers",
    "Baseline",
    taken=("all", "early", "heavy_ball", "intact", "learned", "untrained"),
    needs=("theta_type", "ranges", "component", "build"),
)
"""The hand-made optimizers that are tuned, by the names of their files in ``lopt/optimizers``."""
FAMILIES = Registry("lopt.learned", "LearnedFamily", needs=("theta_type", "init", "component"))
"""The learned families, by the names of their files in ``lopt/learned``."""

FIGURES = Path(__file__).parent / "figures"
FIGURE_FACTS = ("TITLE", "CAPTION", "READS")


def figures() -> list[str]:
    """Return the names of the figures: the modules fig*.py in lopt/figures.

    Raises:
        FactsError: if two have one number, by which they are asked for.
    """
    names = sorted(path.stem for path in FIGURES.glob("fig*.py"))
    numbers = Counter(name.partition("_")[0] for name in names)
    for number, count in numbers.items():
        if count > 1 and number != "figS":
            same = [name for name in names if name.partition("_")[0] == number]
            raise FactsError(
                f"{FIGURES}: {' and '.join(same)} are both called {number}; rename one"
            )
    return names


def figure_facts(name: str) -> dict[str, Any]:
    """Return what a figure's file states of it: ``TITLE``, ``CAPTION``, and what it ``READS``.

    Raises:
        FactsError: if there is no such figure, it lacks one of them as a literal, or that is no text (READS:
            no names).
    """
    path = FIGURES / f"{name}.py"
    if not path.is_file():
        raise FactsError(f"unknown figure {name!r}; there are {', '.join(figures())}")
    found = {}
    for node in ast.parse(path.read_bytes(), str(path)).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        stated = getattr(targets[0], "id", None)
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value and stated in FIGURE_FACTS:
            try:
                found[stated] = ast.literal_eval(node.value)
            except ValueError:
                raise FactsError(
                    f"{path}: {stated} should be a literal, without a computation"
                ) from None
    if missing := [fact for fact in FIGURE_FACTS if fact not in found]:
        raise FactsError(f"{path}: states no literal {', '.join(missing)}")
    for fact in ("TITLE", "CAPTION"):
        if not isinstance(found[fact], str):
            raise FactsError(f"{path}: {fact} is {found[fact]!r}, expected a text")
    reads = found["READS"]
    if not (isinstance(reads, tuple) and reads and all(isinstance(each, str) for each in reads)):
        raise FactsError(f'{path}: READS is {reads!r}, expected names: ("selection", "losses")')
    return found


def labels(tasks: Iterable[str], baselines: Iterable[str]) -> dict[str, str]:
    """Return how tasks and baselines are called in figures, where their files say so.

    >>> labels(["two_moons"], ["rmsprop"])
    {'two_moons': 'Neural network training', 'rmsprop': 'RMSProp'}
    """
    return _constants(TASKS, tasks, "label") | _constants(BASELINES, baselines, "label")


def size(optimizer: Mapping[str, Any]) -> str:
    """Return what the family's file says that the size of an optimizer is, in a few letters.

    >>> size({"family": "gru", "units": 32, "input_scale": 1.0})
    '32'
    """
    keys = FAMILIES.facts(optimizer["family"]).constants.get("sizes", ())
    return " x ".join(str(optimizer[key]) for key in keys)


def variant_labels(tasks: Iterable[Mapping[str, Mapping[str, Any]]]) -> dict[str, str]:
    """Return how variants are called in figures: family and size, and the name where two have the same.

    One that is another optimizer on another task is called by its name alone.

    Args:
        tasks: of each task its variants' optimizers, by name.

    >>> gru, ugrnn = {"family": "gru", "units": 8}, {"family": "ugrnn", "units": 2}
    >>> variant_labels([{"small": {"family": "gru", "units": 4}, "slow": gru, "fast": gru}])
    {'small': 'GRU 4', 'slow': 'GRU 8 (slow)', 'fast': 'GRU 8 (fast)'}
    >>> variant_labels([{"own": gru, "other": ugrnn}, {"own": ugrnn}])
    {'own': 'own', 'other': 'UGRNN 2'}
    """
    found: dict[str, set[str]] = {}
    for optimizers in tasks:
        for name, optimizer in optimizers.items():
            family = optimizer["family"]
            label = FAMILIES.facts(family).constants.get("label", family)
            found.setdefault(name, set()).add(f"{label} {size(optimizer)}".strip())
    labels = {name: "".join(own) if len(own) == 1 else name for name, own in found.items()}
    count = Counter(labels.values())
    return {
        name: label if count[label] == 1 else f"{label} ({name})" for name, label in labels.items()
    }


def colors(baselines: Iterable[str]) -> dict[str, str]:
    """Return the colors of baselines, where their files state one."""
    return _constants(BASELINES, baselines, "color")


def _constants(registry: Registry, names: Iterable[str], constant: str) -> dict[str, Any]:
    found = {name: registry.facts(name).constants.get(constant) for name in names}
    return {name: value for name, value in found.items() if value is not None}
