"""Optimizers, hand-made and optax's, whose mechanisms are planted or known, for the confusion matrix.

Each states what is true of it, by question (``lopt.inspection.questions``). Where an entry is missing the
truth is open (is the sign of a decayed average a memory?), and nothing is compared.

    python tests/known_mechanisms.py        the whole matrix as a table (minutes): for docs/any_optimizer.md
"""

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import optax
import optax.contrib

import lopt
from lopt.optimizers.known_dynamics import cycle_of_two, hysteresis
from lopt.optimizers.sgd import ClippedSGD, ClippedSGDTheta, ScheduledSGD, ScheduledSGDTheta


class Known(NamedTuple):
    """How to make an optimizer, and the questions that are to be answered with yes and with no."""

    make: Callable[[], Any]
    yes: str
    no: str
    size: float = 1.0
    """Of the gradients: some maps are defined for small ones only."""


def gradients(size: float = 1.0) -> np.ndarray:
    """Noise about a fading slope, six runs of 80 steps on four components: g to 2.5, typically 0.2."""
    random = np.random.default_rng(0)
    fading = np.exp(-np.arange(80) / 40.0)[:, None]
    return size * np.stack(
        [fading * (random.normal(size=(80, 4)) + 0.3 * random.normal(size=4)) for _ in range(6)]
    )


