"""Run a task's selected optimizer and tuned baselines away from home: one part of all conditions."""

from lopt.process import prepare

logger = prepare(threads=snakemake.threads, log=snakemake.log[0])

import jax.numpy as jnp
import numpy as np
import pandas as pd

from lopt.analysis.curvature import DENSE
from lopt.analysis.transfer import Home, Outcome, Rescaled, RescaledTheta, outcome, run_away
from lopt.analysis.transfer_plan import conditions, dealt
from lopt.keys import stream
from lopt.learned.stored import load_optimizer
from lopt.lineage import write_record
from lopt.optimizers import make_baseline
from lopt.records import store
from lopt.records.evaluation import LEARNED
from lopt.records.layout import Files, identify
from lopt.records.results import Results
from lopt.tasks import make_task, sample_batch

PLACE = ("order", "home", "optimizer", "condition", "value", "task", "problems")
WORDS = {True: "yes", False: "no"}
SHARE, LEAST = 4, 2  # of the problems of interventions one in so many, at least
COMPILING = 5e5  # as many updates of one parameter as the time to compile a program is worth


def optimizers(results, task, inputs):
    """Yield (name, family, theta, what is known of it at home)."""
    seed = results.selected(task)
    own = {"task": task, "seed": seed}
    (path,) = (path for path in inputs.theta if identify(path) == own)
    family, theta, metadata = load_optimizer(path, **own)
    if "gradients" not in metadata:
        raise ValueError(
            f"{path}: does not say which gradients it met in its training; "
            "python -m lopt.weights gradients FOLDER adds that to a folder of released optimizers"
        )
    met = metadata["gradients"]
    knee = float(np.mean(results.responses(task, seed).half_saturation_gradients))
    linear = results.linearization(task, seed)
    yield LEARNED, family, theta, Home(linear, met["smallest"], met["largest"], knee)
    for name in results.baselines:
        stages, _ = results.null(task, name)
        if "linearization" in stages:
            tuned = results.best(task, name)["hyperparameters"]
            # What baselines met is what their gradients were at home: they have no training to leave.
            home = Home(stages["linearization"], 0.0, np.inf, np.inf)
            yield name, *make_baseline(name, tuned), home


def main(wildcards, inputs, params, output) -> None:
    home, rows = wildcards.task, []
    results = Results(
        Files.listed(inputs), {home: params.tasks[home]["seeds"]}, list(params.baselines)
    )
    runs = []
    for name, family, theta, known in optimizers(results, home, inputs):
        for condition in conditions(home, params.tasks, tasks_only=name != LEARNED):
            there = make_task(condition.task, condition.problem)
            count = max(LEAST, params.tasks[condition.task]["interventions"]["problems"] // SHARE)
            cost = COMPILING + count * condition.steps * there.components
            runs.append((cost, name, family, theta, known, condition, there, count))
    chosen = dealt([cost for cost, *_ in runs], params.parts)[int(wildcards.part)]
    for index in chosen:
        _, name, family, theta, known, condition, there, count = runs[index]
        losses, shares = run_away(
            there,
            Rescaled(family),
            RescaledTheta(theta, jnp.float32(condition.factor)),
            sample_batch(there, stream(0, "evaluation"), count),
            jnp.asarray(known[1:], jnp.float32) / condition.factor,
            steps=condition.steps,
            batch_size=count if there.components <= DENSE else 1,
        )
        met = results.stability(condition.task)
        found = outcome(
            np.asarray(losses),
            np.asarray(shares),
            known,
            met.met_curvatures,
            met.met_weights,
            condition.factor,
        )
        place = (index, home, name, condition.condition, condition.value, condition.task, count)
        answers = {"predicted": WORDS[found.predicted], "failed": WORDS[found.failed]}
        rows.append(dict(zip(PLACE, place, strict=True)) | found._asdict() | answers)
        logger.info("%s, %s %s: %.4g", name, *condition[:2], found.meta_objective)
    store.save_table(output[0], pd.DataFrame(rows, columns=[*PLACE, *Outcome._fields]))


main(snakemake.wildcards, snakemake.input, snakemake.params, snakemake.output)
write_record(snakemake)
