"""A census: what is counted, with which interval; where a published number falls; how optimizers are
shipped."""

import zipfile

import jax
import numpy as np
import pandas as pd
import pytest
import scipy.stats
import synthetic_results as synthetic
from studies import CONFIG, SCHEMA

from lopt import census_collection
from lopt.claims import census, census_page, draws
from lopt.claims.evidence import Absent, OptimizerResults, TaskResults
from lopt.claims.measure import CRITERIA
from lopt.config import ConfigError, merge, resolve
from lopt.figures import fig8_census
from lopt.figures.figS_similarity import nearest
from lopt.learned import make_family
from lopt.records import collection, store, stored
from lopt.records.census import NOT_LEARNED, Dynamics
from lopt.records.census_card import census_card
from lopt.records.published import Published, published_values
from lopt.records.results import Results
from lopt.records.store import StoreError

TASK = "linear_regression"


def task_results(seeds=(0, 1)):
    """What is known of some seeds, in closed form (``synthetic_results``)."""
    stages = (synthetic.trajectories, synthetic.fixed_points, synthetic.linearization)
    return TaskResults(
        evaluation=synthetic.evaluation(TASK, seeds),
        learning_rates=dict.fromkeys(synthetic.BASELINES, 1.0),
        optimizers={
            seed: OptimizerResults(
                *(stage(TASK, seed) for stage in stages), synthetic.responses(TASK, seed)
            )
            for seed in seeds
        },
        selected=seeds[0],
    )


def facts(table, variant="gru_32", task=TASK):
    own = {"task": task, "variant": variant, "family": "gru", "size": "32", "recipe": "0"}
    return table.assign(**own)[[*own, *table.columns]]


def statement(answers, numbers=None, objectives=None, variant="gru_32", name="has_schedule"):
    """Rows of one statement with these answers."""
    count = len(answers)
    table = pd.DataFrame(
        {
            "seed": range(count),
            "meta_objective": np.ones(count) if objectives is None else objectives,
            "kind": "statement",
            "name": name,
            "at": np.nan,
            "measured": np.ones(count) if numbers is None else numbers,
            "answer": answers,
        }
    )
    return facts(table, variant)


# Counting.


@pytest.mark.parametrize(("yes", "count"), [(0, 4), (3, 12), (12, 12), (1, 2)])
def test_the_interval_is_wilsons(yes, count):
    known = scipy.stats.binomtest(yes, count).proportion_ci(0.95, method="wilson")
    assert census.wilson(yes, count) == pytest.approx((known.low, known.high), abs=1e-12)


def test_failed_and_unknown_optimizers_are_in_the_denominator():
    answers = ["yes", "yes", "no", "failed", "unknown"]
    [row] = census.shares(statement(answers)).to_dict("records")
    assert (row["optimizers"], row["yes"], row["failed"], row["unknown"]) == (5, 2, 1, 1)
    assert row["share"] == 0.4
    assert (row["low"], row["high"]) == pytest.approx(census.wilson(2, 5))


def test_a_task_with_several_variants_has_a_row_for_all():
    both = pd.concat([statement(["yes"] * 3), statement(["no"], variant="lstm_16")])
    table = census.shares(both).set_index("variant")
    assert table["share"].to_dict() == {"gru_32": 1.0, "lstm_16": 0.0, "all": 0.75}
    alone = census.shares(statement(["yes"] * 3))
    assert alone["variant"].tolist() == ["gru_32"]


def test_a_statement_of_which_nothing_is_known_is_left_out_and_named():
    unknown = statement(["unknown", "failed"], name="drift_costs_nothing")
    table = pd.concat([statement(["no", "yes"]), unknown])
    shares = census.shares(table)
    assert shares["statement"].unique().tolist() == ["has_schedule"]
    none = pd.DataFrame(columns=["variant", "task", "place", "ensemble"])
    page = census_page.markdown("x", table, shares, none, none, none)
    assert "drift_costs_nothing" in page.splitlines()[-1] and "1/2 (9% to 91%)" in page


