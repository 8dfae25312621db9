# The configuration, checked; and the only helper functions of the workflow.

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

SCALE = config["scale"]


wildcard_constraints:
    scale="|".join(STUDIES),
    task="|".join(extensions.TASKS.names()),
    optimizer="|".join(extensions.BASELINES.names()),
    figure="|".join(extensions.figures()),
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


def study(*keys):
    """A function of the wildcards that looks keys up in the scale's settings; "{task}" is the task."""

    def find(wildcards):
        value = STUDIES[wildcards.scale]
        for key in keys:
            value = value[key.format(**dict(wildcards.items()))]
        return value

    return find


def variant(*keys):
    """A function of the wildcards that looks keys up in the settings of the task's variant."""

    def find(wildcards):
        value = variants_of(wildcards.scale, wildcards.task)[wildcards.variant]
        for key in keys:
            value = value[key]
        return value

    return find


def variants_of(scale, task):
    """The settings of a task's variants, by name."""
    found = STUDIES[scale]["tasks"][task].get("variants")
    if not found:
        raise WorkflowError(
            f"config key 'scales.{scale}.settings.{task}.variants' is missing: there is nothing to count"
        )
    return found


def variant_seeds(scale, task):
    """The seeds of a task's variants, by name."""
    return {name: list(own["seeds"]) for name, own in variants_of(scale, task).items()}


def reference(wildcards):
    """The study's own settings of a scale's tasks, which the paper's values belong to."""
    own = {**config["study"], "tasks": tasks_of(wildcards)}
    return resolve_study(own)["tasks"]


def tasks_of(wildcards):
    """The tasks that a job is about: the wildcard's, or all of its scale."""
    task = wildcards.get("task")
    return [task] if task else list(STUDIES[wildcards.scale]["tasks"])


def code(script, *kinds):
    """A function of the wildcards that returns a digest of the source files that a result depends on.

    Those are what ``script`` imports, and of what it loads by name only the job's own: "task" its tasks,
    "family" their learned families, "variant" those of the variant or of all, "baseline" the wildcard's optimizer, "baselines" all of the scale,
    "figure" the wildcard's. A digest and not a list of input files, so that neither a file's neighbors nor
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
        return sources.code_digest(sources.sources(path, *roots))

    return find


def first_seed(wildcards):
    """The optimizer of the task's first seed: whose untrained theta a null is."""
    seed = STUDIES[wildcards.scale]["tasks"][wildcards.task]["seeds"][0]
    return result("theta").format(seed=seed, **dict(wildcards.items()))


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


def training_problem_of_variant(wildcards):
    """The problem of a variant's meta-training, likewise."""
    own = variant()(wildcards)
    return {**own["problem"], **(own["meta_training_problem"] or {})}


def size_of_variant(wildcards):
    """What the variant's file of its family says that its size is, in a few letters."""
    return sized(variant("optimizer")(wildcards))


def sized(optimizer):
    keys = extensions.FAMILIES.facts(optimizer["family"]).constants.get("sizes", ())
    return " x ".join(str(optimizer[key]) for key in keys)


def tuning(wildcards):
    """How a baseline is tuned: without the ranges of the others."""
    settings = STUDIES[wildcards.scale]["tasks"][wildcards.task]["tuning"]
    return {**settings, "ranges": settings["ranges"][wildcards.optimizer]}


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
            **variant_labels(here),
        },
        "colors": extensions.colors(here["baselines"]),
        "note": "; ".join(changed),
    }


def variant_labels(here):
    """What figures call the variants of a scale: their family and size."""
    found = {}
    for settings in here["tasks"].values():
        for name, own in settings.get("variants", {}).items():
            family = own["optimizer"]["family"]
            label = extensions.FAMILIES.facts(family).constants.get("label", family)
            found[name] = f"{label} {sized(own['optimizer'])}".strip()
    return found


def says(text):
    """What a job is announced with: one line. With LOPT_JOB_DETAILS set: all that Snakemake knows of the job."""
    return None if os.environ.get("LOPT_JOB_DETAILS") else text


# What a job takes: paths of results, by the layout's names.


def result(kind):
    """The path of a kind of result, with its wildcards."""
    return layout.pattern(kind)


