"""Results depend on content, not on where a project lies, when its files were written, or who runs it."""

import filecmp
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import yaml
from workflow_project import ROOT, copy_project, environment

pytestmark = pytest.mark.workflow

PORTRAIT = "results/smoke/portraits/linear_regression.npz"
THETA = "results/released/meta_training/rosenbrock/seed_0/theta.npz"


def snakemake(
    folder: Path, *arguments: object, python: object = sys.executable, **options: object
) -> str:
    """Run Snakemake in ``folder`` to a good end; return what it prints."""
    done = subprocess.run(
        [python, "-m", "snakemake", *map(str, arguments)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **{"env": environment(), **options},
    )
    assert done.returncode == 0, done.stdout[-5000:]
    return done.stdout


def planned(folder: Path, *arguments: object) -> Counter[str]:
    """How many jobs of which rule a dry run would do."""
    printed = snakemake(folder, "--dry-run", *arguments)
    return Counter(re.findall(r"^(?:local)?rule (\w+):$", printed, re.MULTILINE))


def rewrite(folder: Path, seconds_apart: float = 0.01) -> None:
    """Give every file a new time of change, in an order that is none of the workflow's."""
    now = time.time()
    names = sorted(os.fspath(path)[::-1] for path in folder.rglob("*"))
    for place, name in enumerate(names):
        moment = now - (len(names) - place) * seconds_apart
        os.utime(name[::-1], (moment, moment), follow_symlinks=False)


def tree(folder: Path) -> dict[str, tuple[int, float]]:
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_size, path.stat().st_mtime)
        for path in folder.rglob("*")
    }


# --- a finished project, elsewhere -----------------------------------------------------------------

SMOKE = ("--config", "scale=smoke")


def test_neither_place_nor_times_of_files_decide_anything(finished: Path, tmp_path: Path) -> None:
    """Moved, and as after `cp -r`, or `git checkout`, which writes sources anew."""
    copy = tmp_path / "first"
    shutil.copytree(finished, copy, symlinks=True)
    moved = tmp_path / "elsewhere" / "another name"
    moved.parent.mkdir()
    copy.rename(moved)
    rewrite(moved)
    assert not planned(moved, *SMOKE)


def test_results_in_a_fresh_clone(finished: Path, tmp_path: Path) -> None:
    """Without .snakemake: by the times of results; `--touch --forceall` takes them as they are."""
    clone = copy_project(tmp_path)
    shutil.copytree(finished / "results", clone / "results")
    assert not planned(clone, *SMOKE)
    rewrite(clone / "results")
    assert planned(clone, *SMOKE)
    before = {name: size for name, (size, _) in tree(clone / "results").items()}
    snakemake(clone, "--cores", 1, "--touch", "--forceall", *SMOKE)
    assert not planned(clone, *SMOKE)
    assert before.items() <= {n: size for n, (size, _) in tree(clone / "results").items()}.items()
    # From then on changes are noticed.
    (clone / "mine.yaml").write_text(
        yaml.safe_dump({"scales": {"smoke": {"every_task": {"steps": 21}}}})
    )
    wanted = planned(clone, *SMOKE, "--configfile", "config.yaml", "mine.yaml")
    assert wanted["meta_train"] and wanted["tune"] and wanted["analyze"]


def test_a_profile_of_ones_own_keeps_that(finished: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy, symlinks=True)
    rewrite(copy / "workflow")
    for profile in ("profiles/slurm", "profiles/gpu"):
        settings = yaml.safe_load((ROOT / profile / "profile.yaml").read_text())
        assert "rerun-triggers" not in settings  # that of profiles/default is laid over it
    (copy / "mine").mkdir()
    (copy / "mine/profile.yaml").write_text("cores: 1\n")
    assert not planned(copy, *SMOKE, "--profile", "mine")


@pytest.mark.parametrize("rules", sorted((ROOT / "rules").glob("*.smk")), ids=lambda p: p.name)
def test_every_rule_records_the_code_of_its_script(rules: Path) -> None:
    for block in re.split(r"^rule ", rules.read_text(), flags=re.MULTILINE)[1:]:
        if script := re.search(r'script:\s+"\.\./workflow/scripts/(\w+\.py)"', block):
            assert f'code=code("{script[1]}"' in block, block.split(":")[0]


# --- as a module, with a prefix --------------------------------------------------------------------

