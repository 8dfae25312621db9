"""Each stage beside the authors' way of doing it, in one run: one table of ratios.

    make bench                                         everything, two minutes of a quiet machine
    python benchmarks/side_by_side.py --results results/laptop     with a figure of a finished scale

* meta-step: ``benchmarks/meta_step.py``, beside autodiff through vmapped problems.
* fixed points: ``benchmarks/analysis.py``, 200 starts, beside 1,000 steps of Adam on the speed.
* tuning: ``benchmarks/tuning.py``, beside one setting after another; two moons with racing, at `laptop`.
* figure: drawing figure 4 from stored numbers, beside running all that it rests on, as a notebook that
  computes what it draws does; from the benchmark files of a finished scale.

Printed as a table, and stored in results/benchmarks/side_by_side.csv.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import critical_path
import pandas as pd
from study import positive

from lopt.records.store import StoreError
from lopt.records.tables import save_table

HERE, STORED = Path(__file__).parent, Path("results/benchmarks")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--seconds", type=positive(), default=12.0, help="per measured meta-step (12)"
    )
    parser.add_argument("--results", type=Path, help="results/<scale>, finished: adds the figure")
    options = parser.parse_args()
    try:
        drawn = [figure(options.results)] if options.results else []
    except StoreError as error:
        raise SystemExit(str(error)) from None
    rows = [
        meta_step(options.seconds),
        *fixed_points(),
        *tuning("linear_regression"),
        *tuning("two_moons", "--scale", "laptop", "--plain", "5"),
        *drawn,
    ]
    table = pd.DataFrame(rows, columns=["stage", "quantity", "authors_way", "here", "ratio"])
    print()
    print(table.to_string(index=False, float_format="{:.3g}".format))
    save_table(STORED / "side_by_side.csv", table)


def _run(script: str, *arguments: str):
    """Run one of the other benchmarks and return what it stored."""
    subprocess.run([sys.executable, str(HERE / f"{script}.py"), *arguments], check=True)
    return json.loads((STORED / f"{script}.json").read_text())


def meta_step(seconds: float) -> tuple:
    found = _run("meta_step", "--seconds", str(seconds))[0]
    here = 1.0 / found["meta_steps_per_second"]
    ratio = found["ratio_to_plain"]
    return "meta-step", "seconds, on all cores", here * ratio, here, ratio


def fixed_points() -> list[tuple]:
    found = _run("analysis")
    published, ours = found["published_method"], found["search_alone"]
    pairs = {
        "seconds": (published["compiled"]["seconds"], ours["compiled"]["seconds"]),
        "median distance": tuple(part["median_distance"] for part in (published, ours)),
    }
    return [
        ("fixed points", name, theirs, here, theirs / here)
        for name, (theirs, here) in pairs.items()
    ]


def tuning(task: str, *arguments: str) -> list[tuple]:
    found = _run("tuning", task, *arguments)
    theirs = found["plain_seconds"]
    stage = f"tuning, Adam on {task}"
    return [
        (stage, f"seconds, {what}", theirs, here, theirs / here)
        for what, here in (
            ("the same work", found["same_work_seconds"]),
            ("the whole search", found["seconds"]),
        )
    ]


def figure(folder: Path) -> tuple:
    """Seconds of one figure's job, and of all jobs that it waits for together with it."""
    jobs = critical_path.read_jobs(folder)
    drawn = next(log for log in jobs if "/figures/fig4" in log)
    needed, waiting = set(), [drawn]
    while waiting:
        if (log := waiting.pop()) not in needed:
            needed.add(log)
            waiting += jobs[log].after
    everything = sum(jobs[log].seconds for log in needed)
    here = jobs[drawn].seconds
    return "figure 4, drawn again", "seconds of jobs", everything, here, everything / here


if __name__ == "__main__":
    main()
