"""A trained optimizer from its file, of whichever family."""

from pathlib import Path
from typing import Any

from lopt.learned import make_family
from lopt.learned.base import LearnedFamily
from lopt.records import store
from lopt.records.store import StoreError

__all__ = ["load_optimizer"]


def load_optimizer(path: str | Path) -> tuple[LearnedFamily, Any, dict[str, Any]]:
    """Return family, theta and metadata of the optimizer stored at ``path``.

    The metadata's entry ``optimizer`` has the family's name and parameters.

    Raises:
        StoreError: if the file is missing or damaged, or does not hold a theta of the family it names.
    """
    metadata = store.load_metadata(path)
    if "optimizer" not in metadata:
        raise StoreError(f"{path}: holds {metadata.get('schema')}, not a trained optimizer")
    try:
        family = make_family(metadata["optimizer"])
        theta, _ = store.load(path, family.theta_type)
        return family, family.check(theta), metadata
    except StoreError:
        raise
    except ValueError as error:
        raise StoreError(f"{path}: {error}") from None
