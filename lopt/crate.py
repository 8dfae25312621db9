"""A finished scale as a research object: a Provenance Run Crate, which other tools and archives read.

    python -m lopt.crate results/laptop     write results/laptop/crate.zip (``make crate`` has it validated)

The crate is a zip of the results, the workflow and ``ro-crate-metadata.json``, which says in terms of
schema.org what made what. It is made of the records of ``lopt.lineage``:

    workflow        the Snakefile, with a step and a tool for each rule
    one action      for each job: the rule's tool, the files that it read and those that it made, when it
                    ended, the command that makes them anew, device, settings and code by their digests
    the whole run   an action of the workflow itself: from the configuration to the figures and claims

Every file has its SHA-256. What is not finished, was changed after its job, or rests on another file than is
there now goes into no crate. Needs the package ``rocrate``, which is not part of lopt's environment.

Source: Leo et al. 2024, "Recording provenance of workflow runs with RO-Crate", PLOS ONE 19 (9); the profiles
Process, Workflow and Provenance Run Crate, version 0.5, w3id.org/ro/wfrun.
"""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import lopt
from lopt.lineage import FOLDER, trace
from lopt.printing import tell
from lopt.records import store
from lopt.records.atomic import write_atomically
from lopt.records.layout import PLACES
from lopt.records.store import StoreError

__all__ = ["Job", "jobs", "main", "write_crate"]

CRATE = "crate.zip"
WORKFLOW = ("Snakefile", "rules/*.smk", "workflow/scripts/*.py", "lopt/**/*.py", "lopt/**/*.csv")
BESIDE = ("config.yaml", "requirements.lock", "README.md", "LICENSE", "profiles/default/*.yaml")
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/ro/wfrun/provenance/0.5": "Provenance Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}


class Job(NamedTuple):
    """One job: what its results' records have in common, and the results."""

    rule: str
    record: Mapping[str, Any]
    inputs: tuple[str, ...]
    outputs: Mapping[str, str]
    """With their SHA-256."""
    ended: datetime


def jobs(results: Path) -> list[Job]:
    """Return the jobs that made the results of a scale, the first to end first.

    Raises:
        StoreError: if a result is missing, was changed, is stale, or comes from nowhere; naming it.
    """
    claims = results / PLACES["claims"]
    if not claims.is_file():
        raise StoreError(f"{results} is not finished: there is no {PLACES['claims']}")
    paths = sorted((results / FOLDER).rglob("*.json"))
    made = [results / path.relative_to(results / FOLDER).with_suffix("") for path in paths]
    whole = {link.path: link.problems for link in trace(*made, claims) if not link.again}
    wrong = [f"{path}: {problem}" for path, problems in whole.items() for problem in problems]
    if wrong:
        wrong.sort(
            key=lambda line: ": stale" in line
        )  # what was changed comes before what rests on it
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise StoreError(f"{wrong[0]}{more}; nothing was written")
    together: dict[tuple, list[tuple[Path, Path, dict]]] = {}
    for path, record in zip(made, paths, strict=True):
        entry = store.load_json(record)
        if elsewhere := [name for name in entry["inputs"] if name not in whole]:
            raise StoreError(f"{record} names {elsewhere[0]} from another folder; go there first")
        wildcards = tuple(sorted(entry.get("wildcards", {}).items()))
        key = (entry["rule"], wildcards, tuple(entry["inputs"]))
        together.setdefault(key, []).append((path, record, entry))
    found = []
    for (rule, _, inputs), parts in together.items():
        ended = max(record.stat().st_mtime for _, record, _ in parts)
        outputs = {str(path): entry["sha256"] for path, _, entry in parts}
        found.append(Job(rule, parts[0][2], inputs, outputs, datetime.fromtimestamp(ended, UTC)))
    return sorted(found, key=lambda job: (job.ended, *job.outputs))


