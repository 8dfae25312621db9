# The configuration, checked; and what every job is told of it. Functions of paths are in paths.smk, of variants in
# variants.smk, of figures in figure_files.smk.

import os
import shlex
import sys
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.io import sourcecache_entry
from snakemake.logging import logger

# Scripts run in processes of their own, here or on a cluster's node, and use the repository's package. As a
# module from a Git host the workflow comes without it, and the installed one serves.
RULES = workflow.current_basedir
REPOSITORY = Path(str(RULES)).parent
if (REPOSITORY / "lopt").is_dir():
    # PYTHONPATH ends a folder at the first, Snakemake takes the others for wildcards.
    if unusable := {os.pathsep, *"{}"} & set(str(REPOSITORY)):
        raise WorkflowError(
            f"{REPOSITORY}: Python and Snakemake can't use a folder with {' '.join(sorted(unusable))} in its "
            "path; rename the folder."
        )
    path = filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")])
    os.environ.update(PYTHONPATH=os.pathsep.join(path))
    sys.path.insert(0, str(REPOSITORY))

# Snakemake starts scripts with the path of its Python as it is, which a shell takes apart at a space.
if shlex.quote(sys.executable) != sys.executable:
    python = Path(sys.executable)
    path = filter(None, [str(python.parent), os.environ.get("PATH")])
    os.environ.update(PATH=os.pathsep.join(path))
    sys.executable = python.name

# Unrolls fill hundreds of megabytes; huge pages save most of the time that mapping them takes. Read by the
# C library when a process starts, so it can't be left to the process itself; other systems ignore it.
os.environ.setdefault("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")

try:
    from lopt import extensions, sources
    from lopt.config import ConfigError, resolve, resolve_study
    from lopt.config_files import check_files
    from lopt.records import checksums, layout, released
    from lopt.records.atomic import StoreError
except ImportError as error:
    raise WorkflowError(
        f"The Python package lopt can't be used here ({error}). Install it, at this workflow's version, in the "
        "environment that runs Snakemake: see README.md."
    ) from None

try:
    # As a module of another workflow this one is given a configuration and reads no files.
    check_files([] if workflow.modifier.skip_configfile else workflow.configfiles)
    STUDIES = resolve(config)
except (ConfigError, extensions.FactsError) as error:
    raise WorkflowError(f"The configuration can't be used. {error}") from None

try:
    FIGURES = {name: extensions.figure_facts(name) for name in extensions.figures()}
except extensions.FactsError as error:
    raise WorkflowError(f"A figure can't be drawn. {error}") from None

SCALE = config["scale"]


wildcard_constraints:
    scale="|".join(STUDIES),
    task="|".join(extensions.TASKS.names()),
    optimizer="|".join(extensions.BASELINES.names()),
    figure="|".join(FIGURES),
    seed=r"\d+",
    part=r"\d+",
    variant=r"[a-z][a-z0-9_]*",


# What is wrong with a scale that no target is of is no error, but whoever wrote it will want to know.
if workflow.is_main_process:
    for name in STUDIES:
        try:
            STUDIES[name]
        except ConfigError as error:
            logger.warning(f"The scale {name} can't be used. {error}")


# What a job is told: settings of its scale, and the code that its result depends on.


def entry(values, key, what, scale):
    """The entry of a mapping or a list of settings that a path names: of a target, it may be any."""
    there = list(values) if hasattr(values, "keys") else range(len(values))
    if key not in there:
        raise WorkflowError(
            f"The scale {scale} has no {what.format(key)}; it has {', '.join(map(str, there)) or 'none'}."
        )
    return values[key]


def settings_of(scale, task):
    """The settings of a task of a scale."""
    return entry(STUDIES[scale]["tasks"], task, "task {}", scale)


def study(*keys):
    """A function of the wildcards that looks keys up in the scale's settings; "{task}" is the task."""

    def find(wildcards):
        value = STUDIES[wildcards.scale]
        for key in keys:
            value = value[key.format(**dict(wildcards.items()))]
        return value

    return find


def reference(wildcards):
    """The study's own settings of a scale's tasks, which the paper's values belong to.

    Of a task that the study can't complete, of one's own with a field that scales alone state, the scale's.
    """
    found = {}
    for task in tasks_of(wildcards):
        try:
            found |= resolve_study({**config["study"], "tasks": [task]})["tasks"]
        except ConfigError:
            found[task] = STUDIES[wildcards.scale]["tasks"][task]
    return found


def tasks_of(wildcards):
    """The tasks that a job is about: the wildcard's, or all of its scale."""
    task = wildcards.get("task")
    if task:
        settings_of(wildcards.scale, task)  # one that it has
        return [task]
    return list(STUDIES[wildcards.scale]["tasks"])


