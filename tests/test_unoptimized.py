"""Programs that the tests compile are not optimized, and nothing in the environment says so."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
from jax._src.lib import xla_client
from workflow_project import environment

from lopt.process.environment import cpu_flags


def level() -> int:
    """XLA's level of optimization in this process."""
    jax.devices()
    options = xla_client.CompileOptions().executable_build_options.debug_options
    return options.xla_backend_optimization_level


def test_this_process_and_the_workflows_compile_without_optimization():
    exported = os.environ.get("XLA_FLAGS")
    assert level() == 0
    assert os.environ.get("XLA_FLAGS") == exported
    program = (
        "import lopt.process; lopt.process.prepare(); import os, jax; jax.devices()\n"
        "from jax._src.lib import xla_client\n"
        "options = xla_client.CompileOptions().executable_build_options.debug_options\n"
        "print(options.xla_backend_optimization_level, os.environ.get('XLA_FLAGS', ''))"
    )
    exporting = {**environment(), "XLA_FLAGS": "--xla_backend_optimization_level=2"}
    run = [sys.executable, "-c", program]
    done = subprocess.run(run, env=exporting, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", *cpu_flags()]


def test_it_computes_what_the_optimized_program_does():
    numbers = np.random.default_rng(0).normal(size=(8, 8)).astype(np.float32)

    def function(x):
        return jnp.tanh(x @ x.T + jnp.exp(-(x**2))).sum(0)

    optimized = jax.jit(function, compiler_options={"xla_backend_optimization_level": 2})
    np.testing.assert_allclose(jax.jit(function)(numbers), optimized(numbers), rtol=1e-5)
