"""The study's settings as the workflow resolves them, for the benchmarks beside this file."""

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


def _config() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "config.yaml").read_text())
