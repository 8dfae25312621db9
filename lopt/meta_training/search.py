r"""Random search over meta-hyperparameters, by successive halving.

A trial is a recipe: how to meta-train, and the scales of the optimizer's input and output. Trial 0 is the
configured recipe, trial n > 0 replaces the entries that have a search range by draws of its own. All
trials train from the same seed on the same problems; only the recipes differ.

Rung 0 trains every trial for a few meta-steps, rung r the best ``trials`` of rung r - 1 for more; the
configured recipe always goes on, so that the last rung compares the best draw with it at equal
length. A trial that goes on *continues* from the state in which its last rung left it: the schedule of a
recipe depends on the meta-step alone, so the continued run is the uninterrupted one, and a rung costs
the difference.

    score = the validation meta-objective at the end of the rung;   +inf if training has diverged

Scores of one rung compare; the winner is the best of the last. The lowest value on the way would be
the wrong score: a recipe that is fast and then unstable has passed through a low one.

Source: arXiv 2011.02159 reports the best of such a search (its recipe's odd values say so) but neither
ranges nor method; Jamieson and Talwalkar 2016 for halving.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from lopt.keys import stream
from lopt.meta_training.loop import CurvePoint, Training
from lopt.tuning import SearchRange

__all__ = [
    "Recipe",
    "apply_recipe",
    "configured_recipe",
    "draw_recipe",
    "rank",
    "score",
    "survivors",
]


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The meta-hyperparameters of one trial; see ``MetaTrainingSettings``, and the family for the scales.

    A scale that the family does not have is None.
    """

    learning_rate: float
    decay_factor: float
    decay_steps: int
    b1: float
    b2: float
    epsilon: float
    clip: float
    input_scale: float | None
    output_scale: float | None


_NAMES = tuple(field.name for field in dataclasses.fields(Recipe))
_SCALES = ("input_scale", "output_scale")


def configured_recipe(training: Training) -> Recipe:
    """Return the recipe that the configuration holds."""
    scales: dict[str, Any] = {name: getattr(training.family, name, None) for name in _SCALES}
    recipe = {name: getattr(training.settings, name) for name in _NAMES if name not in _SCALES}
    return Recipe(**recipe, **scales)


def draw_recipe(
    configured: Recipe, ranges: Mapping[str, SearchRange], task: str, trial: int, seed: int
) -> Recipe:
    """Return the recipe of ``trial``: the configured one for trial 0, else drawn where a range is.

    Every entry has a random stream of its own: changing or adding a range leaves the other entries'
    draws as they are, and so does drawing more trials.

    Raises:
        ValueError: if ``ranges`` names what is no entry of this recipe.
    """
    known = [name for name in _NAMES if getattr(configured, name) is not None]
    unknown = sorted(set(ranges) - set(known))
    if unknown:
        raise ValueError(f"no search range can be given for {unknown}; there are {known}")
    if trial == 0:
        return configured
    drawn = {}
    for name, search_range in ranges.items():
        key = stream(seed, "meta_search", task, name, trial)
        share = np.asarray([jax.random.uniform(key, (), jnp.float32)], np.float64)
        # Four digits: what a person copies from the table is what was trained.
        value = float(f"{search_range.quantile(share)[0]:.4g}")
        drawn[name] = round(value) if name == "decay_steps" else value
    return dataclasses.replace(configured, **drawn)


def apply_recipe(recipe: Recipe, training: Training, meta_steps: int) -> Training:
    """Return ``training`` with another recipe, up to ``meta_steps``."""
    values = dataclasses.asdict(recipe)
    scales = {name: values.pop(name) for name in _SCALES}
    known = {name: scale for name, scale in scales.items() if scale is not None}
    return dataclasses.replace(
        training,
        family=dataclasses.replace(training.family, **known),
        settings=dataclasses.replace(training.settings, meta_steps=meta_steps, **values),
    )


def score(curve: Sequence[CurvePoint]) -> float:
    """Return the validation meta-objective at the end of a trial's curve, inf where that is not finite.

    That is the last one measured: rungs end with a validation.
    """
    validated = [
        point.validation_meta_objective
        for point in curve
        if not math.isnan(point.validation_meta_objective)
    ]
    return validated[-1] if validated and math.isfinite(validated[-1]) else math.inf


def rank(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials of one rung, best first, with a column ``rank`` that counts from 1.

    Equal scores (those of diverged trials, too) are ordered by trial.

    Raises:
        ValueError: if every trial diverged.
    """
    if not np.isfinite(trials["score"]).any():
        raise ValueError(
            f"all {len(trials)} recipes diverged or never got a finite meta-objective: move the "
            "ranges of learning_rate, clip or output_scale down"
        )
    ranked = trials.sort_values(["score", "trial"], ignore_index=True)
    return ranked.assign(rank=np.arange(1, len(trials) + 1))


def survivors(ranked: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return the rows of ``rank`` that the next rung trains on, best first.

    These are the best ``count``. Where trial 0, the configured recipe, is not among them, it takes the
    last place; only a rung of a single trial has no place for it.
    """
    going = ranked.head(count)
    if count == 1 or (going["trial"] == 0).any():
        return going
    return pd.concat([going.head(count - 1), ranked[ranked["trial"] == 0]], ignore_index=True)
