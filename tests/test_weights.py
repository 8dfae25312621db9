"""Released optimizers: what ships is whole, and the workflow takes it in place of training and tuning."""

import dataclasses
import filecmp
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import synthetic_results as synthetic
import yaml
from workflow_project import ROOT, copy_project, snakemake

from lopt import config, weights
from lopt.census_collection import trained
from lopt.learned import make_family
from lopt.learned.gru import GRU, GRUTheta
from lopt.learned.released import load_released, take
from lopt.meta_training.loop import curve_point, train_chunk
from lopt.meta_training.run import beginning, from_settings
from lopt.optimizers import make_baseline
from lopt.records import attractors, checksums, store, stored
from lopt.records.model_card import model_card
from lopt.records.store import StoreError

SHIPPED = ROOT / "weights"
CENSUS, UNCONSTRAINED = SHIPPED / "census", SHIPPED / "unconstrained"
CONFIGURED = config.resolve(yaml.safe_load((ROOT / "config.yaml").read_text()))
STUDY = CONFIGURED["released"]


def results_of_a_scale(folder: Path) -> Path:
    """The files that ``release`` reads, of one optimizer and one baseline."""
    random, family = np.random.default_rng(0), GRU(2)
    theta = GRUTheta(
        *(np.asarray(random.normal(size=shape), np.float32) for shape in [2, 6, (2, 6), 6, 2, ()])
    )
    place = folder / "meta_training/rosenbrock/seed_3"
    metadata = {
        "task": "rosenbrock",
        "seed": 3,
        "optimizer": dataclasses.asdict(family),
        "meta_training": {"problems": 4, "meta_steps": 20},
        "validation_meta_objective": 0.5,
        "meta_step": 10,
        "skipped_steps": 0,
        "device": "cpu",
    }
    store.save(place / "theta.npz", theta, metadata)
    store.save_json(place / "run.json", {"wall_seconds": 1800.0})
    point = dict.fromkeys(stored.CURVE, 1.0) | {"step": 10, "skipped_steps": 0}
    store.save_table(place / "curve.csv", pd.DataFrame([point]))
    rows = [("learned", 2, 9.0), ("learned", 3, 0.25), ("momentum", -1, 9.0)]
    summary = pd.DataFrame(rows, columns=["optimizer", "seed", "meta_objective"])
    summary["task"] = "rosenbrock"
    for name in weights.HELD_OUT:
        summary[name] = summary.get(name, 7)
    store.save_table(folder / "evaluation/rosenbrock/summary.csv", summary)
    tuned = folder / "baselines/rosenbrock/momentum"
    best = {"optimizer": "momentum", "hyperparameters": {"learning_rate": 0.5, "momentum": 0.9}}
    scores = {"meta_objective": 0.5, "trials": 1, "diverged_share": 0.0}
    store.save_json(tuned / "best.json", best | scores)
    trial = {"learning_rate": 0.5, "momentum": 0.9, "score": 0.5, "rung": 0, "rank": 1}
    store.save_table(tuned / "trials.csv", pd.DataFrame([trial]))
    return folder


@pytest.fixture
def released(tmp_path) -> Path:
    folder = tmp_path / "weights"
    weights.release(results_of_a_scale(tmp_path / "results"), folder)
    return folder


def test_what_is_released_is_what_was_trained(released, tmp_path):
    trained = tmp_path / "results/meta_training/rosenbrock/seed_3"
    theta, metadata = load_released(released, "rosenbrock", 3)
    expected, before = store.load(trained / "theta.npz", GRUTheta)
    for leaf, wanted in zip(theta, expected, strict=True):
        np.testing.assert_array_equal(leaf, wanted)
    assert metadata == before | {
        "wall_seconds": 1800.0,
        **{f"evaluation_{name}": 7 for name in weights.HELD_OUT},
        "evaluation_meta_objective": 0.25,
    }
    for name in ("rosenbrock/seed_3.csv", "baselines/rosenbrock/momentum/trials.csv"):
        take(released, name, tmp_path / "taken")
        assert filecmp.cmp(tmp_path / "taken", released / name, shallow=False)
    assert filecmp.cmp(released / "rosenbrock/seed_3.csv", trained / "curve.csv", shallow=False)