def write_crate(results: str | Path, path: str | Path | None = None) -> Path:
    """Write the crate of a finished scale and return its path, by default ``crate.zip`` among the results.

    Raises:
        StoreError: as ``jobs``; if the package ``rocrate`` or the workflow's files are not there.
    """
    results = Path(results)
    ran = jobs(results)
    project = Path(lopt.__file__).parent.parent
    if not (project / "Snakefile").is_file():
        raise StoreError(f"{project} has no Snakefile: a crate is made in a clone of the project")
    crate = _empty(results, ran)
    workflow = _workflow(crate, project, ran)
    entities = {
        name: _data(crate, Path(name), sha256) for name, sha256 in sorted(_sums(ran).items())
    }
    controls = [_action(crate, number, job, entities) for number, job in enumerate(ran, 1)]
    _whole_run(crate, ran, entities, workflow, controls)
    target = Path(path) if path else results / CRATE
    write_atomically(target, lambda file: file.writelines(crate.stream_zip()))
    return target


def _empty(results: Path, ran: Sequence[Job]) -> Any:
    try:
        from rocrate.model.contextentity import ContextEntity  # pyright: ignore[reportMissingImports]
        from rocrate.rocrate import ROCrate  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise StoreError(
            "a crate is made by the package rocrate, which is not installed: make crate"
        ) from None
    crate = ROCrate(version="1.1")
    crate.name = f"lopt: results of the scale {results.name}"
    crate.description = (
        "Learned optimizers, trained and reverse engineered by the workflow of lopt "
        f"{lopt.__version__}: every result with the job that made it."
    )
    crate.license = "https://spdx.org/licenses/Apache-2.0"
    crate.datePublished = max(job.ended for job in ran)
    crate.root_dataset["conformsTo"] = [
        crate.add(
            ContextEntity(
                crate,
                uri,
                properties={"@type": "CreativeWork", "name": name, "version": uri.split("/")[-1]},
            )
        )
        for uri, name in PROFILES.items()
    ]
    return crate


def _workflow(crate: Any, project: Path, ran: Sequence[Job]) -> Any:
    """Add the workflow with its files; a tool and a step for each rule that ran."""
    from rocrate.model.contextentity import ContextEntity  # pyright: ignore[reportMissingImports]

    files = {
        path.relative_to(project).as_posix(): path
        for pattern in (*WORKFLOW, *BESIDE)
        for path in sorted(project.glob(pattern))
    }
    versions = ran[-1].record.get("versions", {})
    workflow = crate.add_workflow(
        files.pop("Snakefile"),
        "Snakefile",
        main=True,
        lang="snakemake",
        lang_version=versions.get("snakemake"),
        properties={
            "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
            "name": "lopt",
            "version": lopt.__version__,
        },
    )
    for name, path in files.items():
        properties = {"name": name}
        if name == "README.md":
            properties |= {"about": {"@id": "./"}, "encodingFormat": "text/markdown"}
        crate.add_file(path, name, properties=properties)
    packages = [
        crate.add(
            ContextEntity(
                crate,
                f"#package-{name}",
                properties={
                    "@type": "SoftwareApplication",
                    "name": name,
                    "softwareVersion": version,
                },
            )
        )
        for name, version in versions.items()
    ]
    for position, rule in enumerate(dict.fromkeys(job.rule for job in ran), 1):
        tool = crate.add(
            ContextEntity(
                crate,
                f"#tool-{rule}",
                properties={
                    "@type": "SoftwareApplication",
                    "name": rule,
                    "description": f"The rule {rule} of the workflow",
                    "softwareVersion": lopt.__version__,
                },
            )
        )
        tool["softwareRequirements"] = packages
        step = crate.add(
            ContextEntity(
                crate,
                f"#step-{rule}",
                properties={"@type": "HowToStep", "name": rule, "position": str(position)},
            )
        )
        step["workExample"] = tool
        workflow.append_to("hasPart", tool)
        workflow.append_to("step", step)
    return workflow


def _data(crate: Any, path: Path, sha256: str) -> Any:
    if path.is_dir():
        return crate.add_dataset(path, path.as_posix(), properties={"name": path.name})
    properties = {"name": path.name, "sha256": sha256}
    return crate.add_file(path, path.as_posix(), properties=properties, record_size=True)


