"""Prepare a process before JAX is imported: threads, precision, device, log, Ctrl-C.

XLA sizes its thread pool from ``NPROC`` (it ignores ``OMP_NUM_THREADS``) and reads its settings once, at
import; the workflow's scripts therefore call ``prepare`` before they import anything that imports JAX. What
the user's shell exports for other purposes is kept out of the job: see ``lopt.process.environment``.
"""

import importlib.util
import logging
import os
import pkgutil
import re
import signal
import sys
from pathlib import Path

from lopt.process import environment
from lopt.process.compiled import keep_in
from lopt.process.gpu_slots import NoGPUError, take_gpu

__all__ = ["prepare"]

COMPILED = Path(".snakemake/compiled")


def prepare(
    *,
    threads: int = 1,
    x64: bool = False,
    training: bool = False,
    gpus: int = 0,
    gpu_memory_percent: int | None = None,
    log: str | Path | None = None,
    compiled: str | Path | None = COMPILED,
) -> logging.Logger:
    """Set this process up and return its logger; from then on Ctrl-C ends it at once.

    Args:
        threads: CPU threads that XLA may use.
        x64: float64 by default (the analysis) instead of float32 (training).
        training: the job trains or tunes, for minutes: compiled for that.
        gpus: 0 for the CPU; otherwise a free GPU of this machine is taken, unless
            ``CUDA_VISIBLE_DEVICES`` already says which (as a cluster's scheduler does), or that there is
            none.
        gpu_memory_percent: the most of the GPU's memory that this job may take; memory is taken as it
            is needed, so that jobs can share a GPU.
        log: file that gets the log and the traceback of an uncaught error.
        compiled: folder of compiled programs, which spares the next process that runs one of them its
            compilation (the seeds of a task, a job that goes on); None for none. JAX's own setting,
            ``JAX_COMPILATION_CACHE_DIR``, goes before it.

    Raises:
        RuntimeError: if JAX was imported already, when none of this would have an effect.
        NoGPUError: if a GPU is asked for and there is none, or JAX can't use it.
    """
    if "jax" in sys.modules:
        raise RuntimeError("lopt.process.prepare must be called before jax is imported")
    removed = environment.clean(os.environ, gpu=bool(gpus))
    os.environ["NPROC"] = str(threads)
    os.environ["JAX_ENABLE_X64"] = "1" if x64 else "0"
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ[f"{library}_NUM_THREADS"] = str(threads)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if compiled is not None:
        keep_in(compiled)
    logger = _open_log(log)
    for entry in removed:
        logger.info("ignored, since it would change or break this job: %s", entry)
    _let_interrupts_end_the_process()
    if gpus:
        _use_gpu(logger, gpu_memory_percent)
    else:
        os.environ["JAX_PLATFORMS"] = "cpu"
        harmless = os.environ.get("XLA_FLAGS", "").split()
        os.environ["XLA_FLAGS"] = " ".join(
            [*harmless, *environment.cpu_flags(x64=x64, training=training)]
        )
    return logger


def _use_gpu(logger: logging.Logger, memory_percent: int | None) -> None:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and re.match(r"\s*($|-|nodevfiles|none|void)", visible.lower()):
        raise _no_gpu(f"CUDA_VISIBLE_DEVICES is {visible!r}: whoever set it gives this job none")
    if visible is None:
        try:
            os.environ["CUDA_VISIBLE_DEVICES"] = take_gpu()
        except NoGPUError as error:
            raise _no_gpu(error.reason) from None
        os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    logger.info("CUDA_VISIBLE_DEVICES=%s", os.environ["CUDA_VISIBLE_DEVICES"])
    if not _has_cuda_plugin():
        raise _no_gpu("the installed JAX has no CUDA: pip install -e '.[cuda]'")
    # Without this JAX would run on the CPU, hours instead of minutes, when the GPU fails to start.
    os.environ["JAX_PLATFORMS"] = "cuda"
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if memory_percent is not None:
        os.environ.pop("XLA_PYTHON_CLIENT_MEM_FRACTION", None)  # refused beside the newer name
        os.environ["XLA_CLIENT_MEM_FRACTION"] = str(memory_percent / 100)


def _let_interrupts_end_the_process() -> None:
    """Let Ctrl-C end this process at once, as SIGTERM does.

    Python's own handler raises an exception, which is lost where nothing can catch it (in a callback
    from XLA, the garbage collector or ``__del__``): the job would go on although its workflow has ended.
    Results and checkpoints are moved into place whole, so none is left half-written. A process that
    ignores Ctrl-C still does.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


class _LogFile(logging.Handler):
    """A log file; what can't be written to it (a full disk) is one line on the terminal, once."""

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self.path, self._complained = path, False
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o666)

    def emit(self, record: logging.LogRecord) -> None:
        # At once and past Python's buffers, which would try again, and fail again, at the end.
        try:
            os.write(self._descriptor, (self.format(record) + "\n").encode(errors="replace"))
        except OSError as error:
            if not self._complained:
                self._complained = True
                _complain(self.path, error)
        except Exception:
            self.handleError(record)  # of a call that is wrong itself


def _complain(path: str | Path, error: OSError) -> None:
    if sys.stderr is not None:
        lost = f"{path}: the log can't be written ({error.strerror or error}); its lines are lost"
        print(lost, file=sys.stderr)


def _open_log(path: str | Path | None) -> logging.Logger:
    logger = logging.getLogger("lopt")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.handlers.clear()
    if path is None:
        return logger
    try:
        handler = _LogFile(path)
    except OSError as error:
        _complain(path, error)
        return logger
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    logger.addHandler(handler)
    default_hook = sys.excepthook

    def log_and_raise(kind, error, traceback) -> None:
        logger.error("%s: %s", kind.__name__, error, exc_info=(kind, error, traceback))
        default_hook(kind, error, traceback)

    sys.excepthook = log_and_raise
    return logger


def _no_gpu(reason: str) -> NoGPUError:
    return NoGPUError(
        reason,
        f"this job asks for a GPU (device: gpu in the configuration), but {reason}. "
        "To run it on the CPU: --config 'study={device: cpu}'",
    )


def _has_cuda_plugin() -> bool:
    """Whether JAX will find CUDA, by its own rule: a module in the namespace package jax_plugins."""
    plugins = importlib.util.find_spec("jax_plugins")
    folders = plugins.submodule_search_locations if plugins else []
    return any("cuda" in module.name for module in pkgutil.iter_modules(folders))
