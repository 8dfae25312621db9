"""The conda environment and the container hold what requirements.lock does."""

import re
import runpy
import tomllib
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
    # Nothing is fetched to build the package, whose builder the lock has with its hashes.
    makefile = (ROOT / "Makefile").read_text()
    for file in (text, makefile):
        installs = re.findall(r"pip install[^\n;]* -e [^\n;]*", file)
        assert installs and all("--no-build-isolation" in line for line in installs)
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    lock = (ROOT / "requirements.lock").read_text()
    for requirement in build:
        name = re.match(r"[\w-]+", requirement)[0]
        assert re.search(rf"^{name}==\S+ \\\n    --hash=sha256:", lock, re.MULTILINE)
    ignored = (ROOT / "envs/Dockerfile.dockerignore").read_text().split()
    needed = ["Snakefile", "config.yaml", "rules", "schemas", "workflow", "lopt", "envs/lopt.yaml"]
    assert {f"!{name}" for name in needed} <= set(ignored)
