"""Look for inputs that end in a raw error or a wrong number, for as long as you like.

    make fuzz                                   half a minute
    SECONDS=3600 make fuzz                      an hour
    python tests/fuzz --seed 17 files           one attempt again

Every module beside this one is a generator: ``attempt(random, folder)`` makes one input from a random number
generator, in an empty folder, and raises ``AssertionError`` if what it is given to answers with anything but
a right value or an error of its own kind. Warnings are errors. Attempts are numbered by their seeds, so that
each can be made again.
"""

import argparse
import importlib
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
GENERATORS = sorted(path.stem for path in HERE.glob("*.py") if path.stem != "__main__")


def attempt(generator: str, seed: int) -> str | None:
    """Make one attempt; return what went wrong, or None."""
    make = importlib.import_module(generator).attempt
    with tempfile.TemporaryDirectory() as folder:
        try:
            make(np.random.default_rng(seed), Path(folder))
        except Exception:  # a raw error, a warning, or what the attempt says itself
            return traceback.format_exc()
    return None


def main() -> None:
    """Go round the generators until the time is over; the status is 1 if anything was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("generators", nargs="*", help=f"of {', '.join(GENERATORS)} (default: all)")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seed", type=int, help="one attempt, this one")
    options = parser.parse_args()
    chosen = options.generators or GENERATORS
    if unknown := set(chosen) - set(GENERATORS):
        parser.error(f"no generator {', '.join(unknown)}; there are {', '.join(GENERATORS)}")
    # Other seeds every day, printed with what they find.
    first = int(time.time()) if options.seed is None else options.seed
    end, counts, found = time.monotonic() + options.seconds, dict.fromkeys(chosen, 0), 0
    told, seed = time.monotonic(), first
    while seed == first or (options.seed is None and time.monotonic() < end):
        for generator in chosen:
            counts[generator] += 1
            if problem := attempt(generator, seed):
                found += 1
                print(f"{problem}python tests/fuzz --seed {seed} {generator}\n", flush=True)
        if time.monotonic() - told > 10.0:
            told = time.monotonic()
            print(f"{counts}, {found} found, {max(0.0, end - told):.0f} s left", flush=True)
        seed += 1
    print(f"{counts}, {found} found, from seed {first}")
    sys.exit(found > 0)


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    warnings.simplefilter("error")
    main()
