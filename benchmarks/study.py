"""The study's settings as the workflow resolves them, for the benchmarks beside this file."""

import argparse
import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from lopt.config import ConfigError, MetaTrainingSettings, resolve, resolve_study
from lopt.fields import Seed
from lopt.records.store import StoreError

if TYPE_CHECKING:  # which imports JAX, and that has to wait until a script has chosen its device
    from lopt.meta_training.loop import State, Training

ROOT = Path(__file__).parents[1]


def paper(task: str) -> dict[str, Any]:
    """Return the settings of ``task`` at the scale ``paper``."""
    return resolve_study({**_config()["study"], "tasks": [task]})["tasks"][task]


def task(name: str, scale: str, changes: Sequence[str] = ()) -> dict[str, Any]:
    """Return the settings of a task at a scale, with KEY=VALUE changes of its optimizer or its recipe.

    Raises:
        SystemExit: if there is no such task or scale, or a change makes no sense; as config.yaml's would be.
    """
    config = _config()
    if scale not in config["scales"]:
        raise SystemExit(f"There is no scale {scale}; there are {', '.join(config['scales'])}.")
    known = _resolved(config, scale)["tasks"]
    if name not in known:
        raise SystemExit(f"The scale {scale} has no task {name}; it has {', '.join(known)}.")
    if not changes:
        return known[name]
    config = copy.deepcopy(config)
    entry = config["scales"][scale].setdefault("settings", {}).setdefault(name, {})
    recipe = {field.name for field in fields(MetaTrainingSettings)}
    for change in changes:
        key, equals, value = change.partition("=")
        parts = {"meta_training": recipe, "optimizer": known[name]["optimizer"]}
        part = next((part for part, keys in parts.items() if key in keys), None)
        if not (equals and part):
            raise SystemExit(f"--set {change}: expected KEY=VALUE of the optimizer or the recipe")
        entry.setdefault(part, {})[key] = _value(value)
    return _resolved(config, scale)["tasks"][name]


class Beginnings(NamedTuple):
    """A training, what its seeds begin with, and what the metadata of their optimizers say."""

    training: "Training"
    states: list["State"]
    metadata: list[dict[str, Any]]


def beginnings(task: str, settings: dict[str, Any], seeds: Sequence[int]) -> Beginnings:
    """Return a task's training as the workflow begins it, for several seeds.

    Raises:
        SystemExit: if there is no theta to start from where the settings name one.
    """
    from lopt.meta_training.run import beginning, from_settings

    problem = {**settings["problem"], **(settings["meta_training_problem"] or {})}
    folder = settings.get("start") and ROOT / settings["start"]
    states, metadata = [], []
    for seed in seeds:
        training, facts = from_settings(task, seed, {**settings, "problem": problem})
        try:
            state, origin = beginning(training, task, seed, folder)
        except (StoreError, ValueError) as error:
            raise SystemExit(f"start: {error}") from None
        states.append(state)
        metadata.append({**facts, **origin})
    return Beginnings(training, states, metadata)


def optimizer(path: str | Path) -> tuple[Any, Any, dict[str, Any]]:
    """Return family, theta and metadata of a stored optimizer.

    Raises:
        SystemExit: if the file is missing or damaged, or holds something else.
    """
    from lopt.learned.stored import load_optimizer

    try:
        return load_optimizer(path)
    except StoreError as error:
        raise SystemExit(str(error)) from None


def whole(smallest: int, largest: int | None = None) -> Callable[[str], int]:
    """Return what reads an argument that is a whole number of at least ``smallest``, at most ``largest``."""
    limits = f"of at least {smallest}" + ("" if largest is None else f" and at most {largest}")

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = smallest - 1
        if number < smallest or (largest is not None and number > largest):
            raise argparse.ArgumentTypeError(f"expected a whole number {limits}: {text!r}")
        return number

    return read


def seed(text: str) -> int:
    """Read an argument that is a seed, as the configuration bounds one."""
    (bounds,) = Seed.__metadata__
    return whole(bounds.minimum, bounds.maximum)(text)


def positive(*, or_zero: bool = False) -> Callable[[str], float]:
    """Return what reads an argument that is a positive number, not infinite and no NaN."""

    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not (0.0 < number < math.inf or (or_zero and number == 0.0)):
            least = "at least 0" if or_zero else "more than 0"
            raise argparse.ArgumentTypeError(f"expected a number, {least}: {text!r}")
        return number

    return read


def _resolved(config: dict[str, Any], scale: str) -> dict[str, Any]:
    try:
        return resolve(config)[scale]
    except ConfigError as error:
        raise SystemExit(str(error)) from None


def _value(text: str) -> Any:
    """Return what the text means; YAML 1.1 alone takes 1e-3 for text."""
    try:
        value = yaml.safe_load(text)
        return float(value) if isinstance(value, str) else value
    except (ValueError, yaml.YAMLError):
        return text


def _config() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "config.yaml").read_text())
