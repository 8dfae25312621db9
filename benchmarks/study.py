"""The study's settings as the workflow resolves them, for the benchmarks beside this file."""

from pathlib import Path
from typing import Any

import yaml

from lopt.config import resolve_study

ROOT = Path(__file__).parents[1]


def paper(task: str) -> dict[str, Any]:
    """Return the settings of ``task`` at the scale ``paper``."""
    study = yaml.safe_load((ROOT / "config.yaml").read_text())["study"]
    schema = yaml.safe_load((ROOT / "schemas/config.schema.yaml").read_text())
    return resolve_study({**study, "tasks": [task]}, schema)["tasks"][task]
