"""The study's settings as the workflow resolves them, for the benchmarks beside this file."""

from pathlib import Path
from typing import Any

import yaml

from lopt.config import resolve, resolve_study

ROOT = Path(__file__).parents[1]


def paper(task: str) -> dict[str, Any]:
    """Return the settings of ``task`` at the scale ``paper``."""
    config, schema = _files()
    return resolve_study({**config["study"], "tasks": [task]}, schema)["tasks"][task]


def task(name: str, scale: str) -> dict[str, Any]:
    """Return the settings of a task at a scale."""
    return resolve(*_files())[scale]["tasks"][name]


def _files() -> tuple[dict[str, Any], dict[str, Any]]:
    return tuple(
        yaml.safe_load((ROOT / path).read_text())
        for path in ("config.yaml", "schemas/config.schema.yaml")
    )