def test_where_every_training_failed_there_is_still_a_page_and_a_table(tmp_path):
    table = statement(["failed"] * 2)
    shares, none = census.shares(table), pd.DataFrame(columns=["variant", "task"])
    store.save_table(tmp_path / "census.csv", shares)
    assert not len(stored.load_census(tmp_path / "census.csv"))
    places = draws.intervals(table.assign(kind=census.NUMBER), [published(2.0, "has_schedule")])
    page = census_page.markdown("x", table, shares, none, none, places)
    assert "2 optimizers" in page and "has_schedule" in page.splitlines()[-1]


@pytest.mark.parametrize(("name", "sign"), [("has_schedule", 1.0), ("state_variance_decays", -1.0)])
def test_more_of_a_mechanism_is_larger_in_the_rank_correlation(name, sign):
    """The first asks for at least, the second for at most."""
    numbers = sign * np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    objectives = np.array([0.9, 0.7, 0.8, 0.2, 0.1])
    table = statement(["yes"] * 5, numbers, objectives, name=name)
    [row] = census.rank_correlations(table).to_dict("records")
    known = scipy.stats.spearmanr([1, 2, 3, 4, 5], objectives)
    assert row["rank_correlation"] == pytest.approx(known.statistic) and known.statistic < 0.0
    assert row["p_value"] == pytest.approx(known.pvalue)
    numbers[1] = np.nan  # what failed has no number
    assert census.rank_correlations(table.assign(measured=numbers))["optimizers"].tolist() == [4]
    assert census.rank_correlations(table.iloc[:3]).empty
    assert census.rank_correlations(table.assign(measured=1.0)).empty
    against_tuned = statement(["yes"] * 5, numbers, objectives, name="beats_adam")
    assert census.rank_correlations(against_tuned).empty  # the objective itself


def test_measuring_asks_every_statement_of_every_optimizer():
    results = task_results()
    places = census.places(published_values(), TASK)
    table = census.measure(results, [(0, ""), (1, ""), (2, "no gradient was finite")], places)
    asked = census.asked(synthetic.BASELINES)
    answers = table[table["kind"] == "statement"].pivot(
        index="seed", columns="name", values="answer"
    )
    assert set(answers.columns) == set(asked) and "early_is_worse" not in asked
    for name in ("has_schedule", "one_convergence_point", "beats_momentum"):
        for seed in (0, 1):
            criterion = CRITERIA[name]
            assert answers.loc[seed, name] == criterion.answer(criterion.measure(results, seed))
    assert set(answers.loc[2]) == {"failed"}
    objective = table.groupby("seed")["meta_objective"].first()
    losses = synthetic.evaluation(TASK, (0, 1)).losses[1].astype(float)
    assert objective[1] == pytest.approx(np.mean(losses.mean(axis=1) / losses[:, 0]))
    assert np.isnan(objective[2])
    numbers = table[(table["kind"] == "number") & (table["seed"] == 0)]
    assert len(numbers) == len(places) > 20
    rate = numbers[(numbers["name"] == "autonomous_learning_rate") & (numbers["at"] == 100)]
    known = results.optimizers[0].responses.autonomous_learning_rates[100]
    assert rate["measured"].tolist() == [pytest.approx(known)]


def test_an_optimizer_that_lacks_a_stage_answers_unknown():
    results = task_results((0,))
    lacking = results.optimizers[0]._replace(responses=Absent("responses"))
    table = census.measure(results._replace(optimizers={0: lacking}), [(0, "")], [])
    answers = table.set_index("name")["answer"]
    assert answers["has_schedule"] == "unknown" and answers["one_convergence_point"] != "unknown"


# Published numbers as draws.


def published(value, comparison="decades", relation="=", quantity="learned_loss", at=100.0):
    return Published(
        *("1", TASK, quantity, at, quantity, relation, str(value), "", comparison),
        *(0.05, 0.3, "", "", ""),
    )


