"""The command line: what it prints, what it writes, and errors of one line."""

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

import lopt
from lopt import command_line
from lopt.inspection.subjects import home
from lopt.meta_training.recipes import RECIPES, make_recipe
from lopt.records import store
from lopt.tasks import make_task

ROOT = Path(__file__).parent.parent
MODULE = """
import optax

def clipped():
    return optax.chain(optax.clip(0.5), optax.sgd(0.1, momentum=0.8))

def broken():
    raise KeyError("no learning rate")

def ending():
    raise SystemExit(0)

number = 0.1
"""


TELLING = """
import sys
from lopt.printing import tell
try:
    for _ in range(9):
        tell(sys.argv[1])
except OSError as error:
    sys.exit(f"error: {error}")
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a module of optimizers, in which the command is given."""
    (tmp_path / "my_optimizers.py").write_text(MODULE)
    (tmp_path / "my_script.py").write_text("import sys; sys.exit()")
    (tmp_path / "folder.npz").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "my_optimizers", raising=False)
    return tmp_path


def test_analyze_prints_the_summary_and_writes_figures(folder, capsys):
    small = ["--problems", "2", "--steps", "40", "--figures", "looks"]
    command_line.main(["analyze", "my_optimizers:clipped", "--on", "rosenbrock", *small])
    printed = capsys.readouterr()
    assert printed.out.startswith("clipped, on Rosenbrock: 2 problems, 40 steps\n")
    assert "the leading mode has momentum 0.8 and 100 % of the learning rate 0.1" in printed.out
    assert "fixed points after" in printed.err  # progress
    written = {path.name for path in (folder / "looks").iterdir()}
    mechanisms = ("momentum", "clipping", "schedule", "adaptation", "stability")
    assert written == {f"{name}.{kind}" for name in mechanisms for kind in ("pdf", "png")}


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("theta.npz", None),
        ("theta.safetensors", None),
        ("theta.safetensors --name mine", "mine"),
        ("my_optimizers:clipped", "clipped"),
    ],
)
def test_a_stored_theta_is_called_what_it_says(folder, monkeypatch, command, name):
    def analyze(*_, **options):
        raise ValueError(options["name"])

    monkeypatch.setattr("lopt.inspection.one_call.analyze", analyze)
    with pytest.raises(SystemExit) as ended:
        command_line.main(["analyze", *command.split()])
    assert ended.value.__context__.args == (name,)


def test_train_stores_an_optimizer_that_loads(folder, capsys):
    numbers = "meta_steps=4 chunk=2 problems=2 validation_problems=2 steps=3 units=2 clip=0.1"
    command = ["train", "rosenbrock", "mine/theta.npz", "--family", "vanilla_rnn", "--set"]
    command_line.main([*command, *numbers.split()])
    printed = capsys.readouterr()
    assert printed.out.startswith("mine/theta.npz: validation meta-objective")
    assert "meta-step 4/4" in printed.err
    family, theta, metadata = lopt.load_optimizer("mine/theta.npz", task="rosenbrock", seed=0)
    assert (family.units, type(theta).__name__) == (2, "VanillaRNNTheta")
    assert metadata["meta_training"]["clip"] == 0.1 and metadata["steps"] == 3
    assert len(store.load_table("mine/theta.csv")) == 2
    assert not list(folder.glob("mine/*checkpoint*"))
    # It is analyzed on what it was trained on, unless something else is asked for.
    assert home("mine/theta.npz") == (make_task("rosenbrock"), 3)
    with pytest.raises(ValueError, match="only a stored theta says what it was trained on"):
        lopt.analyze((family, theta))


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("analyze my_optimizers:absent", "module 'my_optimizers' has no 'absent'; it has"),
        ("analyze absent:it", "module 'absent' can't be imported (ModuleNotFoundError"),
        ("analyze my_optimizers", "'my_optimizers' is no optimizer; expected my_module:name"),
        ("analyze my_optimizers:broken", "is a function, and fails without arguments (KeyError"),
        ("analyze my_optimizers:ending", "fails without arguments (SystemExit: 0)"),
        ("analyze my_script:it", "module 'my_script' can't be imported (SystemExit: )"),
        ("analyze my_optimizers:number", "the optimizer is a float; expected"),
        ("analyze my_optimizers:clipped --on mars", "there is no task 'mars'; there are"),
        (
            "analyze my_optimizers:clipped --steps 0",
            "steps is 0, expected a whole number of at least 1",
        ),
        ("analyze absent.npz", "absent.npz: there is no such file"),
        ("describe absent", "absent"),
        ("train mars theta.npz", "there is no task 'mars'"),
        ("train rosenbrock theta", "theta: a stored theta ends in .npz"),
        ("train rosenbrock theta.npz --seed -1", "--seed: -1 should be at least 0"),
        ("train rosenbrock theta.npz --seed 4294967296", "should be at most 4294967295"),
        ("train rosenbrock theta.npz --seed 9223372036854775808", "--seed: "),
        ("train rosenbrock folder.npz", "folder.npz: is a folder"),
        ("train rosenbrock theta.npz --recipe none", "there is no recipe 'none'; there are publ"),
        ("train rosenbrock theta.npz --family none", "'none'"),
        ("train rosenbrock theta.npz --set units", "--set units: expected NAME=NUMBER"),
        (
            "train rosenbrock theta.npz --set units=2 steps=3 units=4",
            "units=4: units stands there twice",
        ),
        ("train rosenbrock theta.npz --set units=2 --set charm=1", "there is no number 'charm'"),
        ("train rosenbrock theta.npz --set charm=1 --set units=2", "there is no number 'charm'"),
        ("train rosenbrock theta.npz --set charm=1", "there is no number 'charm'; there are"),
        ("train rosenbrock theta.npz --set units=0", "units"),
        ("train rosenbrock theta.npz --set steps=0.5", "steps: 0.5 should be a whole number"),
        ("train rosenbrock theta.npz --set clip=-1", "clip: -1 should be greater than 0"),
    ],
)
def test_an_error_is_one_line(folder, capsys, command, message):
    with pytest.raises(SystemExit) as ended:
        command_line.main(command.split())
    assert ended.value.code == 1
    lines = capsys.readouterr().err.splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert len(errors) == 1 and lines[-1] == errors[0] and message in errors[0]


