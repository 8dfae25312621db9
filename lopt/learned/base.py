"""The contract of a learned family: a network of some size, as an optimizer of every component.

    family = GRU(units=256, input_scale=1.0, output_scale=1.0)     settings: a frozen dataclass
    theta = family.init(key)                                       weights: what meta-training learns
    family.component(theta)                                        the dynamical system on one component
    family.build(theta)                                            the optax.GradientTransformation

A family is one file of this package with one class that extends ``LearnedFamily``. Its fields are the
settings that the configuration takes under ``optimizer:``, annotated as in ``lopt.fields``; its class
constants say how to name it. Meta-training differentiates any family by autodiff. A family that has a faster
derivative adds ``meta_gradient`` and ``unroll_bytes`` (``HasMetaGradient``), for which ``adjoint`` has
the recursion through steps and blocks.

Theta is a NamedTuple of float32 arrays. Every stored theta is one file of named arrays, so that two layers
of one shape are one array with a leading axis.
"""

import dataclasses
from abc import abstractmethod
from typing import Any, ClassVar, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree

from lopt.optimizers.component import ComponentOptimizer, as_gradient_transformation
from lopt.tasks import Task

__all__ = ["HasMetaGradient", "LearnedFamily"]


class LearnedFamily(Protocol):
    """A family of learned optimizers; subclasses are frozen dataclasses.

    Attributes:
        theta_type: the type of the weights: a NamedTuple of arrays, whose annotations their file is held
            against, or of any other pytree of them.
        label: what figures and tables call the family.
        sizes: the settings that count as its size, for example ("units",).
        row_numbers: of a family with ``units`` and a meta-gradient of its own, what ``unroll_bytes`` is made
            of (``lopt.unroll_memory``), so that planning can refuse what fits no memory.
    """

    # Every subclass is a dataclass: ``dataclasses.replace`` takes it.
    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]
    theta_type: ClassVar[type]
    label: ClassVar[str]
    sizes: ClassVar[tuple[str, ...]]

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        methods = [hasattr(cls, name) for name in ("meta_gradient", "unroll_bytes")]
        if any(methods) and not all(methods):
            raise TypeError(
                f"{cls.__name__} needs both of meta_gradient and unroll_bytes, or neither"
            )

    @abstractmethod
    def init(self, key: jax.Array) -> Any:
        """Draw an untrained theta (float32)."""

    @abstractmethod
    def component(self, theta: Any) -> ComponentOptimizer:
        """Return the optimizer as a dynamical system on one component."""

    def build(self, theta: Any) -> optax.GradientTransformation:
        """Return the optimizer as an optax transformation, every entry of a pytree a component."""
        return as_gradient_transformation(self.component(theta))

    def check(self, theta: Any) -> Any:
        """Return ``theta`` if it is one of this family, of this size.

        Raises:
            ValueError: naming the array, its shape and the expected one.
        """
        expected = jax.eval_shape(self.init, jax.random.key(0))
        if jax.tree.structure(theta) != jax.tree.structure(expected):
            raise ValueError(
                f"theta is a {type(theta).__name__}, but the {self.label} has a "
                f"{type(expected).__name__} of {len(jax.tree.leaves(expected))} arrays"
            )
        wanted = jax.tree_util.tree_leaves_with_path(expected)
        for array, (path, leaf) in zip(jax.tree.leaves(theta), wanted, strict=True):
            if jnp.shape(array) != leaf.shape:
                raise ValueError(
                    f"theta{jax.tree_util.keystr(path)} has shape {jnp.shape(array)}, but the "
                    f"{self.label} of {self.size} needs {leaf.shape}"
                )
        return theta

    @property
    def size(self) -> str:
        """The family's size in words: "256 units"."""
        return ", ".join(f"{getattr(self, name)} {name}" for name in self.sizes)


@runtime_checkable
class HasMetaGradient(Protocol):
    """A family with a meta-gradient of its own, faster than autodiff; both methods or neither."""

    def meta_gradient(
        self,
        task: Task,
        theta: Any,
        problems: PyTree,
        steps: int,
        block: int,
        bound: float | None = None,
    ) -> tuple[Float[Array, ""], Any]:
        """Return what ``lopt.meta_training.gradient.meta_gradient`` returns."""
        ...

    def unroll_bytes(self, rows: int, steps: int, block: int) -> int:
        """Return the bytes that it needs for ``rows`` rows (float32) in blocks of ``block`` steps."""
        ...
