"""What a file says of its class, read from the syntax tree: nothing is imported, JAX least of all.

A task, a baseline and a learned family is one file with one frozen dataclass that names its contract
as a base (``Task``, ``Baseline``, ``LearnedFamily``). Planning a run asks for the class's parameters, their
bounds and defaults, and for constants such as its label; ``read_facts`` answers from the text:

    facts = read_facts("lopt/learned/gru.py", "LearnedFamily")
    facts.fields["units"]           Field(kind="int", bounds=Bounds(minimum=1), default=256, ...)
    facts.constant("label")         "GRU"
    json_schema(facts)              {"type": "object", "properties": {"units": ...}, ...}

Fields and constants may also come from a class that this one extends, in the same file or in another
of the package; where that file can't be found from the import, they are unknown here (``Registry.load``
notices). What a field's annotation may be is told in ``lopt.fields``.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lopt.meanings import Meaning, meanings
from lopt.parameters import REQUIRED, FactsError, Field, field_schema, read_field
from lopt.statements import statements

__all__ = ["Facts", "FactsError", "hyperparameters", "json_schema", "read_facts"]


@dataclass(frozen=True)
class Facts:
    """What a file says of its class: name, parameters, literal constants, first line of the docstring."""

    path: Path
    name: str
    fields: Mapping[str, Field]
    constants: Mapping[str, Any]
    summary: str

    def constant(self, name: str) -> Any:
        """Return the class's literal constant ``name``.

        Raises:
            FactsError: if the class states none.
        """
        if name not in self.constants:
            raise FactsError(
                f"{self.path}: class {self.name} states no literal {name!r} "
                f"(for example {name}: ClassVar[...] = ...)"
            )
        return self.constants[name]


def read_facts(path: str | Path, base: str) -> Facts | None:
    """Return what the file says of its one class that derives from ``base``; None if it has no such class.

    Raises:
        FactsError: if it has several, if the class is no frozen dataclass, if a field can't be read, or if a
            constant names a field that there is not.
    """
    path = Path(path)
    module = _module(path)
    alone = _stands_alone(module, base)
    found = _alone(path, module, base) if alone else _read(path, module, base)
    if found is not None:
        _check_constants(found)
    return found


NAMING = {"sizes": "(field, ...)", "ordered": "((smaller field, larger field), ...)"}
"""Constants that name fields, and what they look like."""


def _check_constants(facts: Facts) -> None:
    for constant, form in NAMING.items():
        value = facts.constants.get(constant, ())
        entries = value if isinstance(value, tuple) else (value,)
        if constant == "ordered":
            whole = all(isinstance(each, tuple) and len(each) == 2 for each in entries)
            entries = tuple(name for each in entries if isinstance(each, tuple) for name in each)
        else:
            whole = isinstance(value, tuple)
        if not whole or any(name not in facts.fields for name in entries):
            raise FactsError(
                f"{facts.path}: class {facts.name}: {constant} is {value!r}, expected {form} of its fields "
                f"{', '.join(facts.fields) or '(none)'}"
            )
    least = facts.constants.get("least_components", 1)
    named = [
        each for each in (least if isinstance(least, tuple) else (least,)) if isinstance(each, str)
    ]
    if any(name not in facts.fields for name in named):
        raise FactsError(
            f"{facts.path}: class {facts.name}: least_components names {', '.join(named)}, expected its "
            f"fields {', '.join(facts.fields) or '(none)'}"
        )


@lru_cache(maxsize=1024)
def _alone(path: Path, module: ast.Module, base: str) -> Facts | None:
    """Read a file that needs no other once: a module is one object as long as its file stays what it is."""
    return _read(path, module, base)


@lru_cache(maxsize=1024)
def _stands_alone(module: ast.Module, base: str) -> bool:
    """Whether the classes extend only each other, the contract and what Python comes with."""
    imported, local = _imported(module), {node.name for node in _classes(module)}
    return all(
        name in local or not is_name or not _may_be_found(name, imported, base)
        for node in _classes(module)
        for name, is_name in _bases(node)
    )


def _may_be_found(name: str, imported: Mapping[str, tuple[str, str]], base: str) -> bool:
    """Whether a class is in another file of ours: imported, and neither the contract's nor Python's own."""
    if name not in imported or imported[name][1] == base:
        return False
    return imported[name][0].partition(".")[0] not in sys.stdlib_module_names


def _read(path: Path, module: ast.Module, base: str) -> Facts | None:
    derived = {node.name: node for node in _classes(module) if _derives(path, node, base)}
    parents = {name for node in derived.values() for name, _ in _bases(node)}
    found = [node for name, node in derived.items() if name not in parents]
    if not found:
        return None
    if len(found) > 1:
        names = ", ".join(sorted(node.name for node in found))
        raise FactsError(f"{path}: has several classes of {base} ({names}); one file holds one")
    (node,) = found
    if not _is_frozen_dataclass(node):
        raise FactsError(
            f"{path}: class {node.name} derives from {base}, but is not a @dataclass(frozen=True)"
        )
    parameters: dict[str, Field] = {}
    constants: dict[str, Any] = {}
    for place, ancestor in _ancestry(path, node, base):
        for name, value in _statements(place, ancestor):
            if isinstance(value, Field):
                parameters[name] = value
            else:
                constants[name] = value
    docstring = ast.get_docstring(node) or ast.get_docstring(module) or ""
    return Facts(
        path=path,
        name=node.name,
        fields=MappingProxyType(parameters),
        constants=MappingProxyType(constants),
        summary=docstring.partition("\n")[0],
    )


def hyperparameters(facts: Facts) -> dict[str, Field]:
    """Return the entries of the NamedTuple that the class names as its ``theta_type``, in the same file.

    An entry whose annotation says no bounds (an array, say) is any number.

    Raises:
        FactsError: if the class names none, or the file does not hold it.
    """
    classes = {node.name: node for node in _classes(_module(facts.path))}
    theta = classes.get(_theta_type(classes[facts.name]) or "")
    if theta is None:
        raise FactsError(
            f"{facts.path}: class {facts.name} names no theta_type of this file "
            "(theta_type: ClassVar[type] = <a NamedTuple of hyperparameters>)"
        )
    found: dict[str, Field] = {}
    meaning = meanings(theta)
    for statement in theta.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            name = statement.target.id
            where = f"{facts.path}: class {theta.name}, field {name}"
            try:
                found[name] = read_field(where, statement, _imported(_module(facts.path)))
            except FactsError:
                found[name] = Field("float")
            found[name] = replace(found[name], meaning=meaning.get(name, Meaning()))
    return found


def _theta_type(node: ast.ClassDef) -> str | None:
    for statement in node.body:
        target = getattr(statement, "target", None) or getattr(statement, "targets", [None])[0]
        if getattr(target, "id", None) == "theta_type":
            return getattr(getattr(statement, "value", None), "id", None)
    return None


def json_schema(facts: Facts) -> dict[str, Any]:
    """Return the JSON schema of the parameters, as a mapping from name to value.

    >>> facts = Facts(Path("a.py"), "A", {"clip": Field("float", nullable=True)}, {}, "")
    >>> json_schema(facts)["required"], json_schema(facts)["properties"]
    (['clip'], {'clip': {'type': ['number', 'null']}})
    """
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [name for name, field in facts.fields.items() if field.default is REQUIRED],
        "properties": {name: field_schema(field) for name, field in facts.fields.items()},
    }


# Files and classes.


def _module(path: Path) -> ast.Module:
    status = path.stat()
    return _parse(str(path), status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=1024)
def _parse(path: str, modified: int, size: int) -> ast.Module:
    """Parse once as long as the file stays what it is: ``modified`` and ``size`` are keys alone."""
    del modified, size
    try:
        return ast.parse(Path(path).read_bytes(), path)
    except SyntaxError as error:
        raise FactsError(f"{path}: line {error.lineno} is not Python ({error.msg})") from None


def _classes(module: ast.Module) -> list[ast.ClassDef]:
    return [node for node in module.body if isinstance(node, ast.ClassDef)]


@lru_cache(maxsize=1024)
def _imported(module: ast.Module) -> dict[str, tuple[str, str]]:
    """Return what the module's names from other modules stand for: (module, name there)."""
    names = {}
    for node in statements(module):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                origin = "." * node.level + (node.module or "")
                names[alias.asname or alias.name] = (origin, alias.name)
    return names