LINEAR = "one_point forgets linearity finite_runs"
NOTHING = "saturation schedule adaptation drift reads_parameter"
NORMALIZED = "saturation finite_runs"
late_cosine = optax.cosine_decay_schedule(0.3, 60, 0.1)
warmup = optax.linear_schedule(0.01, 0.1, 20)
KNOWN = {
    "sgd": Known(lambda: optax.sgd(0.1), LINEAR, f"momentum {NOTHING}"),
    "momentum": Known(lambda: optax.sgd(0.1, momentum=0.9), f"momentum {LINEAR}", NOTHING),
    "nesterov": Known(
        lambda: optax.sgd(0.1, momentum=0.9, nesterov=True), f"momentum {LINEAR}", NOTHING
    ),
    "hardly any momentum": Known(
        lambda: optax.sgd(0.1, momentum=0.05), LINEAR, f"momentum {NOTHING}"
    ),
    "average": Known(
        lambda: optax.chain(optax.sgd(0.1), optax.ema(0.9, debias=False)),
        f"momentum {LINEAR}",
        NOTHING,
    ),
    "average without bias": Known(  # its correction is a schedule of the first steps
        lambda: optax.chain(optax.sgd(0.1), optax.ema(0.9)),
        f"momentum schedule {LINEAR}",
        "saturation adaptation drift reads_parameter",
    ),
    "clipped": Known(
        lambda: optax.chain(optax.clip(0.5), optax.sgd(0.1)),
        f"saturation {LINEAR}",
        "momentum schedule adaptation drift reads_parameter",
    ),
    "clipped momentum": Known(
        lambda: optax.chain(optax.clip(0.5), optax.sgd(0.1, momentum=0.8)),
        f"momentum saturation {LINEAR}",
        "schedule adaptation drift reads_parameter",
    ),
    "clipped, hand-made": Known(
        lambda: ClippedSGD().component(ClippedSGDTheta(0.5, 0.8)),
        f"saturation {LINEAR}",
        "momentum schedule adaptation drift reads_parameter",
    ),
    "on a cosine": Known(
        lambda: optax.sgd(late_cosine),
        f"schedule {LINEAR}",
        "momentum saturation adaptation drift reads_parameter",
    ),
    "momentum, warming up": Known(
        lambda: optax.sgd(warmup, momentum=0.9),
        f"momentum schedule {LINEAR}",
        "saturation adaptation drift reads_parameter",
    ),
    "on a table, hand-made": Known(
        lambda: ScheduledSGD().component(ScheduledSGDTheta(np.linspace(0.3, 0.1, 60))),
        f"schedule {LINEAR}",
        "momentum saturation drift reads_parameter",
    ),
    "rmsprop": Known(
        lambda: optax.rmsprop(0.05),
        f"adaptation one_point forgets {NORMALIZED}",
        "momentum drift linearity reads_parameter",
    ),
    "adam": Known(
        lambda: optax.adam(0.05),
        f"momentum adaptation one_point forgets {NORMALIZED}",
        "drift linearity reads_parameter",
    ),
    "adamax": Known(
        lambda: optax.adamax(0.05),
        f"momentum adaptation one_point forgets {NORMALIZED}",
        "drift linearity reads_parameter",
    ),
    "nadam": Known(
        lambda: optax.nadam(0.05),
        f"momentum adaptation one_point forgets {NORMALIZED}",
        "drift linearity reads_parameter",
    ),
    "radam": Known(
        lambda: optax.radam(0.05),
        f"momentum adaptation one_point forgets {NORMALIZED}",
        "drift linearity reads_parameter",
    ),
    "adan": Known(
        lambda: optax.adan(0.05),
        f"momentum adaptation one_point forgets {NORMALIZED}",
        "drift linearity reads_parameter",
    ),
    "ademamix": Known(
        lambda: optax.contrib.ademamix(0.05),
        f"momentum adaptation one_point forgets {NORMALIZED}",
        "drift linearity reads_parameter",
    ),
    "adopt": Known(
        lambda: optax.contrib.adopt(0.05),
        f"momentum adaptation one_point forgets {NORMALIZED}",
        "drift linearity reads_parameter",
    ),
    "adadelta": Known(  # the gradient's size cancels once both averages have seen it
        lambda: optax.adadelta(0.5),
        f"one_point forgets {NORMALIZED}",
        "momentum adaptation drift linearity reads_parameter",
    ),
    "adagrad": Known(  # what it has summed stays
        lambda: optax.adagrad(0.05),
        NORMALIZED,
        "momentum one_point forgets drift reads_parameter",
    ),
    "amsgrad": Known(
        lambda: optax.amsgrad(0.05), f"momentum {NORMALIZED}", "one_point forgets reads_parameter"
    ),
    "yogi": Known(
        lambda: optax.yogi(0.05), f"momentum {NORMALIZED}", "one_point forgets reads_parameter"
    ),
    "sign descent": Known(
        lambda: optax.sign_sgd(0.01),
        f"one_point forgets {NORMALIZED}",
        "momentum adaptation drift linearity reads_parameter",
    ),
    "signum": Known(
        lambda: optax.signum(0.01), f"momentum {NORMALIZED}", "linearity reads_parameter"
    ),
    "hysteresis": Known(hysteresis, "drift finite_runs", "one_point"),
    "cycle": Known(cycle_of_two, "drift", "one_point", size=0.02),
    "nothing": Known(optax.set_to_zero, "finite_runs one_point", "drift reads_parameter"),
}


def wrong(known: Known, found: lopt.Analysis) -> list[str]:
    """Return the questions that are answered with yes where no is true, or with no where yes is."""
    truth = dict.fromkeys(known.yes.split(), "yes") | dict.fromkeys(known.no.split(), "no")
    given = {each.name: each for each in found.answers}
    return [
        f"{name}: {given[name].answer}, {given[name].sentence}"
        for name, true in truth.items()
        if given[name].answer not in (true, "can't tell")
    ]


def main() -> None:
    """Print the matrix; the status is 1 if an answer is wrong."""
    failed, rows = [], []
    for name, known in KNOWN.items():
        met = gradients(known.size)
        found = lopt.analyze(known.make(), met, name=name, starts=16, visited_states=200)
        failed += [f"{name}: {each}" for each in wrong(known, found)]
        signs = {"yes": "yes", "no": "no", "can't tell": "?"}
        rows.append([name, *(signs[each.answer] for each in found.answers)])
        if len(rows) == 1:
            head = ["optimizer", *(each.name for each in found.answers)]
            print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
        print(f"| {' | '.join(rows[-1])} |", flush=True)
    if failed:
        sys.exit("\n".join(failed))


if __name__ == "__main__":
    main()
