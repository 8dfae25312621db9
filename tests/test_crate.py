"""A finished scale as a crate: what is in it, what is refused; ``make crate`` has a real one validated."""

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from test_lineage import job

from lopt import crate, lineage
from lopt.records.store import StoreError

THETA = "results/smoke/meta_training/rosenbrock/seed_0/theta.npz"
CURVE = "results/smoke/meta_training/rosenbrock/seed_0/curve.csv"
FIGURE = "results/smoke/figures/fig4_schedules.pdf"
CLAIMS = "results/smoke/claims.csv"


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A training of two files, a figure and claims of it, each with its record."""
    monkeypatch.chdir(tmp_path)
    for rule, inputs, outputs in (
        ("meta_train", [], [THETA, CURVE]),
        ("draw", [THETA], [FIGURE]),
        ("compare", [THETA, CURVE], [CLAIMS]),
    ):
        for output in outputs:
            Path(output).parent.mkdir(parents=True, exist_ok=True)
            Path(output).write_text(f"{output} of {rule}")
        lineage.write_record(job(rule, inputs, outputs, code="0123", steps=20))
    return tmp_path


def test_jobs_are_what_the_records_of_their_results_have_in_common(project):
    found = {each.rule: each for each in crate.jobs(Path("results/smoke"))}
    assert set(found) == {"meta_train", "draw", "compare"}
    assert set(found["meta_train"].outputs) == {THETA, CURVE}
    assert found["compare"].inputs == (THETA, CURVE)
    assert found["draw"].outputs[FIGURE] == hashlib.sha256(Path(FIGURE).read_bytes()).hexdigest()


def test_a_crate_is_made_where_the_records_name_files_from(project, monkeypatch):
    monkeypatch.chdir(project.parent)
    with pytest.raises(
        StoreError, match=r"json names results/smoke/.* from another folder; go there"
    ):
        crate.jobs(Path(project.name, "results/smoke"))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda: Path(CLAIMS).unlink(), "results/smoke is not finished"),
        (lambda: Path(FIGURE).write_text("drawn by hand"), f"{FIGURE}: changed"),
        (lambda: Path(FIGURE).unlink(), f"{FIGURE}: missing"),
        (lambda: Path(CURVE).write_text("smoothed"), f"{CURVE}: changed"),
    ],
)
def test_what_is_not_what_its_record_says_is_refused(project, damage, told):
    damage()
    with pytest.raises(StoreError, match=told):
        crate.write_crate("results/smoke")
    assert not Path("results/smoke/crate.zip").exists()


def test_without_the_package_it_is_told_what_to_do(project, monkeypatch):
    monkeypatch.setitem(sys.modules, "rocrate", None)
    with pytest.raises(SystemExit, match="rocrate, which is not installed: make crate"):
        crate.main(["results/smoke"])


@pytest.mark.crate
def test_the_crate_says_what_made_what_and_the_validator_accepts_it(project):
    path = crate.write_crate("results/smoke")
    archive = zipfile.ZipFile(path)
    graph = {
        entity["@id"]: entity
        for entity in json.loads(archive.read("ro-crate-metadata.json"))["@graph"]
    }
    assert archive.read(THETA) == Path(THETA).read_bytes()
    assert graph[THETA]["sha256"] == hashlib.sha256(Path(THETA).read_bytes()).hexdigest()
    assert {"Snakefile", "config.yaml", "lopt/lineage.py"} <= set(archive.namelist())
    made = {
        result["@id"]: entity
        for entity in graph.values()
        if entity["@type"] == "CreateAction" and entity["@id"] != "#run"
        for result in (
            [entity["result"]] if isinstance(entity["result"], dict) else entity["result"]
        )
    }
    assert set(made) == {THETA, CURVE, FIGURE, CLAIMS}
    assert made[FIGURE]["instrument"] == {"@id": "#tool-draw"}
    assert made[FIGURE]["object"] == [{"@id": THETA}]
    assert made[THETA] == made[CURVE]
    run = validation(path)
    assert run.returncode == 0 and "is a valid" in run.stdout, run.stdout + run.stderr


@pytest.mark.crate
def test_a_crate_whose_actions_name_no_tool_is_not_accepted(project):
    path = crate.write_crate("results/smoke")
    damaged = path.with_name("damaged.zip")
    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(damaged, "w") as other:
        for name in whole.namelist():
            data = whole.read(name)
            if name == "ro-crate-metadata.json":
                metadata = json.loads(data)
                for entity in metadata["@graph"]:
                    if entity["@type"] == "CreateAction":
                        del entity["instrument"]
                data = json.dumps(metadata).encode()
            other.writestr(name, data)
    run = validation(damaged)
    assert run.returncode == 1 and "MUST have an instrument" in run.stdout, run.stdout + run.stderr


def validation(path: Path) -> subprocess.CompletedProcess[str]:
    """Return what the validator's command line says of a crate."""
    script = Path(__file__).parent / "validate_crate.py"
    return subprocess.run([sys.executable, str(script), str(path)], capture_output=True, text=True)
