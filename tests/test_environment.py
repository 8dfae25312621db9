"""The conda environment and the container hold what requirements.lock does."""

import re
import runpy
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
generate = runpy.run_path(str(ROOT / "envs/generate.py"))


def test_conda_environment_is_the_locks() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    text = (ROOT / "envs/lopt.yaml").read_text()
    assert text == generate["environment"](lock), "run: python envs/generate.py"

    dependencies = yaml.safe_load(text)["dependencies"]
    found = {tuple(entry.split(" ; ")[0].split("==")) for entry in dependencies[-1]["pip"]}
    assert found == set(re.findall(r"^([\w.-]+)==([\w.]+)", lock, flags=re.MULTILINE))
    assert ("jax", "0.10.2") in found


def test_container_installs_the_lock_on_the_same_python() -> None:
    text = (ROOT / "envs/Dockerfile").read_text()
    python = yaml.safe_load((ROOT / "envs/lopt.yaml").read_text())["dependencies"][0]
    assert f"FROM python:{python.removeprefix('python=')}-" in text
    assert "pip install --no-cache-dir --require-hashes -r requirements.lock" in text
    ignored = (ROOT / "envs/Dockerfile.dockerignore").read_text().split()
    needed = ["Snakefile", "config.yaml", "rules", "schemas", "workflow", "lopt", "envs/lopt.yaml"]
    assert {f"!{name}" for name in needed} <= set(ignored)
