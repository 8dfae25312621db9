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
from lopt.extensions import FAMILIES, TASKS
from lopt.records.evaluation import LEARNED

__all__ = ["STAGES", "Sizes", "smaller", "stated_sizes"]


class Sizes(NamedTuple):
    """The settings of a task that are sizes, as dotted keys; below, by what they are sizes of."""

    tasks: Mapping[str, tuple[str, ...]]
    """Of the problems: keys of ``problem``, by task (what its file states as ``sizes``)."""
    families: Mapping[str, tuple[str, ...]]
    """Of the learned optimizer: keys of ``optimizer``, by family (what its file states as ``sizes``)."""
    stages: Mapping[str, tuple[str, ...]]
    """Of what is done with them: "all", "tuned", "learned", "early"."""


STAGES: Mapping[str, tuple[str, ...]] = {
    "all": ("steps",),
    "tuned": ("tuning.samples",),
    "learned": ("meta_training.meta_steps", "analysis.gradients.count"),
    "early": ("early.meta_steps",),
}
"""What makes a training, a search or an analysis small, whatever the task."""


def stated_sizes() -> Sizes:
    """Return the sizes that the files of all tasks and learned families state."""
    tasks, families = (
        {name: registry.facts(name).constants.get("sizes", ()) for name in registry.names()}
        for registry in (TASKS, FAMILIES)
    )
    return Sizes(tasks, families, STAGES)


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
    sizes: Sizes,
) -> list[str]:
    """Return the sizes in which one task's ``settings`` are below ``reference``, in words.

    Args:
        task: its name.
        settings: of the task at this scale.
        reference: of the same task in the study, before the scale's changes.
        needs: the optimizers that the value rests on ("learned", "early" or a tuned one's name).
        sizes: which settings are sizes.

    >>> sizes = Sizes({"two_moons": ("hidden_widths",)}, {"gru": ("units",)}, STAGES)
    >>> small, full = {"family": "gru", "units": 8}, {"family": "gru", "units": 256}
    >>> smaller("rosenbrock", {"optimizer": small}, {"optimizer": full}, ["learned"], sizes)
    ['optimizer.units 8 < 256']
    >>> narrow = {"meta_training_problem": {"hidden_widths": [8]}, "optimizer": full}
    >>> wide = {"problem": {"hidden_widths": [64, 64]}, "optimizer": full}
    >>> smaller("two_moons", narrow, wide, ["learned"], sizes)
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


def _of_family(settings: Mapping[str, Any], sizes: Sizes) -> tuple[str, ...]:
    """Return the keys of the family that the task's settings name."""
    return sizes.families.get(settings["optimizer"]["family"], ())
