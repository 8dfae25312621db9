"""How a job's process is set up: above all, what it does about GPUs."""

import logging
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from lopt import process, provenance
from lopt.process import environment

PATH = str(Path(__file__).parents[1])  # this package, whichever is installed


def prepare_elsewhere(folder: Path, arguments: str, before: str = "", **environment: str) -> str:
    """Call ``prepare`` in a fresh process; return what it printed, its settings last."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CUDA", "JAX", "XLA", "NPROC"))
    }
    program = (
        f"import os, lopt.process\n{before}\nlopt.process.prepare(log='job.log', {arguments})\n"
        "print({k: v for k, v in os.environ.items() if k.startswith(('JAX', 'XLA', 'NPROC', 'CUDA', 'MPL'))})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**clean, "PYTHONPATH": PATH, **environment},
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr


def test_a_cpu_job_never_takes_a_gpu(tmp_path: Path) -> None:
    printed = prepare_elsewhere(tmp_path, "threads=3, x64=True", CUDA_VISIBLE_DEVICES="0")
    assert "'JAX_PLATFORMS': 'cpu'" in printed
    assert "'NPROC': '3'" in printed and "'JAX_ENABLE_X64': '1'" in printed


@pytest.mark.parametrize(("before", "ends"), [("default_int_handler", True), ("SIG_IGN", False)])
def test_ctrl_c_ends_a_job_even_where_python_loses_exceptions(before: str, ends: bool) -> None:
    program = f"""
import signal
signal.signal(signal.SIGINT, signal.{before})
import lopt.process
lopt.process.prepare()

class Collected:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)
        sum(range(1000))

Collected()
print("went on")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == (-signal.SIGINT if ends else 0), done.stderr
    assert done.stdout == ("" if ends else "went on\n")


@pytest.mark.parametrize(
    ("visible", "reason"),
    [
        ("", "CUDA_VISIBLE_DEVICES is ''"),  # what a cluster sets for a job without GPU
        ("-1", "CUDA_VISIBLE_DEVICES is '-1'"),
        ("NoDevFiles", "CUDA_VISIBLE_DEVICES is 'NoDevFiles'"),
        ("0", "the installed JAX has no CUDA: pip install -e '.[cuda]'"),
    ],
)
def test_a_gpu_job_without_gpu_says_what_to_do(tmp_path: Path, visible: str, reason: str) -> None:
    hidden = "lopt.process.preparation._has_cuda_plugin = lambda: False"
    printed = prepare_elsewhere(tmp_path, "gpus=1", hidden, CUDA_VISIBLE_DEVICES=visible)
    expected = f"this job asks for a GPU (device: gpu in the configuration), but {reason}"
    for text in (printed, (tmp_path / "job.log").read_text()):
        assert expected in text
        assert "To run it on the CPU: --config 'study={device: cpu}'" in text


def test_a_machine_without_gpu_says_so(tmp_path: Path) -> None:
    none = f"import pathlib; lopt.process.gpu_slots.DEVICES = pathlib.Path({str(tmp_path)!r})"
    printed = prepare_elsewhere(tmp_path, "gpus=1", none)
    assert "but this machine has none (no /dev/nvidia0)" in printed


def test_a_gpu_job_does_not_fall_back_to_the_cpu(tmp_path: Path) -> None:
    plugin = tmp_path / "jax_plugins" / "xla_cuda13"
    plugin.mkdir(parents=True)
    (plugin / "__init__.py").touch()
    path = os.pathsep.join([str(tmp_path), PATH])
    printed = prepare_elsewhere(
        tmp_path,
        "gpus=1, gpu_memory_percent=45",
        CUDA_VISIBLE_DEVICES="1",
        PYTHONPATH=path,
        JAX_PLATFORMS="cpu",
        XLA_PYTHON_CLIENT_MEM_FRACTION="0.9",
        XLA_FLAGS="--xla_gpu_deterministic_ops=true",
    )
    assert "XLA_PYTHON_CLIENT_MEM_FRACTION" not in printed
    assert "'XLA_FLAGS': '--xla_gpu_deterministic_ops=true'" in printed  # stays, and is recorded
    assert "'JAX_PLATFORMS': 'cuda'" in printed
    assert "'XLA_CLIENT_MEM_FRACTION': '0.45'" in printed
    assert "'XLA_PYTHON_CLIENT_PREALLOCATE': 'false'" in printed
    assert "CUDA_VISIBLE_DEVICES=1" in (tmp_path / "job.log").read_text()


EXPORTED = {
    "JAX_THREEFRY_PARTITIONABLE": "0",
    "JAX_DEFAULT_PRNG_IMPL": "rbg",
    "JAX_RANDOM_SEED_OFFSET": "7",
    "JAX_DEBUG_NANS": "1",
    "JAX_DISABLE_JIT": "1",
    "JAX_ENABLE_X64": "1",
    "JAX_PLATFORMS": "cuda",
    "JAX_PLATFORM_NAME": "gpu",
    "JAX_NUMPY_RANK_PROMOTION": "raise",
    "JAX_DEFAULT_MATMUL_PRECISION": "bfloat16",
    "JAX_A_SETTING_OF_A_LATER_VERSION": "1",
    "XLA_FLAGS": "--xla_force_host_platform_device_count=8 --xla_cpu_enable_fast_math=true",
    "XLA_PYTHON_CLIENT_MEM_FRACTION": ".5",
    "XLA_CLIENT_MEM_FRACTION": ".5",
    "NVIDIA_TF32_OVERRIDE": "1",
    "OPENBLAS_CORETYPE": "Prescott",
    "NPY_DISABLE_CPU_FEATURES": "AVX2",
    "OMP_NUM_THREADS": "7",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
}
COMPUTE_AND_DRAW = """
from lopt.process import prepare
prepare(log="job.log")
import jax, numpy as np, jax.numpy as jnp
from lopt import provenance
from lopt.figures import style
import matplotlib.pyplot
numbers = jax.random.normal(jax.random.key(0), (64, 64))
print(jax.device_count(), jax.default_backend(), np.asarray(jnp.sin(numbers @ numbers)).tobytes().hex())
print(provenance.describe({}, seed=0), float(jnp.log(-1.0)), jnp.ones(2) + jnp.ones((1, 2)))
"""


