"""How fast a learned optimizer of the paper's size runs on two moons, with a job's flags of XLA and without.

    python benchmarks/run_on_network.py                two processes at a time, as a workflow on two cores
    python benchmarks/run_on_network.py --processes 1

For a job's flags (``lopt.process.environment.cpu_flags``), each of them alone, and XLA's defaults:
milliseconds per step; products of the same shapes per second, in the same process, which is the machine's
ceiling; and the seconds that compiling took. The choices alternate, ``--rounds`` times, and medians are told:
machines are noisy.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from study import ROOT, optimizer, whole

from lopt.process.environment import cpu_flags

STEPS = 40


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--theta", type=Path, default=ROOT / "weights/two_moons/seed_0.npz")
    parser.add_argument("--processes", type=whole(1), default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=whole(1), default=3)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def worker(args: argparse.Namespace) -> None:
    import jax

    from lopt.keys import stream
    from lopt.tasks import make_task, sample_batch
    from lopt.unrolling import evaluate

    family, theta, metadata = optimizer(args.theta)
    task = make_task(metadata["task"], metadata["problem"])
    problem = sample_batch(task, stream(0, "evaluation"), 1)
    weights, rows = theta.recurrent_weights, task.components
    states = jax.numpy.ones((rows, len(weights)))
    product = jax.jit(lambda states: states @ weights)
    operations = 2.0 * rows * weights.size

    def seconds(run) -> float:
        taken = []
        for _ in range(5):
            started = time.perf_counter()
            jax.block_until_ready(run())
            taken.append(time.perf_counter() - started)
        return median(taken)

    lowered = evaluate.lower(task, family, theta, problem, steps=STEPS)
    started = time.perf_counter()
    compiled = lowered.compile()
    compilation = time.perf_counter() - started
    step, products = (
        seconds(lambda: compiled(theta, problem)) / STEPS,
        seconds(lambda: product(states)),
    )
    found = {
        "ms": step * 1e3,
        "gflops": operations / products / 1e9,
        "share": products / step,
        "compilation": compilation,
    }
    print(json.dumps(found))


def measured(args: argparse.Namespace, flags: list[str]) -> list[dict[str, float]]:
    """Return what so many processes side by side measure under these flags."""
    environment = {
        **os.environ,
        "NPROC": "1",
        "JAX_PLATFORMS": "cpu",
        "JAX_ENABLE_COMPILATION_CACHE": "false",
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",  # as rules/common.smk sets it
        "XLA_FLAGS": " ".join(flags),
    }
    command = [sys.executable, __file__, "--worker", "--theta", str(args.theta)]
    runs = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(args.processes)
    ]
    return [json.loads(run.communicate()[0]) for run in runs]


def main() -> None:
    args = arguments()
    if args.worker:
        worker(args)
        return
    if not args.theta.is_file():  # its processes would each say so
        sys.exit(f"{args.theta}: there is no such file")
    choices = {"XLA's own": []} | {flag: [flag] for flag in cpu_flags()} | {"a job's": cpu_flags()}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in choices}
    for _ in range(args.rounds):
        for name, flags in choices.items():
            found[name] += measured(args, flags)
    print(
        f"{'flags':42} {'ms a step':>9} {'GFLOP/s of products':>20} {'share':>6} {'compiling, s':>13}"
    )
    for name, runs in found.items():
        ms, rate, share, compilation = (
            median(run[key] for run in runs) for key in ("ms", "gflops", "share", "compilation")
        )
        print(f"{name:42} {ms:9.1f} {rate:20.0f} {share:6.0%} {compilation:13.2f}")


if __name__ == "__main__":
    main()
