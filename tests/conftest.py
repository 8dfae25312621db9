"""What every test shares: the CPU, no display, and float64 on request."""

import os

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["MPLBACKEND"] = "Agg"

import jax
import pytest


@pytest.fixture
def x64():
    """The test runs in float64."""
    with jax.enable_x64(True):
        yield
