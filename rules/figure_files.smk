# What each figure reads and is called, as its file states, and the files that it is drawn to.

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

for name, facts in FIGURES.items():
    if unknown := [each for each in facts["READS"] if each not in READABLE]:
        raise WorkflowError(
            f"A figure can't be drawn. lopt/figures/{name}.py: READS names {', '.join(unknown)}; "
            f"there are {', '.join(READABLE)}"
        )

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