def test_a_changed_file_gets_no_new_checksum(released, tmp_path):
    place = tmp_path / "results"
    seed_4 = place / "meta_training/rosenbrock/seed_4"
    (place / "meta_training/rosenbrock/seed_3").rename(seed_4)
    theta, metadata = store.load(seed_4 / "theta.npz", GRUTheta)
    store.save(seed_4 / "theta.npz", theta, metadata | {"seed": 4})
    path = place / "evaluation/rosenbrock/summary.csv"
    table = store.load_table(path)
    store.save_table(path, table.assign(seed=table["seed"].replace(3, 4)))
    curve, sums = released / "rosenbrock/seed_3.csv", (released / "SHA256SUMS").read_bytes()
    curve.write_text(curve.read_text() + "\n")
    with pytest.raises(StoreError, match=r"seed_3\.csv: its SHA-256 is"):
        weights.release(place, released)
    assert (released / "SHA256SUMS").read_bytes() == sums
    assert not (released / "rosenbrock/seed_4.npz").exists()
    curve.write_text(curve.read_text().removesuffix("\n"))
    weights.release(place, released)
    assert {"rosenbrock/seed_3.csv", "rosenbrock/seed_4.npz"} <= set(checksums.stated(released))


def test_a_release_within_another_is_one_of_its_own(released, tmp_path):
    before, described = checksums.stated(released), weights.describe(released)
    weights.release(tmp_path / "results", released / "others")
    weights.release(tmp_path / "results", released)
    assert checksums.stated(released) == before
    assert weights.describe(released).equals(described) and len(described) == 1
    assert checksums.stated(released / "others") == before


def test_a_card_loads_the_optimizer_that_it_describes(released):
    card = (released / "rosenbrock/seed_3.md").read_text()
    code = card.split("```python\n")[1].split("```")[0]
    found = {}
    exec(code.replace('"..."', repr(str(released))), found)
    assert found["metadata"] == load_released(released, "rosenbrock", 3)[1]
    shipped = (SHIPPED / "digits/seed_0.md").read_text()
    exec(shipped.split("```python\n")[1].split("```")[0], found)
    assert found["metadata"] == load_released(SHIPPED, "digits", 0)[1]


def test_a_card_says_what_a_training_began_with(released):
    _, metadata = load_released(released, "rosenbrock", 3)
    text = model_card(metadata, "rosenbrock/seed_3.npz", "", shipped=True)
    assert "meta-trained from scratch" in text and "begun from" not in text
    start = {"file": "rosenbrock/seed_3.npz", "sha256": "abc", "meta_step": 840}
    start["optimizer"] = {"family": "gru", "units": 2, "input_scale": 200.0}
    text = model_card({**metadata, "start": start}, "rosenbrock/seed_3.npz", "", shipped=True)
    assert "meta-trained from another's theta" in text
    assert (
        "had 840 meta-steps of another training (units 2, input_scale 200.0), SHA-256 `abc`" in text
    )


def test_the_description_is_from_the_metadata(released):
    (row,) = weights.describe(released).to_dict("records")
    assert row == {
        **{"task": "rosenbrock", "seed": 3, "units": 2, "problems": 4, "meta_steps": 20},
        **{"best_at": 10, "skipped": 0, "meta_objective": "0.2500 ± 7.0000", "final_loss": "7"},
        **{"drift": "", "device": "cpu", "hours": "0.50"},
    }


def analyzed(results: Path, task="rosenbrock", seed=3) -> dict:
    """Store what the analysis found of the optimizer: two stable points, and one between them."""
    found = synthetic.fixed_points(task, seed)
    place = results / "analysis" / task / f"seed_{seed}" / "fixed_points.npz"
    store.save(place, found, {"task": task, "seed": seed})
    return found


