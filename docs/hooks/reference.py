"""The reference: a page for each subject, with every public name, from the docstrings.

Public is what ``lopt/__init__.pyi`` states and what the packages' ``__init__`` files list in ``__all__``. A
public name without a docstring, or a method of a public class without one, stops the build.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent.parent
SUBJECTS = {
    "inspection": "The one call",
    "tasks": "Tasks",
    "optimizers": "Optimizers",
    "learned": "Learned families",
    "unrolling": "Running optimizers",
    "meta_training": "Meta-training",
    "tuning": "Tuning",
    "analysis": "Analysis",
    "records": "Stored results",
    "weights": "Released weights",
    "process": "Processes",
}
OTHERS = "Names, streams of random numbers"


def public_names(package: griffe.Module) -> list[str]:
    """Return the paths of all public names: of ``import lopt``, and of each package's ``__all__``."""
    stub = ast.parse((package.filepath.parent / "__init__.pyi").read_text("utf-8"))
    paths = {
        f"{node.module}.{alias.name}"
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    for folder in _packages(package):
        for name in folder.exports or ():
            paths.add(f"{folder.path}.{str(name).strip(chr(39))}")
    return sorted({_final(package, path).path for path in paths})


def undocumented(package: griffe.Module, paths: list[str]) -> list[str]:
    """Return which of the names, and of the public methods of classes, have no docstring."""
    missing = []
    for path in paths:
        found = _final(package, path)
        if not found.has_docstring:
            missing.append(path)
        if found.is_class:
            missing += [
                f"{path}.{name}"
                for name, member in found.members.items()
                if member.is_function
                and not name.startswith("_")
                and not _told(found, name)
            ]
    return missing


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the reference.

    Raises:
        PluginError: naming all public names without a docstring.
    """
    package = loaded(ROOT)
    paths = public_names(package)
    missing = undocumented(package, paths)
    if missing:
        raise PluginError(f"public names without a docstring: {', '.join(missing)}")
    texts = {subject: f"# {title}\n" for subject, title in SUBJECTS.items()} | {
        "others": f"# {OTHERS}\n"
    }
    for path in sorted(paths, key=_order):
        subject = path.split(".")[1]
        texts[subject if subject in SUBJECTS else "others"] += f"\n::: {path}\n"
    for subject, text in texts.items():
        files.append(File.generated(config, f"reference/{subject}.md", content=text))
    return files


def _order(path: str) -> tuple[bool, str]:
    """Functions before classes, each by name."""
    name = path.rpartition(".")[2]
    return name[0].isupper(), name.lower()


def loaded(folder: Path) -> griffe.Module:
    """Return what the sources in ``folder`` say of lopt; nothing is imported."""
    # By its path: an installed lopt would be found before it by its name.
    found = griffe.load(
        folder / "lopt",
        search_paths=[folder],
        resolve_aliases=True,
        allow_inspection=False,
    )
    assert isinstance(found, griffe.Module)
    return found


def _packages(package: griffe.Module) -> Iterator[griffe.Module]:
    for member in package.members.values():
        if not member.is_alias and member.is_module and member.is_init_module:
            yield member
            yield from _packages(member)


def _final(package: griffe.Module, path: str) -> Any:
    found = package[path.removeprefix("lopt.")]
    return found.final_target if found.is_alias else found


def _told(owner: griffe.Class, name: str) -> bool:
    """Whether a method has a docstring, or inherits that of the method that it takes the place of."""
    return any(
        name in each.members and each.members[name].has_docstring
        for each in (owner, *owner.mro())
    )
