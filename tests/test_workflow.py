"""The whole workflow at the smoke scale: it runs, then does nothing; changes re-run what they must."""

import re
from collections import Counter
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
import yaml
from workflow_project import ROOT, copy_project, snakemake

from lopt.keys import stream
from lopt.learned.gru import GRUTheta
from lopt.records import store
from lopt.tasks import sample_batch
from lopt.tasks.two_moons import TwoMoons

TASKS = ["linear_regression", "rosenbrock", "two_moons", "digits"]
FIGURES = [
    "fig1_performance",
    "fig2_momentum",
    "fig3_gradient_clipping",
    "fig4_learning_rate_schedules",
    "fig5_learning_rate_adaptation",
    "fig6_interventions",
    "fig7_stability",
]

RUNGS = [{"trials": 3, "meta_steps": 100}, {"trials": 2, "meta_steps": 200}]

pytestmark = pytest.mark.workflow


def jobs(folder: Path, *arguments: str) -> Counter[tuple[str, str]]:
    """What a dry run would do: (rule, task or figure) of every job; "" where there is none."""
    run = snakemake(folder, "--dry-run", *arguments)
    assert run.returncode == 0, run.stdout
    blocks = re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)+)", run.stdout, re.MULTILINE)
    wanted = Counter()
    for rule, block in blocks:
        about = re.search(r"wildcards: .*(?:task|figure)=(\w+)", block)
        wanted[rule, about.group(1) if about else ""] += 1
    return wanted


def rules_of(wanted: Counter[tuple[str, str]]) -> set[str]:
    return {rule for rule, _ in wanted}


def test_everything_is_made(finished):
    results = finished / "results/smoke"
    for name in FIGURES:
        assert (results / f"figures/{name}.pdf").read_bytes().startswith(b"%PDF")
        assert (results / f"figures/{name}.png").read_bytes().startswith(b"\x89PNG")
        assert len(store.load_table(results / f"figures/{name}.csv")) > 0
    verdicts = store.load_table(results / "claims.csv")["verdict"]
    assert set(verdicts.dropna()) <= {"agrees", "exceeds", "differs"}
    assert set(store.load_table(results / "validation.csv")["verdict"]) == {"pass"}
    for task in TASKS:
        costs = store.load_table(results / f"interventions/{task}/interventions.csv")
        assert {"intact", "no_memory", "linear", "modes_4", "adam"} <= set(costs["optimizer"])
        intact = costs[costs["optimizer"] == "intact"]
        summary = store.load_table(results / f"evaluation/{task}/summary.csv")
        learned = summary[summary["optimizer"] == "learned"]
        assert set(intact["seed"]) <= set(learned["seed"]) and (intact["cost"] == 1.0).all()


def test_theta_carries_where_it_comes_from(finished):
    path = finished / "results/smoke/meta_training/rosenbrock/seed_0/theta.npz"
    theta, metadata = store.load(path, GRUTheta)
    assert theta.recurrent_weights.shape == (8, 24)
    assert metadata["task"] == "rosenbrock" and metadata["seed"] == 0
    assert metadata["versions"]["jax"] and metadata["device"] == "cpu"
    assert np.isfinite(metadata["validation_meta_objective"])


def test_optimizers_met_the_same_problems(finished):
    for task in TASKS:
        table = store.load_table(finished / f"results/smoke/evaluation/{task}/summary.csv")
        columns = "task optimizer seed problems diverged meta_objective meta_objective_se".split()
        assert list(table)[: len(columns)] == columns
        assert set(table["optimizer"]) == {"learned", "momentum", "rmsprop", "adam"}
        with np.load(finished / f"results/smoke/evaluation/{task}/losses.npz") as arrays:
            first = arrays["losses"][:, :, 0]
        # Rosenbrock's y - x^2 cancels: whether x^2 is rounded (2^-24) moves a loss of 0.1 at x = 1 by 4e-6.
        np.testing.assert_allclose(first, np.broadcast_to(first[0], first.shape), rtol=5e-6)