def _sums(ran: Iterable[Job]) -> dict[str, str]:
    """Return the SHA-256 of every file that a job read or wrote."""
    return {
        path: sha256
        for job in ran
        for path, sha256 in {**job.record["inputs"], **job.outputs}.items()
    }


def _action(crate: Any, number: int, job: Job, entities: Mapping[str, Any]) -> Any:
    """Add the action of a job and what controlled it; return the latter."""
    from rocrate.model.contextentity import ContextEntity  # pyright: ignore[reportMissingImports]

    record = job.record
    of = ", ".join(value for key, value in record.get("wildcards", {}).items() if key != "scale")
    facts = ("command", "commit", "clean", "device", "machine", "config_digest", "code_digest")
    told = [f"{name}: {record[name]}" for name in facts if record.get(name) is not None]
    action = crate.add_action(
        crate.get(f"#tool-{job.rule}"),
        f"#job-{number}",
        object=[entities[path] for path in job.inputs],
        result=[entities[path] for path in job.outputs],
        properties={
            "name": f"{job.rule} {of}".strip(),
            "description": "; ".join(told),
            "endTime": job.ended.isoformat(timespec="seconds"),
            "actionStatus": "http://schema.org/CompletedActionStatus",
        },
    )
    control = crate.add(
        ContextEntity(
            crate,
            f"#control-{number}",
            properties={"@type": "ControlAction", "name": f"start of {action['name']}"},
        )
    )
    control["instrument"] = crate.get(f"#step-{job.rule}")
    control["object"] = action
    return control


def _whole_run(
    crate: Any, ran: Sequence[Job], entities: Mapping[str, Any], workflow: Any, controls: list
) -> None:
    """Add the run of the workflow, and Snakemake, which organized it."""
    from rocrate.model.contextentity import ContextEntity  # pyright: ignore[reportMissingImports]

    ends = [
        entity
        for path, entity in entities.items()
        if Path(path).parent.name == "figures" or Path(path).name.startswith("claims.")
    ]
    configuration = crate.get("config.yaml")
    run = crate.add_action(
        workflow,
        "#run",
        object=[configuration],
        result=ends,
        properties={
            "name": f"run of the workflow, {len(ran)} jobs",
            "endTime": ran[-1].ended.isoformat(timespec="seconds"),
            "actionStatus": "http://schema.org/CompletedActionStatus",
        },
    )
    for name, direction, entity in (
        ("configuration", "input", configuration),
        ("claims", "output", ends[0]),
    ):
        parameter = crate.add_formal_parameter(name, "File", identifier=f"#parameter-{name}")
        parameter["workExample"] = entity
        entity["exampleOfWork"] = parameter
        workflow.append_to(direction, parameter)
    engine = crate.add(
        ContextEntity(
            crate,
            "#engine",
            properties={
                "@type": "SoftwareApplication",
                "name": "Snakemake",
                "url": "https://snakemake.github.io",
                "softwareVersion": ran[-1].record.get("versions", {}).get("snakemake", "unknown"),
            },
        )
    )
    organized = crate.add(
        ContextEntity(
            crate,
            "#organized",
            properties={"@type": "OrganizeAction", "name": "what Snakemake did"},
        )
    )
    organized["instrument"] = engine
    organized["object"] = controls
    organized["result"] = run


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m lopt.crate", description="A finished scale as a crate"
    )
    parser.add_argument("results", help="for example results/laptop")
    parser.add_argument("--output", metavar="PATH", help=f"default: {CRATE} in that folder")
    options = parser.parse_args(arguments)
    try:
        path = write_crate(options.results, options.output)
    except StoreError as error:
        sys.exit(f"error: {error}")
    tell(
        f"wrote {path}: {len(jobs(Path(options.results)))} jobs, {path.stat().st_size / 1e6:.1f} MB"
    )


if __name__ == "__main__":
    main()
