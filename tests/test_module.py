"""The workflow as a module of another one, with its configuration replaced."""

import filecmp
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from workflow_process import ROOT, THETA, TINY
from workflow_project import environment

from lopt.config import merge

OUTER = """\
import yaml

with open("mine.yaml") as file:
    mine = yaml.safe_load(file)


module lopt:
    snakefile:
        {source}
    config:
        mine


use rule * from lopt as lopt_*


rule everything:
    default_target: True
    input:
        rules.lopt_meta_training.input,
"""


def workflow(folder: Path, source: str, *arguments: str, **variables: str) -> str:
    """Run another workflow, which takes this one from ``source``; return what it prints."""
    configuration = yaml.safe_load((ROOT / "config.yaml").read_text())
    tasks = {"linear_regression": {**TINY, "seeds": [7]}}
    scales = configuration["scales"]
    configuration["scales"] = {
        "mine": merge(scales["smoke"], {"settings": tasks}),
        "released": scales["released"],
    }
    configuration["scale"] = "mine"
    (folder / "mine.yaml").write_text(yaml.safe_dump(configuration))
    (folder / "Snakefile").write_text(OUTER.format(source=source))
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1", *arguments],
        cwd=folder,
        env=environment() | variables,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.workflow
def test_from_a_local_path(tmp_path: Path) -> None:
    theta = THETA.replace("smoke", "mine").replace("seed_0", "seed_7")
    printed = workflow(tmp_path, repr(str(ROOT / "Snakefile")), "--", theta)
    assert "lopt_meta_train" in printed
    assert (tmp_path / theta).exists()


@pytest.fixture
def git_host(tmp_path: Path) -> dict[str, str]:
    """An environment in which github(...) finds its clone in Snakemake's cache: no network is needed."""
    source = tmp_path / "source"
    tracked = ("Snakefile", "rules", "schemas", "workflow", "envs", "weights")
    for name in tracked:  # but not the package, which has to be installed
        for path in [ROOT / name] if (ROOT / name).is_file() else (ROOT / name).rglob("*"):
            if path.is_file():
                copy = source / path.relative_to(ROOT)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(path.read_bytes())
    identity = ("-c", "user.name=lopt", "-c", "user.email=lopt@localhost")
    for arguments in (["init"], ["add", "--all"], ["commit", "-m", "All"], ["tag", "v1"]):
        subprocess.run(["git", *identity, *arguments], cwd=source, check=True, capture_output=True)
    cache = tmp_path / "cache/snakemake/snakemake/source-cache/snakemake-git-cache/github.com"
    subprocess.run(
        ["git", "clone", "--bare", source, cache / "someone/lopt"], check=True, capture_output=True
    )
    return {"XDG_CACHE_HOME": str(tmp_path / "cache")}


HOSTED = 'github("someone/lopt", path="Snakefile", tag="v1")'


def test_from_a_git_host(tmp_path: Path, git_host: dict[str, str]) -> None:
    here = tmp_path / "here"
    here.mkdir()
    printed = workflow(here, HOSTED, "--dry-run", PYTHONPATH="", **git_host)
    assert "seed=7" in printed and "scale=mine" in printed
    assert "seed=0" in printed  # the other tasks keep their seeds


@pytest.mark.workflow
def test_weights_from_a_git_host(tmp_path: Path, git_host: dict[str, str]) -> None:
    """Byte by byte, though Snakemake reads files of a Git host as text."""
    here = tmp_path / "here"
    here.mkdir()
    theta = "results/released/meta_training/rosenbrock/seed_0/theta.npz"
    installed = {"PYTHONPATH": str(ROOT)}
    workflow(here, HOSTED, "--", theta, **git_host, **installed)
    assert filecmp.cmp(here / theta, ROOT / "weights/rosenbrock/seed_0.npz", shallow=False)
    moved = tmp_path / "moved"
    here.rename(moved)
    printed = workflow(moved, HOSTED, "--dry-run", "--", theta, **git_host, **installed)
    assert "Nothing to be done" in printed