def test_what_people_export_changes_no_number_and_breaks_no_job(tmp_path: Path) -> None:
    printed = []
    for exported in ({}, EXPORTED):
        folder = tmp_path / str(len(printed))
        folder.mkdir()
        clean = {name: text for name, text in os.environ.items() if name not in EXPORTED}
        clean |= {"PYTHONPATH": PATH}
        done = subprocess.run(
            [sys.executable, "-c", COMPUTE_AND_DRAW],
            cwd=folder,
            env=clean | exported,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    assert printed[0] == printed[1]
    log = (tmp_path / "1/job.log").read_text()
    for told in ("JAX_THREEFRY_PARTITIONABLE=0", "XLA_FLAGS=--xla_force", "OPENBLAS_CORETYPE"):
        assert f"ignored, since it would change or break this job: {told}" in log


def test_warnings_as_errors_reach_no_job(tmp_path: Path) -> None:
    program = (
        "import warnings; from lopt.process import prepare; prepare(); warnings.warn('only this')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONWARNINGS": "error", "PYTHONPATH": PATH},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "UserWarning: only this" in done.stderr, done.stderr


def test_flags_that_stay_are_part_of_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    before = provenance.describe({}, seed=0)
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=/tmp/x --xla_gpu_autotune_level=0")
    flags = {"XLA_FLAGS": "--xla_gpu_autotune_level=0"}
    assert provenance.describe({}, seed=0) == before | {"flags": flags}
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=/tmp/x")
    assert provenance.describe({}, seed=0) == before
    # What a job on a CPU sets itself is exported where a GPU computes.
    monkeypatch.setenv("XLA_FLAGS", " ".join(environment.cpu_flags()))
    assert provenance.describe({}, seed=0) == before
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    assert environment.result_flags() == {"XLA_FLAGS": " ".join(environment.cpu_flags())}


@pytest.mark.parametrize("kind", [{}, {"x64": True}, {"training": True}])
def test_a_job_on_the_cpu_has_flags_of_its_own(kind: dict, tmp_path: Path) -> None:
    program = f"""
import os, lopt.process
lopt.process.prepare(**{kind})
import jax
jax.devices()
from lopt import provenance
print(os.environ["XLA_FLAGS"], "flags" in provenance.describe({{}}))
"""
    harmless = "--xla_dump_max_hlo_modules=1"
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": PATH, "XLA_FLAGS": harmless},
        capture_output=True,
        text=True,
    )
    flags = environment.cpu_flags(**kind)
    # XLA took them, and metadata, which tell the versions, have no need to.
    assert run.stdout.split() == [harmless, *flags, "False"], run.stderr


@pytest.mark.parametrize(
    ("version", "known"), [("0.9.2", 0), ("0.10.2", 1), ("0.11.0", 1), ("0.12.0", 0)]
)
def test_no_version_gets_a_flag_that_it_may_not_know(version: str, known: int, monkeypatch) -> None:
    monkeypatch.setattr(environment.importlib.metadata, "version", lambda _: version)
    assert sum("ynn" in flag for flag in environment.cpu_flags()) == known
    assert not any("ynn" in flag for flag in environment.cpu_flags(x64=True))


def test_a_log_on_a_full_disk_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "job.log").symlink_to("/dev/full")
    program = """
from lopt.process import prepare
logger = prepare(log="job.log")
for _ in range(5):
    logger.info("a line")
print("went on")
"""
    environment = {**os.environ, "PYTHONPATH": PATH}
    run = partial(subprocess.run, cwd=tmp_path, env=environment, capture_output=True, text=True)
    done = run([sys.executable, "-c", program])
    assert (done.returncode, done.stdout) == (0, "went on\n")
    (line,) = done.stderr.splitlines()
    assert line.startswith("job.log: the log can't be written (No space left on device)")
    (tmp_path / "job.log").unlink()
    (tmp_path / "job.log").mkdir()
    done = run([sys.executable, "-c", program])
    assert done.stdout == "went on\n" and len(done.stderr.splitlines()) == 1


def test_prepare_refuses_when_jax_was_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jax", logging)
    with pytest.raises(RuntimeError, match="before jax is imported"):
        process.prepare()


def test_what_one_process_compiled_the_next_one_loads(tmp_path: Path) -> None:
    program = """
import sys
from lopt.process import prepare
prepare(compiled=eval(sys.argv[1]))
import jax, jax.numpy as jnp
events = []
jax.monitoring.register_event_listener(lambda event, **_: events.append(event))
sines = jax.jit(lambda x: jnp.sin(x @ x.T).sum())(jnp.arange(64.0).reshape(8, 8) / 7.0)
print(events.count("/jax/compilation_cache/cache_hits") > 0, float(sines).hex())
"""
    environment = {name: text for name, text in os.environ.items() if not name.startswith("JAX")}
    environment["PYTHONPATH"] = PATH
    printed = [
        subprocess.run(
            [sys.executable, "-c", program, argument],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for argument in ("'here'", "'here'", "None")
    ]
    assert [loaded for loaded, _ in printed] == ["False", "True", "False"]
    assert len({result for _, result in printed}) == 1
    assert [len(list(tmp_path.glob(kind))) for kind in ("here/*", "*")] == [1, 1]
