"""Recipes of meta-training by name, for trainings outside the workflow: ``lopt train``.

    published   the authors' recipe for a GRU of 256 units, bounded, as ``config.yaml`` has it
    laptop      the same for 1,000 meta-steps of a GRU of 32 units

``trained`` runs one and stores theta with the same metadata as the workflow, so that ``load_optimizer`` and
``lopt.analyze`` read it.
"""

import dataclasses
import logging
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lopt import provenance
from lopt.config_check import chunk_contradictions, schema_error
from lopt.config_frame import property_schema, settings_fields
from lopt.learned import make_family
from lopt.learned.base import LearnedFamily
from lopt.meta_training.loop import Training
from lopt.meta_training.outcome import store_trained
from lopt.meta_training.run import resumable
from lopt.settings import MetaTrainingSettings, TaskSettings
from lopt.tasks import Task, make_task

__all__ = ["RECIPES", "Recipe", "make_recipe", "trained"]


class Recipe(NamedTuple):
    """How to train, and what."""

    settings: MetaTrainingSettings
    optimizer: Mapping[str, Any]
    steps: int


PUBLISHED = Recipe(
    MetaTrainingSettings(
        meta_steps=5000,
        problems=64,
        learning_rate=7.8366e-4,
        decay_factor=0.55465,
        decay_steps=1000,
        b1=0.8064,
        b2=0.5936,
        epsilon=4.53e-6,
        clip=0.04726,
        theta_penalty=1e-6,
        adjoint_bound=1.0,
        chunk=10,
        validation_problems=128,
        validation_interval=50,
        checkpoint_seconds=30,
        skipped_in_a_row=50,
        memory_budget_gb=3.0,
        precision="highest",
    ),
    {"family": "gru", "units": 256, "input_scale": 1.0, "output_scale": 1.0},
    steps=200,
)
RECIPES: Mapping[str, Recipe] = {
    "published": PUBLISHED,
    "laptop": PUBLISHED._replace(
        settings=dataclasses.replace(PUBLISHED.settings, meta_steps=1000, decay_steps=400),
        optimizer={**PUBLISHED.optimizer, "units": 32},
    ),
}


def make_recipe(name: str, changes: Mapping[str, Any], family: str | None = None) -> Recipe:
    """Return a recipe with some of its numbers changed.

    Args:
        name: of the recipe.
        changes: of the settings of meta-training (``meta_steps``, ...), the family (``units``, ...) or
            ``steps``, by name.
        family: of the optimizer (default: the recipe's); another family keeps the entries that it has.

    Raises:
        ValueError: if there is no such recipe, family or number, or a number is out of bounds.
    """
    if name not in RECIPES:
        raise ValueError(f"there is no recipe {name!r}; there are {', '.join(RECIPES)}")
    recipe = RECIPES[name]
    optimizer = dict(recipe.optimizer)
    if family is not None and family != optimizer["family"]:
        fields = {
            each.name for each in dataclasses.fields(_settings(make_family({"family": family})))
        }
        optimizer = {key: value for key, value in optimizer.items() if key in fields}
        optimizer["family"] = family
    fields = {each.name for each in dataclasses.fields(_settings(make_family(optimizer)))}
    settings = {each.name for each in dataclasses.fields(MetaTrainingSettings)}
    steps = recipe.steps
    changed: dict[str, Any] = {}
    for key, value in changes.items():
        if key == "steps":
            steps = value
        elif key in fields:
            optimizer[key] = value
        elif key in settings:
            changed[key] = value
        else:
            raise ValueError(
                f"there is no number {key!r}; there are steps, {', '.join(sorted(fields | settings))}"
            )
    for key, value in {"steps": steps, **changed}.items():
        owner = TaskSettings if key == "steps" else MetaTrainingSettings
        allowed = property_schema(settings_fields(owner)[key])
        if wrong := schema_error(value, allowed):
            raise ValueError(f"{key}: {wrong[1]}")
    numbers = _in_whole_chunks(dataclasses.asdict(recipe.settings) | changed, changed)
    make_family(optimizer)  # which checks its own bounds
    return Recipe(MetaTrainingSettings(**numbers), optimizer, steps)


def _in_whole_chunks(training: dict[str, Any], given: Collection[str]) -> dict[str, Any]:
    """Return a recipe whose chunks and validations end where the training does.

    A chunk is run whole, and a training that is not validated at its end would lose what came after the last
    time. Of the two numbers those that were not ``given`` follow the others, close to what they were.

    Raises:
        ValueError: if those that were given contradict each other.
    """
    if not {"meta_steps", "validation_interval", "chunk"}.isdisjoint(given):
        total, interval = training["meta_steps"], training["validation_interval"]
        if "chunk" not in given:
            whole = interval if "validation_interval" in given else total
            training["chunk"] = _nearest_divisor(whole, training["chunk"])
        if "validation_interval" not in given:
            training["validation_interval"] = _nearest_divisor(total, interval, training["chunk"])
    for key, wrong in chunk_contradictions(training):
        raise ValueError(f"{key.removeprefix('meta_training.')}: {wrong}")
    return training


def _nearest_divisor(number: int, wanted: int, multiple_of: int = 1) -> int:
    """Return the divisor of ``number`` that is closest to ``wanted`` as a ratio.

    >>> _nearest_divisor(25, 10), _nearest_divisor(75, 50, multiple_of=15), _nearest_divisor(97, 50)
    (5, 75, 97)
    """
    candidates = [
        each for each in range(multiple_of, number + 1, multiple_of) if number % each == 0
    ]
    return min(candidates, key=lambda each: abs(math.log(each / wanted)), default=multiple_of)


def _settings(each: LearnedFamily | Task) -> Any:
    """Return it as what it is beside its protocol: a dataclass."""
    return each


def trained(
    path: str | Path, task: str, recipe: Recipe, seed: int, logger: logging.Logger
) -> dict[str, Any]:
    """Meta-train an optimizer and store it at ``path``; return its metadata.

    The training curve is stored beside it as ``<name>.csv``. A checkpoint is kept beside it meanwhile: the
    same call goes on from there, whatever ended the first.

    Raises:
        ValueError: if there is no such task, or the memory budget is too small.
        MetaTrainingError: if the training fails, or what it led to learned nothing.
    """
    path = Path(path)
    training = Training(
        make_task(task), make_family(recipe.optimizer), recipe.settings, recipe.steps
    )
    facts = {
        "problem": dataclasses.asdict(_settings(training.task)),
        "steps": recipe.steps,
        "optimizer": {
            "family": recipe.optimizer["family"],
            **dataclasses.asdict(_settings(training.family)),
        },
        "meta_training": dataclasses.asdict(recipe.settings),
    }
    metadata = provenance.describe({"task": task, **facts}, task=task, seed=seed, **facts)
    checkpoint = path.with_name(f"{path.stem}.checkpoint.npz")
    with resumable(training, seed, checkpoint, metadata, logger) as outcome:
        if outcome.error:
            raise outcome.error
        return store_trained(
            path, path.with_suffix(".csv"), training, seed, outcome.state, outcome.curve, metadata
        )