def test_a_release_says_where_each_optimizer_ends_and_how_it_drifts_there(released, tmp_path):
    found = analyzed(tmp_path / "results")
    for names in (
        weights.release(tmp_path / "results", tmp_path / "anew"),
        weights.release(tmp_path / "results", tmp_path / "anew"),
    ):
        assert "attractors.csv" in names
    # Of what is released already, by a command; nothing else changes.
    before = {path: path.read_bytes() for path in released.rglob("*.npz")}
    done = command("attractors", tmp_path / "results", released)
    assert (done.returncode, done.stdout) == (0, "rosenbrock/seed_3\n"), done.stderr
    assert {path: path.read_bytes() for path in released.rglob("*.npz")} == before
    for folder in (tmp_path / "anew", released):
        table = attractors.load_attractors(folder / "attractors.csv")
        np.testing.assert_allclose(table["drift"], found.attractor_updates)
        np.testing.assert_allclose(table["learning_rate"], found.attractor_learning_rates)
        np.testing.assert_allclose(
            table[["drift_low", "drift_high"]], found.attractor_update_intervals
        )
        assert table["stable"].tolist() == [1, 1, 0] and table["shown"].tolist() == [1, 0, 0]
        (row,) = weights.describe(folder).to_dict("records")
        assert row["drift"] == "1e-06 (75%), -0.002 (25%)"
        sums = (folder / weights.SUMS).read_text()
        digest = hashlib.sha256((folder / "attractors.csv").read_bytes()).hexdigest()
        assert f"{digest}  attractors.csv" in sums
    # Of one attractor that all arrive at nothing needs to be said but the drift.
    one = table[:1].assign(basin_share=1.0)
    assert attractors.drifts(one, "rosenbrock", 3) == "1e-06"
    assert attractors.drifts(one, "rosenbrock", 4) == ""
    (released / "attractors.csv").write_text((released / "attractors.csv").read_text() + "x\n")
    with pytest.raises(StoreError, match=r"attractors\.csv: its SHA-256 is"):
        weights.describe(released)


def test_attractors_are_those_of_the_released_optimizer(released, tmp_path):
    with pytest.raises(StoreError, match="has analyzed none of the optimizers"):
        weights.record_attractors(tmp_path / "results", released)
    analyzed(tmp_path / "results")
    path = tmp_path / "results/meta_training/rosenbrock/seed_3/theta.npz"
    theta, metadata = store.load(path, GRUTheta)
    store.save(path, theta._replace(readout_bias=theta.readout_bias + np.float32(1.0)), metadata)
    with pytest.raises(StoreError, match=r"theta\.npz: is not the optimizer that .*seed_3\.npz"):
        weights.record_attractors(tmp_path / "results", released)
    assert not (released / "attractors.csv").exists()


def test_gradients_of_the_training_are_added_to_those_that_lack_them(tmp_path):
    results, folder = results_of_a_scale(tmp_path), tmp_path / "weights"
    path = results / "meta_training/rosenbrock/seed_3/theta.npz"
    theta, metadata = store.load(path, GRUTheta)
    weights.release(results, folder)
    with pytest.raises(StoreError, match=r"seed_3\.npz: lacks 'problem'"):
        weights.record_gradients(folder)
    told = {"problem": {"start_half_width": 1.0}, "steps": 5}
    told["meta_training"] = metadata["meta_training"] | {"validation_problems": 3}
    store.save(path, theta, metadata | told)
    weights.release(results, folder)
    done = command("gradients", folder)
    assert (done.returncode, done.stdout) == (0, "rosenbrock/seed_3.npz\n"), done.stderr
    same, after = load_released(folder, "rosenbrock", 3)
    np.testing.assert_array_equal(same.recurrent_weights, theta.recurrent_weights)
    sizes = after["gradients"]
    assert 0.0 < sizes["smallest"] < sizes["median"] < sizes["largest"]
    assert f"size {sizes['smallest']:.3g}, " in (folder / "rosenbrock/seed_3.md").read_text()
    assert weights.record_gradients(folder) == []


def test_an_optimizer_that_is_gone_is_not_left_out(released):
    with (released / "SHA256SUMS").open("a") as sums:
        sums.write(f"{'0' * 64}  rosenbrock/seed_4.npz\n")
    with pytest.raises(StoreError, match=r"seed_4\.npz: there is no such file, but .*SHA256SUMS"):
        weights.describe(released)


def test_a_folder_without_optimizers_is_none_where_all_have_their_gradients(released, tmp_path):
    with pytest.raises(StoreError, match="absent: no folder"):
        weights.record_gradients(tmp_path / "absent")
    (released / "rosenbrock/seed_3.npz").unlink()
    done = command("gradients", released)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: {released}: holds no released optimizer\n"


