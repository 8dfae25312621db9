"""Write envs/lopt.yaml, the conda environment of the rules, from requirements.lock.

    python envs/generate.py

The lock is the source: the environment takes from conda only Python and pip, and every package from the lock
at the locked version, so that `snakemake --software-deployment-method conda` computes with the very versions
that the tests ran with. (A conda file can't refer to the lock by its path: Snakemake copies it first.)
"""

import re
from pathlib import Path

FOLDER = Path(__file__).parent
PYTHON = "3.11"  # the version that the project is developed and tested with
HEADER = """\
# The environment of the rules for `snakemake --software-deployment-method conda`.
# Generated from requirements.lock by `python envs/generate.py`: don't edit.
"""


def locked(lock: str) -> list[str]:
    """Return the requirements of a lock file, with their markers and without hashes and comments.

    >>> locked("jax==0.10.2 \\\\\\n    --hash=sha256:00\\n    # via optax\\nscipy==1.17.1")
    ['jax==0.10.2', 'scipy==1.17.1']
    """
    return [
        line.removesuffix("\\").strip()
        for line in lock.splitlines()
        if re.match(r"[A-Za-z0-9]", line)
    ]


def environment(lock: str) -> str:
    """Return the text of the conda environment with the versions of a lock file."""
    lines = [
        "channels:",
        "  - conda-forge",
        "  - nodefaults",
        "dependencies:",
        f"  - python={PYTHON}",
        "  - pip",
        "  - pip:",
        *(f'      - "{requirement}"' for requirement in locked(lock)),
    ]
    return HEADER + "\n".join(lines) + "\n"


if __name__ == "__main__":
    lock = (FOLDER.parent / "requirements.lock").read_text()
    (FOLDER / "lopt.yaml").write_text(environment(lock))
