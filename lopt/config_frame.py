"""The frame of the configuration's JSON schema, made of the dataclasses of ``lopt.settings``.

    frame()                  {"properties": {"scale": ...}, "$defs": {"study": ..., "task": ..., ...}}
    settings_fields(cls)     the keys of one mapping: name -> (annotation, meaning)

The frame knows no task, family or baseline; ``lopt.config_schema`` puts in what their files say. The words
that a message says in place of a type and a pattern are the schema's ``title``.
"""

import ast
import dataclasses
import types
import typing
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from lopt import settings
from lopt.fields import Bounds
from lopt.meanings import Meaning, meanings
from lopt.parameters import describe, field_schema

__all__ = ["BLOCKS", "SettingsField", "frame", "mapping_of", "property_schema", "settings_fields"]

Schema = dict[str, Any]

BLOCKS: Mapping[str, type] = {
    "study": settings.StudySettings,
    "task": settings.TaskSettings,
    "meta_training": settings.MetaTrainingSettings,
    "meta_search": settings.MetaSearchSettings,
    "tuning": settings.TuningSettings,
    "range": settings.Range,
    "evaluation": settings.EvaluationSettings,
    "analysis": settings.AnalysisSettings,
    "interventions": settings.InterventionSettings,
}
"""The definitions that have a name in the schema; other mappings stand where they are used."""

# Of a folder; $ lets a last newline pass.
SCALE_NAME = {"pattern": "^[a-z][a-z0-9_]*(?!\n)$", "maxLength": 64}
FOLDER = {
    "title": "the path of a folder on one line, or null",
    "type": ["string", "null"],
    "pattern": r"^[^\x00-\x1f\x7f\u0085\u2028\u2029\ud800-\udfff]{1,1000}(?!\n)$",
}
NAMES = {
    "title": "a list of names, or all",
    "type": ["array", "string"],
    "pattern": "^all$",
    "minItems": 1,
    "uniqueItems": True,
}


class SettingsField(NamedTuple):
    """One key of a mapping of the configuration."""

    annotation: Any
    optional: bool
    """Whether it may be left out."""
    meaning: Meaning


@cache
def settings_fields(cls: type) -> Mapping[str, SettingsField]:
    """Return the fields of one of the dataclasses of ``lopt.settings``, by name."""
    hints = typing.get_type_hints(cls, include_extras=True)
    words = _meanings()[cls.__name__]
    return {
        field.name: SettingsField(
            hints[field.name],
            field.default is not dataclasses.MISSING,
            words.get(field.name, Meaning()),
        )
        for field in dataclasses.fields(cls)
    }


def mapping_of(annotation: Any) -> type | None:
    """Return the dataclass that an annotation holds, by itself, in a tuple or beside None; or None."""
    if dataclasses.is_dataclass(annotation) and isinstance(annotation, type):
        return annotation
    if typing.get_origin(annotation) in (Annotated, tuple, types.UnionType):
        return next(filter(None, map(mapping_of, typing.get_args(annotation))), None)
    return None


def frame() -> Schema:
    """Return the schema of a configuration, and under ``$defs`` those of its parts."""
    definitions = {name: _object(cls) for name, cls in BLOCKS.items()}
    study, task = definitions["study"]["properties"], definitions["task"]["properties"]
    study["settings"] |= {"additionalProperties": False, "properties": {}}
    study["every_task"] = {
        "type": "object",
        "description": settings_fields(settings.StudySettings)["every_task"].meaning.text,
    }
    task["seeds"]["uniqueItems"] = True
    for block, searched in (("meta_search", settings.SEARCHED), ("tuning", ())):
        definitions[block]["properties"]["ranges"] |= {
            "additionalProperties": False,
            "properties": {name: {"$ref": "#/$defs/range"} for name in searched},
        }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": False,
        "required": ["scale", "study", "scales"],
        "properties": {
            "scale": {"type": "string", "description": "The scale that runs: one of scales."},
            "study": {"type": "object", "description": "The study, at the paper's settings."},
            "scales": {
                "type": "object",
                "description": "What each scale changes of the study.",
                "minProperties": 1,
                "propertyNames": SCALE_NAME,
                "additionalProperties": {"type": "object"},
            },
        },
        "$defs": {"names": NAMES, **definitions},
    }


@cache
def _meanings() -> dict[str, dict[str, Meaning]]:
    module = ast.parse(Path(settings.__file__).read_bytes())
    return {node.name: meanings(node) for node in module.body if isinstance(node, ast.ClassDef)}


def _object(cls: type) -> Schema:
    fields = settings_fields(cls)
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [name for name, field in fields.items() if not field.optional],
        "properties": {name: property_schema(field) for name, field in fields.items()},
    }


def property_schema(field: SettingsField) -> Schema:
    """Return the schema of one key."""
    words = {"description": field.meaning.text}
    annotation = field.annotation
    inner, origin = mapping_of(annotation), typing.get_origin(annotation)
    if annotation == settings.Names:
        return {**NAMES, **words}
    if annotation == settings.Folder:
        return {**FOLDER, **words}
    if inner is None:
        nullable = types.NoneType in typing.get_args(annotation)
        if Mapping in [origin, *map(typing.get_origin, typing.get_args(annotation))]:
            return {"type": ["object", "null"] if nullable else "object", **words}
        return field_schema(replace(describe(annotation), meaning=field.meaning))
    if annotation is inner:
        named = next((name for name, cls in BLOCKS.items() if cls is inner), None)
        return {"$ref": f"#/$defs/{named}"} if named else {**_object(inner), **words}
    if origin is types.UnionType:
        return {**_object(inner), "type": ["object", "null"], **words}
    lengths = [
        each.minimum_length for each in typing.get_args(annotation) if isinstance(each, Bounds)
    ]
    least = {"minItems": lengths[0]} if lengths else {}
    return {"type": "array", **least, "items": _object(inner), **words}