def test_rows_of_other_optimizers_stay(tmp_path):
    table, path = {}, tmp_path / "attractors.csv"
    for key in (("rosenbrock", 0), ("two_moons", 3)):
        table[key] = attractors.of_optimizer(*key, synthetic.fixed_points(*key))
    attractors.update(path, table)
    attractors.update(path, {("rosenbrock", 0): table["rosenbrock", 0][:1]})
    assert attractors.load_attractors(path)["task"].tolist() == ["rosenbrock", *["two_moons"] * 3]
    attractors.update(path, {("two_moons", 3): None})
    assert attractors.load_attractors(path)["task"].tolist() == ["rosenbrock"]
    attractors.update(tmp_path / "none.csv", {("two_moons", 3): None})
    assert not (tmp_path / "none.csv").exists()


def test_the_checksums_are_sha256sums(released):
    lines = (released / weights.SUMS).read_text().splitlines()
    expected = {
        path.relative_to(released).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in released.rglob("*.*")
        if path.suffix != ".md"
    }
    assert {name: digest for digest, name in map(str.split, lines)} == expected
    assert len(expected) == 4
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "--check", "--strict", weights.SUMS], cwd=released, check=True)


def test_a_changed_file_is_refused(released, tmp_path):
    path = released / "rosenbrock/seed_3.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    for call in (
        lambda: load_released(released, "rosenbrock", 3),
        lambda: take(released, "rosenbrock/seed_3.npz", tmp_path / "taken"),
    ):
        with pytest.raises(StoreError, match=r"seed_3\.npz: its SHA-256 is"):
            call()
    assert not (tmp_path / "taken").exists()


def test_a_file_without_a_checksum_is_refused(released):
    shutil.copy(released / "rosenbrock/seed_3.npz", released / "rosenbrock/seed_4.npz")
    with pytest.raises(StoreError, match=r"seed_4\.npz: .*has no checksum"):
        load_released(released, "rosenbrock", 4)
    with pytest.raises(StoreError, match=r"seed_5\.npz: there is no such file"):
        load_released(released, "rosenbrock", 5)
    with pytest.raises(StoreError, match=r"elsewhere/SHA256SUMS: there is no such file"):
        load_released(released.parent / "elsewhere", "rosenbrock", 3)


def test_incomplete_results_are_not_released(tmp_path):
    results = results_of_a_scale(tmp_path / "results")
    (results / "evaluation/rosenbrock/summary.csv").unlink()
    with pytest.raises(StoreError, match=r"summary\.csv: there is no such file"):
        weights.release(results, tmp_path / "weights")
    shutil.rmtree(results)
    with pytest.raises(StoreError, match="holds neither"):
        weights.release(results, tmp_path / "weights")
    assert not (tmp_path / "weights").exists()


def command(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "lopt.weights", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


def test_the_command_prints_under_any_encoding(released):
    for encoding, sign in (("utf-8", "±"), ("ascii", "+-")):
        done = command("describe", released, PYTHONIOENCODING=encoding)
        assert done.returncode == 0, done.stderr
        assert f"0.2500 {sign} 7.0000" in done.stdout


def test_a_wrong_path_is_one_line(released, tmp_path, capsys):
    (tmp_path / "file").touch()
    empty = tmp_path / "empty"
    empty.mkdir()
    shutil.copy(released / "rosenbrock/seed_3.npz", released / "rosenbrock/best_seed.npz")
    for arguments in (
        ("describe", tmp_path / "nowhere"),
        ("describe", tmp_path / "file"),
        ("describe", empty),
        ("describe", released),
        ("release", tmp_path / "nowhere", tmp_path / "weights"),
        ("release", tmp_path / "results", tmp_path / "file"),
    ):
        with pytest.raises(SystemExit) as ended:
            weights.main([*map(str, arguments)])
        printed = capsys.readouterr()
        assert ended.value.code == 1 and not printed.out, arguments
        (line,) = printed.err.splitlines()
        assert line.startswith("error: ") and str(tmp_path) in line


# --- what ships --------------------------------------------------------------------------------------

OPTIMIZERS = [
    (folder, task, seed, entry, steps)
    for folder, scale in ((SHIPPED, "released"), (UNCONSTRAINED, "unconstrained"))
    for task, entry in CONFIGURED[scale]["tasks"].items()
    for seed, steps in [
        *((seed, entry["meta_training"]["meta_steps"]) for seed in entry["seeds"]),
        *([(entry["early"]["seed"], entry["early"]["meta_steps"])] if entry["early"] else []),
    ]
]
BASELINES = sorted(path.parent for path in SHIPPED.rglob("baselines/*/*/best.json"))


def test_the_page_beside_the_weights_shows_their_description():
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (SHIPPED / "README.md").read_text().splitlines()
        if re.match(r"\| (task|\w+ \| \d+) \|", line)
    ]
    table = weights.describe(SHIPPED)
    assert cells == [list(table), *table.astype(str).to_numpy().tolist()]
    assert (table["drift"] != "").all()


