# Variants of a task, the census's: their settings, and what its jobs take.


def variant(*keys):
    """A function of the wildcards that looks keys up in the settings of the task's variant."""

    def find(wildcards):
        scale, task = wildcards.scale, wildcards.task
        value = entry(
            variants_of(scale, task),
            wildcards.variant,
            f"variant {{}} of {task}",
            scale,
        )
        for key in keys:
            value = value[key]
        return value

    return find


def variants_of(scale, task):
    """The settings of a task's variants, by name."""
    found = settings_of(scale, task).get("variants")
    if not found:
        raise WorkflowError(
            f"config key 'scales.{scale}.settings.{task}.variants' is missing: there is nothing to count"
        )
    return found


def variant_seeds(scale, task):
    """The seeds of a task's variants, by name."""
    return {name: list(own["seeds"]) for name, own in variants_of(scale, task).items()}


def training_problem_of_variant(wildcards):
    """The problem of a variant's meta-training, likewise."""
    return trained_with(variant()(wildcards))["problem"]


def trained_with(own):
    """What an optimizer of these settings is meta-trained with, as its file says it."""
    problem = {**own["problem"], **(own["meta_training_problem"] or {})}
    return {
        "problem": problem,
        **{key: own[key] for key in ("steps", "optimizer", "meta_training")},
    }


def size_of_variant(wildcards):
    """What the variant's file of its family says that its size is, in a few letters."""
    return extensions.size(variant("optimizer")(wildcards))


def optimizers_of_variants(here):
    """The settings of the optimizers of all variants of a scale: of each task, by name."""
    return [
        {name: own["optimizer"] for name, own in settings.get("variants", {}).items()}
        for settings in here["tasks"].values()
    ]


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


def collection_settings(wildcards):
    """What the optimizers of a released file must have been trained with, by variant, or nothing."""
    if not released_collection(wildcards):
        return None
    variants = variants_of(wildcards.scale, wildcards.task)
    return {name: trained_with(own) for name, own in variants.items()}


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
