"""The workflow on a real SLURM cluster of one node, through profiles/slurm: `make test-slurm`.

The oracle is the same workflow on this machine without SLURM: theta is equal, bit by bit.
"""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from slurm_cluster import SlurmCluster, SlurmUnavailableError, install
from workflow_process import (
    LOG,
    ROOT,
    THETA,
    command,
    output_of,
    run,
    same_theta,
    started,
    wait_for_training,
)

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(3600)]
MINUTE = 60


@pytest.fixture(scope="module")
def installed() -> None:
    """SLURM's daemons and Snakemake's plugin for it; without them nothing here is tested."""
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        pytest.skip("SLURM WAS NOT TESTED: snakemake-executor-plugin-slurm is not installed")
    try:
        install()
    except SlurmUnavailableError as error:
        pytest.skip(f"SLURM WAS NOT TESTED: {error}")


@pytest.fixture(scope="module")
def cluster(installed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    try:
        cluster = SlurmCluster(tmp_path_factory.mktemp("slurm") / "cluster").__enter__()
    except SlurmUnavailableError as error:
        pytest.skip(f"SLURM WAS NOT TESTED: {error}")
    try:
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="module")
def undisturbed(cluster: SlurmCluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Theta of the tiny training without SLURM."""
    folder = tmp_path_factory.mktemp("undisturbed")
    status, output = run(command(folder, "--cores", 1, "--", THETA), folder)
    assert status == 0, output
    return folder / THETA


def on_the_cluster(folder: Path, *arguments: object, **options: tuple[Path, ...]) -> list[str]:
    """The command of a cluster's user, but for waiting times and the size of this one's only node."""
    cores = min(os.cpu_count() or 1, 4)
    return command(
        folder,
        *("--profile", ROOT / "profiles/slurm", "--cores", cores, "--latency-wait", 10),
        *("--slurm-init-seconds-before-status-checks", 3, "--seconds-between-status-checks", 3),
        *arguments,
        **options,
    )


def job_of(cluster: SlurmCluster, rule: str) -> str:
    """The number of the running job of ``rule``."""
    [number] = [n for n, _, comment in cluster.jobs("running") if f"rule_{rule}" in comment]
    return number


def wait_until(condition: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.2)


def ended(process: psutil.Process) -> bool:
    """Whether it has ended. A container's first process may be slow to take notice of orphans: zombies."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def daemons() -> set[int]:
    """The numbers of the running SLURM daemons."""
    names = ("slurmctld", "slurmd")
    return {found.pid for found in psutil.process_iter(["name"]) if found.info["name"] in names}


def test_daemons_end_with_whoever_started_them(installed: None, tmp_path: Path) -> None:
    before = daemons()
    program = (
        "import sys, time, slurm_cluster as s; from pathlib import Path\n"
        "with s.SlurmCluster(Path(sys.argv[1])): print('up', flush=True); time.sleep(600)"
    )
    for attempt in range(2):  # the second finds what the first, killed, has left
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / str(attempt))],
            cwd=Path(__file__).parent,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None and process.stdout.readline() == "up\n"
        assert len(daemons() - before) == 2
        process.kill()
        process.wait()
        process.stdout.close()
        wait_until(lambda: daemons() == before, 20)


def test_a_cancelled_job_is_retried_from_its_checkpoint(
    cluster: SlurmCluster, tmp_path: Path, undisturbed: Path
) -> None:
    with started(on_the_cluster(tmp_path, "--", THETA), tmp_path) as workflow:
        wait_for_training(tmp_path)
        cancelled = job_of(cluster, "meta_train")
        cluster.cancel(cancelled)
        assert workflow.wait(timeout=15 * MINUTE) == 0, output_of(tmp_path)
    assert "JobState=CANCELLED" in cluster.description(cancelled)
    assert "Trying to restart job" in output_of(tmp_path)
    assert "going on from the checkpoint" in (tmp_path / LOG).read_text()
    assert same_theta(tmp_path / THETA, undisturbed)


