# The configuration, checked; and the only helper functions of the workflow.

import os
import sys
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError

# Scripts run in processes of their own, here or on a cluster's node, and use the repository's package. As a
# module from a Git host the workflow comes without it, and the installed one serves.
REPOSITORY = Path(str(workflow.current_basedir)).parent
if (REPOSITORY / "lopt").is_dir():
    path = filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")])
    os.environ.update(PYTHONPATH=os.pathsep.join(path))
    sys.path.insert(0, str(REPOSITORY))

# Unrolls fill hundreds of megabytes; huge pages save most of the time that mapping them takes. Read by the
# C library when a process starts, so it can't be left to the process itself; other systems ignore it.
os.environ.setdefault("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")

try:
    import lopt
    from lopt.config import ConfigError, resolve
except ModuleNotFoundError as error:
    raise WorkflowError(
        f"The Python package lopt can't be used here ({error}). Install it in the environment that runs "
        "Snakemake: see README.md."
    ) from None

PACKAGE = Path(lopt.__file__).parent

with open(workflow.source_path("../schemas/config.schema.yaml")) as schema:
    try:
        STUDIES = resolve(config, yaml.safe_load(schema))
    except ConfigError as error:
        raise WorkflowError(f"The configuration can't be used. {error}") from None

SCALE = config["scale"]
STUDY = STUDIES[SCALE]
TASKS = list(STUDY["tasks"])
OPTIMIZERS = list(STUDY["baselines"])


wildcard_constraints:
    scale="|".join(STUDIES),
    task="|".join(TASKS),
    optimizer="|".join(OPTIMIZERS),
    seed=r"\d+",


def study(*keys):
    """A function of the wildcards that looks keys up in the scale's settings; "{task}" is the task."""

    def find(wildcards):
        value = STUDIES[wildcards.scale]
        for key in keys:
            value = value[key.format(**dict(wildcards.items()))]
        return value

    return find


def scales_with(weights):
    """A pattern of the scales that take released weights, or of those that train and tune."""
    names = [
        name for name, value in STUDIES.items() if bool(value["weights"]) == weights
    ]
    return "|".join(names) or "(?!)"


def weights_file(name):
    """The file of this name in the folder of released weights, and the checksums beside it."""

    def find(wildcards):
        folder = STUDIES[wildcards.scale]["weights"]
        return [
            f"{folder}/{name.format(**dict(wildcards.items()))}",
            f"{folder}/SHA256SUMS",
        ]

    return find


def seeds(path, early=False):
    """The path for every seed of its scale and task; with ``early``, also for the one that ends early."""

    def expand_seeds(wildcards):
        task, find = wildcards.get("task"), STUDIES[wildcards.scale]["tasks"]
        return [
            path.format(scale=wildcards.scale, task=name, seed=seed)
            for name in ([task] if task else TASKS)
            for seed in find[name]["seeds"]
            + ([find[name]["early"]["seed"]] if early and find[name]["early"] else [])
        ]

    return expand_seeds


def first_seed(wildcards):
    """The optimizer of the task's first seed: whose untrained theta a null is."""
    seed = STUDIES[wildcards.scale]["tasks"][wildcards.task]["seeds"][0]
    return f"results/{wildcards.scale}/meta_training/{wildcards.task}/seed_{seed}/theta.npz"


def tasks(path):
    """The path for every task."""
    return expand(path, task=TASKS, allow_missing=True)


def code(*modules):
    """Source files of the package that a rule's result depends on; a folder stands for its files.

    Snakemake makes anew what depends on an input whose content changed: a changed model re-trains, a
    changed plot does not.
    """
    files = []
    for module in modules:
        path = PACKAGE / module
        files += sorted(path.glob("*.py")) if path.is_dir() else [path]
    return [str(file) for file in files]


def training(wildcards):
    """How a seed is meta-trained: the early one as the others, for fewer meta-steps."""
    task = STUDIES[wildcards.scale]["tasks"][wildcards.task]
    early = task["early"]
    if early and early["seed"] == int(wildcards.seed):
        return {**task["meta_training"], "meta_steps": early["meta_steps"]}
    return task["meta_training"]


def training_problem(wildcards):
    """The problem of meta-training: the task's, with the changes that the scale makes for it."""
    task = STUDIES[wildcards.scale]["tasks"][wildcards.task]
    return {**task["problem"], **(task["meta_training_problem"] or {})}


def training_note(wildcards):
    """What figures say where an optimizer was meta-trained on other problems than it is shown on."""
    tasks = STUDIES[wildcards.scale]["tasks"]
    return "; ".join(
        f"{task} meta-trained with {key} {value}"
        for task in TASKS
        for key, value in (tasks[task]["meta_training_problem"] or {}).items()
    )


def gpus(wildcards):
    """How many GPUs a meta-training job asks for."""
    return int(STUDIES[wildcards.scale]["device"] == "gpu")


def training_memory(wildcards):
    """Megabytes for a meta-training job: Python, JAX and, on the CPU, its budget for the unroll."""
    if gpus(wildcards):
        return 8000
    training = STUDIES[wildcards.scale]["tasks"][wildcards.task]["meta_training"]
    return int(1000 * training["memory_budget_gb"]) + 2000


def rungs(wildcards):
    return STUDIES[wildcards.scale]["tasks"][wildcards.task]["meta_search"]["rungs"]


def rung_before(wildcards):
    """The ranking of the rung before and the states in which it left its trials."""
    rung = int(wildcards.rung) - 1
    if rung < 0:
        return []
    folder = f"results/{wildcards.scale}/meta_search/{wildcards.task}/rung_{rung}"
    places = range(rungs(wildcards)[rung]["trials"])
    return [f"{folder}/ranking.csv"] + [f"{folder}/place_{i}.npz" for i in places]


def tuned(path, optimizers):
    """The path for every task and these baselines."""
    return expand(path, task=TASKS, optimizer=optimizers, allow_missing=True)


def analyses(stage, early=False):
    """The files of one stage of the analysis, for every task and seed: the script takes what it shows."""
    return seeds(
        f"results/{{scale}}/analysis/{{task}}/seed_{{seed}}/{stage}.npz", early
    )


def all_seeds(wildcards):
    """The training seeds of every task."""
    return {task: STUDIES[wildcards.scale]["tasks"][task]["seeds"] for task in TASKS}


def early_seeds(wildcards):
    """The training seeds that end early, of the tasks that have one."""
    tasks = STUDIES[wildcards.scale]["tasks"]
    return {
        task: tasks[task]["early"]["seed"] for task in TASKS if tasks[task]["early"]
    }


def figure_files(*names):
    """The figures' files at the configuration's scale."""
    return expand(
        "results/{scale}/figures/{name}.{kind}",
        scale=SCALE,
        name=names,
        kind=["pdf", "png", "csv"],
    )


def shown_in_report(name, title):
    """A figure's PNG, with its caption, under its category of the report."""
    return report(
        f"results/{{scale}}/figures/{name}.png",
        caption=f"../workflow/report/{name}.rst",
        category="Supplement" if name.startswith("figS") else "Figures",
        labels={"figure": title},
    )


def reported(name, title, category):
    """A page of the report, with its caption, under its category."""
    return report(
        f"results/{{scale}}/report/{name}.html",
        caption=f"../workflow/report/{name}.rst",
        category=category,
        labels={"table": title},
    )


MODEL = code("config.py", "store.py", "keys.py", "tasks", "optimizers", "unroll.py")