def _bases(node: ast.ClassDef) -> Iterator[tuple[str, bool]]:
    """Yield the names of a class's bases, and whether each is a name by itself (not module.name)."""
    for base in node.bases:
        base = base.value if isinstance(base, ast.Subscript) else base
        if isinstance(base, ast.Name):
            yield base.id, True
        elif isinstance(base, ast.Attribute):
            yield base.attr, False


def _parents(path: Path, node: ast.ClassDef, base: str) -> Iterator[tuple[Path, ast.ClassDef]]:
    """Yield the classes that this one extends, where their files can be found; not the contract's."""
    module = _module(path)
    imported, local = _imported(module), {other.name: other for other in _classes(module)}
    for name, is_name in _bases(node):
        if imported.get(name, ("", name))[1] == base or not is_name:
            continue
        if name in local:
            yield path, local[name]
        elif _may_be_found(name, imported, base):
            yield from _find(path, *imported[name])


def _find(path: Path, origin: str, name: str) -> Iterator[tuple[Path, ast.ClassDef]]:
    """Yield the class ``name`` of the module ``origin`` as the file at ``path`` imports it."""
    level = len(origin) - len(origin.lstrip("."))
    parts = [part for part in origin.split(".") if part]
    folders = [path.parents[level - 1]] if level else path.parents
    for folder in folders:
        for file in (
            folder.joinpath(*parts).with_suffix(".py") if parts else None,
            folder.joinpath(*parts, "__init__.py"),
        ):
            if file is None or not file.is_file() or file == path:
                continue
            module = _module(file)
            for node in _classes(module):
                if node.name == name:
                    yield file, node
                    return
            if name in _imported(module):  # handed on by an __init__
                yield from _find(file, *_imported(module)[name])
            return