OUTER = """\
configfile: "mine.yaml"


module lopt:
    snakefile:
        {source!r}
    config:
        config
    prefix:
        "sub"


use rule * from lopt as lopt_*


rule everything:
    default_target: True
    input:
        rules.lopt_all.input,
"""


@pytest.fixture
def outer(tmp_path: Path) -> Path:
    """A workflow of someone else's that has this one as its module, with a prefix."""
    configuration = yaml.safe_load((ROOT / "config.yaml").read_text())
    configuration["scale"] = "smoke"
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(configuration, sort_keys=False))
    (tmp_path / "Snakefile").write_text(OUTER.format(source=str(ROOT / "Snakefile")))
    return tmp_path


def test_every_path_of_a_module_has_its_prefix(outer: Path) -> None:
    printed = snakemake(outer, "--dry-run")
    paths = re.findall(r"[^\s,]*results/\S+", printed)
    assert len(paths) > 100
    assert all(path.startswith("sub/results/smoke/") for path in paths), paths


def test_a_module_with_a_prefix_finds_what_it_wrote(finished: Path, outer: Path) -> None:
    """The rules that read much: run anew on finished results that lie below the prefix."""
    shutil.copytree(finished / "results", outer / "sub/results")
    again = ("compare", "record_run", "tabulate")
    snakemake(outer, "--cores", 1, "--touch", "--forceall")
    snakemake(
        *(outer, "--cores", 1, "--rerun-triggers", "mtime", "--forcerun"),
        *(f"lopt_{rule}" for rule in again),
    )
    assert not (outer / "results").exists()
    ours, theirs = outer / "sub/results/smoke", finished / "results/smoke"
    for name in ("claims.csv", "claims.md", "trainings.csv", "configuration.yaml"):
        assert filecmp.cmp(ours / name, theirs / name, shallow=False)
    for page in (theirs / "report").glob("*.html"):
        assert (ours / "report" / page.name).stat().st_size > 500
    times = pd.read_csv(ours / "run_times.csv")
    assert times.equals(pd.read_csv(theirs / "run_times.csv"))
    stages = {"meta_train", "tune", "evaluate", "analyze", "analyze_nulls"}
    assert set(times["stage"]) == stages | {"intervene", "stabilize", "distill"}


def test_no_script_knows_a_path() -> None:
    """Scripts take files from Snakemake; what lies where is known to lopt/records/layout.py alone."""
    folders = {
        "results",
        "meta_training",
        "baselines",
        "evaluation",
        "analysis",
        "benchmarks",
        "weights",
    }
    for script in sorted((ROOT / "workflow/scripts").glob("*.py")):
        code = re.sub(r'""".*?"""', "", script.read_text(), flags=re.DOTALL)
        for text in re.findall(r'"([^"\n]*)"', code):
            parts = set(text.split("/"))
            assert "/" not in text or not parts & folders, f"{script.name}: {text}"
            assert not text.startswith(("results", "weights")), f"{script.name}: {text}"


def test_a_module_finds_the_projects_weights(outer: Path) -> None:
    snakemake(outer, "--cores", 1, "--config", "scale=released", "--", f"sub/{THETA}")
    released = ROOT / "weights/rosenbrock/seed_0.npz"
    assert filecmp.cmp(outer / "sub" / THETA, released, shallow=False)
    # Known by its name and checksum; that there is another folder of the same content changes nothing.
    shutil.copytree(ROOT / "weights", outer / "weights")
    assert not planned(outer, "--config", "scale=released", "--", f"sub/{THETA}")
    # One's own goes before it; a file without a checksum is no released one.
    (outer / "weights/SHA256SUMS").write_text("0" * 64 + "  rosenbrock/seed_1.npz\n")
    with pytest.raises(AssertionError, match=r"weights/SHA256SUMS has no checksum of linear_reg"):
        planned(outer, "--config", "scale=released", "--", f"sub/{THETA}")


