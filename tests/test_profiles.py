"""The profiles fit the workflow: every rule that they name exists, and they ask for what they say."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from workflow_process import ROOT, command, run

PROFILES = ROOT / "profiles"


def profile(name: str) -> dict[str, Any]:
    return yaml.safe_load((PROFILES / name / "profile.yaml").read_text())


def planned(folder: Path, *arguments: object) -> dict[str, dict[str, str]]:
    """What a dry run says of each rule's resources: {rule: {resource: value}}."""
    status, output = run(command(folder, "--dry-run", *arguments), folder)
    assert status == 0, output
    jobs = re.findall(r"rule (\w+):\n(?:    .*\n)*?    resources: (.*)\n", output)
    return {rule: dict(re.findall(r"(\w+)=([^,]+)", resources)) for rule, resources in jobs}


EVERYTHING = ("--", "all", "meta_search", "report_pages", "census")


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """What every rule of the workflow asks for on one machine."""
    return planned(tmp_path_factory.mktemp("everything"), "--cores", 2, *EVERYTHING)


def test_default_profile_limits_nothing() -> None:
    """It is laid over every other profile: a limit of one machine would cap a whole cluster."""
    limits = {"cores", "jobs", "resources", "default-resources", "set-resources", "set-threads"}
    assert not limits & set(profile("default"))


def test_profiles_name_rules_that_exist(everything: dict[str, dict[str, str]]) -> None:
    for name in ("gpu", "slurm"):
        for key in ("set-resources", "set-threads", "groups"):
            assert set(profile(name).get(key, {})) <= set(everything), (name, key)
    slurm = profile("slurm")
    assert set(slurm["groups"].values()) == set(slurm["group-components"])


def test_short_jobs_are_packed(everything: dict[str, dict[str, str]]) -> None:
    """A new figure must be packed too. A search's rankings can't: longer jobs lie between them."""
    jobs = {rule: facts for rule, facts in everything.items() if "runtime" in facts}
    short = {rule for rule, facts in jobs.items() if int(facts["runtime"]) <= 10}
    assert short - {"meta_search_rank", "meta_search_table"} == set(profile("slurm")["groups"])


def test_groups_leave_the_jobs_an_order(tmp_path: Path) -> None:
    """No group may wait for a job that waits for the group."""
    slurm = profile("slurm")
    groups = [f"{rule}={group}" for rule, group in slurm["groups"].items()]
    components = [f"{group}={number}" for group, number in slurm["group-components"].items()]
    grouping = ("--groups", *groups, "--group-components", *components)
    status, output = run(
        command(tmp_path, "--dry-run", "--cores", 2, *grouping, *EVERYTHING), tmp_path
    )
    assert status == 0, output
    packed = re.findall(r"Group job (\w+)", output)
    assert set(packed) == set(slurm["group-components"]) and len(packed) < 10


def test_cpu_jobs_ask_for_no_gpu(everything: dict[str, dict[str, str]]) -> None:
    assert everything["meta_train"]["gpu"] == "0"
    assert int(everything["meta_train"]["mem_mb"]) >= 3000


def test_gpu_profile_asks_for_gpus(tmp_path: Path) -> None:
    device = profile("gpu")["configfile"]  # as if it were not overridden by the tests' --configfile
    found = command(tmp_path, configuration=(ROOT / device,))
    status, output = run(
        [*found, "--dry-run", "--profile", str(PROFILES / "gpu"), "--", "evaluation"], tmp_path
    )
    assert status == 0, output
    asked = re.findall(r"rule (\w+):\n(?:    .*\n)*?    resources: (.*)\n", output)
    resources = {rule: text for rule, text in asked}
    assert (
        "gpu=1," in resources["meta_train"] and "gpu_memory_percent=90" in resources["meta_train"]
    )
    assert "gpu" not in resources["evaluate"]
