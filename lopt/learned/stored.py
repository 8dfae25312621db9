"""A trained optimizer from its file, of whichever family."""

import dataclasses
from pathlib import Path
from typing import Any

from lopt.learned import make_family
from lopt.learned.base import LearnedFamily
from lopt.records import store, stored
from lopt.records.entries import Optional, Text, brief
from lopt.records.store import StoreError

__all__ = ["load_optimizer"]


def load_optimizer(
    path: str | Path, *, task: str | None = None, seed: int | None = None
) -> tuple[LearnedFamily, Any, dict[str, Any]]:
    """Return family, theta and metadata of the optimizer stored at ``path``.

    The metadata's entry ``optimizer`` has the family's name and all of its parameters.

    Args:
        path: of the file.
        task: that it must have been trained on.
        seed: that it must have been trained with. With a task or a seed the metadata has to be all that
            the workflow stores of a training (``lopt.records.stored.TRAINED``).

    Raises:
        StoreError: if the file is missing or damaged, does not hold a theta of the family it names, or
            holds another optimizer than is asked for.
    """
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
        theta, _ = store.load(path, family.theta_type, expect=asked, entries=entries)
        return family, family.check(theta), metadata
    except StoreError:
        raise
    except (TypeError, ValueError, OverflowError) as error:
        raise StoreError(f"{path}: {brief(str(error))}") from None
