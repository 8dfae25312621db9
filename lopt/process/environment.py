"""What people export, kept out of jobs: a result must not depend on the shell that it was computed from.

Profiles and notebooks export settings of JAX, XLA, NumPy and matplotlib for purposes of their own. Of these,

* what changes numbers is removed: every setting of JAX but those of its cache, log and tracebacks (so that
  one that a later version adds is removed, too), XLA's flags on a CPU, and what makes BLAS choose other
  kernels. On a GPU XLA's flags stay, since drivers may need them, and belong to the result's identity and
  metadata (``result_flags``);
* what would break a job is replaced: the display that figures are drawn for, the platform, two settings of
  the share of GPU memory that JAX refuses together, and warnings as errors.

What XLA gets instead on a CPU are the flags with which these programs run fastest (``cpu_flags``).
"""

import importlib.metadata
import os
import warnings
from collections.abc import Iterator, MutableMapping

__all__ = ["clean", "cpu_flags", "result_flags"]

# Settings of JAX that change no number: where compiled programs are kept, and what is told.
HARMLESS_OF_JAX = (
    "JAX_CAPTURED_CONSTANTS_",
    "JAX_COMPILATION_CACHE_",
    "JAX_DEBUG_LOG_MODULES",
    "JAX_DUMP_IR_",
    "JAX_ENABLE_COMPILATION_CACHE",
    "JAX_EXPLAIN_",
    "JAX_INCLUDE_",
    "JAX_LOG",
    "JAX_PERSISTENT_CACHE_",
    "JAX_PPRINT_",
    "JAX_RAISE_PERSISTENT_CACHE_ERRORS",
    "JAX_TRACEBACK_",
)
HARMLESS_OF_XLA = ("--xla_dump", "--xla_gpu_cuda_data_dir", "--xla_log", "--xla_hlo_profile")
CHANGING_NUMBERS = (
    "DNNL_MAX_CPU_ISA",
    "MKL_CBWR",
    "MKL_DEBUG_CPU_TYPE",
    "MKL_ENABLE_INSTRUCTIONS",
    "NPY_DISABLE_CPU_FEATURES",
    "NPY_ENABLE_CPU_FEATURES",
    "NPY_PROMOTION_STATE",
    "NVIDIA_TF32_OVERRIDE",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
    "TF_XLA_FLAGS",
    "XLA_IR_DEBUG",
)
# XLA hands products and sums, with what surrounds them, to a library that keeps every intermediate array
# (XLA's issue 46351): a GRU's run on a network takes 1.3 times as long. In float64, and for the small
# products of meta-training, the library's are the faster ones. These are the versions that have the flag;
# others refuse to start with it.
WITH_YNN = (0, 10), (0, 12)
BREAKING = ("MATPLOTLIBRC", "PYTHONWARNINGS")


def clean(variables: MutableMapping[str, str], *, gpu: bool = False) -> list[str]:
    """Take out of ``variables`` what must not reach a job's results; return it as NAME=value.

    >>> variables = {"JAX_THREEFRY_PARTITIONABLE": "0", "JAX_LOG_COMPILES": "1", "HOME": "/home/me"}
    >>> clean(variables), variables["HOME"], variables["JAX_LOG_COMPILES"]
    (['JAX_THREEFRY_PARTITIONABLE=0'], '/home/me', '1')
    """
    removed = [f"{name}={variables.pop(name)}" for name in list(_unwanted(variables))]
    flags = variables.get("XLA_FLAGS", "").split()
    kept = [flag for flag in flags if gpu or flag.startswith(HARMLESS_OF_XLA)]
    if kept != flags:
        removed.append(f"XLA_FLAGS={' '.join(flag for flag in flags if flag not in kept)}")
        variables["XLA_FLAGS"] = " ".join(kept)
    # JAX reads the second name only for old times' sake, and refuses both.
    if "XLA_CLIENT_MEM_FRACTION" in variables and "XLA_PYTHON_CLIENT_MEM_FRACTION" in variables:
        removed.append(
            f"XLA_PYTHON_CLIENT_MEM_FRACTION={variables.pop('XLA_PYTHON_CLIENT_MEM_FRACTION')}"
        )
    if any(entry.startswith("PYTHONWARNINGS=") for entry in removed):
        warnings.resetwarnings()
        for category in (DeprecationWarning, ImportWarning, PendingDeprecationWarning):
            warnings.simplefilter("ignore", category)
    variables["MPLBACKEND"] = "Agg"
    return removed


def cpu_flags(*, x64: bool = False, training: bool = False) -> list[str]:
    """Return the flags of XLA that a job on the CPU runs with (``benchmarks/run_on_network.py``).

    Vectors as wide as the machine's: XLA leaves AVX-512's upper half idle, but its products don't. And LLVM's
    first level of optimization, but for what runs for minutes: the others take a fifth more to compile.

    Args:
        x64: the job computes in float64.
        training: it trains or tunes.
    """
    flags = ["--xla_cpu_prefer_vector_width=512"]
    if training:
        return flags
    flags.append("--xla_backend_optimization_level=1")
    version = importlib.metadata.version("jaxlib").split(".")
    if not x64 and WITH_YNN[0] <= tuple(map(int, version[:2])) < WITH_YNN[1]:
        flags.append("--xla_cpu_experimental_ynn_fusion_type=")
    return flags


def result_flags() -> dict[str, str]:
    """Return the exported flags that are left and may change results, for identity and metadata.

    On a CPU those of ``cpu_flags`` are not exported, and follow from the versions, which are in the metadata.
    """
    flags = os.environ.get("XLA_FLAGS", "").split()
    own = cpu_flags() if os.environ.get("JAX_PLATFORMS") == "cpu" else []  # all that there are
    changing = [flag for flag in flags if not flag.startswith(HARMLESS_OF_XLA) and flag not in own]
    return {"XLA_FLAGS": " ".join(changing)} if changing else {}


def _unwanted(variables: MutableMapping[str, str]) -> Iterator[str]:
    for name in variables:
        if name in CHANGING_NUMBERS or name in BREAKING:
            yield name
        elif name.startswith("JAX_") and not name.startswith(HARMLESS_OF_JAX):
            yield name
