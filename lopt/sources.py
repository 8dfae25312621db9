"""Which source files a result depends on, found by following imports, and one digest of them.

    files = sources("lopt.tasks.rosenbrock", script)      that module, the script, all that they import
    code_digest(files)                                    changes when one of them does

Imports are read from the syntax trees, those inside functions too; nothing is imported. What a registry
loads by name (``lopt.registry``) is no import and has to be named: a result of one task depends on that
task's file and not on its neighbors. The digest depends on the names and contents of the files alone, not
on where the package lies. Modules that only tell of results (``BESIDE``) count for none.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from lopt.statements import statements

__all__ = ["PACKAGE", "code_digest", "sources"]

PACKAGE = Path(__file__).parent
BESIDE = (PACKAGE / "lineage.py",)  # writes down where a result comes from, and changes none


def sources(*roots: str | Path) -> list[Path]:
    """Return the files that ``roots`` (dotted names of modules of lopt, or paths) are made of.

    >>> [path.name for path in sources("lopt.keys")]
    ['keys.py']

    Raises:
        ValueError: if a root is no module of the package.
    """
    found: dict[Path, None] = {}
    waiting = []
    for root in roots:
        if isinstance(root, Path):
            waiting.append(root)
        elif path := _module_file(root):
            waiting.append(path)
        else:
            raise ValueError(f"{root} is not a module of {PACKAGE.name}")
    while waiting:
        path = waiting.pop()
        if path not in found:
            found[path] = None
            waiting += _imports(path, path.stat().st_mtime_ns)
    return sorted(found)


def code_digest(files: Iterable[Path]) -> str:
    """Return a digest of the contents of ``files``, each under its name within the package."""
    total = hashlib.sha256()
    for name, digest in sorted(
        (_name(path), _digest(path, path.stat().st_mtime_ns)) for path in files
    ):
        total.update(f"{name} {digest}\n".encode())
    return total.hexdigest()[:16]


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix() if path.is_relative_to(PACKAGE) else path.name


@cache
def _digest(path: Path, modified: int) -> str:
    del modified  # part of the cache's key
    return hashlib.sha256(path.read_bytes()).hexdigest()


@cache
def _imports(path: Path, modified: int) -> tuple[Path, ...]:
    """The package's files that ``path`` imports, in any of its lines."""
    del modified
    found = {}
    for name in _imported_names(ast.parse(path.read_bytes())):
        if name.split(".")[0] == PACKAGE.name:
            for file in _files_of(name):
                if file not in BESIDE:
                    found[file] = None
    return tuple(found)


def _imported_names(tree: ast.AST) -> Iterator[str]:
    for node in statements(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _files_of(name: str) -> Iterator[Path]:
    """The modules that importing ``name`` runs: its own and its packages'.

    The last part may be a name inside a module. The package's own ``__init__`` holds names that load on
    first use, and decides nothing.
    """
    parts = name.split(".")
    for length in range(2, len(parts) + 1):
        if path := _module_file(".".join(parts[:length])):
            yield path


def _module_file(name: str) -> Path | None:
    path = PACKAGE.joinpath(*name.split(".")[1:])
    if path.with_suffix(".py").is_file():
        return path.with_suffix(".py")
    if path != PACKAGE and (path / "__init__.py").is_file():
        return path / "__init__.py"
    return None
