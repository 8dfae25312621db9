"""What tests share: the CPU, one thread, no display, float64 on request, one run of the whole workflow."""

import os
import re
import sys
from pathlib import Path

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["NPROC"] = "1"  # threads of XLA: the cores are for processes that test side by side
os.environ["MPLBACKEND"] = "Agg"
os.environ["LOPT_JOB_DETAILS"] = "1"  # of which tests read inputs, wildcards and resources

from workflow_project import UNOPTIMIZED, copy_project, snakemake

sys.path.insert(0, UNOPTIMIZED)

import jax
import pytest
import shapes
import skips
from xdist.scheduler import LoadScopeScheduling

shapes.install()

# The files with tests of the run of the whole workflow: it happens once if one process has all of them.
SHARING = {
    path.name
    for path in Path(__file__).parent.glob("test_*.py")
    if re.search(r"^def \w+\([^)]*\bfinished\b", path.read_text(), re.MULTILINE)
}


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(skips)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """That run first, since it takes longest; and time for it on a machine that has other work, too."""
    items.sort(key=lambda item: item.path.name not in SHARING)
    for item in items:
        if "finished" in item.fixturenames:
            item.add_marker(pytest.mark.timeout(1800))


class FilesTogether(LoadScopeScheduling):
    """A file's tests in one process, for its fixtures and for what it compiles, in the order collected.

    (pytest-xdist 3.8 with pytest 9.2 ignores its own mark for this, xdist_group: pytest-xdist issue 1386.)
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        return "the workflow's" if Path(file).name in SHARING else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> FilesTogether:
    config.option.loadscopereorder = False
    return FilesTogether(config, log)


@pytest.fixture
def x64():
    """The test runs in float64."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory) -> None:
    """Workflows that tests start, in whichever folder, compile a program once.

    Set after JAX was imported, which reads it then: what a test's own process compiles stays its own.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder / "compiled")


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """A copy of the project in which the smoke scale has run; tests leave it as they found it."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        processes_share = tmp_path_factory.getbasetemp().parent
        (processes_share / "finished").touch(exist_ok=False)  # an error in a second process
    folder = copy_project(tmp_path_factory.mktemp("project"))
    run = snakemake(folder, "--config", "scale=smoke")
    assert run.returncode == 0, run.stdout[-5000:]
    return folder
