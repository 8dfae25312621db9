"""What each problem of a batch says about theta: the norms and cosines of their meta-gradients.

    python benchmarks/problem_gradients.py weights/two_moons/seed_0.npz --problems 8

The mean over a batch is the meta-gradient. Where a problem's unroll passes an unstable spell its part
of the mean is orders of magnitude larger than the others', of either sign, and all that is left of the
mean: what ``problem_clip`` in the configuration is for. Printed: each problem's meta-objective and the
norm of its meta-gradient, then the cosines between them.
"""

import argparse

import jax
import numpy as np
from study import optimizer

from lopt.meta_training.gradient import block_length, meta_gradient
from lopt.tasks import make_task, sample_batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("theta", help="a file of weights/ or of results/<scale>/meta_training/")
    parser.add_argument("--problems", type=int, default=8)
    parser.add_argument("--key", type=int, default=7, help="of the problems")
    parser.add_argument("--memory-gb", type=float, default=3.0)
    args = parser.parse_args()
    family, theta, metadata = optimizer(args.theta)
    task, steps = make_task(metadata["task"], metadata["problem"]), metadata["steps"]
    block = block_length(family, task.components, steps, args.memory_gb * 1e9)
    problems = sample_batch(task, jax.random.key(args.key), args.problems)
    one = jax.jit(lambda problem: meta_gradient(task, family, theta, problem, steps, block))
    rows = []
    print("problem  meta-objective  norm of its meta-gradient")
    for i in range(args.problems):
        objective, gradient = one(jax.tree.map(lambda leaf, i=i: leaf[i : i + 1], problems))
        rows.append(
            np.concatenate([np.ravel(np.float64(leaf)) for leaf in jax.tree.leaves(gradient)])
        )
        print(f"{i:7d}  {objective:14.4f}  {np.linalg.norm(rows[-1]):.4g}", flush=True)
    units = np.array(rows) / np.linalg.norm(rows, axis=1, keepdims=True)
    print("cosines")
    for row in units @ units.T:
        print(" ".join(f"{cosine:5.2f}" for cosine in row))


main()
