"""Run every task's selected optimizer and tuned baselines away from home, beside what foretells failure."""

from lopt.process import prepare

logger = prepare(threads=snakemake.threads, log=snakemake.log[0])

import jax.numpy as jnp
import numpy as np
import pandas as pd

from lopt.analysis.curvature import DENSE
from lopt.analysis.transfer import Home, Rescaled, RescaledTheta, outcome, run_away
from lopt.keys import stream
from lopt.learned.stored import load_optimizer
from lopt.lineage import write_record
from lopt.optimizers import make_baseline
from lopt.records import store
from lopt.records.layout import Files, identify
from lopt.records.results import Results
from lopt.tasks import make_task, sample_batch

MET_AT_HOME = (0.001, 0.999)  # quantiles of |g|
HORIZON, FACTORS, WIDTHS = 5, (0.01, 0.1, 10.0, 100.0), (0.5, 2.0)
SHARE, LEAST = 4, 2  # of the problems of interventions one in so many, at least


def conditions(home, settings):
    """Yield (condition, value, task, problem settings, steps, factor of the gradients)."""
    own = settings[home]
    for task, other in settings.items():
        yield "task", task, task, other["problem"], other["steps"], 1.0
    yield "horizon", HORIZON, home, own["problem"], HORIZON * own["steps"], 1.0
    for factor in FACTORS:
        yield "gradients", factor, home, own["problem"], own["steps"], factor
    if widths := own["problem"].get("hidden_widths"):
        for factor in WIDTHS:
            changed = {"hidden_widths": [max(1, round(factor * width)) for width in widths]}
            yield "width", factor, home, own["problem"] | changed, own["steps"], 1.0


def optimizers(results, task, inputs):
    """Yield (name, family, theta, what is known of it at home)."""
    seed = results.selected(task)
    own = {"task": task, "seed": seed}
    (path,) = (path for path in inputs.theta if identify(path) == own)
    family, theta, _ = load_optimizer(path, **own)
    trajectories = results.trajectories(task, seed)
    levels = trajectories.gradient_quantile_levels
    low, high = (
        float(trajectories.gradient_quantiles[np.argmin(np.abs(levels - level))])
        for level in MET_AT_HOME
    )
    knee = float(np.mean(results.responses(task, seed).half_saturation_gradients))
    yield "learned", family, theta, Home(results.linearization(task, seed), low, high, knee)
    for name in results.baselines:
        stages, _ = results.null(task, name)
        if "linearization" in stages:
            tuned = results.best(task, name)["hyperparameters"]
            # What baselines met is what their gradients were at home: they have no training to leave.
            home = Home(stages["linearization"], 0.0, np.inf, np.inf)
            yield name, *make_baseline(name, tuned), home


def main(inputs, params, output) -> None:
    seeds = {task: settings["seeds"] for task, settings in params.tasks.items()}
    results, rows = Results(Files.listed(inputs), seeds, params.baselines), []
    spectra = {task: results.stability(task) for task in results.tasks}
    for home in results.tasks:
        for name, family, theta, known in optimizers(results, home, inputs):
            limits = jnp.asarray(known[1:], jnp.float32)
            for condition, value, task, problem, steps, factor in conditions(home, params.tasks):
                if name != "learned" and condition != "task":
                    continue
                there = make_task(task, problem)
                count = max(LEAST, params.tasks[task]["interventions"]["problems"] // SHARE)
                problems = sample_batch(there, stream(0, "evaluation"), count)
                losses, shares = run_away(
                    there,
                    Rescaled(family),
                    RescaledTheta(theta, jnp.float32(factor)),
                    problems,
                    limits / factor,
                    steps=steps,
                    batch_size=count if there.components <= DENSE else 1,
                )
                record = spectra[task]
                found = outcome(
                    np.asarray(losses),
                    np.asarray(shares),
                    known,
                    record.met_curvatures,
                    record.met_weights,
                    factor,
                )
                row = {"home": home, "optimizer": name, "condition": condition, "value": str(value)}
                rows.append(row | {"task": task, "problems": count, **found._asdict()})
                logger.info(
                    "%s of %s, %s %s: %.4g", name, home, condition, value, found.meta_objective
                )
    table = pd.DataFrame(rows)
    at_home = table[(table["condition"] == "task") & (table["home"] == table["task"])]
    at_home = at_home.set_index(["home", "optimizer"])["meta_objective"]
    keys = pd.MultiIndex.from_frame(table[["home", "optimizer"]])
    table["over_home"] = table["meta_objective"].to_numpy() / at_home.reindex(keys).to_numpy()
    away = table[(table["home"] != table["task"]) | (table["condition"] != "task")]
    for kind, part in (("learned", away["optimizer"] == "learned"), ("all", away["home"] != "")):
        agree = (away[part]["predicted"] == away[part]["failed"]).sum()
        logger.info("prediction and outcome agree for %d of %d (%s)", agree, part.sum(), kind)
    words = {True: "yes", False: "no"}
    answers = {name: table[name].map(words) for name in ("predicted", "failed")}
    store.save_table(output[0], table.assign(**answers))


main(snakemake.input, snakemake.params, snakemake.output)
write_record(snakemake)
