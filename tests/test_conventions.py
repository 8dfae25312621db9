"""The workflow where the catalog looks for it, and an automatic check of nothing but the Makefile's verbs."""

import contextlib
import io
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from snakemake.cli import get_argument_parser, parse_config

ROOT = Path(__file__).parent.parent
TARGET = "results/smoke/claims.csv"


def planned(snakefile: str, folder: Path) -> str:
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "1", "--snakefile"]
    run = subprocess.run(
        [
            *command,
            str(ROOT / snakefile),
            "--directory",
            str(folder),
            "--config",
            "scale=smoke",
            "--",
            TARGET,
        ],
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert run.returncode == 0, run.stderr
    blocks = re.findall(
        r"^(?:local)?rule \w+:\n(?:    .*\n)+", run.stdout + run.stderr, re.MULTILINE
    )
    assert len(blocks) > 20
    return "".join(sorted(re.sub(r"    reason: .*\n", "", block) for block in blocks))


def test_the_catalogs_entry_plans_the_same_jobs(tmp_path):
    assert planned("workflow/Snakefile", tmp_path) == planned("Snakefile", tmp_path)
    assert (ROOT / "workflow/Snakefile").read_text().count("\n") == 2
    assert (ROOT / ".snakemake-workflow-catalog.yml").is_file()


def test_the_catalogs_page_names_every_scale():
    text = (ROOT / "config/README.md").read_text()
    for scale in yaml.safe_load((ROOT / "config.yaml").read_text())["scales"]:
        assert f"| `{scale}` |" in text


def test_the_automatic_check_runs_the_makefiles_verbs():
    verbs = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    job, beside = workflow["jobs"]["check"], workflow["jobs"]["beside"]
    runs = [step["run"] for each in (job, beside) for step in each["steps"] if "run" in step]
    assert {"make lint", "make test", "make types"} <= set(runs)
    chosen = beside["strategy"]["matrix"]["verb"]
    assert {"test-wheel", "test-lowest", "test-crate", "docs"} == set(chosen)
    filled = [run.replace("${{ matrix.verb }}", verb) for run in runs for verb in chosen]
    assert all(run.removeprefix("make ") in verbs for run in filled)
    assert set(job["strategy"]["matrix"]["python"]) == {"3.11", "3.12", "3.13"}
    assert "macos-latest" in job["strategy"]["matrix"]["os"]


@pytest.mark.parametrize(
    "page", ["CONTRIBUTING.md", "README.md", "config/README.md", "docs/configuration_reference.md"]
)
def test_what_the_pages_name_exists(page):
    text = (ROOT / page).read_text()
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / page).parent.joinpath(link).exists(), link
    verbs = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"\bmake ([a-z-]+)", text)) <= set(verbs)
    for path in re.findall(r"`((?:lopt|tests|rules|workflow|examples)/[\w/]+(?:\.py|/))`", text):
        assert (ROOT / path).exists(), path


PAGES = sorted(
    {
        path
        for pattern in (
            "*.md",
            "*/*.md",
            "docs/**/*.md",
            "docs/**/*.py",
            "config.yaml",
            "rules/*.smk",
        )
        for path in ROOT.glob(pattern)
        if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    }
)


def commands(text: str) -> list[str]:
    """Calls of Snakemake with options: lines of their own, and inside of sentences."""
    lines = re.findall(r"^(?:# +|time )?snakemake( .*?-.*?)(?:  .*)?$", text, re.MULTILINE)
    found = lines + re.findall(r"(?<!`)`snakemake( [^`]*-[^`]*)`", text)
    return [command for command in found if "..." not in command]


def test_snakemake_takes_the_commands_that_the_pages_give():
    """``--config scale=smoke fig4`` is none: what follows belongs to the option, but for ``--``."""
    parser, number = get_argument_parser(), 0
    for page in PAGES:
        for command in commands(page.read_text()):
            words = shlex.split(command, comments=True)
            complaint = io.StringIO()
            try:
                with contextlib.redirect_stderr(complaint):
                    given = parser.parse_args(words)
                parse_config(given.config)
            except (SystemExit, ValueError) as error:
                pytest.fail(
                    f"{page.relative_to(ROOT)}: snakemake{command}: {complaint.getvalue() or error}"
                )
            number += 1
    assert number > 30


def test_the_lowest_versions_that_are_tested_are_those_that_are_allowed():
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    bounds = dict(requirement.split(">=") for requirement in wanted)
    lock = (ROOT / "envs/lowest.txt").read_text()
    pinned = dict(re.findall(r"^([\w-]+)==(\S+)", lock, re.MULTILINE))
    assert len(bounds) == 10
    for name, lowest in bounds.items():
        assert re.fullmatch(rf"{re.escape(lowest)}(\.0)*", pinned[name]), name


def test_the_issue_templates_are_forms():
    for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"):
        form = yaml.safe_load(path.read_text())
        assert path.name == "config.yml" or (form["name"] and form["description"] and form["body"])
