"""The statements of a syntax tree, those inside functions and branches too, without their expressions.

Imports and definitions are statements; a walk that leaves the expressions out visits a tenth of the tree.
"""

import ast
from collections.abc import Iterator

__all__ = ["statements"]

BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
"""Fields that hold statements, or clauses that hold statements."""


def statements(tree: ast.AST) -> Iterator[ast.stmt]:
    """Yield every statement of ``tree``.

    >>> text = "def f():\\n    try:\\n        import a\\n    except OSError:\\n        import b"
    >>> [type(node).__name__ for node in statements(ast.parse(text))]
    ['FunctionDef', 'Try', 'Import', 'Import']
    """
    for block in BLOCKS:
        # An expression may have a field of such a name, too: a lambda's body.
        nodes = getattr(tree, block, ())
        for node in nodes if isinstance(nodes, list) else ():
            if isinstance(node, ast.stmt):
                yield node
            yield from statements(node)
