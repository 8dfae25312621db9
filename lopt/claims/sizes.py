"""What a scale has less of than the study, in what a value rests on.

A difference from the paper is a difference, whatever the scale; beside it the table says in which sizes
the scale is below the study, so that a reader knows what to ask for. Sizes are what makes an
optimizer, a problem or a training smaller: units, layers, data, updates, meta-steps, samples of a search.
How many problems something is averaged over is none: that is what the sampling error is for.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from lopt.claims.registry import EARLY
from lopt.evaluation import LEARNED

__all__ = ["SIZES", "Sizes", "smaller"]


class Sizes(NamedTuple):
    """The settings of a task that are sizes, as dotted keys; below, by what they are sizes of."""

    tasks: Mapping[str, tuple[str, ...]]
    """Of the problems: keys of ``problem``, by task."""
    families: Mapping[str, tuple[str, ...]]
    """Of the learned optimizer: keys of ``optimizer``, by family."""
    stages: Mapping[str, tuple[str, ...]]
    """Of what is done with them: "all", "tuned", "learned", "early"."""


SIZES = Sizes(
    tasks={
        "linear_regression": ("dimension",),
        "rosenbrock": (),
        "two_moons": ("hidden_widths", "points"),
    },
    families={"gru": ("units",)},
    stages={
        "all": ("steps",),
        "tuned": ("tuning.samples",),
        "learned": ("meta_training.meta_steps", "analysis.gradients.count"),
        "early": ("early.meta_steps",),
    },
)


def _look_up(settings: Mapping[str, Any], key: str) -> Any:
    for part in key.split("."):
        if not isinstance(settings, Mapping) or part not in settings:
            return None
        settings = settings[part]
    return settings


def smaller(
    task: str,
    settings: Mapping[str, Any],
    reference: Mapping[str, Any],
    needs: Iterable[str],
    sizes: Sizes = SIZES,
) -> list[str]:
    """Return the sizes in which one task's ``settings`` are below ``reference``, in words.

    Args:
        task: its name.
        settings: of the task at this scale.
        reference: of the same task in the study, before the scale's changes.
        needs: the optimizers that the value rests on ("learned", "early" or a tuned one's name).
        sizes: which settings are sizes.

    >>> small, full = {"optimizer": {"units": 8}}, {"optimizer": {"units": 256}}
    >>> smaller("rosenbrock", small, full, ["learned"])
    ['optimizer.units 8 < 256']
    >>> narrow = {"meta_training_problem": {"hidden_widths": [8]}}
    >>> smaller("two_moons", narrow, {"problem": {"hidden_widths": [64, 64]}}, ["learned"])
    ['meta_training_problem.hidden_widths [8] < [64, 64]']
    """
    needs, of_problem = set(needs), sizes.tasks.get(task, ())
    keys = [f"problem.{key}" for key in of_problem] + list(sizes.stages["all"])
    if needs - {LEARNED, EARLY}:
        keys += sizes.stages["tuned"]
    if needs & {LEARNED, EARLY}:
        keys += [f"optimizer.{key}" for key in _of_family(settings, sizes)]
        keys += sizes.stages["learned"]
        keys += [f"meta_training_problem.{key}" for key in of_problem]
    if EARLY in needs:
        keys += sizes.stages["early"]
    found = []
    for key in keys:
        # What meta-training changes of a problem compares with the problem.
        ours = _look_up(settings, key)
        full = _look_up(reference, key.replace("meta_training_problem.", "problem."))
        if ours is None or full is None:
            continue
        if np.sum(ours) < np.sum(full):  # widths of layers: fewer or narrower
            found.append(f"{key} {ours} < {full}")
    return found


def _of_family(settings: Mapping[str, Any], sizes: Sizes) -> list[str]:
    """Return the keys of the task's family, of every family where the settings name none."""
    family = settings.get("family")
    families = sizes.families.values() if family is None else [sizes.families.get(family, ())]
    return list(dict.fromkeys(key for keys in families for key in keys))
