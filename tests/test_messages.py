"""What a run shows: a line per job that says what it does."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_every_rule_that_runs_something_says_what():
    found = 0
    for path in (ROOT / "rules").glob("*.smk"):
        for rule in re.split(r"^rule ", path.read_text(), flags=re.MULTILINE)[1:]:
            if "    script:" in rule:
                found += 1
                assert re.search(r'    message:\n        says\(\s*"[A-Z][^"]+"', rule), rule[:40]
    assert found > 20


def test_a_dry_run_has_a_line_per_job_and_the_details_on_request(tmp_path):
    target = "results/smoke/meta_training/rosenbrock/seed_1/theta.npz"
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--dry-run",
        "--config",
        "scale=smoke",
        "--",
        target,
    ]
    command[3:3] = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(tmp_path)]
    for details in (False, True):
        environment = {key: value for key, value in os.environ.items() if key != "LOPT_JOB_DETAILS"}
        environment |= {"LOPT_JOB_DETAILS": "1"} if details else {}
        run = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path)
        printed = run.stdout + run.stderr
        assert run.returncode == 0, printed
        assert ("Meta-training on rosenbrock, seed 1" in printed) != details
        assert ("wildcards: scale=smoke" in printed) == details