def code(script, *kinds):
    """A function of the wildcards that returns a digest of the source files that a result depends on.

    Those are what ``script`` imports, and of what it loads by name only the job's own: "task" its tasks,
    "family" their learned families, "variant" those of the variant or of all, "baseline" the wildcard's
    optimizer, "baselines" all of the scale, "figure" the wildcard's. A digest and not a list of input files, so that neither a file's neighbors nor
    the folder that the project lies in decide what is up to date.
    """
    path = Path(workflow.source_path(f"../workflow/scripts/{script}"))

    def find(wildcards):
        here, roots = STUDIES[wildcards.scale], []
        if "task" in kinds:
            roots += [extensions.TASKS.path(task) for task in tasks_of(wildcards)]
        if "family" in kinds:
            families = {
                here["tasks"][task]["optimizer"]["family"]
                for task in tasks_of(wildcards)
            }
            roots += [extensions.FAMILIES.path(name) for name in sorted(families)]
        if "variant" in kinds:
            names = {
                own["optimizer"]["family"]
                for task in tasks_of(wildcards)
                for name, own in variants_of(wildcards.scale, task).items()
                if wildcards.get("variant", name) == name
            }
            roots += [extensions.FAMILIES.path(name) for name in sorted(names)]
        if "baseline" in kinds:
            roots.append(extensions.BASELINES.path(wildcards.optimizer))
        if "baselines" in kinds:
            roots += [extensions.BASELINES.path(name) for name in here["baselines"]]
        if "figure" in kinds:
            roots.append(f"lopt.figures.{wildcards.figure}")
        return code_digest(path, *roots)

    return find


@cache
def code_digest(*roots):
    """The digest of all that files and modules import; once for all jobs that these are the code of."""
    return sources.code_digest(sources.sources(*roots))


def first_seed(wildcards):
    """The optimizer of the task's first seed: whose untrained theta a null is."""
    seed = settings_of(wildcards.scale, wildcards.task)["seeds"][0]
    return result("theta").format(seed=seed, **dict(wildcards.items()))


def training(wildcards):
    """How a seed is meta-trained: the early one as the others, for fewer meta-steps."""
    task = settings_of(wildcards.scale, wildcards.task)
    early = task["early"]
    if early and early["seed"] == int(wildcards.seed):
        return {**task["meta_training"], "meta_steps": early["meta_steps"]}
    return task["meta_training"]


def training_problem(wildcards):
    """The problem of meta-training: the task's, with the changes that the scale makes for it."""
    task = settings_of(wildcards.scale, wildcards.task)
    return {**task["problem"], **(task["meta_training_problem"] or {})}


def rungs(wildcards):
    return settings_of(wildcards.scale, wildcards.task)["meta_search"]["rungs"]


def trials(wildcards, rung):
    """How many recipes a rung of the task's search trains."""
    what = f"rung {{}} of the search on {wildcards.task}"
    return entry(rungs(wildcards), rung, what, wildcards.scale)["trials"]


def tuning(wildcards):
    """How a baseline is tuned: without the ranges of the others."""
    scale = wildcards.scale
    settings = settings_of(scale, wildcards.task)["tuning"]
    ranges = entry(settings["ranges"], wildcards.optimizer, "baseline {}", scale)
    return {**settings, "ranges": ranges}


def presentation(wildcards):
    """What figures and claims say of a scale: its tasks, seeds and baselines, and how each is shown."""
    here = STUDIES[wildcards.scale]
    changed = [
        f"{task} meta-trained with {key} {value}"
        for task, settings in here["tasks"].items()
        for key, value in (settings["meta_training_problem"] or {}).items()
    ]
    counted = [task for task, value in here["tasks"].items() if value.get("variants")]
    return {
        **({"counted": counted} if counted else {}),
        "scale": wildcards.scale,
        "seeds": {task: value["seeds"] for task, value in here["tasks"].items()},
        "early": {
            task: value["early"]["seed"]
            for task, value in here["tasks"].items()
            if value["early"]
        },
        "baselines": here["baselines"],
        "labels": {
            **extensions.labels(here["tasks"], here["baselines"]),
            **extensions.variant_labels(optimizers_of_variants(here)),
        },
        "colors": extensions.colors(here["baselines"]),
        "note": "; ".join(changed),
    }


def says(text):
    """What a job is announced with: one line. With LOPT_JOB_DETAILS set: all that Snakemake knows of the job."""
    return None if os.environ.get("LOPT_JOB_DETAILS") else text


# What a job asks for.


def gpus(wildcards):
    """How many GPUs a meta-training job asks for."""
    return int(STUDIES[wildcards.scale]["device"] == "gpu")


def training_memory(wildcards):
    """Megabytes for a meta-training job: Python, JAX and, on the CPU, its budget for the unroll."""
    if gpus(wildcards):
        return 8000
    settings = settings_of(wildcards.scale, wildcards.task)
    if name := wildcards.get("variant"):
        settings = settings["variants"][name]
    training = settings["meta_training"]
    return int(1000 * training["memory_budget_gb"]) + 2000


# What the report shows.


def reported(name, title, category):
    """A page of the report, with its caption, under its category."""
    return report(
        result("page").replace("{page}", name),
        caption=f"../workflow/report/{name}.rst",
        category=category,
        labels={"table": title},
    )
