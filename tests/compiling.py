"""Compilation for tests: most programs run once, so that compiling them is the cost.

An unoptimized program compiles twice as fast and computes the same, up to rounding.
"""

from functools import partial

import jax

jit = partial(
    jax.jit,
    compiler_options={
        "xla_backend_optimization_level": 0,
        "xla_llvm_disable_expensive_passes": True,
    },
)
