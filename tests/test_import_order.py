"""The package's modules import in one direction only, and nothing imports what it must not."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "lopt"

# A module imports only from those before it, or from its own room.
ORDER = [
    ["arguments", "found", "printing", "statements", "unroll_memory"],
    ["config_check", "config_plain", "process", "fields"],
    ["meanings", "settings"],
    ["parameters"],
    ["facts"],
    ["registry"],
    ["extensions", "sources"],
    ["config_frame"],
    ["config_schema"],
    ["config"],
    ["config_files", "config_reference", "stub"],
    ["keys"],
    ["records"],
    ["provenance", "lineage", "progress", "evaluation", "report", "checkpoint"],
    ["crate"],
    ["tasks"],
    ["optimizers"],
    ["learned"],
    ["unrolling"],
    ["tuning"],
    ["magnitudes"],
    ["meta_training"],
    ["weights", "census_collection"],
    ["analysis"],
    ["claims"],
    ["figures"],
    ["inspection"],
    ["command_line"],
    ["__main__"],
]
LEVEL = {name: level for level, names in enumerate(ORDER) for name in names}


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")


def imports(path: Path) -> set[str]:
    """Every module that the file imports, inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return names


def place(name: str) -> str | None:
    """The entry of ORDER that a dotted name of the package belongs to."""
    room = name.removeprefix("lopt.").split(".")[0]
    return room if room in LEVEL else None


def test_every_module_has_its_place():
    for path in modules():
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        assert place(name), f"{name} is not in the order of modules"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    own = place(".".join(path.relative_to(PACKAGE).with_suffix("").parts))
    for name in imports(path):
        if not name.startswith("lopt."):
            continue
        other = place(name)
        assert other is None or other == own or LEVEL[other] < LEVEL[own], f"{path} imports {name}"


def test_nothing_in_the_package_knows_snakemake():
    for path in modules():
        assert not any(name.split(".")[0] == "snakemake" for name in imports(path)), path


def test_the_workflow_is_parsed_without_jax():
    for path in [ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))]:
        lines = path.read_text().splitlines()
        assert not [
            line for line in lines if line.split()[:2] in (["import", "jax"], ["from", "jax"])
        ]


@pytest.mark.parametrize(
    "module",
    [
        "lopt",
        "lopt.config",
        "lopt.extensions",
        "lopt.sources",
        "lopt.records.layout",
        "lopt.records.store",
        "lopt.records.stored",
        "lopt.records.results",
        "lopt.process",
        "lopt.records.analysis",
        "lopt.learned",
        "lopt.command_line",
    ],
)
def test_cheap_modules_do_not_import_jax(module):
    code = f"import sys, {module}; sys.exit('jax.numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_figures_do_not_import_jax():
    names = [
        f"lopt.figures.{path.stem}"
        for path in (PACKAGE / "figures").glob("*.py")
        if path.stem != "__init__"
    ]
    code = f"import sys, {', '.join(sorted(names))}; sys.exit('jax.numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_public_names_exist():
    import lopt

    for name in lopt.__all__:
        assert getattr(lopt, name) is not None


def test_no_public_name_is_a_module_too():
    """Otherwise what a name stands for depends on what was imported before."""
    import lopt

    modules_of_lopt = {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in modules()
    }
    rooms = {name.split(".")[0] for name in modules_of_lopt}
    assert not rooms & set(lopt.__all__)
    assert callable(lopt.unroll) and callable(lopt.meta_gradient)


def test_importing_the_package_uses_no_device():
    """No array, no key, no device at import: on a platform that does not exist each would fail."""
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in modules()]
    environment = {**os.environ, "JAX_PLATFORMS": "none"}

    def run(code):
        command = [sys.executable, "-c", code]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

    done = run(f"import {', '.join(names)}")
    assert done.returncode == 0, done.stderr
    assert "'none'" in run("import jax.numpy; jax.numpy.zeros(1)").stderr, "the test sees nothing"
