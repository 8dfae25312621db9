"""benchmarks/critical_path.py: the longest chain of jobs, and what a number of cores makes of all of them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lopt.records import store

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "critical_path.py"
JOBS = {  # seconds, and whose results are read
    "train_a": (30.0, []),
    "train_b": (10.0, []),
    "tune": (25.0, []),
    "analyze_a": (5.0, ["train_a"]),
    "analyze_b": (21.0, ["train_b"]),
    "draw": (4.0, ["analyze_a", "analyze_b", "tune"]),
}


@pytest.fixture
def scale(tmp_path) -> Path:
    """Records and benchmark files of a scale that is done."""
    folder = tmp_path / "results" / "mine"
    for name, (seconds, after) in JOBS.items():
        log = f"results/mine/logs/{name}.log"
        inputs = {f"results/mine/{other}.{part}": "0" for other in after for part in ("npz", "csv")}
        inputs["weights/given.npz"] = "0"  # which no job makes
        for part in ("npz", "csv"):
            record = {"rule": name.split("_")[0], "log": log, "inputs": inputs}
            store.save_json(folder / "provenance" / f"{name}.{part}.json", record)
        store.save_bytes(
            folder / "benchmarks" / f"{name}.tsv",
            f"s\th:m:s\tcpu_time\n{seconds}\t0:00:01\t0.0\n".encode(),
        )
    return folder


def run(*arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)], capture_output=True, text=True
    )


def test_the_longest_chain_and_the_time_on_a_number_of_cores(scale):
    result = run(scale, "--cores", 1, 2, 3)
    assert result.returncode == 0, result.stderr
    head, rules, cores = (
        result.stdout.split("\n\nseconds by rule")[0],
        *result.stdout.split(":\n")[2:],
    )
    assert "6 jobs, 95 s together; the critical path, 39 s" in head
    assert [line.split() for line in head.splitlines()[2:]] == [
        ["30.0", "train_a"],
        ["5.0", "analyze_a"],
        ["4.0", "draw"],
    ]
    assert ["40.0", "train", "2", "31.6%", "of", "all"] in map(str.split, rules.splitlines())
    # On two cores train_a (39 s to the end) and train_b (35) start; at 10 tune (29) goes before analyze_b
    # (25), which has to wait until train_a is done: 30 to 51; draw ends at 55.
    assert [line.split() for line in cores.splitlines() if line.strip()] == [
        ["1", "95.0", "100.0%"],
        ["2", "55.0", "86.4%"],
        ["3", "39.0", "81.2%"],
    ]


def test_a_copy_under_another_name_is_what_is_looked_at(scale, tmp_path):
    copy = tmp_path / "kept" / "before"
    shutil.copytree(scale, copy)
    store.save_bytes(copy / "benchmarks/train_a.tsv", b"s\th:m:s\tcpu_time\n1.0\t0:00:01\t0.0\n")
    assert "6 jobs, 66 s together" in run(copy).stdout
    assert "6 jobs, 95 s together" in run(scale).stdout


def test_what_is_not_there_is_named(scale, tmp_path):
    result = run(tmp_path / "results" / "none")
    assert result.returncode == 1 and "results/none/provenance has no records" in result.stderr
    (scale / "benchmarks" / "tune.tsv").unlink()
    result = run(scale)
    assert result.returncode == 1 and "benchmarks/tune.tsv: there is no such file" in result.stderr
    place = scale / "provenance" / "tune.csv.json"
    store.save_json(place, {"rule": "tune", "inputs": {}})
    result = run(scale)
    assert result.returncode == 1 and "tune.csv.json names no log" in result.stderr
