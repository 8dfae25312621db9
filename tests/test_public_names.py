"""Editors and type checkers know the names that ``import lopt`` gives, and a misspelled one is told."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import lopt
from lopt.stub import PATH, stub

ROOT = Path(__file__).parent.parent


def test_the_stub_is_generated_from_the_names():
    assert PATH.read_text() == stub(), "run: make reference"
    named = {
        alias.asname: node.module
        for node in ast.parse(stub()).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert sorted(named) == lopt.__all__
    for name in ("linearize", "Rosenbrock", "Adam", "GRU", "load_released"):
        assert named[name] == getattr(lopt, name).__module__


def test_the_package_says_that_it_is_typed():
    assert (ROOT / "lopt/py.typed").is_file()
    packaged = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert {"py.typed", "*.pyi"} <= set(packaged["package-data"]["lopt"])


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("linearise", "linearise'; did you mean 'linearize'?"),
        ("Rosenbruck", "did you mean 'Rosenbrock'?"),
        ("zzz", "has no attribute 'zzz'"),
    ],
)
def test_a_name_that_there_is_not(name, hint):
    with pytest.raises(AttributeError, match=hint.replace("?", r"\?")):
        getattr(lopt, name)


def test_a_submodule_is_no_misspelled_name():
    code = "from lopt import fields; import lopt, sys; sys.exit('lopt.extensions' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_no_file_is_excused_from_the_type_check():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pyright"]
    assert settings["include"] == ["lopt", "tests/typed_use.py"]
    assert settings["typeCheckingMode"] == "standard"
    assert not {"exclude", "ignore"} & set(settings)
    # A comment on a line of its own would excuse its whole file.
    for path in sorted((ROOT / "lopt").rglob("*.py")):
        assert not re.search(r"^\s*# *(pyright|type):", path.read_text(), re.MULTILINE), path
