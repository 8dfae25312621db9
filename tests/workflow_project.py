"""A copy of the project for tests that run the workflow, so that they can change it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["ROOT", "UNOPTIMIZED", "copy_project", "environment", "snakemake"]

ROOT = Path(__file__).parent.parent
UNOPTIMIZED = str(Path(__file__).parent / "unoptimized")  # on the path: compilation takes a quarter
PARTS = [
    "Snakefile",
    "config.yaml",
    "rules",
    "workflow",
    "lopt",
    "schemas",
    "profiles",
    "envs",
    "weights",
]


def copy_project(folder: Path) -> Path:
    """Copy what the workflow consists of, into ``folder`` and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=ignore)
        else:
            shutil.copy(source, folder / part)
    return folder


def environment(*paths: object) -> dict[str, str]:
    """Variables for processes that compile without optimization, and each of lopt's files once.

    On their path ``paths`` come first, what is exported comes last.
    """
    exported = os.environ.get("PYTHONPATH")
    paths = (*paths, UNOPTIMIZED, *([exported] if exported else []))
    others = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**others, "PYTHONPATH": os.pathsep.join(map(str, paths))}


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Snakemake on such a copy, on two cores."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
    return subprocess.run(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(),
    )