def test_weights_that_are_nowhere_are_told_with_all_places(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(yaml.safe_dump({"scales": {"released": {"weights": "of mine"}}}))
    arguments = ("--snakefile", ROOT / "Snakefile", "--configfile", ROOT / "config.yaml", mine)
    with pytest.raises(AssertionError) as told:
        planned(tmp_path, *arguments, "--config", "scale=released", "--", THETA)
    message = str(told.value)
    assert "The scale released says weights: of mine, which should be" in message
    assert "there is no folder of mine with a SHA256SUMS" in message
    assert f"in {tmp_path} or in {ROOT}" in message


def test_what_a_training_starts_from_is_looked_for_before_it_runs(tmp_path: Path) -> None:
    mine, sums = tmp_path / "mine.yaml", tmp_path / "begun/SHA256SUMS"
    change = {"linear_regression": {"start": "begun", "early": {"seed": 7, "meta_steps": 10}}}
    mine.write_text(yaml.safe_dump({"scales": {"smoke": {"settings": change}}}))
    arguments = ("--snakefile", ROOT / "Snakefile", "--configfile", ROOT / "config.yaml", mine)
    arguments = (*arguments, "--config", "scale=smoke", "--")
    place = "results/smoke/meta_training/linear_regression/seed_{}/theta.npz"
    told = "The scale smoke says linear_regression.start: begun, "
    with pytest.raises(AssertionError, match=f"{told}which should .* no folder begun"):
        planned(tmp_path, *arguments, place.format(0))
    sums.parent.mkdir()
    sums.write_text("0" * 64 + "  linear_regression/seed_1.npz\n")
    # Also where results are there already, which Snakemake would take for up to date.
    selection = tmp_path / "results/smoke/meta_training/linear_regression/selection.json"
    selection.parent.mkdir(parents=True)
    selection.touch()
    with pytest.raises(AssertionError, match=r"seed_0.npz; it has linear_regression/seed_1.npz"):
        planned(tmp_path, *arguments, "results/smoke/figures/fig4_learning_rate_schedules.pdf")
    names = [f"linear_regression/seed_{seed}.npz" for seed in (0, 1)]
    sums.write_text("".join(f"{'0' * 64}  {name}\n" for name in names))
    with pytest.raises(AssertionError, match=r"lists linear_regression/seed_0.npz, but .* is not"):
        planned(tmp_path, *arguments, place.format(1))
    for name in names:
        (sums.parent / name).parent.mkdir(exist_ok=True)
        (sums.parent / name).touch()
    # The training that ends early begins anew, and asks for none.
    assert planned(tmp_path, *arguments, place.format(7)) == Counter(meta_train=1)


# --- other scales ----------------------------------------------------------------------------------


def test_the_chosen_scale_decides_nothing_of_another(tmp_path: Path) -> None:
    change = {"scales": {"smoke": {"baselines": ["adam"], "tasks": ["rosenbrock"]}}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(change))
    results = "results/laptop"
    targets = [
        f"{results}/evaluation/linear_regression/summary.csv",
        f"{results}/figures/fig1_performance.pdf",
        f"{results}/claims.csv",
        f"{results}/report/trainings.html",
        f"{results}/meta_search/rosenbrock/table.csv",
        "results/released/baselines/two_moons/adam/best.json",
    ]
    plans = {
        scale: planned(
            *(tmp_path, "--snakefile", ROOT / "Snakefile"),
            *("--configfile", ROOT / "config.yaml", "mine.yaml"),
            *("--config", f"scale={scale}", "--", *targets),
        )
        for scale in ("smoke", "laptop", "released")
    }
    assert plans["smoke"] == plans["laptop"] == plans["released"]
    assert plans["smoke"]["tune"] == 12 and plans["smoke"]["meta_train"] == 9


# --- clones and folders ----------------------------------------------------------------------------


def test_a_clone_with_autocrlf_has_the_same_bytes(tmp_path: Path) -> None:
    source, clone = tmp_path / "source", tmp_path / "clone"
    copy_project(source)
    shutil.copy(ROOT / ".gitattributes", source)
    git = ["git", "-c", "core.autocrlf=true", "-c", "user.name=lopt", "-c", "user.email=lopt@local"]
    for arguments in (["init"], ["add", "--all"], ["commit", "-m", "All"]):
        subprocess.run([*git, *arguments], cwd=source, check=True, capture_output=True)
    subprocess.run([*git, "clone", source, clone], check=True, capture_output=True)
    names = [path.relative_to(source) for path in source.rglob("*") if path.is_file()]
    names = [name for name in names if name.parts[0] != ".git"]
    assert len(names) > 150
    for name in names:
        assert filecmp.cmp(clone / name, source / name, shallow=False), name
    subprocess.run(
        ["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=clone / "weights", check=True
    )


@pytest.fixture(scope="module")
def spaced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in a folder with a space and its environment in it: the locked packages, not lopt."""
    folder = copy_project(tmp_path_factory.mktemp("spaced") / "it's a folder & more")
    shutil.copy(ROOT / "Makefile", folder)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / ".venv"], check=True)
    (packages,) = (folder / ".venv/lib").glob("python*/site-packages")
    for path in map(Path, sys.path):
        if path.name == "site-packages":
            for package in path.iterdir():
                if "lopt" not in package.name and not (packages / package.name).exists():
                    (packages / package.name).symlink_to(package)
    return folder


def without_lopt() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def test_a_folder_with_a_space_and_no_lopt_installed(spaced: Path) -> None:
    python = spaced / ".venv/bin/python"
    found = subprocess.run(
        [python, "-I", "-c", "import importlib.metadata as m; m.version('lopt')"],
        capture_output=True,
        text=True,
    )
    assert "PackageNotFoundError" in found.stderr
    snakemake(
        *(spaced, "--cores", 1, "--config", "scale=smoke", "--", PORTRAIT),
        python=python,
        env=without_lopt(),
    )
    code = (
        "import lopt; from lopt import report; from lopt.records import store; import sys; "
        "table = report.versions().set_index('what')['version']; "
        "metadata = store.load_metadata(sys.argv[1]); "
        "print(lopt.__version__, table['lopt'], metadata['versions']['lopt'])"
    )
    told = subprocess.run(
        [python, "-c", code, PORTRAIT],
        cwd=spaced,
        env=without_lopt(),
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stderr
    assert len(set(told.stdout.split())) == 1 and len(told.stdout.split()) == 3


def test_make_in_a_folder_with_a_space(spaced: Path) -> None:
    (spaced / "requirements.lock").touch()
    shutil.copy(ROOT / "pyproject.toml", spaced)
    (spaced / ".venv/.installed").touch()
    program = spaced / ".venv/bin/snakemake"
    program.write_text('#!/bin/sh\nexec "$(dirname "$0")/python" -m snakemake "$@"\n')
    program.chmod(0o755)
    done = subprocess.run(
        ["make", "figures", "CORES=1 --dry-run", "SCALE=smoke -- fig1"],
        cwd=spaced,
        env=without_lopt(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rule portray:" in done.stdout


@pytest.mark.parametrize("name", ["a:b", "a{b}"])
def test_folders_that_cannot_be_used_are_refused(tmp_path: Path, name: str) -> None:
    folder = copy_project(tmp_path / name)
    with pytest.raises(AssertionError, match="rename the folder") as told:
        planned(folder, *SMOKE)
    assert "Traceback" not in str(told.value)


# --- a clone that can't be written -----------------------------------------------------------------

# Root may write whatever the permissions say, so for root the clone is mounted read-only, for this process.
READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'


def on_a_read_only(clone: Path, command: list[str]) -> list[str]:
    if os.getuid() == 0:
        return ["unshare", "--mount", "sh", "-c", READ_ONLY, str(clone), *command]
    return command


def test_a_clone_that_cannot_be_written(tmp_path: Path) -> None:
    """Another user's, run with --directory: nothing is written beside it, no place is recorded."""
    clone, mine = copy_project(tmp_path / "clone"), tmp_path / "mine"
    mine.mkdir()
    subprocess.run(["chmod", "-R", "a-w", clone], check=True)
    before = tree(clone)
    environment = without_lopt()
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(clone / "Snakefile")]
    command += ["--configfile", str(clone / "config.yaml"), "--directory", str(mine)]
    command += ["--cores", "1", "--", PORTRAIT, THETA]
    try:
        probe = subprocess.run(
            on_a_read_only(clone, ["touch", str(clone / "probe")]), capture_output=True, text=True
        )
        assert "Read-only" in probe.stderr or "Permission denied" in probe.stderr, probe.stderr
        done = subprocess.run(
            on_a_read_only(clone, command),
            cwd=mine,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-5000:]
        assert (mine / PORTRAIT).is_file() and (mine / THETA).is_file()
        assert tree(clone) == before
    finally:
        subprocess.run(["chmod", "-R", "u+w", clone], check=True)
    records = [json.loads(path.read_text()) for path in (mine / ".snakemake/metadata").iterdir()]
    inputs = [name for record in records for name in record["input"]]
    assert "rosenbrock/seed_0.npz" in inputs
    assert not any("/clone" in str([record["input"], record["params"]]) for record in records)
