"""What tests share: the CPU, no display, float64 on request, and one run of the whole workflow."""

import os
from pathlib import Path

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["MPLBACKEND"] = "Agg"

import jax
import pytest
from workflow_project import copy_project, snakemake


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