def numbers(values, at=100.0, name="learned_loss"):
    table = pd.DataFrame({"seed": range(len(values)), "meta_objective": 1.0, "kind": "number"})
    return facts(table.assign(name=name, at=at, measured=values, answer=""))


def test_the_interval_is_the_prediction_interval_of_students_t():
    values = 10.0 ** np.random.default_rng(0).normal(size=12)
    low, high = draws.interval(values, "decades")
    logs = np.log10(values)
    half = scipy.stats.t.ppf(0.975, 11) * logs.std(ddof=1) * (1 + 1 / 12) ** 0.5
    assert (np.log10(low), np.log10(high)) == pytest.approx(
        (logs.mean() - half, logs.mean() + half)
    )
    assert draws.spread(values, "decades") == pytest.approx(
        scipy.stats.t.ppf(0.975, len(values) - 1) * 2**0.5 * logs.std(ddof=1)
    )
    assert np.isnan(draws.spread([1.0, 2.0], "decades"))
    assert np.isnan(draws.spread([1.0, 2.0, np.inf], "difference"))
    assert np.isnan(draws.interval([1.0, -2.0, 3.0], "decades")[0])


def test_the_interval_covers_one_more_draw_as_often_as_it_says():
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(2000):
        *ours, one_more = rng.normal(size=6)
        low, high = draws.interval(ours, "difference")
        covered += low <= one_more <= high
    assert covered / 2000 == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(
    ("value", "relation", "place", "below"),
    [
        (1.0, "=", "within", 0.5),
        (1e9, "=", "above", 1.0),
        (1e-9, "=", "below", 0.0),
        (1e9, "<", "within", 1.0),
    ],
)
def test_where_a_published_number_falls(value, relation, place, below):
    values = [0.5, 1.0, 2.0, np.nan]
    table = draws.intervals(numbers(values), [published(value, relation=relation)])
    [row] = table.to_dict("records")
    assert (row["place"], row["share_below"], row["draws"], row["missing"]) == (place, below, 4, 1)
    assert (row["lowest"], row["median"], row["highest"]) == (0.5, 1.0, 2.0)


@pytest.mark.parametrize(("relation", "beyond"), [("=", "above"), ("<", "within")])
def test_a_published_number_is_within_where_it_may_be_as_far_as_it_was_read(relation, beyond):
    """To 0.05 decades, or 0.05."""
    for comparison, moved in (
        ("decades", lambda by: 10.0 * 10.0**by),
        ("difference", lambda by: 10.0 + by),
    ):
        value = published(10.0, comparison, relation)
        found = [draws.place(value, moved(low), moved(low + 1.0)) for low in (0.04, 0.06)]
        assert found == ["within", "below"]
        found = [draws.place(value, moved(high - 1.0), moved(high)) for high in (-0.04, -0.06)]
        assert found == ["within", beyond]


def test_a_number_without_a_place_is_found_too():
    value = published(3.0, "difference", quantity="leading_eigenvalue", at=np.nan)
    table = draws.intervals(numbers([1.0, 2.0, 3.0], np.nan, "leading_eigenvalue"), [value])
    assert len(table) == 1 and table["draws"].tolist() == [3]


def test_a_page_says_whether_nothing_is_published_or_too_few_were_trained():
    table = statement(["yes"] * 2)
    shares, none = (
        census.shares(table),
        pd.DataFrame(columns=["variant", "task", "place", "ensemble"]),
    )
    few = draws.intervals(numbers([1.0, 2.0]), [published(2.0)])
    assert few["place"].tolist() == ["unknown"]
    for places, told in (
        (few, "No ensemble has as many."),
        (none, "Nothing is published of these"),
    ):
        assert told in census_page.markdown("x", table, shares, none, none, places)


