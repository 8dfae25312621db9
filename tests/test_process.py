"""How a job's process is set up: above all, what it does about GPUs."""

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lopt import process

has_gpu = any(Path("/dev").glob("nvidia[0-9]*"))


def prepare_elsewhere(folder: Path, arguments: str, **environment: str) -> str:
    """Call ``prepare`` in a fresh process; return what it printed, its settings last."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CUDA", "JAX", "XLA", "NPROC"))
    }
    program = (
        f"import os, lopt.process; lopt.process.prepare(log='job.log', {arguments})\n"
        "print({k: v for k, v in os.environ.items() if k.startswith(('JAX', 'XLA', 'NPROC'))})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**clean, **environment},
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


@pytest.mark.skipif(has_gpu, reason="this machine has a GPU")
@pytest.mark.parametrize(
    ("visible", "reason"),
    [
        (
            "",
            "this machine has none (no /dev/nvidia0)",
        ),  # what a cluster sets for a job without GPU
        ("0", "the installed JAX has no CUDA: pip install -e '.[cuda]'"),
    ],
)
def test_a_gpu_job_without_gpu_says_what_to_do(tmp_path: Path, visible: str, reason: str) -> None:
    printed = prepare_elsewhere(tmp_path, "gpus=1", CUDA_VISIBLE_DEVICES=visible)
    expected = f"this job asks for a GPU (device: gpu in the configuration), but {reason}"
    for text in (printed, (tmp_path / "job.log").read_text()):
        assert expected in text
        assert "To run it on the CPU: --config 'study={device: cpu}'" in text


def test_a_gpu_job_does_not_fall_back_to_the_cpu(tmp_path: Path) -> None:
    plugin = tmp_path / "jax_plugins" / "xla_cuda13"
    plugin.mkdir(parents=True)
    (plugin / "__init__.py").touch()
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    printed = prepare_elsewhere(
        tmp_path, "gpus=1, gpu_memory_percent=45", CUDA_VISIBLE_DEVICES="1", PYTHONPATH=path
    )
    assert "'JAX_PLATFORMS': 'cuda'" in printed
    assert "'XLA_CLIENT_MEM_FRACTION': '0.45'" in printed
    assert "'XLA_PYTHON_CLIENT_PREALLOCATE': 'false'" in printed
    assert "CUDA_VISIBLE_DEVICES=1" in (tmp_path / "job.log").read_text()


def test_jobs_spread_over_gpus_then_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("nvidia0", "nvidia1", "nvidiactl"):
        (tmp_path / name).touch()
    monkeypatch.setattr(process, "DEVICES", tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(process, "_held_slot", None)
    held = {}
    for job, expected in enumerate(["0", "1", "0", "1"]):
        assert process._take_gpu_slot() == expected
        held[job] = process._held_slot
    held.pop(1).close()  # a job ends: its GPU is the least used
    assert process._take_gpu_slot() == "1"
    for slot in [*held.values(), process._held_slot]:
        slot.close()


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