def test_the_evaluation_shows_how_far_it_is(finished):
    """16 problems in batches of 6; the runs of a later batch are of that batch's problems."""
    log = (finished / "results/smoke/logs/evaluate/two_moons_part_0.log").read_text()
    assert re.findall(r"problem (\d+)/16", log)[-1] == "16"
    with np.load(finished / "results/smoke/evaluation/two_moons/losses.npz") as arrays:
        first = arrays["losses"][0, :, 0]
    task = TwoMoons(hidden_widths=(4,), points=32)
    problems = sample_batch(task, stream(0, "evaluation"), 16)
    np.testing.assert_allclose(first, jax.vmap(task.loss)(problems, problems.start), rtol=1e-5)


def test_the_evaluation_measures_what_a_task_holds_out(finished):
    table = store.load_table(finished / "results/smoke/evaluation/digits/summary.csv")
    assert table["held_out_accuracy"].between(0.0, 1.0).all() and (table["held_out_loss"] > 0).all()
    other = store.load_table(finished / "results/smoke/evaluation/rosenbrock/summary.csv")
    assert not [name for name in other if name.startswith("held_out")]


def test_no_checkpoint_is_left(finished):
    assert not list((finished / "results").rglob("*checkpoint*"))


def test_second_run_does_nothing(finished):
    assert not jobs(finished, "--config", "scale=smoke")


def test_changed_parameter_reruns_what_depends_on_it(finished):
    change = {"scales": {"smoke": {"settings": {"rosenbrock": {"meta_training": {"clip": 0.01}}}}}}
    (finished / "change.yaml").write_text(yaml.safe_dump(change))
    wanted = jobs(finished, "--config", "scale=smoke", "--configfile", "config.yaml", "change.yaml")
    assert wanted["meta_train", "rosenbrock"] == 1
    for rule in ("select", "summarize_evaluation", "analyze"):
        assert wanted[rule, "rosenbrock"] == 1
    assert wanted["evaluate", "rosenbrock"] == 2  # its parts
    elsewhere = {rule for rule, task in wanted if task in ("linear_regression", "two_moons")}
    assert elsewhere == {"run_away"}  # to Rosenbrock, too
    assert "tune" not in rules_of(wanted)


def with_changed(finished: Path, *modules: str) -> Counter[tuple[str, str]]:
    """What a dry run would do if these modules were changed."""
    before = {
        finished / "lopt" / module: (finished / "lopt" / module).read_text() for module in modules
    }
    try:
        for path, text in before.items():
            path.write_text(text + "\n# changed\n")
        return jobs(finished, "--config", "scale=smoke")
    finally:
        for path, text in before.items():
            path.write_text(text)


def test_a_changed_figure_is_drawn_anew_and_a_family_without_optimizers_changes_nothing(finished):
    wanted = with_changed(finished, "figures/fig4_learning_rate_schedules.py", "learned/lstm.py")
    assert {name for rule, name in wanted if rule == "draw"} == {"fig4_learning_rate_schedules"}
    assert not {"meta_train", "analyze", "tune", "evaluate"} & rules_of(wanted)


@pytest.mark.parametrize(
    ("module", "reruns", "leaves"),
    [
        ("analysis/responses.py", {"analyze", "draw"}, {"meta_train"}),
        ("meta_training/gradient.py", {"meta_train", "analyze"}, {"tune", "portray"}),
        ("optimizers/adam.py", {"tune", "evaluate"}, {"meta_train", "analyze", "portray"}),
        ("tuning/random_search.py", {"tune", "evaluate"}, {"meta_train", "analyze"}),
    ],
)
def test_changed_module_reruns_what_depends_on_it(finished, module, reruns, leaves):
    wanted = rules_of(with_changed(finished, module))
    assert reruns <= wanted
    assert not leaves & wanted


def test_figure_runs_only_what_it_needs(tmp_path):
    folder = copy_project(tmp_path)
    wanted = jobs(folder, "fig4", "--config", "scale=smoke")
    assert {"meta_train", "select", "analyze", "tune"} <= rules_of(wanted)
    assert not {"evaluate", "compare", "validate"} & rules_of(wanted)
    assert all(wanted["tune", task] == 1 for task in TASKS)  # momentum alone
    assert not {"analyze", "compare"} & rules_of(jobs(folder, "fig1", "--config", "scale=smoke"))


