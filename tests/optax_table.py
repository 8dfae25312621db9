"""What every optimizer that optax ships reads as, as a table: for docs/any_optimizer.md.

python tests/optax_table.py
"""

import jax
from test_from_optax import TABLE

import lopt


def row(name: str) -> str:
    """Return a row of the table: the entries of the state, and what is frozen; or why it is refused."""
    try:
        audit = lopt.from_optax(TABLE[name][0]()).audit
    except ValueError as error:
        return f"| {name} | | | refused: {str(error).split(': ')[0].split(' (')[0]} |"
    entries = ", ".join(audit.state_names[:-1]) or "none"
    frozen = [leaf.name for leaf in audit.leaves if leaf.kind in ("counter", "settled")]
    frozen += ["the parameter"] if audit.reads_parameter else []
    return f"| {name} | {entries} | {', '.join(frozen) or 'nothing'} | |"


def main() -> None:
    """Print the table."""
    print("| optax | state of a component | frozen | |\n|---|---|---|---|")
    with jax.enable_x64(True):
        for name in sorted(TABLE):
            print(row(name), flush=True)


if __name__ == "__main__":
    main()
