"""How fast a meta-step is, against this machine's own matrix products and a plain implementation.

    python benchmarks/meta_step.py                 the paper's linear regression: GRU 256, 64 problems
    python benchmarks/meta_step.py --seeds 1 8     on a GPU: several seeds in one program
    python benchmarks/meta_step.py --one-process   on CPUs: one process with all threads, to compare

Three things are measured in the same run, each for the same number of seconds:

* matmul: the float32 products of one step (forward, backward, weights) on the same shapes, nothing
  else, every operand laid out as XLA multiplies it fastest. Their rate is the machine's ceiling.
* ours: ``lopt.meta_training.loop.train_chunk``, the training itself. On CPUs one single-threaded process per
  core, with the flags of XLA that a job has.
* plain: autodiff through vmapped problems, one remat per step; on CPUs one process with all threads.

The work of a meta-step is counted as three forward-equivalents (forward, cotangents, weights)
of 2 * rows * units * 3 units operations per step. Printed, and stored in
results/benchmarks/meta_step.json.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

from study import positive, whole

from lopt.extensions import TASKS
from lopt.process.environment import cpu_flags

RESULT = Path("results/benchmarks/meta_step.json")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=TASKS.names(), default="linear_regression")
    parser.add_argument("--units", type=whole(1), default=256)
    parser.add_argument("--problems", type=whole(1), default=64)
    parser.add_argument("--steps", type=whole(1), default=200)
    parser.add_argument("--chunk", type=whole(1), default=5, help="meta-steps per call")
    parser.add_argument("--seconds", type=positive(), default=30.0, help="of each measurement")
    parser.add_argument("--memory-gb", type=positive(), default=3.0)
    parser.add_argument(
        "--seeds", type=whole(1), nargs="+", default=[1], help="trained in one program"
    )
    parser.add_argument("--without-plain", action="store_true")
    parser.add_argument(
        "--one-process", action="store_true", help="with a thread per core, for ours"
    )
    parser.add_argument("--without-huge-pages", action="store_true")
    parser.add_argument("--worker", choices=["matmul", "ours", "plain"], help=argparse.SUPPRESS)
    parser.add_argument("--seed-count", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--core", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


# The worker: one process that prepares, waits for the start, and counts calls.


def worker(args: argparse.Namespace) -> None:
    if args.core is not None:
        os.sched_setaffinity(0, [args.core])
    import jax

    run, calls_each, peak = globals()[f"prepare_{args.worker}"](args)
    jax.block_until_ready(run())  # compile
    print("ready", flush=True)
    sys.stdin.readline()
    began, calls = time.perf_counter(), 0
    while time.perf_counter() - began < args.seconds:
        jax.block_until_ready(run())
        calls += 1
    seconds = time.perf_counter() - began
    device = jax.devices()[0]
    statistics = device.memory_stats() or {}
    report = {
        "rate": calls * calls_each / seconds,
        "peak_bytes": statistics.get("peak_bytes_in_use", peak),
        "device": device.device_kind,
        "jax": jax.__version__,
    }
    print(json.dumps(report), flush=True)


def problem(args: argparse.Namespace):
    from lopt.learned.gru import GRU
    from lopt.tasks import make_task

    return make_task(args.task), GRU(args.units)


def prepare_matmul(args: argparse.Namespace):
    """All products of one step of one meta-step; the rate is in meta-steps."""
    import jax

    task, _ = problem(args)
    rows, n = args.problems * task.components, args.units
    shapes = [(rows, n), (rows, 2 * n), (n, 2 * n), (n, n), (2 * n, n), (n, rows)]
    keys = jax.random.split(jax.random.key(0), len(shapes))
    h, gates, both, last, both_across, h_across = map(jax.random.normal, keys, shapes)

    @jax.jit
    def one_step(h, gates):
        forward = h @ both, h @ last
        backward = gates @ both_across, h @ last
        return forward, backward, (h_across @ gates, h_across @ h)

    many = 10  # steps per call, so that calling costs nothing
    return lambda: [one_step(h, gates) for _ in range(many)], many / args.steps, None


def prepare_ours(args: argparse.Namespace):
    import dataclasses
    from functools import partial

    import jax
    import jax.numpy as jnp
    from study import paper

    from lopt import config
    from lopt.meta_training.loop import Training, initial_state, train_chunk

    task, family = problem(args)
    settings = dataclasses.replace(
        config.settings(config.MetaTrainingSettings, paper(args.task)["meta_training"]),
        problems=args.problems,
        chunk=args.chunk,
        memory_budget_gb=args.memory_gb / args.seed_count,
    )
    training = Training(task, family, settings, args.steps)
    chunk = partial(train_chunk, training=training)
    seeds = jnp.arange(args.seed_count, dtype=jnp.uint32)
    states = [initial_state(training, seed) for seed in range(len(seeds))]
    if args.seed_count == 1:
        state, seed = states[0], seeds[0]
    else:
        chunk, seed = jax.vmap(chunk), seeds
        state = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
    lowered = jax.jit(chunk).lower(state, seed).compile()
    memory = lowered.memory_analysis()
    peak = memory.temp_size_in_bytes + memory.argument_size_in_bytes + memory.output_size_in_bytes
    holder = [state]

    def run():
        holder[0], *_ = lowered(holder[0], seed)
        return holder[0]

    return run, args.chunk * args.seed_count, peak


def prepare_plain(args: argparse.Namespace):
    import jax

    from lopt.meta_training.gradient import autodiff_meta_gradient
    from lopt.tasks import sample_batch

    task, family = problem(args)
    theta = family.init(jax.random.key(0))
    gradient = jax.jit(
        lambda theta, problems: autodiff_meta_gradient(task, family, theta, problems, args.steps)
    )
    problems = sample_batch(task, jax.random.key(1), args.problems)
    return lambda: gradient(theta, problems), 1, None


# The parent: starts workers together and adds their rates.


def on_cpu() -> bool:
    return not any(Path("/dev").glob("nvidia[0-9]*"))


def measure(kind: str, args: argparse.Namespace, processes: int, threads: int, seeds: int) -> dict:
    command = [
        sys.executable,
        __file__,
        *sys.argv[1:],
        "--worker",
        kind,
        "--seed-count",
        str(seeds),
    ]
    environment = {
        **os.environ,
        "NPROC": str(threads),
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    }
    if kind == "ours" and on_cpu():
        environment["XLA_FLAGS"] = " ".join(cpu_flags(training=True))
    if not args.without_huge_pages:
        environment["GLIBC_TUNABLES"] = "glibc.malloc.hugetlb=1"  # as rules/common.smk sets it
    cores = sorted(os.sched_getaffinity(0))
    workers = []
    for index in range(processes):
        own = [] if processes == 1 else ["--core", str(cores[index])]
        workers.append(
            subprocess.Popen(
                command + own,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
    for process in workers:
        if process.stdout.readline() != "ready\n":
            raise SystemExit(f"the {kind} measurement failed to start")
    for process in workers:
        process.stdin.write("go\n")
        process.stdin.flush()
    reports = [json.loads(process.communicate()[0]) for process in workers]
    return {**reports[0], "rate": sum(report["rate"] for report in reports)}


def main() -> None:
    args = arguments()
    if args.worker:
        worker(args)
        return
    cores = len(os.sched_getaffinity(0))
    processes, threads = (cores, 1) if on_cpu() else (1, cores)
    task, _ = problem(args)
    rows = args.problems * task.components
    operations = 3 * args.steps * 2 * rows * args.units * 3 * args.units
    ceiling = measure("matmul", args, processes, threads, 1)
    plain = None if args.without_plain else measure("plain", args, 1, cores, 1)
    if args.one_process:
        processes, threads = 1, cores
    results = []
    for seeds in args.seeds:
        ours = measure("ours", args, processes, threads, seeds)
        results.append(
            {
                "device": ours["device"],
                "machine": f"{platform.machine()}, {cores} cores",
                "jax": ours["jax"],
                "task": args.task,
                "units": args.units,
                "problems": args.problems,
                "steps": args.steps,
                "processes": processes,
                "threads_per_process": threads,
                "seeds_per_process": seeds,
                "seconds_per_meta_step": processes / ours["rate"],
                "meta_steps_per_second": ours["rate"],
                "row_steps_per_second": ours["rate"] * rows * args.steps,
                "gflops": ours["rate"] * operations / 1e9,
                "matmul_gflops": ceiling["rate"] * operations / 1e9,
                "matmul_share": ours["rate"] / ceiling["rate"],
                "ratio_to_plain": ours["rate"] / plain["rate"] if plain else None,
                "peak_bytes": ours["peak_bytes"],
            }
        )
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(results, indent=2) + "\n")
    for result in results:
        for name, value in result.items():
            print(f"{name:24s} {value:.4g}" if isinstance(value, float) else f"{name:24s} {value}")
        print()
    print(f"stored in {RESULT}")


if __name__ == "__main__":
    main()
