"""The memory that a meta-gradient through an unroll in blocks of steps needs; known without JAX.

Per row (one component of one problem) a family with a meta-gradient of its own keeps so many numbers

    for each step of a block,    between two blocks,    for the step at hand,

each a multiple of its units and a constant: ``row_numbers``, ((4, 2), (1, 1), (9, 0)) for the GRU. The family
takes its ``unroll_bytes`` from here, and so does the configuration's check, which tells a budget that no
division into blocks can meet before anything runs.
"""

from collections.abc import Sequence

__all__ = ["block_lengths", "least_unroll_bytes", "unroll_bytes"]

RowNumbers = Sequence[tuple[int, int]]


def block_lengths(steps: int) -> list[int]:
    """Return the lengths of blocks that ``steps`` can be divided into.

    >>> block_lengths(20)
    [1, 2, 4, 5, 10, 20]
    """
    return [length for length in range(1, steps + 1) if steps % length == 0]


def unroll_bytes(numbers: RowNumbers, units: int, rows: int, steps: int, block: int) -> int:
    """Return the bytes needed for ``rows`` rows (float32) in blocks of ``block`` steps."""
    per_step, between, at_hand = (factor * units + constant for factor, constant in numbers)
    boundaries = steps // block if block < steps else 0
    return rows * (block * per_step + boundaries * between + at_hand) * 4


def least_unroll_bytes(numbers: RowNumbers, units: int, rows: int, steps: int) -> int:
    """Return the bytes needed with the blocks that need least."""
    return min(unroll_bytes(numbers, units, rows, steps, block) for block in block_lengths(steps))
