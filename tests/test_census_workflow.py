"""The census in the workflow: what is planned at which scale, and the whole path in miniature."""

import re
from collections import Counter
from pathlib import Path

import pytest
import yaml
from workflow_project import copy_project, snakemake

from lopt.census_collection import release
from lopt.records import store, stored

pytestmark = pytest.mark.workflow

OF_THE_CENSUS = {
    "train_variant",
    "gather_census",
    "measure_hand_made",
    "measure_variant",
    "compare_dynamics",
    "resample_searches",
    "count_census",
}
# Two optimizers, one of which can't be trained; both of one size, so that what compiles for one serves both.
TINY = {
    "steps": 8,
    "optimizer": {"units": 2, "input_scale": 1.0, "output_scale": 1.0},
    "meta_training": {"meta_steps": 20, "problems": 2, "chunk": 10, "validation_problems": 4},
    "evaluation": {"problems": 4, "batch_size": 4},
    "analysis": {"problems": 2, "batch_size": 2, "sample_states": 20, "starts": 2},
    "tuning": {"pool": 30},
    "variants": {
        "gru_4": {"seeds": [1], "optimizer": {"units": 2}},
        "gru_wild": {
            "seeds": [0],
            "meta_training": {"skipped_in_a_row": 1, "learning_rate": 1.0e30, "clip": 1.0e30},
        },
        "lstm_2": None,
    },
}


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    folder = copy_project(tmp_path_factory.mktemp("census") / "project")
    settings = {"linear_regression": TINY}
    change = {"scales": {"smoke": {"baselines": ["momentum"], "settings": settings}}}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(change))
    return folder


def planned(folder: Path, *arguments: str) -> Counter[str]:
    run = snakemake(folder, "--dry-run", *arguments)
    assert run.returncode == 0, run.stdout
    return Counter(re.findall(r"^(?:local)?rule (\w+):$", run.stdout, re.MULTILINE))


def test_only_a_census_counts(project, finished):
    anew = project / "anew.yaml"
    anew.write_text("scales: {census: {collection: null}}")
    files = ("--configfile", "config.yaml", str(anew))
    census = planned(project, *files, "--config", "scale=census")
    assert census["train_variant"] == 128 and census["measure_variant"] == 24
    assert set(census) <= OF_THE_CENSUS | {"tune", "draw", "census", "all"}
    # As configured, the released optimizers are counted.
    census = planned(project, "--config", "scale=census")
    assert census["measure_variant"] == 24 and not {"train_variant", "tune"} & set(census)
    # At another scale it is no part of all.
    assert not (finished / "results/smoke/census").exists()
    assert not (finished / "results/smoke/figures/fig8_census.pdf").exists()


def test_a_scale_without_variants_says_what_is_missing(project):
    run = snakemake(project, "--dry-run", "census", "--config", "scale=laptop")
    assert run.returncode != 0 and "variants' is missing: there is nothing to count" in run.stdout


def test_the_whole_path_in_miniature(project):
    arguments = ("--config", "scale=smoke", "--configfile", "config.yaml", "tiny.yaml")
    run = snakemake(project, "census", *arguments)
    assert run.returncode == 0, run.stdout
    results = project / "results/smoke"
    shares = stored.load_census(results / "census.csv")
    counts = shares.groupby("variant")["optimizers"].first()
    assert counts.to_dict() == {"gru_4": 1, "gru_wild": 1, "all": 2}
    failed = store.load_table(results / "census_failures.csv")
    assert failed["variant"].tolist() == ["gru_wild"]
    assert set(shares.loc[shares["variant"] == "gru_wild", "failed"]) == {1}
    for name in ("fig8_census", "figS_similarity"):
        assert (results / f"figures/{name}.pdf").read_bytes().startswith(b"%PDF")
    page = (results / "census.md").read_text()
    assert "2 optimizers" in page and "gru_wild" in page.split("Trainings that failed")[1]

    # Released optimizers take the place of trainings and tunings.
    release(results, project / "weights/tiny")
    (project / "released.yaml").write_text("scales: {smoke: {collection: weights/tiny}}")
    (project / "results").rename(project / "trained")
    file = "results/smoke/census/linear_regression/optimizers.zip"
    run = snakemake(project, file, *arguments, "released.yaml")
    assert run.returncode == 0, run.stdout
    trained = project / "trained" / Path(file).relative_to("results")
    assert (project / file).read_bytes() == trained.read_bytes()
    assert not {"train_variant", "tune"} & {p.name for p in (results / "logs").iterdir()}