def test_winners_of_searches_are_draws_too():
    winners = pd.DataFrame({"loss_100": [1.0, 2.0, 4.0], "learning_rate": [0.1, 0.1, 0.2]})
    values = [
        published(2.0, quantity="momentum_loss"),
        published(0.1, quantity="tuned_momentum_learning_rate", at=np.nan),
        published(2.0, quantity="adam_loss"),
    ]
    table = draws.of_searches([(TASK, "momentum", winners)], values)
    assert table["name"].tolist() == ["momentum_loss", "tuned_momentum_learning_rate"]
    assert table["share_below"].tolist() == pytest.approx([0.5, 1 / 3])
    none = pd.DataFrame(columns=["variant", "task"])
    shares = census.shares(statement(["yes"]))
    page = census_page.markdown("x", statement(["yes"]), shares, none, none, table)
    assert "| mean loss of momentum at iteration 100 | 2.0 | 2 | 1 to 4 | 50% | 3 |" in page


# Shipping.


@pytest.fixture(scope="module")
def gathered(tmp_path_factory):
    """A collection of three small optimizers, one of which failed, and a tuned baseline."""
    folder = tmp_path_factory.mktemp("census") / "results/census/census" / TASK
    trained = []
    for variant, seed, failure in (
        ("gru_2", 0, ""),
        ("gru_2", 1, "5 meta-gradients in a row were not finite"),
        ("lstm_2", 0, ""),
    ):
        name = variant.split("_")[0]
        optimizer = {"family": name, "units": 2, "input_scale": 1.0, "output_scale": 1.0}
        optimizer |= {"layers": 1} if name == "lstm" else {}
        family = make_family(optimizer)
        place = folder / variant / f"seed_{seed}"
        metadata = {
            "task": TASK,
            "seed": seed,
            "variant": variant,
            "optimizer": optimizer,
            "meta_training": {"meta_steps": 40, "learning_rate": 0.5, "clip": 1.0},
            "validation_meta_objective": 0.5,
            "meta_step": 10,
            "skipped_steps": 0,
        }
        store.save(place / "theta.npz", family.init(jax.random.key(seed)), metadata)
        run = {"failure": failure, "meta_steps": 20, "wall_seconds": 1.0}
        store.save_json(place / "run.json", run)
        curve = {"step": [10, 20], "meta_objective": [1.0, np.nan], "gradient_norm": [7.5, np.nan]}
        curve |= {"validation_meta_objective": [0.5, np.nan], "skipped_steps": [0, 5]}
        store.save_table(place / "curve.csv", pd.DataFrame(curve))
        trained.append(place)
    baseline = folder / "baselines/momentum"
    best = {
        "optimizer": "momentum",
        "hyperparameters": {"learning_rate": 0.1, "momentum": 0.9},
        "meta_objective": 0.1,
        "trials": 3,
        "diverged_share": 0.0,
    }
    store.save_json(baseline / "best.json", best)
    store.save_table(baseline / "trials.csv", pd.DataFrame({"score": [1.0]}))
    census_collection.gather(folder / "optimizers.zip", trained, [baseline])
    return folder / "optimizers.zip"


def test_gathered_optimizers_are_the_trained_ones(gathered):
    members = census_collection.trained(gathered, TASK, "gru_2")
    assert [(m.seed, bool(m.failure)) for m in members] == [(0, False), (1, True)]
    known = members[0].family.init(jax.random.key(0))
    assert all(map(np.array_equal, jax.tree.leaves(members[0].theta), jax.tree.leaves(known)))
    assert census_collection.baselines(gathered)["momentum"]["hyperparameters"]["momentum"] == 0.9
    with pytest.raises(StoreError, match=r"optimizers.zip: gru_2/seed_0/theta.npz: its task is"):
        census_collection.trained(gathered, "rosenbrock", "gru_2")
    with pytest.raises(StoreError, match="no optimizers of 'gru'; it has files of gru_2, lstm_2"):
        census_collection.trained(gathered, TASK, "gru")


