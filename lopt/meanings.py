"""What a field means, and its unit: the text under it in the body of its class.

    noise: NonNegative = 0.1
    \"\"\"[of a coordinate] Standard deviation of the points around their moon.\"\"\"

The unit stands in brackets before the text; a number without one has none. Read from the syntax tree.
"""

import ast
import re
from itertools import pairwise
from typing import NamedTuple

__all__ = ["Meaning", "meanings"]


class Meaning(NamedTuple):
    """What a field says of itself in words."""

    unit: str = ""
    text: str = ""


def meanings(node: ast.ClassDef) -> dict[str, Meaning]:
    """Return the meanings of a class's fields, by name; of those alone that have a text under them.

    >>> node = ast.parse("class A:\\n    width: float\\n    '[m] How wide.'").body[0]
    >>> meanings(node)
    {'width': Meaning(unit='m', text='How wide.')}
    """
    found = {}
    for statement, after in pairwise(node.body):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                found[statement.target.id] = _meaning(str(after.value.value))
    return found


def _meaning(text: str) -> Meaning:
    parts = re.fullmatch(r"(?:\[([^\]]*)\])?\s*(.*)", " ".join(text.split()))
    assert parts is not None  # whatever the text is, it has this form
    return Meaning(parts[1] or "", parts[2])
