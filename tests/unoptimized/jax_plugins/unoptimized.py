"""Compilation for tests: most programs run once, so that compiling them is the cost.

Without optimization and fused kernels XLA compiles four times as fast, and what it compiles computes the
same, up to rounding. JAX looks for modules of the namespace package ``jax_plugins`` before it compiles
anything, and calls their ``initialize``: the folder above on a process's path is enough, whichever way the
process cleans its environment, and whichever flags it sets. XLA reads its flags once, so that neither the
process nor those that it starts see an exported one.
"""

import os

from jaxlib import xla_client

FLAGS = (
    "--xla_backend_optimization_level=0",
    "--xla_cpu_use_fusion_emitters=false",  # their programs are lowered in many more passes
    "--xla_cpu_parallel_codegen_split_count=1",
)


def initialize() -> None:
    """Have XLA read the flags."""
    exported = os.environ.pop("XLA_FLAGS", None)
    os.environ["XLA_FLAGS"] = " ".join(FLAGS if exported is None else (exported, *FLAGS))
    xla_client.CompileOptions()
    del os.environ["XLA_FLAGS"]
    if exported is not None:
        os.environ["XLA_FLAGS"] = exported
