"""What tests share: the CPU, one thread, no display, float64 on request, one run of the whole workflow."""

import os
from pathlib import Path

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["NPROC"] = "1"  # threads of XLA: the cores are for processes that test side by side
os.environ["MPLBACKEND"] = "Agg"

import jax
import pytest
from workflow_project import copy_project, snakemake


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one group run in one process (with pytest -n 2 --dist loadgroup), in this order.

    The run of the whole workflow happens once, and first, since it takes longest. Other groups are files,
    for their fixtures and for what they compile.
    """
    items.sort(key=lambda item: "finished" not in item.fixturenames)
    for item in items:
        group = "finished" if "finished" in item.fixturenames else item.path.stem
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture
def x64():
    """The test runs in float64."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """A copy of the project in which the smoke scale has run; tests leave it as they found it."""
    folder = copy_project(tmp_path_factory.mktemp("project"))
    run = snakemake(folder, "--config", "scale=smoke")
    assert run.returncode == 0, run.stdout[-5000:]
    return folder
