"""The study's settings as the workflow resolves them, for the benchmarks beside this file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from lopt.config import resolve, resolve_study

ROOT = Path(__file__).parents[1]


def paper(task: str) -> dict[str, Any]:
    """Return the settings of ``task`` at the scale ``paper``."""
    return resolve_study({**_config()["study"], "tasks": [task]})["tasks"][task]


def task(name: str, scale: str) -> dict[str, Any]:
    """Return the settings of a task at a scale."""
    return resolve(_config())[scale]["tasks"][name]


def changed(settings: dict[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """Return a task's settings with KEY=VALUE changes of its optimizer or its meta-training.

    Raises:
        SystemExit: if there is no such key, or no value.
    """
    settings = dict(settings)
    for change in changes:
        key, equals, value = change.partition("=")
        parts = [part for part in ("optimizer", "meta_training") if key in settings[part]]
        if not (equals and parts):
            raise SystemExit(f"--set {change}: expected KEY=VALUE of the optimizer or the recipe")
        settings[parts[0]] = {**settings[parts[0]], key: _value(value)}
    return settings


def _value(text: str) -> Any:
    """Return what the text means; YAML 1.1 alone takes 1e-3 for text."""
    value = yaml.safe_load(text)
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _config() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "config.yaml").read_text())
