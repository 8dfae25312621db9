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


def folder_taken(wildcards):
    """The scale's folder of released weights, which stand in for training and tuning."""
    return STUDIES[wildcards.scale]["weights"]


def folder_begun_from(wildcards):
    """The folder of released weights that the task's trainings begin with; None where they begin anew."""
    return STUDIES[wildcards.scale]["tasks"][wildcards.task].get("start")


def weights_file(name, of=folder_taken):
    """The file of this name in a folder of released weights; nothing where there is no folder.

    Where that folder lies and how old it is decide nothing of what is up to date: Snakemake knows the file by
    its name, and by its checksum, which goes into the rule's ``params`` (``weights_sums``).
    """

    def find(wildcards):
        if (called := of(wildcards)) is None:
            return []
        folder = weights_folder(called)
        file = name.format(**dict(wildcards.items()))
        if file != checksums.SUMS and file not in checksums.stated(folder):
            raise WorkflowError(f"{folder / checksums.SUMS} has no checksum of {file}")
        return sourcecache_entry(ancient(str(folder / file)), file)

    return find


def weights_sums(*names, of=folder_taken):
    """The checksums of files in a folder of released weights."""

    def find(wildcards):
        if (called := of(wildcards)) is None:
            return []
        sums = checksums.stated(weights_folder(called))
        return [sums[name.format(**dict(wildcards.items()))] for name in names]

    return find


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
