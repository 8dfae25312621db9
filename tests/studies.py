"""The project's configuration, resolved as the workflow does: settings by scale, and the study's own."""

from pathlib import Path

import yaml

from lopt.config import resolve, resolve_study
from lopt.config_schema import Schemas

__all__ = ["CONFIG", "REFERENCE", "SCHEMA", "STUDIES"]

ROOT = Path(__file__).parent.parent
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
SCHEMA = Schemas()
STUDIES = resolve(CONFIG, SCHEMA)
REFERENCE = resolve_study(CONFIG["study"], SCHEMA)
