"""Learned optimizers, one family a file: networks whose weights meta-training learns.

A new family is a new file with a frozen dataclass that extends ``base.LearnedFamily``; the file's name
is what ``optimizer: {family: ...}`` calls it in ``config.yaml``. Nothing else has to be touched.
Importing this package imports no family, and no JAX.
"""

from lopt.registry import Registry

__all__ = ["FAMILIES"]

FAMILIES = Registry("lopt.learned", "LearnedFamily")
