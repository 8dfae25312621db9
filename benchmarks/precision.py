"""How exact a meta-gradient is whose products are rounded, as a recipe's ``precision`` makes a GPU round.

    python benchmarks/precision.py weights/two_moons/seed_0.npz --problems 3 --steps 50
    python benchmarks/precision.py weights/two_moons/seed_0.npz --device gpu

For each precision and problem: the meta-gradient's error, over its norm, against the one computed in float64.
Below it how far problems' meta-gradients are from their mean, which is what errors have to be small beside.
On a GPU the products are the device's own, and timed; on a CPU, whose products are float32 whatever is asked
for, operands are rounded as the hardware would round them:

    highest            float32
    BF16_BF16_F32_X3   x = a + b, a and b of 8 bits:  a a' + a b' + b a'
    high               TF32, 11 bits (on a TPU the three products above)
    default            8 bits here, bfloat16 as on a TPU (a GPU takes TF32)
"""

import argparse
import os
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from unittest import mock

from study import optimizer, positive, whole

from lopt.process import NoGPUError, prepare

PRECISIONS = ("highest", "BF16_BF16_F32_X3", "high", "default")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "theta", type=Path, help="a file of weights/ or of results/*/meta_training/"
    )
    parser.add_argument("--problems", type=whole(1), default=1)
    parser.add_argument("--steps", type=whole(1), help="of each run (default: as trained)")
    parser.add_argument(
        "--bound", type=positive(or_zero=True), default=1.0, help="of the adjoint; 0: none"
    )
    parser.add_argument("--memory-gb", type=positive(), default=4.0)
    parser.add_argument("--device", choices=["cpu", "gpu"], default="cpu")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    try:
        prepare(threads=os.cpu_count() or 1, x64=True, gpus=int(args.device == "gpu"))
    except NoGPUError as error:
        raise SystemExit(
            f"There is no GPU ({error.reason}): --device cpu rounds as one would."
        ) from None
    import jax
    import numpy as np

    from lopt.meta_training.gradient import block_length, meta_gradient
    from lopt.tasks import as_dtype, make_task, sample_batch

    family, theta, metadata = optimizer(args.theta)
    task, steps = make_task(metadata["task"], metadata["problem"]), args.steps or metadata["steps"]
    problems = sample_batch(task, jax.random.key(0), args.problems)
    block = block_length(family, task.components, steps, args.memory_gb * 1e9 / 2)

    timed = args.device == "gpu"
    products = jax.default_matmul_precision if timed else rounded
    how = {"steps": steps, "block": block, "bound": args.bound or None}

    def gradients(precision: str, dtype: type = np.float32) -> tuple[np.ndarray, float]:
        """Return each problem's meta-gradient, flat, and the seconds of the last one."""
        jax.clear_caches()  # of what was traced with other products
        inputs = as_dtype(theta, dtype), as_dtype(problems, dtype)
        one = jax.jit(partial(meta_gradient, task, family, **how))
        found, seconds = [], 0.0
        numbers = range(args.problems)
        with products(precision):
            for number in (0, *numbers) if timed else numbers:  # the first compiles
                problem = jax.tree.map(lambda leaf, at=number: leaf[at : at + 1], inputs[1])
                started = time.perf_counter()
                _, gradient = jax.block_until_ready(one(inputs[0], problem))
                seconds = time.perf_counter() - started
                leaves = jax.tree.leaves(gradient)
                found.append(np.concatenate([np.ravel(leaf) for leaf in leaves]).astype(float))
        return np.array(found[-args.problems :]), seconds

    truth, _ = gradients("highest", np.float64)
    norms = np.linalg.norm(truth, axis=1)
    print(f"{task.label}, {family.size}, {steps} steps, {args.problems} problems, {args.device}")
    print(f"{'precision':18}  error of each problem's meta-gradient, over its norm", flush=True)
    for precision in PRECISIONS:
        found, seconds = gradients(precision)
        errors = " ".join(
            f"{error:8.2g}" for error in np.linalg.norm(found - truth, axis=1) / norms
        )
        print(f"{precision:18} {errors}" + timed * f"  {seconds:8.3g} s", flush=True)
    if args.problems > 1:
        mean = truth.mean(axis=0)
        spread = np.median(np.linalg.norm(truth - mean, axis=1)) / np.linalg.norm(mean)
        print(f"problems' meta-gradients from their mean, over its norm: {spread:.2g}")


def rounded(precision: str):
    """Return a context in which products of float32 arrays round as this precision does."""
    import jax
    import jax.numpy as jnp
    from jax._src.lax import lax  # where jax.numpy finds it; for this benchmark only

    product = lax.dot_general

    def cut(x: jax.Array, bits: int) -> jax.Array:
        return jax.lax.reduce_precision(x, exponent_bits=8, mantissa_bits=bits - 1)

    def rounding(left: jax.Array, right: jax.Array, *others, **more) -> jax.Array:
        if left.dtype != jnp.float32 or right.dtype != jnp.float32:
            return product(left, right, *others, **more)
        multiply = lambda a, b: product(a, b, *others, **more)  # noqa: E731
        if precision == "BF16_BF16_F32_X3":
            a, b = cut(left, 8), cut(right, 8)
            return multiply(a, b) + multiply(a, cut(right - b, 8)) + multiply(cut(left - a, 8), b)
        bits = {"high": 11, "default": 8}[precision]
        return multiply(cut(left, bits), cut(right, bits))

    if precision == "highest":
        return nullcontext()
    return mock.patch.object(lax, "dot_general", rounding)


if __name__ == "__main__":
    main()