def test_every_shipped_file_has_its_checksum():
    stated = {
        (folder / name).relative_to(SHIPPED).as_posix(): digest
        for folder in (SHIPPED, CENSUS, UNCONSTRAINED)
        for name, digest in checksums.stated(folder).items()
    }
    found = checksums.found(SHIPPED)
    cards = {name for name in found if name.endswith((".md", weights.SUMS))}
    assert stated == {name: digest for name, digest in found.items() if name not in cards}
    assert len(BASELINES) == 18 and len(checksums.stated(CENSUS)) == 4
    assert not any(name.startswith("unconstrained") for name in checksums.stated(SHIPPED))


@pytest.mark.parametrize("task", CONFIGURED["census"]["tasks"])
def test_every_optimizer_of_the_census_is_one_that_the_configuration_names(task):
    for variant, own in CONFIGURED["census"]["tasks"][task]["variants"].items():
        members = trained(CENSUS / f"{task}.zip", task, variant)
        assert [member.seed for member in members] == own["seeds"]
        assert {member.family for member in members} == {make_family(own["optimizer"])}
        assert not any(member.failure for member in members)


@pytest.mark.parametrize(
    ("folder", "task", "seed", "entry", "steps"),
    OPTIMIZERS,
    ids=[f"{folder.name}-{task}-{seed}" for folder, task, seed, *_ in OPTIMIZERS],
)
def test_every_optimizer_was_trained_as_the_configuration_says(folder, task, seed, entry, steps):
    theta, metadata = load_released(folder, task, seed)
    settings = {"task": task, "steps": entry["steps"]}
    # The older ones were stored before there was more than one family, without its name and what is null.
    since = "family" in metadata["optimizer"]
    family = {k: v for k, v in entry["optimizer"].items() if k != "family"}
    settings["optimizer"] = entry["optimizer"] if since else family
    settings["problem"] = entry["problem"] | (entry["meta_training_problem"] or {})
    recipe = entry["meta_training"] | {"meta_steps": steps}
    settings["meta_training"] = {k: v for k, v in recipe.items() if since or v is not None}
    assert metadata["meta_training"] == settings["meta_training"]
    assert metadata["config_digest"] == config.digest(settings)
    assert (metadata["task"], metadata["seed"]) == (task, seed)
    if begins := entry["start"]:
        name = f"{task}/seed_{seed}.npz"
        assert metadata["start"]["sha256"] == checksums.stated(ROOT / begins)[name]
    GRU(**family).check(theta)
    assert metadata["evaluation_meta_objective"] < 1.0
    curve = stored.load_curve(folder / task / f"seed_{seed}.csv")
    assert curve["step"].iloc[-1] == steps
    validated = curve.set_index("step")["validation_meta_objective"]
    assert validated.idxmin() == metadata["meta_step"]
    assert validated.min() == pytest.approx(metadata["validation_meta_objective"], rel=1e-6)


