"""A trained optimizer from its file, of whichever family."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from lopt.learned import make_family
from lopt.learned.base import LearnedFamily
from lopt.learned.theta import is_flat, named, shaped
from lopt.records import safetensors, store, stored
from lopt.records.entries import Optional, Text, brief
from lopt.records.store import StoreError

__all__ = ["export_safetensors", "import_safetensors", "load_optimizer", "save_optimizer"]


def load_optimizer(
    path: str | Path, *, task: str | None = None, seed: int | None = None
) -> tuple[LearnedFamily, Any, dict[str, Any]]:
    """Return family, theta and metadata of the optimizer stored at ``path``.

    The metadata's entry ``optimizer`` has the family's name and all of its parameters.

    Args:
        path: of the file, .npz or .safetensors as ``export_safetensors`` writes it.
        task: that it must have been trained on.
        seed: that it must have been trained with. With a task or a seed the metadata has to be all that
            the workflow stores of a training (``lopt.records.stored.TRAINED``).

    Raises:
        StoreError: if the file is missing or damaged, does not hold a theta of the family it names, or
            holds another optimizer than is asked for.
    """
    if Path(path).suffix == ".safetensors":
        metadata = _metadata_of_safetensors(path)
    else:
        metadata = store.load_metadata(path)
    if "optimizer" not in metadata:
        raise StoreError(
            f"{path}: holds {brief(str(metadata.get('schema')))}, not a trained optimizer: its metadata "
            f"lacks 'optimizer'; it has {brief(str(list(metadata)))}"
        )
    store.require(path, metadata, {"optimizer": {"family": Optional(Text())}})
    try:
        family = make_family(metadata["optimizer"])
        # A default in place of a parameter that was lost would be another optimizer.
        settings = metadata["optimizer"]
        for field in dataclasses.fields(family):
            if field.name not in settings:
                raise StoreError(
                    f"{path}: optimizer lacks {field.name!r}; it has {brief(str(list(settings)))}"
                )
        asked = {"task": task, "seed": seed}
        asked = {name: value for name, value in asked.items() if value is not None}
        entries = stored.TRAINED if asked else stored.OPTIMIZER
        template = jax.eval_shape(family.init, jax.random.key(0))
        if Path(path).suffix == ".safetensors":
            theta = _theta_of(path, template, safetensors.read(path))
            store.require(path, metadata, entries)
            store.require_values(path, metadata, asked)
        elif is_flat(template):
            theta, _ = store.load(path, type(template), expect=asked, entries=entries)
        else:
            schema = type(template).__name__
            arrays, _ = store.load_named(path, schema, expect=asked, entries=entries)
            theta = _theta_of(path, template, arrays)
        return family, family.check(theta), metadata
    except StoreError:
        raise
    except (TypeError, ValueError, OverflowError) as error:
        raise StoreError(f"{path}: {brief(str(error))}") from None


def save_optimizer(path: str | Path, theta: Any, metadata: Mapping[str, Any]) -> None:
    """Store a theta, any pytree of float32 arrays, with its metadata, as ``load_optimizer`` reads it.

    Raises:
        StoreError: if an array does not have the shape or kind that its annotation states, or it can't be
            written.
        ValueError: if two arrays would have one name (``lopt.learned.theta``).
    """
    if is_flat(theta):
        store.save(path, theta, metadata)
    else:
        store.save_named(path, type(theta).__name__, named(theta), metadata)


def export_safetensors(path: str | Path, output: str | Path) -> None:
    """Write the optimizer stored at ``path`` as a safetensors file, bit by bit; its metadata as JSON.

    Raises:
        StoreError: if the file holds no trained optimizer, or the other can't be written.
    """
    _, theta, metadata = load_optimizer(path)
    safetensors.write(
        output, named(theta), {"lopt": json.dumps(metadata, sort_keys=True), "format": "np"}
    )


def import_safetensors(path: str | Path, output: str | Path) -> None:
    """Write the optimizer that ``export_safetensors`` stored as an npz file, the same as it came from.

    Raises:
        StoreError: if the file is damaged or holds no optimizer of lopt.
    """
    _, theta, metadata = load_optimizer(path)
    save_optimizer(output, theta, metadata)


def _metadata_of_safetensors(path: str | Path) -> dict[str, Any]:
    texts = safetensors.read_metadata(path)
    try:
        metadata = json.loads(texts["lopt"])
    except (KeyError, ValueError, RecursionError):
        metadata = None
    if not isinstance(metadata, dict):
        raise StoreError(f"{path}: has no metadata of lopt; not an optimizer that lopt exported")
    return metadata


def _theta_of(path: str | Path, template: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    for name, array in arrays.items():
        if array.dtype != np.float32:
            raise StoreError(f"{path}: {name} is {array.dtype}, expected float32")
    try:
        return shaped(template, arrays)
    except ValueError as error:
        raise StoreError(f"{path}: {error}") from None