def results(kind, early=False, only=None):
    """The paths of a kind of result that a job's scale has: for every task, seed and baseline that its place names.

    Args:
        kind: one of the layout's.
        early: also of the seed whose training ends early.
        only: of the baselines, these.
    """
    place = layout.pattern(kind)

    def find(wildcards):
        here = STUDIES[wildcards.scale]
        chosen = [name for name in here["baselines"] if only is None or name in only]
        return [
            path
            for task in tasks_of(wildcards)
            for path in _paths(place, wildcards.scale, task, chosen, early)
        ]

    return find


def _paths(place, scale, task, optimizers, early):
    """The paths of one task, for every seed and optimizer that the place names."""
    settings = STUDIES[scale]["tasks"][task]
    seeds = list(settings["seeds"])
    if early and settings["early"]:
        seeds.append(settings["early"]["seed"])
    values = {"scale": scale, "task": task, "seed": seeds, "optimizer": optimizers}
    if "{part}" in place:
        block = "evaluation" if place == result("evaluation_runs") else "interventions"
        values["part"] = range(settings[block]["parts"])
    return expand(
        place, **{key: value for key, value in values.items() if f"{{{key}}}" in place}
    )


def of_every_task(kind):
    """The paths of a kind of result that a job's scale has, also where the job is about one task."""

    return lambda wildcards: _at_scale(kind, wildcards.scale)


def at_configured_scale(kind):
    """The paths of a kind of result at the configuration's scale, for targets by name."""
    return _at_scale(kind, SCALE)


def _at_scale(kind, scale):
    """The paths of a kind of result of all tasks, seeds and baselines of a scale."""
    study, place = STUDIES[scale], layout.pattern(kind)
    return [
        path
        for task in study["tasks"]
        for path in _paths(place, scale, task, study["baselines"], early=False)
    ]


def scales_with(weights):
    """A pattern of the scales that take released weights, or of those that train and tune."""
    names = [name for name in STUDIES if STUDIES.takes_weights(name) == weights]
    return "|".join(names) or "(?!)"


@cache
def weights_folder(name):
    """The folder of released weights called ``name``: the working directory's, or else the repository's.

    The repository may be one of a Git host, of which Snakemake keeps a clone. Snakemake itself reads files of
    it as text, which weights are not.
    """
    if folder := found_weights(name):
        return folder
    places = [Path.cwd(), REPOSITORY]
    raise WorkflowError(
        f"released weights: there is no folder {name} with a {checksums.SUMS} in "
        + " or in ".join(dict.fromkeys(map(str, places)))
    )


@cache
def found_weights(name):
    """The same folder, or None if there is none."""
    places = [Path.cwd(), REPOSITORY]
    if folder := released.find(name, places):
        return folder.absolute()
    if hasattr(RULES, "hosted_repo"):
        tree = RULES.hosted_repo.repo.commit(RULES.ref).tree
        if folder := released.unpack(tree, name, ".snakemake/released"):
            return folder.absolute()
    return None


def weights_file(name):
    """The file of this name in the scale's folder of released weights.

    Where that folder lies and how old it is decide nothing of what is up to date: Snakemake knows the file by
    its name, and by its checksum, which goes into the rule's ``params`` (``weights_sums``).
    """

    def find(wildcards):
        folder = weights_folder(STUDIES[wildcards.scale]["weights"])
        file = name.format(**dict(wildcards.items()))
        if file != checksums.SUMS and file not in checksums.stated(folder):
            raise WorkflowError(f"{folder / checksums.SUMS} has no checksum of {file}")
        return sourcecache_entry(ancient(str(folder / file)), file)

    return find


def weights_sums(*names):
    """The checksums of files in the scale's folder of released weights."""

    def find(wildcards):
        folder = weights_folder(STUDIES[wildcards.scale]["weights"])
        sums = checksums.stated(folder)
        return [sums[name.format(**dict(wildcards.items()))] for name in names]

    return find


# A census: all variants of every task, trained or released.


def released_collection(wildcards):
    """The released file with all optimizers of the task, or None where they are trained."""
    name = STUDIES[wildcards.scale]["collection"]
    folder = found_weights(name) if name else None
    file = f"{wildcards.task}.zip"
    return folder / file if folder and file in checksums.stated(folder) else None


def collected(wildcards):
    """What a task's optimizers are gathered from: a released file, or every training and tuned baseline."""
    if file := released_collection(wildcards):
        return {"released": sourcecache_entry(ancient(str(file)), file.name)}
    found = {kind: [] for kind in ("theta", "curve", "run")}
    for name, seeds in variant_seeds(wildcards.scale, wildcards.task).items():
        for kind, paths in found.items():
            place = result(f"variant_{kind}")
            paths += expand(place, variant=name, seed=seeds, **wildcards)
    return {
        **found,
        "best": results("best")(wildcards),
        "trials": results("trials")(wildcards),
    }