def test_it_is_a_module_and_a_script():
    run = [sys.executable, "-m", "lopt", "describe", "weights"]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "linear_regression" in done.stdout and "meta_objective" in done.stdout
    scripts = (ROOT / "pyproject.toml").read_text().split("[project.scripts]")[1]
    assert scripts.startswith('\nlopt = "lopt.command_line:main"\n')


@pytest.mark.parametrize(
    ("redirection", "status", "said"),
    [
        ("| head -n 1", 0, ""),
        ("| true", 0, ""),
        (">&-", 0, ""),
        (">&- 2>&-", 0, ""),
        (">/dev/full", 1, "error: [Errno 28] No space left on device\n"),
    ],
)
@pytest.mark.parametrize("buffered", [True, False])
def test_an_output_that_nobody_reads_is_no_error(redirection, status, said, buffered):
    text = "± " + "a line " * (9 if buffered else 9999)
    run = [
        "bash",
        "-o",
        "pipefail",
        "-c",
        f'"$@" {redirection}',
        "bash",
        sys.executable,
        "-c",
        TELLING,
        text,
    ]
    environment = {**os.environ, "PYTHONUNBUFFERED": "" if buffered else "1"}
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (status, said)


def test_recipes_are_those_of_the_configuration():
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    study, laptop = config["study"]["every_task"], config["scales"]["laptop"]["every_task"]
    for name, changes in (("published", {}), ("laptop", laptop)):
        recipe = RECIPES[name]
        wanted = study["meta_training"] | changes.get("meta_training", {})
        given = dataclasses.asdict(recipe.settings)
        for key in given.keys() - wanted.keys():
            assert given.pop(key) is None
        assert given == {key: type(given[key])(value) for key, value in wanted.items()}
        assert recipe.optimizer == study["optimizer"] | changes.get("optimizer", {})
        assert recipe.steps == study["steps"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"meta_steps": 25}, (25, 25, 5)),
        ({"meta_steps": 75}, (75, 75, 15)),
        ({"meta_steps": 1009}, (1009, 1009, 1)),
        ({"chunk": 20}, (1000, 40, 20)),
        ({"validation_interval": 25}, (1000, 25, 5)),
        ({"meta_steps": 4, "chunk": 2}, (4, 4, 2)),
        ({"learning_rate": 1e-3}, (1000, 50, 10)),
    ],
)
def test_a_recipe_is_validated_where_it_ends(changes, expected):
    found = make_recipe("laptop", changes).settings
    assert (found.meta_steps, found.validation_interval, found.chunk) == expected


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"meta_steps": 60, "chunk": 7}, "meta_steps: 60 should be a multiple"),
        (
            {"validation_interval": 30},
            "meta_steps: 1000 should be a multiple of validation_interval (30)",
        ),
        (
            {"validation_interval": 50, "chunk": 20},
            "validation_interval: 50 should be a multiple of chunk (20)",
        ),
    ],
)
def test_numbers_that_leave_a_training_without_its_end_are_refused(changes, complaint):
    with pytest.raises(ValueError, match=re.escape(complaint)):
        make_recipe("laptop", changes)


def test_a_recipe_for_another_family_keeps_what_that_has():
    recipe = make_recipe("laptop", {"units": 7, "meta_steps": 20}, "lstm")
    assert recipe.optimizer["family"] == "lstm" and recipe.optimizer["units"] == 7
    assert recipe.settings.meta_steps == recipe.settings.validation_interval == 20
    assert np.isclose(recipe.settings.clip, RECIPES["laptop"].settings.clip)