def test_an_optimizer_of_another_variant_is_not_this_ones(gathered, tmp_path):
    files = collection.load_collection(gathered)
    swapped = {"gru_2/seed_0/theta.npz": files["lstm_2/seed_0/theta.npz"]}
    collection.pack(tmp_path / "swapped.zip", files | swapped)
    with pytest.raises(StoreError, match='its variant is "lstm_2", expected "gru_2"'):
        census_collection.trained(tmp_path / "swapped.zip", TASK, "gru_2", [0])


def test_the_table_of_failures_says_when_and_after_which_gradient(gathered):
    [row] = census_collection.failures(gathered, TASK).to_dict("records")
    assert (row["variant"], row["seed"], row["meta_step"], row["of"]) == ("gru_2", 1, 20, 40)
    assert row["gradient_norm"] == 7.5 and "not finite" in row["reason"]
    assert row["recipe"] == "learning_rate 0.5, clip 1"


def test_released_optimizers_take_the_place_of_trainings(gathered, tmp_path):
    folder = tmp_path / "weights"
    names = census_collection.release(gathered.parents[2], folder)
    assert names == [f"{TASK}.zip", "SHA256SUMS", "README.md"]
    card = (folder / "README.md").read_text()
    assert "3 on 1 tasks" in card and "| `gru_2` | GRU |" in card and "| 2 | 1 |" in card
    output = tmp_path / "optimizers.zip"
    census_collection.take(folder / f"{TASK}.zip", output, {"gru_2": [0, 1], "lstm_2": [0]})
    assert output.read_bytes() == gathered.read_bytes()
    with pytest.raises(StoreError, match=r"lacks seeds \[2\] of gru_2; it has \[0, 1\]"):
        census_collection.take(folder / f"{TASK}.zip", output, {"gru_2": [1, 2]})
    with pytest.raises(StoreError, match="lacks the tuned adam; it has momentum"):
        census_collection.take(folder / f"{TASK}.zip", output, {}, baselines=["momentum", "adam"])
    damaged = folder / f"{TASK}.zip"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.raises(StoreError, match="damaged or was changed"):
        census_collection.take(damaged, output, {})
    with pytest.raises(StoreError, match="has gathered no optimizers"):
        census_collection.release(tmp_path, folder)
    sums = folder / "SHA256SUMS"
    sums.write_text(sums.read_text() + f"{'0' * 64}  other.zip\n")
    (folder / "other.zip").write_bytes(gathered.read_bytes())
    with pytest.raises(StoreError, match=r"other\.zip: its SHA-256 is .* says 0000"):
        census_collection.release(gathered.parents[2], folder)


def test_the_same_optimizers_make_the_same_bytes(gathered, tmp_path):
    files = collection.load_collection(gathered)
    collection.pack(tmp_path / "again.zip", dict(reversed(files.items())))
    assert (tmp_path / "again.zip").read_bytes() == gathered.read_bytes()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"optimizer": {"units": 4}}, "optimizer.units 2, but the configuration says 4"),
        (
            {"meta_training": {"clip": 0.1}},
            "meta_training.clip 1.0, but the configuration says 0.1",
        ),
        ({"meta_training": {"averaging": 0.9}}, "meta_training.averaging None, but .* says 0.9"),
        ({"steps": 100}, "steps None, but the configuration says 100"),
        ({"meta_training": {"chunk": 5, "memory_budget_gb": 1.0}}, ""),
    ],
)
def test_what_was_trained_otherwise_does_not_stand_in(gathered, tmp_path, change, told):
    folder, output = tmp_path / "weights", tmp_path / "optimizers.zip"
    census_collection.release(gathered.parents[2], folder)
    released = folder / f"{TASK}.zip"
    trained = {
        "optimizer": {"family": "gru", "units": 2, "input_scale": 1.0, "output_scale": 1.0},
        "meta_training": {"meta_steps": 40, "learning_rate": 0.5, "clip": 1.0},
    }
    census_collection.take(released, output, {"gru_2": [0]}, {"gru_2": trained}, ["momentum"])
    asked = {"gru_2": merge(trained, change)}
    if told:
        with pytest.raises(StoreError, match=f"gru_2, seed 0, was trained with {told}"):
            census_collection.take(released, output, {"gru_2": [0]}, asked)
    else:
        census_collection.take(released, output, {"gru_2": [0]}, asked)