def test_a_job_over_its_time_limit_goes_on(
    cluster: SlurmCluster, tmp_path: Path, undisturbed: Path
) -> None:
    limit = ("--set-resources", "meta_train:runtime=1", "--retries", 5)
    with started(on_the_cluster(tmp_path, *limit, "--", THETA), tmp_path) as workflow:
        wait_for_training(tmp_path)  # suspends it, so that it is sure to be over its minute
        late = job_of(cluster, "meta_train")
        assert workflow.wait(timeout=20 * MINUTE) == 0, output_of(tmp_path)
    assert "JobState=TIMEOUT" in cluster.description(late)
    assert "going on from the checkpoint" in (tmp_path / LOG).read_text()
    assert same_theta(tmp_path / THETA, undisturbed)


def test_ctrl_c_cancels_the_jobs(cluster: SlurmCluster, tmp_path: Path, undisturbed: Path) -> None:
    with started(on_the_cluster(tmp_path, "--", THETA), tmp_path) as workflow:
        training = wait_for_training(tmp_path)
        number = job_of(cluster, "meta_train")
        os.killpg(workflow.pid, signal.SIGINT)
        assert workflow.wait(timeout=5 * MINUTE) != 0
    wait_until(lambda: ended(training), 30)
    wait_until(lambda: "JobState=CANCELLED" in cluster.description(number), 60)
    status, output = run(on_the_cluster(tmp_path, "--", THETA), tmp_path, 15 * MINUTE)
    assert status == 0, output
    assert same_theta(tmp_path / THETA, undisturbed)


def test_a_failing_job_ends_the_run_and_names_its_log(
    cluster: SlurmCluster, tmp_path: Path
) -> None:
    """The failure is a GPU job where JAX has no CUDA: it shows what a GPU job asks for, too."""
    if importlib.util.find_spec("jax_plugins"):
        pytest.skip("NOT TESTED: JAX has CUDA here, and would try the fake GPU")
    arguments = ("--retries", 0, "--set-resources", "meta_train:slurm_partition=gpu", "--", THETA)
    gpu = (ROOT / "profiles/gpu/device.yaml",)
    before = {number for number, _, _ in cluster.jobs()}
    status, output = run(
        on_the_cluster(tmp_path, *arguments, configuration=gpu), tmp_path, 10 * MINUTE
    )
    assert status != 0
    assert str(LOG) in output and ".snakemake/slurm_logs/rule_meta_train" in output
    message = "asks for a GPU (device: gpu in the configuration), but the installed JAX has no CUDA"
    assert message in output and message in (tmp_path / LOG).read_text()
    assert "CUDA_VISIBLE_DEVICES=0" in (tmp_path / LOG).read_text()
    [number] = {number for number, _, _ in cluster.jobs()} - before
    description = cluster.description(number)
    assert "Partition=gpu" in description and "gres:gpu:1" in description


def test_smoke_scale_equals_a_local_run(cluster: SlurmCluster, tmp_path: Path) -> None:
    local, remote = tmp_path / "local", tmp_path / "remote"
    local.mkdir(), remote.mkdir()
    before = {number for number, _, _ in cluster.jobs()}
    status, output = run(on_the_cluster(remote), remote, 50 * MINUTE)
    assert status == 0, output
    status, output = run(command(remote, "--cores", 1, "--dry-run"), remote)
    assert status == 0 and "Nothing to be done" in output

    status, output = run(command(local, "--cores", "all", "meta_training"), local, 20 * MINUTE)
    assert status == 0, output
    thetas = sorted(local.glob("results/smoke/meta_training/*/*/theta.npz"))
    assert len(thetas) >= 3
    for theta in thetas:
        assert same_theta(theta, remote / theta.relative_to(local))

    jobs = [comment for number, _, comment in cluster.jobs() if number not in before]
    # The name of a packed job is that of its group and of the rules in it.
    assert any("rule_figures_" in comment for comment in jobs), (
        f"short jobs were not packed: {jobs}"
    )
    assert not any(re.search("rule_fig[0-9S]", comment) for comment in jobs), jobs
    shutil.rmtree(tmp_path)
