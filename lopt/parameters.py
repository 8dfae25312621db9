"""One parameter of a class, read from the syntax tree of its annotation, and its JSON schema.

    layers: Count = 2         Field(kind="int", bounds=Bounds(minimum=1), default=2)
                              {"type": "integer", "minimum": 1}

Annotations are those of ``lopt.fields``; nothing is imported to read them. Whole classes: ``lopt.facts``.
"""

import ast
import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from lopt import fields
from lopt.config_check import schema_error
from lopt.fields import Bounds
from lopt.meanings import Meaning

__all__ = ["REQUIRED", "FactsError", "Field", "describe", "field_schema", "read_field"]


class FactsError(ValueError):
    """A file can't be read as one extension; the message names file, class and what is expected."""


class _Required:
    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Any = _Required()  # stands for the default of a field that has none


@dataclass(frozen=True)
class Field:
    """One parameter of a class.

    ``kind`` is "int", "float", "bool", "str" or "tuple"; of a tuple ``entries`` describes each entry.
    ``choices`` are the only values allowed, where there are such. ``default`` may be ``REQUIRED``;
    ``meaning`` is what the class says of it in words.
    """

    kind: str
    bounds: Bounds = dataclasses.field(default_factory=Bounds)
    nullable: bool = False
    entries: "Field | None" = None
    choices: tuple[Any, ...] = ()
    default: Any = REQUIRED
    meaning: Meaning = dataclasses.field(default_factory=Meaning)


_JSON_TYPES = {
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "str": "string",
    "tuple": "array",
}


def field_schema(field: Field) -> dict[str, Any]:
    """Return the JSON schema of one parameter."""
    words = {"description": field.meaning.text} if field.meaning.text else {}
    if field.choices:
        return {"enum": [*field.choices, *([None] if field.nullable else [])], **words}
    kind = _JSON_TYPES[field.kind]
    bounds = {
        "minimum": field.bounds.minimum,
        "exclusiveMinimum": field.bounds.exclusive_minimum,
        "maximum": field.bounds.maximum,
        "exclusiveMaximum": field.bounds.exclusive_maximum,
        "minItems": field.bounds.minimum_length,
    }
    return {
        "type": [kind, "null"] if field.nullable else kind,
        **{keyword: bound for keyword, bound in bounds.items() if bound is not None},
        **({"items": field_schema(field.entries)} if field.entries else {}),
        **words,
    }


def read_field(
    where: str, statement: ast.AnnAssign, imported: Mapping[str, tuple[str, str]]
) -> Field:
    """Return what the statement ``name: annotation = default`` of a class's body says.

    Args:
        where: file, class and field, for the message of an error.
        statement: the statement's syntax tree.
        imported: what the names that the file imports stand for, (module, name there).

    Raises:
        FactsError: if annotation or default can't be read, or the default is out of its bounds.
    """
    try:
        field = describe(_resolve(statement.annotation, imported))
    except (LookupError, ValueError, TypeError, SyntaxError):
        raise FactsError(
            f"{where}: the annotation {ast.unparse(statement.annotation)!r} can't be read; allowed are "
            f"{', '.join(name for name in fields.__all__ if name != 'Bounds')} of lopt.fields, "
            "Annotated[int, Bounds(...)], int, float, bool, str, Literal[...], tuple[X, ...] and X | None"
        ) from None
    default = REQUIRED if statement.value is None else _default(where, statement.value)
    field = replace(field, default=default)
    if default is not REQUIRED:
        value = list(default) if isinstance(default, tuple) else default
        if wrong := schema_error(value, field_schema(field)):
            raise FactsError(f"{where}: its default {wrong[1]}")
    return field


def _default(where: str, value: ast.expr) -> Any:
    if isinstance(value, ast.Call) and ast.unparse(value.func).split(".")[-1] == "field":
        keywords = {word.arg: word.value for word in value.keywords}
        if set(keywords) <= {"metadata", "kw_only", "repr", "compare", "hash"}:
            return REQUIRED
        value = keywords.get("default", value)
    try:
        return ast.literal_eval(value)
    except (ValueError, TypeError):
        raise FactsError(
            f"{where}: the default {ast.unparse(value)!r} can't be read; write a literal value"
        ) from None


_PLAIN = {"int": int, "float": float, "bool": bool, "str": str}


def _resolve(node: ast.expr, imported: Mapping[str, tuple[str, str]]) -> Any:
    """Return the type that an annotation stands for.

    Raises:
        LookupError, ValueError, TypeError, SyntaxError: if it is none of those that ``lopt.fields`` lists.
    """
    match node:
        case ast.Constant(value=None):
            return None
        case ast.Constant(value=str(text)):  # a quoted annotation
            return _resolve(ast.parse(text, mode="eval").body, imported)
        case ast.Name(id=name) if name in imported:
            origin, original = imported[name]
            if origin not in ("lopt.fields", "typing"):
                raise LookupError(name)
            return _named(original)
        case ast.Name(id=name):
            return _PLAIN[name] if name != "tuple" else tuple
        case ast.Attribute(value=ast.Name(), attr=name):  # fields.Count, typing.Literal
            return _named(name)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _resolve(left, imported) | _resolve(right, imported)
        case ast.Subscript(value=outer, slice=inner):
            return _subscript(_resolve(outer, imported), inner, imported)
    raise LookupError(ast.dump(node))


def _named(name: str) -> Any:
    special = {"Annotated": Annotated, "Literal": Literal, "Optional": typing.Optional}
    if name in special:
        return special[name]
    if name not in fields.__all__:
        raise LookupError(name)
    return getattr(fields, name)


def _subscript(outer: Any, inner: ast.expr, imported: Mapping[str, tuple[str, str]]) -> Any:
    parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    if outer is Literal:
        return Literal[tuple(ast.literal_eval(part) for part in parts)]
    if outer is typing.Optional:
        return _resolve(parts[0], imported) | None
    if outer is tuple:
        entry, ellipsis = parts
        if ast.literal_eval(ellipsis) is not Ellipsis:
            raise TypeError("a tuple of fixed length")
        return tuple[_resolve(entry, imported), ...]
    if outer is Annotated:
        bounded, call = parts
        if not isinstance(call, ast.Call) or _resolve(call.func, imported) is not Bounds:
            raise TypeError("Annotated without Bounds")
        words = {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
        return Annotated[_resolve(bounded, imported), Bounds(**words)]
    raise TypeError("not a type that takes parameters")


def describe(kind: Any) -> Field:
    """Return the field that a type is the annotation of.

    >>> describe(int | None).nullable
    True

    Raises:
        TypeError: if it is none of those that ``lopt.fields`` lists.
    """
    if kind in _PLAIN.values():
        return Field(kind.__name__)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return replace(describe(arguments[0]), bounds=arguments[1])
    if origin is Literal:
        return Field(type(arguments[0]).__name__, choices=arguments)
    if origin is tuple:
        return Field("tuple", entries=describe(arguments[0]))
    if type(None) in arguments and len(arguments) == 2:
        (other,) = (argument for argument in arguments if argument is not type(None))
        return replace(describe(other), nullable=True)
    raise TypeError(kind)
