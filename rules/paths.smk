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
    settings = settings_of(scale, task)
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


def of_part(block, find):
    """A function of the wildcards: what ``find`` finds, if the block of settings has as many parts."""

    def find_of_part(wildcards):
        scale, task = wildcards.scale, wildcards.task
        parts = range(settings_of(scale, task)[block]["parts"])
        entry(parts, int(wildcards.part), f"part {{}} of the {block} of {task}", scale)
        return find(wildcards)

    return find_of_part


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
def found_weights(name):
    """The folder of released weights called ``name``, or None: the working directory's, or else the repository's.

    The repository may be one of a Git host, of which Snakemake keeps a clone. Snakemake itself reads files of
    it as text, which weights are not.
    """
    places = [Path.cwd(), REPOSITORY]
    if folder := released.find(name, places):
        return folder.absolute()
    if hasattr(RULES, "hosted_repo"):
        tree = RULES.hosted_repo.repo.commit(RULES.ref).tree
        if folder := released.unpack(tree, name, ".snakemake/released"):
            return folder.absolute()
    return None


def folder_taken(wildcards):
    """The key of the scale's folder of released weights, which stand in for training and tuning; what it says."""
    return "weights", STUDIES[wildcards.scale]["weights"]


def folder_begun_from(wildcards):
    """The key of the folder of released weights that a training begins with; what it says, or None: anew.

    The training that ends early begins anew: it shows what an optimizer is like that has hardly learned.
    """
    task = settings_of(wildcards.scale, wildcards.task)
    early = task["early"] and task["early"]["seed"] == int(wildcards.seed)
    return f"{wildcards.task}.start", None if early else task.get("start")


def released_folder(of, wildcards):
    """The folder that a key of the scale names, or None if it names none."""
    key, name = of(wildcards)
    if name is None:
        return None
    if folder := found_weights(name):
        return folder
    places = dict.fromkeys(map(str, [Path.cwd(), REPOSITORY]))
    raise WorkflowError(
        f"The scale {wildcards.scale} says {key}: {name}, which should be a folder of released weights, but there "
        f"is no folder {name} with a {checksums.SUMS} in {' or in '.join(places)}."
    )


def weights_file(name, of=folder_taken):
    """The file of this name in a folder of released weights; nothing where there is no folder.

    Where that folder lies and how old it is decide nothing of what is up to date: Snakemake knows the file by
    its name, and by its checksum, which goes into the rule's ``params`` (``weights_sums``).
    """

    def find(wildcards):
        if (folder := released_folder(of, wildcards)) is None:
            return []
        file = name.format(**dict(wildcards.items()))
        if file != checksums.SUMS:
            stated, said = checksums.stated(folder), ": ".join(of(wildcards))
            if file not in stated:
                like = [
                    each for each in stated if Path(each).suffix == Path(file).suffix
                ]
                raise WorkflowError(
                    f"The scale {wildcards.scale} says {said}, but {folder / checksums.SUMS} has no checksum of "
                    f"{file}; it has {', '.join(like) or 'none'}."
                )
            if not (folder / file).exists():
                raise WorkflowError(
                    f"The scale {wildcards.scale} says {said}, and {folder / checksums.SUMS} lists {file}, but "
                    f"{folder / file} is not there."
                )
        return sourcecache_entry(ancient(str(folder / file)), file)

    return find


def weights_sums(*names, of=folder_taken):
    """The checksums of files in a folder of released weights."""

    def find(wildcards):
        if (folder := released_folder(of, wildcards)) is None:
            return []
        sums = checksums.stated(folder)
        return [sums[name.format(**dict(wildcards.items()))] for name in names]

    return find


# What a folder of released weights calls the files of an optimizer and of a tuned baseline.
RELEASED = {
    "theta": "{task}/seed_{seed}.npz",
    "curve": "{task}/seed_{seed}.csv",
    "best": "baselines/{task}/{optimizer}/best.json",
    "trials": "baselines/{task}/{optimizer}/trials.csv",
}


class Filled(dict):
    """What fills the wildcards of a job that is only thought of."""

    __getattr__ = dict.__getitem__


def look_for_weights(scale):
    """Refuse a scale whose folders of released weights lack what it takes of them.

    Jobs say so, too, but where their results are there already, Snakemake takes those for up to date
    and passes over what is wrong with the job.
    """
    for task, settings in STUDIES[scale]["tasks"].items():
        early = [settings["early"]["seed"]] if settings["early"] else []
        trained = [{"seed": str(seed)} for seed in [*settings["seeds"], *early]]
        tuned = [{"optimizer": name} for name in STUDIES[scale]["baselines"]]
        wanted = [("theta", folder_begun_from, trained)]
        if STUDIES.takes_weights(scale):
            wanted = [
                *((kind, folder_taken, trained) for kind in ("theta", "curve")),
                *((kind, folder_taken, tuned) for kind in ("best", "trials")),
            ]
        for kind, of, places in wanted:
            for place in places:
                weights_file(RELEASED[kind], of)(
                    Filled(scale=scale, task=task, **place)
                )
        released_collection(Filled(scale=scale, task=task))


def rung_before(wildcards):
    """The ranking of the rung before and the states in which it left its trials."""
    rung, scale = int(wildcards.rung) - 1, wildcards.scale
    places = range(trials(wildcards, rung + 1))
    what = f"place {{}} in rung {rung + 1} of the search on {wildcards.task}"
    entry(places, int(wildcards.place), what, scale)
    if rung < 0:
        return []
    keys = {"scale": wildcards.scale, "task": wildcards.task, "rung": rung}
    places = range(trials(wildcards, rung))
    return [
        result("ranking").format(**keys),
        *(result("trial_state").format(place=i, **keys) for i in places),
    ]