@pytest.mark.parametrize("place", BASELINES, ids=lambda path: "-".join(path.parts[-4:]))
def test_every_baseline_is_the_best_of_its_trials(place, tmp_path):
    folder, (task, optimizer) = place.parents[2], place.parts[-2:]
    place = f"baselines/{task}/{optimizer}"
    for name in ("best.json", "trials.csv"):
        take(folder, f"{place}/{name}", tmp_path / name)
    best, trials = (
        stored.load_best(tmp_path / "best.json", optimizer),
        stored.load_trials(tmp_path / "trials.csv"),
    )
    assert len(trials) == best["trials"] == STUDY["tasks"][task]["tuning"]["samples"]
    make_baseline(optimizer, best["hyperparameters"])
    winner = trials[trials["rank"] == best["rank"]].iloc[0]
    for name, value in best["hyperparameters"].items():
        assert winner[name] == pytest.approx(value, rel=1e-6)


# --- the workflow ------------------------------------------------------------------------------------


@pytest.mark.workflow
def test_the_workflow_takes_them_in_place_of_training_and_tuning(finished, tmp_path):
    """The smoke run's own results, released: nothing is trained, and the evaluation is the same."""
    smoke, folder = finished / "results/smoke", copy_project(tmp_path)
    weights.release(smoke, folder / "weights")
    (folder / "change.yaml").write_text(yaml.safe_dump({"study": {"weights": "weights"}}))
    target = "results/smoke/evaluation/rosenbrock/losses.npz"
    options = (
        "--configfile",
        "config.yaml",
        "change.yaml",
        "--config",
        "scale=smoke",
        "--",
        target,
    )
    run = snakemake(folder, *options)
    assert run.returncode == 0, run.stdout[-3000:]
    assert "rule meta_train:" not in run.stdout and "rule tune:" not in run.stdout
    assert "rule take_optimizer:" in run.stdout and "rule take_baseline:" in run.stdout
    with np.load(folder / target) as taken, np.load(smoke.parents[1] / target) as trained:
        np.testing.assert_array_equal(taken["losses"], trained["losses"])

    # Where a training begins with a released theta, it goes on from it.
    begin = {"study": {"tasks": ["rosenbrock"]}, "scales": {"smoke": {"tasks": ["rosenbrock"]}}}
    begin["study"]["every_task"] = {"start": "weights"}
    (folder / "change.yaml").write_text(yaml.safe_dump(begin))
    target = "results/smoke/meta_training/rosenbrock/seed_0/theta.npz"
    run = snakemake(folder, *options[:-1], target)
    assert run.returncode == 0, run.stdout[-3000:]
    _, metadata = store.load(folder / target, GRUTheta)
    assert (
        metadata["start"]["sha256"] == checksums.stated(folder / "weights")["rosenbrock/seed_0.npz"]
    )
    theta, before = load_released(folder / "weights", "rosenbrock", 0)
    training, _ = from_settings("rosenbrock", 0, metadata)
    state, origin = beginning(training, "rosenbrock", 0, folder / "weights")
    assert (
        metadata["start"] == origin["start"] and origin["start"]["meta_step"] == before["meta_step"]
    )
    for leaf, wanted in zip(state.theta, theta, strict=True):
        np.testing.assert_array_equal(leaf, wanted)
    first = stored.load_curve((folder / target).with_name("curve.csv"))
    np.testing.assert_allclose(
        first["meta_objective"].iloc[0],
        curve_point(*train_chunk(state, jnp.uint32(0), training=training), np.nan).meta_objective,
        rtol=1e-4,
    )

    change = {"study": {"weights": "weights"}}
    change["scales"] = {"smoke": {"settings": {"rosenbrock": {"optimizer": {"units": 9}}}}}
    (folder / "change.yaml").write_text(yaml.safe_dump(change))
    run = snakemake(folder, *options)
    assert run.returncode != 0
    assert "rosenbrock/seed_0.npz holds an optimizer of the form" in run.stdout


def test_a_training_begins_with_a_theta_of_its_form(released):
    settings = CONFIGURED["smoke"]["tasks"]["rosenbrock"]
    training, _ = from_settings("rosenbrock", 3, settings)
    with pytest.raises(
        ValueError, match=r"rosenbrock/seed_3.npz is no theta to start from: .* shape"
    ):
        beginning(training, "rosenbrock", 3, released)
    with pytest.raises(
        StoreError, match=r"seed_4.npz: there is no such file; released are rosenbrock"
    ):
        beginning(training, "rosenbrock", 4, released)