def _derives(path: Path, node: ast.ClassDef, base: str) -> bool:
    imported = _imported(_module(path))
    names = {imported.get(name, ("", name))[1] for name, _ in _bases(node)}
    return base in names or any(
        _derives(file, parent, base) for file, parent in _parents(path, node, base)
    )


def _ancestry(path: Path, node: ast.ClassDef, base: str) -> Iterator[tuple[Path, ast.ClassDef]]:
    """Yield what the class extends and then the class: what comes later replaces what came before."""
    for file, parent in reversed(list(_parents(path, node, base))):
        yield from _ancestry(file, parent, base)
    yield path, node


def _is_frozen_dataclass(node: ast.ClassDef) -> bool:
    for decorator in node.decorator_list:
        call = decorator.func if isinstance(decorator, ast.Call) else None
        name = getattr(call, "attr", getattr(call, "id", None))
        if name == "dataclass":
            return any(
                word.arg == "frozen" and getattr(word.value, "value", None) is True
                for word in getattr(decorator, "keywords", ())
            )
    return False


# Fields and constants.


def _statements(path: Path, node: ast.ClassDef) -> Iterator[tuple[str, Any]]:
    """Yield a class's fields, as ``Field``, and its literal constants, as values."""
    meaning = meanings(node)
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            name = statement.target.id
            if not _is_class_variable(statement.annotation):
                where = f"{path}: class {node.name}, field {name}"
                field = read_field(where, statement, _imported(_module(path)))
                yield name, replace(field, meaning=meaning.get(name, Meaning()))
                continue
            value = statement.value
            if value is None:
                continue
        elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            name, value = getattr(statement.targets[0], "id", None), statement.value
        else:
            continue
        try:
            literal = ast.literal_eval(value)
        except (ValueError, TypeError):  # a type, a call: nothing to be known without importing
            continue
        if name is not None:
            yield name, literal


def _is_class_variable(annotation: ast.expr) -> bool:
    outer = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    return getattr(outer, "attr", getattr(outer, "id", None)) == "ClassVar"
