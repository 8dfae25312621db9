"""From a figure to its trainings: what each job writes down, and how a file that was changed is found."""

import json
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from lopt import command_line, lineage
from lopt.records import checksums
from lopt.records.store import StoreError
from lopt.sources import code_digest, sources

ROOT = Path(__file__).parent.parent
THETA = "results/smoke/meta_training/rosenbrock/seed_0/theta.npz"
RESPONSES = "results/smoke/analysis/rosenbrock/seed_0/responses.npz"
FIGURE = "results/smoke/figures/fig4_schedules.pdf"


class Named(dict):
    """Snakemake's wildcards and params, as far as a script uses them."""


def job(rule: str, inputs: list[str], outputs: list[str], **params) -> SimpleNamespace:
    return SimpleNamespace(
        rule=rule,
        input=inputs,
        output=outputs,
        log=[f"results/smoke/logs/{rule}.log"],
        wildcards=Named(scale="smoke"),
        params=Named(params),
    )


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A figure of an analysis of a training, each with its record."""
    monkeypatch.chdir(tmp_path)
    for rule, inputs, output in (
        ("meta_train", [], THETA),
        ("analyze", [THETA], RESPONSES),
        ("draw", [RESPONSES, str(tmp_path / THETA)], FIGURE),
    ):
        Path(output).parent.mkdir(parents=True, exist_ok=True)
        Path(output).write_text(f"of {rule}")
        lineage.write_record(job(rule, inputs, [output], code="0123", steps=20))
    return tmp_path


def chain(name: str = "fig4") -> list[str]:
    return [line for line, _ in lineage.told(lineage.trace(lineage.find(name)))]


def test_the_chain_leads_from_the_figure_to_the_training(project, capsys):
    lines = chain()
    assert [line.split()[0] for line in lines] == [FIGURE, RESPONSES, THETA, THETA]
    assert [
        rule in line for rule, line in zip(("draw", "analyze", "meta_train"), lines, strict=False)
    ]
    assert lines[2].startswith("    ") and lines[3].endswith("(above)")
    command_line.main(["provenance", "fig4"])
    assert capsys.readouterr().out.splitlines() == lines


def test_a_record_says_what_made_the_result(project):
    entry = json.loads(
        Path(
            "results/smoke/provenance", *Path(RESPONSES).parts[2:-1], "responses.npz.json"
        ).read_text()
    )
    assert entry["sha256"] == checksums.of_file(RESPONSES)
    assert entry["inputs"] == {THETA: checksums.of_file(THETA)}
    assert entry["rule"] == "analyze" and entry["code_digest"] == "0123"
    assert entry["command"].endswith(RESPONSES) and entry["versions"]["jax"] and entry["device"]
    again = dict(entry)
    lineage.write_record(job("analyze", [THETA], [RESPONSES], code="0123", steps=20))
    assert (
        json.loads(
            Path(
                "results/smoke/provenance/analysis/rosenbrock/seed_0/responses.npz.json"
            ).read_text()
        )
        == again
    )
    lineage.write_record(job("analyze", [THETA], [RESPONSES], code="0123", steps=21))
    other = json.loads(
        Path("results/smoke/provenance/analysis/rosenbrock/seed_0/responses.npz.json").read_text()
    )
    assert other["config_digest"] != again["config_digest"]


def test_a_changed_file_is_named_and_what_was_made_from_it_is_stale(project, capsys):
    Path(THETA).write_text("another")
    text = "\n".join(chain())
    assert f"{THETA}  [meta_train" in text and "changed: its bytes" in text
    assert text.count(f"stale: made from another {THETA}") == 2  # the analysis and the figure
    with pytest.raises(SystemExit) as ended:
        command_line.main(["provenance", FIGURE])
    assert ended.value.code == 1
    assert "is broken at 3 of its files" in capsys.readouterr().err


def test_a_result_that_was_made_anew_leaves_the_figure_stale(project):
    Path(THETA).write_text("trained anew")
    lineage.write_record(job("meta_train", [], [THETA], code="4567"))
    text = "\n".join(chain())
    assert "changed:" not in text and text.count("stale") == 2


def test_what_is_missing_is_named(project):
    Path(RESPONSES).unlink()
    assert "missing" in "\n".join(chain())
    Path("results/smoke/provenance/meta_training/rosenbrock/seed_0/theta.npz.json").unlink()
    assert "without a record" in "\n".join(chain(THETA))


def test_a_chain_is_the_same_wherever_one_asks_from(project, tmp_path_factory, monkeypatch):
    copy = tmp_path_factory.mktemp("copy")
    shutil.copytree(project / "results", copy / "results")
    (copy / THETA).write_text("another")
    for folder, name in (
        (project.parent, f"{project.name}/{FIGURE}"),
        (project / "results/smoke/figures", "fig4_schedules.pdf"),
        (project / "results", "../" + FIGURE),
        (copy, str(project / FIGURE)),  # which has files of the same names
    ):
        monkeypatch.chdir(folder)
        links = list(lineage.trace(name))
        assert [link.problems for link in links] == [()] * 4
        assert [Path(link.path).resolve() for link in links[1:3]] == [
            project / RESPONSES,
            project / THETA,
        ]
    monkeypatch.chdir(project)
    assert chain(str(copy / FIGURE))[2].startswith(f"    {copy / THETA}")
    assert "changed: its bytes" in chain(str(copy / FIGURE))[2]


def test_a_record_of_another_result_is_none(project):
    other = Path("results/smoke/figures/fig5_adaptation.pdf")
    Path(other).write_text("of another figure")
    lineage.write_record(job("draw", [RESPONSES], [str(other)]))
    records = [
        Path("results/smoke/provenance/figures", f"{Path(name).name}.json")
        for name in (FIGURE, other)
    ]
    for first, second in ((Path(FIGURE), other), records):
        first.rename("kept"), second.rename(first), Path("kept").rename(second)
    told = f"! its record is that of another result, {other}"
    assert [line.split("\n")[1].strip() for line in chain("fig4")] == [told]
    Path("results/smoke").rename("results/laptop")
    assert (
        "is that of another result, results/smoke/meta"
        in chain(THETA.replace("smoke", "laptop"))[0]
    )


def test_released_weights_stand_by_their_checksums(project):
    shutil.copytree(ROOT / "weights", "weights", ignore=lambda _, names: {"baselines"} & set(names))
    seed = "weights/rosenbrock/seed_0.npz"
    lineage.write_record(job("take_optimizer", [str(project / seed)], [THETA]))
    assert [line.split()[0] for line in chain(THETA)] == [THETA, seed]
    assert "released, checksum right" in chain(THETA)[1]
    Path(seed).write_bytes(Path(seed).read_bytes()[:-1])
    assert "changed: not what SHA256SUMS says" in chain(THETA)[1]


def test_names_that_stand_for_no_figure_or_several(project):
    with pytest.raises(StoreError, match="fig9: there is no such file, and no such figure"):
        lineage.find("fig9")
    shutil.copytree("results/smoke", "results/laptop")
    with pytest.raises(
        StoreError, match=r"fig4 may be results/laptop.*, results/smoke.*; name one"
    ):
        lineage.find("fig4")
    Path("results/smoke/provenance/figures/fig4_schedules.pdf.json").write_text("{")
    with pytest.raises(StoreError, match="not JSON"):
        chain(FIGURE)


def test_the_commit_is_that_of_the_packages_own_clone(tmp_path):
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(tmp_path)]
    assert lineage.commit(tmp_path) == {}
    (tmp_path / "file").write_text("a")
    for words in (["init", "-q"], ["add", "file"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], check=True)
    found = lineage.commit(tmp_path)
    assert len(found["commit"]) == 40 and found["clean"]
    (tmp_path / "file").write_text("b")
    assert lineage.commit(tmp_path) == {**found, "clean": False}
    (tmp_path / "site-packages").mkdir()
    assert lineage.commit(tmp_path / "site-packages") == {}  # a clone of something else


def test_records_are_no_code_that_a_result_depends_on():
    files = sources(ROOT / "workflow/scripts/meta_train.py")
    assert ROOT / "lopt/provenance.py" in files and ROOT / "lopt/lineage.py" not in files
    assert code_digest(files)


def test_every_script_writes_a_record():
    for path in (ROOT / "workflow/scripts").glob("*.py"):
        assert path.read_text().rstrip().endswith("\nwrite_record(snakemake)"), path.name


def test_a_job_whose_record_cannot_be_written_has_done_its_work(project, capsys):
    Path("results/smoke/provenance/figures").rename("results/smoke/elsewhere")
    Path("results/smoke/provenance/figures").write_text("a file in the folder's place")
    lineage.write_record(job("draw", [RESPONSES], [FIGURE]))
    assert "is not recorded" in capsys.readouterr().err
    lineage.write_record(SimpleNamespace(output=[FIGURE]))  # not what Snakemake hands over
    assert "is not recorded" in capsys.readouterr().err
    assert "without a record" in "\n".join(chain())
