"""Which tests need nothing but lopt: those that run against an installed wheel, in an empty folder.

    python tests/library.py             their names, for ``make test-lowest``
    python tests/library.py FOLDER      copy them there with what they share, for ``make test-wheel``

A test needs the repository if it, or a module of tests/ that it imports, asks where its file lies, starts
another process, or takes the fixture ``finished``.
"""

import ast
import shutil
import sys
import tomllib
from pathlib import Path

TESTS = Path(__file__).parent
SHARED = ("conftest.py", "shapes.py", "skips.py", "workflow_project.py", "workflow_process.py")


def imported(path: Path) -> list[Path]:
    """Return the modules of tests/ that a file imports, and what they import."""
    names = [
        alias
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in ([node.module] if isinstance(node, ast.ImportFrom) else _names(node))
    ]
    found = [TESTS / f"{name}.py" for name in names if (TESTS / f"{name}.py").is_file()]
    return [*found, *(more for each in found for more in imported(each))]


def needs_repository(path: Path) -> bool:
    """Return whether a file of tests needs more than lopt."""
    return any(
        (isinstance(node, ast.Name) and node.id in ("__file__", "subprocess"))
        or (isinstance(node, ast.arg) and node.arg == "finished")
        for each in (path, *imported(path))
        for node in ast.walk(ast.parse(each.read_bytes()))
    )


def library() -> list[Path]:
    """Return the files of tests that need nothing but lopt."""
    return [path for path in sorted(TESTS.glob("test_*.py")) if not needs_repository(path)]


def copy(folder: Path) -> None:
    """Copy them, what they share and how pytest is set up to an empty folder."""
    folder.mkdir(parents=True)
    needed = {module for path in library() for module in (path, *imported(path))}
    for path in sorted(needed | {TESTS / name for name in SHARED}):
        shutil.copy(path, folder)
    project = tomllib.loads((TESTS.parent / "pyproject.toml").read_text())
    options = project["tool"]["pytest"]["ini_options"]
    lines = ["[pytest]"]
    for key in ("timeout", "markers", "filterwarnings"):
        values = options[key] if isinstance(options[key], list) else [options[key]]
        lines += [f"{key} =", *(f"    {value}" for value in values)]
    unwanted = options["addopts"][options["addopts"].index("--ignore=tests/data") + 1]
    lines += [f'addopts = -ra --strict-markers "{unwanted}"']
    (folder / "pytest.ini").write_text("\n".join(lines) + "\n")


def _names(node: ast.Import) -> list[str]:
    return [alias.name for alias in node.names]


if __name__ == "__main__":
    if sys.argv[1:]:
        copy(Path(sys.argv[1]))
    else:
        print(*(path.relative_to(TESTS.parent) for path in library()))
