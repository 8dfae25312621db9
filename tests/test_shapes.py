"""Annotated shapes are executed in the tests: what is planted wrong is found, what is right passes."""

import sys
import textwrap

import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import TypeCheckError, install_import_hook

from lopt.analysis.modes import eigenmodes
from lopt.tasks.two_moons import TwoMoons

PLANTED = """
import jax.numpy as jnp
from jaxtyping import Array, Float


def scaled(
    matrix: Float[Array, "rows columns"], by: Float[Array, " columns"]
) -> Float[Array, "rows columns"]:
    return matrix * by


def transposed(matrix: Float[Array, "rows columns"]) -> Float[Array, "rows columns"]:
    return matrix.T  # wrong, unless it is square
"""


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted")
    (folder / "planted_shapes.py").write_text(textwrap.dedent(PLANTED))
    sys.path.insert(0, str(folder))
    with install_import_hook("planted_shapes", "shapes.checked"):
        import planted_shapes
    sys.path.remove(str(folder))
    return planted_shapes


def test_right_shapes_pass(planted):
    assert planted.scaled(jnp.ones((2, 3)), jnp.ones(3)).shape == (2, 3)
    assert planted.transposed(jnp.ones((2, 2))).shape == (2, 2)


def test_a_planted_wrong_shape_is_found_where_it_is_handed_over(planted):
    with pytest.raises(TypeCheckError, match="scaled"):
        planted.scaled(jnp.ones((2, 3)), jnp.ones(2))  # of no length that NumPy would broadcast
    with pytest.raises(TypeCheckError, match="scaled"):
        planted.scaled(jnp.ones((2, 3)), jnp.ones(1))  # which NumPy would broadcast silently
    with pytest.raises(TypeCheckError, match="scaled"):
        planted.scaled(jnp.ones(3), jnp.ones(3))


def test_a_planted_wrong_return_is_found(planted):
    with pytest.raises(TypeCheckError, match="transposed"):
        planted.transposed(jnp.ones((2, 3)))


def test_the_packages_own_functions_are_checked():
    with pytest.raises(TypeCheckError, match="eigenmodes"):
        eigenmodes(np.eye(3)[:2])
    task = TwoMoons(hidden_widths=(2,), points=4)
    with pytest.raises(TypeCheckError, match="logits"):
        task.logits(jnp.zeros(task.components), jnp.zeros((4, 3)))
