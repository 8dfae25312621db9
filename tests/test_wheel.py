"""The wheel is the product: what is in it, and what it does in an empty folder, without the clone."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import lopt
from lopt.learned.released import load_released
from lopt.records.checksums import stated
from lopt.records.model_card import model_card

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in (
        "lopt",
        "weights",
        "setup.py",
        "pyproject.toml",
        "MANIFEST.in",
        "README.md",
        "LICENSE",
    ):
        (source / name).symlink_to(ROOT / name)
    building = "import sys, setuptools.build_meta as b; print(b.build_wheel(sys.argv[1]))"
    made = subprocess.run(
        [sys.executable, "-c", building, str(folder)], cwd=source, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stdout[-2000:] + made.stderr[-2000:]
    return next(folder.glob("*.whl"))


def test_it_has_weights_types_and_published_values(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"lopt/py.typed", "lopt/__init__.pyi", "lopt/records/published.csv"} <= names
    shipped = {name for name in stated(ROOT / "weights") if name.endswith(".npz")}
    assert len(shipped) >= 8 and {f"lopt/released/{name}" for name in shipped} <= names
    assert wheel.stat().st_size < 20e6


def test_in_an_empty_folder_it_finds_its_weights(wheel, tmp_path):
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    zipfile.ZipFile(wheel).extractall(site)
    code = (
        "import lopt, jax.numpy as jnp; from lopt.records import published\n"
        "theta, metadata = lopt.load_released('linear_regression', seed=0)\n"
        "optimizer = lopt.make_family(metadata['optimizer']).build(theta)\n"
        "x = jnp.ones(3); updates, _ = optimizer.update(x, optimizer.init(x))\n"
        "print(lopt.__file__, lopt.__version__, float(updates[0]) < 0)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(site), "JAX_PLATFORMS": "cpu"}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=empty, env=environment, capture_output=True, text=True
    )
    assert run.stdout.split() == [str(site / "lopt/__init__.py"), lopt.__version__, "True"], (
        run.stderr
    )


def test_released_optimizers_are_found_by_task_and_seed_alone():
    _, metadata = lopt.load_released("rosenbrock", seed=1)
    assert (metadata["task"], metadata["seed"]) == ("rosenbrock", 1)
    assert lopt.load_released("linear_regression")[1]["seed"] == 0
    with pytest.raises(
        lopt.StoreError, match=r"seed_9\.npz: there is no such file; released are digits"
    ):
        lopt.load_released("rosenbrock", seed=9)


def test_model_cards_are_generated_from_the_metadata():
    sums = stated(ROOT / "weights")
    for name in (name for name in sums if name.endswith(".npz")):
        task, seed = name.removesuffix(".npz").split("/seed_")
        _, metadata = load_released(ROOT / "weights", task, int(seed))
        card = (ROOT / "weights" / name).with_suffix(".md").read_text()
        assert card == model_card(metadata, name, sums[name], shipped=True), (
            "run: python -m lopt.weights cards weights"
        )
        assert f"{metadata['evaluation_meta_objective']:.4f}" in card and sums[name] in card