def collection_sum(wildcards):
    """The checksum of the released file, or nothing."""
    file = released_collection(wildcards)
    return checksums.stated(file.parent)[file.name] if file else None


def census_tasks(wildcards):
    """The tasks of a scale that have variants."""
    tasks = STUDIES[wildcards.scale]["tasks"]
    found = [task for task, settings in tasks.items() if settings.get("variants")]
    return found or [task for task in tasks if variants_of(wildcards.scale, task)]


def of_variants(kind):
    """A function of the wildcards: the paths of a kind of result for every variant of the job's tasks."""

    def find(wildcards):
        task = wildcards.get("task")
        return [
            path
            for each in ([task] if task else census_tasks(wildcards))
            for path in expand(
                result(kind),
                scale=wildcards.scale,
                task=each,
                variant=variants_of(wildcards.scale, each),
            )
        ]

    return find


def of_census(kind):
    """A function of the wildcards: the paths of a kind of result for every task with variants."""
    return lambda wildcards: expand(
        result(kind), scale=wildcards.scale, task=census_tasks(wildcards)
    )


def census_searches(wildcards):
    """The resampled searches of a scale: of the tasks that have a pool of settings."""
    here = STUDIES[wildcards.scale]
    return [
        path
        for task in census_tasks(wildcards)
        if here["tasks"][task]["tuning"].get("pool")
        for path in expand(
            result("searches"),
            scale=wildcards.scale,
            task=task,
            optimizer=here["baselines"],
        )
    ]


def rungs(wildcards):
    return STUDIES[wildcards.scale]["tasks"][wildcards.task]["meta_search"]["rungs"]


def rung_before(wildcards):
    """The ranking of the rung before and the states in which it left its trials."""
    rung = int(wildcards.rung) - 1
    if rung < 0:
        return []
    keys = {"scale": wildcards.scale, "task": wildcards.task, "rung": rung}
    places = range(rungs(wildcards)[rung]["trials"])
    return [
        result("ranking").format(**keys),
        *(result("trial_state").format(place=i, **keys) for i in places),
    ]


# The figures: what each reads and is called, as its file states.

FIGURES = {name: extensions.figure_facts(name) for name in extensions.figures()}

# What a figure may say that it reads (READS), and the files that this stands for.
READABLE = {
    "selection": results("selection"),
    "curves": results("curve"),
    "portraits": results("portrait"),
    "losses": results("losses"),
    "baselines": results("best"),
    "trials": results("trials"),
    "momentum": results("best", only=["momentum"]),
    "trajectories": results("trajectories"),
    "fixed_points": results("fixed_points"),
    "linearization": results("linearization"),
    "linearization_early": results("linearization", early=True),
    "responses": results("responses"),
    "common_optimizers": results("common_optimizers"),
    "interventions": results("interventions"),
    "stability": results("stability"),
    "distilled": results("distilled"),
    "transfer": [result("transfer")],
    "validation": [result("validation")],
    "census": [result("census")],
    "census_measured": [result("census_measured")],
    "similarity": of_census("similarity"),
}

# A figure that reads what a census finds is one of the census: no part of the study's.
OF_CENSUS = {"census", "census_measured", "similarity"}
CENSUS_FIGURES = [
    name for name, facts in FIGURES.items() if OF_CENSUS & set(facts["READS"])
]
STUDY_FIGURES = [name for name in FIGURES if name not in CENSUS_FIGURES]


def read_by_figure(wildcards):
    """The files that a figure reads."""
    paths = []
    for name in FIGURES[wildcards.figure]["READS"]:
        files = READABLE[name]
        paths += files(wildcards) if callable(files) else expand(files, **wildcards)
    return list(dict.fromkeys(paths))


def figure_files(names):
    """The figures' files at the configuration's scale."""
    return expand(
        result("figure"), scale=SCALE, figure=names, kind=["pdf", "png", "csv"]
    )


# What a job asks for.


def gpus(wildcards):
    """How many GPUs a meta-training job asks for."""
    return int(STUDIES[wildcards.scale]["device"] == "gpu")


def training_memory(wildcards):
    """Megabytes for a meta-training job: Python, JAX and, on the CPU, its budget for the unroll."""
    if gpus(wildcards):
        return 8000
    settings = STUDIES[wildcards.scale]["tasks"][wildcards.task]
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
