"""Prepare a process before JAX is imported: threads, precision, device, log, Ctrl-C.

XLA sizes its thread pool from ``NPROC`` (it ignores ``OMP_NUM_THREADS``) and reads its settings once, at
import; the workflow's scripts therefore call ``prepare`` before they import anything that imports JAX.
"""

import fcntl
import hashlib
import importlib.util
import logging
import os
import pkgutil
import platform
import signal
import sys
import tempfile
from pathlib import Path
from typing import IO

__all__ = ["prepare"]

DEVICES = Path("/dev")
COMPILED = Path(".snakemake/compiled")
_held_slot: IO[str] | None = None  # keeps the GPU's lock for the life of the process


def prepare(
    *,
    threads: int = 1,
    x64: bool = False,
    gpus: int = 0,
    gpu_memory_percent: int | None = None,
    log: str | Path | None = None,
    compiled: str | Path | None = COMPILED,
) -> logging.Logger:
    """Set this process up and return its logger; from then on Ctrl-C ends it at once.

    Args:
        threads: CPU threads that XLA may use.
        x64: float64 by default (the analysis) instead of float32 (training).
        gpus: 0 for the CPU; otherwise a free GPU of this machine is taken, unless
            ``CUDA_VISIBLE_DEVICES`` already says which (as a cluster's scheduler does).
        gpu_memory_percent: the most of the GPU's memory that this job may take; memory is taken as it
            is needed, so that jobs can share a GPU.
        log: file that gets the log and the traceback of an uncaught error.
        compiled: folder of compiled programs, which spares the next process that runs one of them its
            compilation (the seeds of a task, a job that goes on); None for none. JAX's own setting,
            ``JAX_COMPILATION_CACHE_DIR``, goes before it.

    Raises:
        RuntimeError: if JAX was imported already, when none of this would have an effect; if a GPU is
            asked for and there is none, or JAX can't use it.
    """
    if "jax" in sys.modules:
        raise RuntimeError("lopt.process.prepare must be called before jax is imported")
    os.environ["NPROC"] = str(threads)
    os.environ["JAX_ENABLE_X64"] = "1" if x64 else "0"
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ[f"{library}_NUM_THREADS"] = str(threads)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if compiled is not None:
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(compiled, _kind_of_cpu())))
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    logger = _open_log(log)
    _let_interrupts_end_the_process()
    if gpus:
        if not os.environ.get("CUDA_VISIBLE_DEVICES"):
            os.environ["CUDA_VISIBLE_DEVICES"] = _take_gpu_slot()
        logger.info("CUDA_VISIBLE_DEVICES=%s", os.environ["CUDA_VISIBLE_DEVICES"])
        if not _has_cuda_plugin():
            raise RuntimeError(_no_gpu("the installed JAX has no CUDA: pip install -e '.[cuda]'"))
        # Without this JAX would run on the CPU, hours instead of minutes, when the GPU fails to start.
        os.environ.setdefault("JAX_PLATFORMS", "cuda")
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        if gpu_memory_percent is not None:
            os.environ.setdefault("XLA_CLIENT_MEM_FRACTION", str(gpu_memory_percent / 100))
    else:
        os.environ["JAX_PLATFORMS"] = "cpu"
    return logger


def _let_interrupts_end_the_process() -> None:
    """Let Ctrl-C end this process at once, as SIGTERM does.

    Python's own handler raises an exception, which is lost where nothing can catch it (in a callback
    from XLA, the garbage collector or ``__del__``): the job would go on although its workflow has ended.
    Results and checkpoints are moved into place whole, so none is left half-written. A process that
    ignores Ctrl-C still does.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _kind_of_cpu() -> str:
    """A name for this machine's kind of CPU.

    A cluster's nodes share folders. Code compiled for one kind may crash on another, of which XLA only warns.
    """
    description = platform.processor() + platform.machine()
    if (cpuinfo := Path("/proc/cpuinfo")).exists():
        kinds = ("model name", "flags", "Features", "CPU part")  # the last two: on ARM
        lines = cpuinfo.read_text().splitlines()
        description += "\n".join(sorted({line for line in lines if line.startswith(kinds)}))
    return hashlib.sha256(description.encode()).hexdigest()[:16]


def _open_log(path: str | Path | None) -> logging.Logger:
    logger = logging.getLogger("lopt")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.handlers.clear()
    if path is not None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(path, mode="a")
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
        logger.addHandler(handler)
        default_hook = sys.excepthook

        def log_and_raise(kind, error, traceback) -> None:
            logger.error("%s: %s", kind.__name__, error, exc_info=(kind, error, traceback))
            default_hook(kind, error, traceback)

        sys.excepthook = log_and_raise
    return logger


def _no_gpu(reason: str) -> str:
    return (
        f"this job asks for a GPU (device: gpu in the configuration), but {reason}. "
        "To run it on the CPU: --config 'study={device: cpu}'"
    )


def _has_cuda_plugin() -> bool:
    """Whether JAX will find CUDA, by its own rule: a module in the namespace package jax_plugins."""
    plugins = importlib.util.find_spec("jax_plugins")
    folders = plugins.submodule_search_locations if plugins else []
    return any("cuda" in module.name for module in pkgutil.iter_modules(folders))


def _take_gpu_slot() -> str:
    """Lock the least-used GPU of this machine for the life of this process and return its index."""
    global _held_slot
    gpus = sorted(DEVICES.glob("nvidia[0-9]*"))
    if not gpus:
        raise RuntimeError(_no_gpu("this machine has none (no /dev/nvidia0)"))
    folder = Path(tempfile.gettempdir()) / f"lopt-gpu-slots-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    # Round after round of slots: the first round gives every GPU one job, the next ones share.
    for share in range(64):
        for gpu in gpus:
            slot = open(folder / f"{gpu.name}.{share}", "w")
            try:
                fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                slot.close()
                continue
            _held_slot = slot
            return gpu.name.removeprefix("nvidia")
    raise RuntimeError(f"all {len(gpus)} GPUs are shared by 64 jobs each")