def test_file_of_another_scale_by_path(tmp_path):
    folder = copy_project(tmp_path)
    wanted = jobs(folder, "results/paper/meta_training/rosenbrock/seed_2/theta.npz")
    assert wanted == Counter({("meta_train", "rosenbrock"): 1})


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("one/analysis/digits/seed_0/responses.npz", "task digits; it has rosenbrock."),
        (
            "one/evaluation/rosenbrock/part_2.npz",
            "part 2 of the evaluation of rosenbrock; it has 0, 1.",
        ),
        ("one/baselines/rosenbrock/rmsprop/best.json", "baseline rmsprop; it has adam."),
        (
            "one/meta_search/rosenbrock/rung_1/place_2.csv",
            "place 2 in rung 1 of the search on rosenbrock; ",
        ),
        (
            "smoke/census/linear_regression/gru/seed_0/theta.npz",
            "variant gru of linear_regression; ",
        ),
    ],
)
def test_a_path_that_its_scale_does_not_have_is_one_message(tmp_path, target, message):
    settings = {"rosenbrock": {"evaluation": {"parts": 2}, "meta_search": {"rungs": RUNGS}}}
    scale = {"tasks": ["rosenbrock"], "baselines": ["adam"], "settings": settings}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"scales": {"one": scale}}))
    files = ("--snakefile", str(ROOT / "Snakefile"), "--configfile", str(ROOT / "config.yaml"))
    run = snakemake(tmp_path, "--dry-run", *files, "mine.yaml", "--", f"results/{target}")
    assert run.returncode != 0
    assert f"The scale {target.split('/')[0]} has no {message}" in run.stdout
    assert "KeyError" not in run.stdout and "IndexError" not in run.stdout


@pytest.mark.parametrize(
    ("change", "key", "allowed"),
    [
        ({"rosenbrock": {"meta_training": {"meta_steps": -5}}}, "meta_steps", "1"),
        ({"rosenbrock": {"seeds": [0, 0]}}, "seeds", "once"),
        ({"mnist": {}}, "mnist", "rosenbrock"),
    ],
)
def test_bad_configuration_is_one_message(tmp_path, change, key, allowed):
    folder = copy_project(tmp_path)
    change = {"scales": {"smoke": {"settings": change}}}
    (folder / "change.yaml").write_text(yaml.safe_dump(change))
    run = snakemake(folder, "--config", "scale=smoke", "--configfile", "config.yaml", "change.yaml")
    assert run.returncode != 0
    assert "Traceback" not in run.stdout
    message = next(line for line in run.stdout.splitlines() if "config key" in line)
    assert key in message and allowed in message
    assert not (folder / "results").exists()


def test_every_rule_states_what_it_takes():
    for file in sorted((ROOT / "rules").glob("*.smk")):
        for rule in re.split(r"^rule ", file.read_text(), flags=re.MULTILINE)[1:]:
            if "script:" not in rule:
                continue
            name = rule.split(":")[0]
            for directive in ("log:", "benchmark:", "threads:", "resources:"):
                assert f"    {directive}" in rule, f"{file.name}: rule {name} has no {directive}"


def test_curve_is_tidy(finished):
    path = finished / "results/smoke/meta_training/linear_regression/seed_1/curve.csv"
    curve = pd.read_csv(path)
    assert list(curve) == [
        "step",
        "meta_objective",
        "validation_meta_objective",
        "gradient_norm",
        "skipped_steps",
    ]
    assert curve["step"].is_monotonic_increasing and curve["step"].iloc[-1] == 20


def test_a_training_through_the_catalogs_entry_is_the_same_bytes(finished, tmp_path):
    """tests/test_conventions.py compares all jobs that it plans, with their parameters."""
    theta = "results/smoke/meta_training/rosenbrock/seed_0/theta.npz"
    entry = str(finished / "workflow/Snakefile")
    run = snakemake(tmp_path, "--snakefile", entry, "--config", "scale=smoke", "--", theta)
    assert run.returncode == 0, run.stdout[-3000:]
    assert (tmp_path / theta).read_bytes() == (finished / theta).read_bytes()