@pytest.mark.parametrize("name", ["../evil/x/theta.npz", "a/b/c/d.npz", "gru/seed_0/theta.py"])
def test_what_is_no_collection_is_refused(name, tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, b"")
    with pytest.raises(StoreError, match="no file of a collection"):
        collection.load_collection(path)
    path.write_bytes(b"PK no archive")
    with pytest.raises(StoreError, match="damaged, or not a collection"):
        collection.load_collection(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_another_compression_is_refused_damaged_or_not(method, tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("gru/seed_0/run.json", bytes(range(256)))
    for damage in (0, 1):
        content = bytearray(path.read_bytes())
        content[len(content) // 3] ^= damage
        path.write_bytes(content)
        with pytest.raises(StoreError, match="not compressed as a collection is"):
            collection.load_collection(path)


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "x.zip"
    collection.pack(path, {"gru/seed_0/theta.npz": bytes(10**6)})
    assert path.stat().st_size < 10**4
    monkeypatch.setattr(collection, "LARGEST", 10**5)
    with pytest.raises(StoreError, match="would unpack to 1000000 bytes"):
        collection.load_collection(path)


# Variants in the configuration.


def with_variants(variants, **scale):
    change = {"scales": {"census": merge({"settings": {TASK: {"variants": variants}}}, scale)}}
    return merge(merge(CONFIG, {"scale": "census"}), change)


def test_a_variant_is_the_task_with_its_changes():
    here = resolve(CONFIG, SCHEMA)["census"]
    settings = here["tasks"][TASK]
    for name, own in settings["variants"].items():
        same = {key: value for key, value in own.items() if key not in ("seeds", "optimizer")}
        assert same == {key: settings[key] for key in same}, name
    lstm = settings["variants"]["lstm_16"]["optimizer"]
    assert (
        lstm["family"] == "lstm" and lstm["output_scale"] == settings["optimizer"]["output_scale"]
    )
    trained = [own for task in here["tasks"].values() for own in task["variants"].values()]
    assert sum(len(own["seeds"]) for own in trained) == 128
    families = {own["optimizer"]["family"] for own in trained}
    assert families == {"gru", "lstm", "vanilla_rnn", "ugrnn"}
    assert "variants" not in resolve(CONFIG, SCHEMA)["laptop"]["tasks"][TASK]


def test_a_variant_can_be_taken_away():
    here = resolve(with_variants({"lstm_16": None}), SCHEMA)["census"]
    assert "lstm_16" not in here["tasks"][TASK]["variants"]
    assert "lstm_16" in here["tasks"]["rosenbrock"]["variants"]


@pytest.mark.parametrize(
    ("variants", "message"),
    [
        ({"GRU": {}}, 'variants.GRU\': "GRU" should be a name'),
        ({"all": {}}, 'variants.all\': "all" is what something else is called'),
        ({"adam": {}}, 'variants.adam\': "adam" is what something else is called'),
        ({"rosenbrock": {}}, "variants.rosenbrock"),
        ({"gru_32": {"unitz": 3}}, "variants.gru_32': unknown key"),
        ({"gru_32": {"optimizer": {"units": -1}}}, "variants.gru_32.optimizer.units"),
        ({"gru_32": {"early": None}}, "variants.gru_32.early': a variant has no such key"),
        ({"gru_32": {"optimizer": {"family": "gruu"}}}, "variants.gru_32.optimizer.family"),
        ({"gru_32": 3}, "variants.gru_32"),
    ],
)
def test_what_is_wrong_with_a_variant_is_told_by_its_key(variants, message):
    with pytest.raises(ConfigError) as error:
        resolve(with_variants(variants), SCHEMA)
    assert message in str(error.value)


def test_a_census_of_a_task_without_variants_is_refused():
    nothing = dict.fromkeys(resolve(CONFIG, SCHEMA)["census"]["tasks"][TASK]["variants"])
    with pytest.raises(ConfigError, match=f"census, but {TASK} has no variants"):
        resolve(with_variants(nothing), SCHEMA)


def test_a_pool_is_no_smaller_than_a_search():
    with pytest.raises(ConfigError, match=r"tuning.pool.*100 should be at least tuning.samples"):
        resolve(with_variants({}, settings={TASK: {"tuning": {"pool": 100}}}), SCHEMA)


def test_the_nearest_hand_made_optimizer():
    record = synthetic.similarity(TASK)
    names = record.optimizers[nearest(record)]
    learned = record.seeds != NOT_LEARNED
    # They lie at 0, 0.1, ... 0.4 and the baselines at 0, 0.12 and 0.24.
    assert names[learned].tolist() == ["momentum", "rmsprop", "adam", "adam", "adam"]
    alone = record._replace(seeds=np.zeros(len(record.seeds), int))
    assert set(nearest(alone)) == {-1}


def test_a_variant_has_one_color_where_tasks_have_different_variants(tmp_path):
    seeds = {TASK: (0,), "rosenbrock": (0,)}
    synthetic.write(tmp_path, seeds)
    for name, table in (
        ("census.csv", synthetic.census(seeds)),
        ("census_measured.csv", synthetic.census_measured(seeds)),
    ):
        taken_away = (table["task"] == "rosenbrock") & (table["variant"] == "gru_32")
        store.save_table(tmp_path / name, table[~taken_away])
    data = fig8_census.read(Results(tmp_path, seeds))
    figure = fig8_census.draw(data)
    [legend] = figure.legends
    told = {
        text.get_text(): handle.get_markerfacecolor()
        for text, handle in zip(legend.get_texts(), legend.legend_handles, strict=True)
    }
    assert len(set(told.values())) == 2
    panels = [panel for panel in figure.axes if panel.get_xlabel() == "distance from the threshold"]
    for panel, column in zip(panels, data.columns, strict=True):
        points = [line for line in panel.lines if line.get_marker() == "o"]
        drawn = {line.get_markerfacecolor() for line in points}
        assert drawn == {told[data.roles.label(name)] for name in column.variants}


@pytest.mark.parametrize(
    ("failed", "told"),
    [
        ((0, 0), "No training failed."),
        ((0, 1), "One training failed; its `run.json`"),
        ((1, 1), "2 trainings failed; their `run.json`"),
    ],
)
def test_the_card_counts_optimizers_failures_and_bytes(failed, told):
    same = {"task": TASK, "family": "gru", "optimizers": 3, "numbers": 1234}
    rows = pd.DataFrame(
        {"variant": ["gru_4", "gru_8"], "failed": failed} | {k: [v] * 2 for k, v in same.items()}
    )
    card = census_card(rows, 3_400_000)
    assert "# A census of learned optimizers: 6 on 1 tasks" in card and told in card
    assert "3.4 MB together" in card and f"| gru | 1,234 | 3 | {failed[1]} |" in card


def test_the_modes_of_one_optimizer_are_its_own():
    numbers = 10.0 * np.arange(2)[:, None] + np.arange(3)
    spectrum = Dynamics(
        np.array(["a", "b"]), np.arange(2), numbers[..., None], numbers, -numbers, numbers
    ).spectrum(1)
    for found, sign in zip(spectrum, (1, -1, 1), strict=True):
        assert found.tolist() == [sign * 10.0, sign * 11.0, sign * 12.0]
