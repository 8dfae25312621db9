"""Where the time of a finished scale goes: its critical path, its longest jobs, how well cores can share it.

    python benchmarks/critical_path.py results/released
    python benchmarks/critical_path.py results/laptop --cores 2 8

Jobs and what each waits for come from the records beside the results (``results/<scale>/provenance``),
seconds from the benchmark files that Snakemake writes. No run on any number of
cores is shorter than the critical path, and none on n cores shorter than the sum over n. What a run on n
cores takes is simulated; whichever ready job has the longest way before it starts first. All leave out
what Snakemake itself needs.
"""

import argparse
import heapq
import sys
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import study

from lopt.records import store
from lopt.records.tables import load_table


@dataclass
class Job:
    """One job of a run: ``seconds`` that it took, and the ``log``s of the jobs whose results it reads."""

    rule: str
    seconds: float
    after: set[str] = field(default_factory=set)


def read_jobs(folder: Path) -> dict[str, Job]:
    """Return the jobs of a finished scale, by the path of their log, each after those it waits for.

    Args:
        folder: results/<scale>.

    Raises:
        StoreError: if there are no records, or a job has no benchmark file.
    """
    maker: dict[str, str] = {}
    jobs: dict[str, Job] = {}
    inputs: dict[str, set[str]] = defaultdict(set)
    places = sorted((folder / "provenance").rglob("*.json"))
    if not places:
        raise store.StoreError(f"{folder}/provenance has no records of finished jobs")
    for place in places:
        record = store.load_json(place)
        if not (log := record.get("log")):
            raise store.StoreError(
                f"{place} names no log: it is of an earlier version; make its result anew"
            )
        result = place.relative_to(folder / "provenance").as_posix().removesuffix(".json")
        # As records name it: the folder may have been moved since, or be a copy.
        scale, _, job = log.partition("/logs/")
        maker[f"{scale}/{result}"] = log
        inputs[log] |= set(record["inputs"])
        if log not in jobs:
            benchmark = folder / "benchmarks" / f"{job.removesuffix('.log')}.tsv"
            jobs[log] = Job(record["rule"], _seconds(benchmark))
    for log, job in jobs.items():
        job.after = {maker[name] for name in inputs[log] if name in maker} - {log}
    return jobs


def _seconds(path: Path) -> float:
    return float(load_table(path, ("s",), separator="\t")["s"].iloc[0])


def followers(jobs: Mapping[str, Job]) -> dict[str, list[str]]:
    """Return for each job those that read its results."""
    found: dict[str, list[str]] = {log: [] for log in jobs}
    for log, job in jobs.items():
        for other in job.after:
            found[other].append(log)
    return found


def ways(jobs: Mapping[str, Job]) -> dict[str, float]:
    """Return for each job the seconds of the longest chain of jobs that starts with it."""
    next_to, found = followers(jobs), dict[str, float]()

    def way(log: str) -> float:
        if log not in found:
            found[log] = jobs[log].seconds + max(map(way, next_to[log]), default=0.0)
        return found[log]

    for log in jobs:
        way(log)
    return found


def critical_path(jobs: Mapping[str, Job]) -> list[str]:
    """Return the jobs of the longest chain, first to last."""
    way, next_to, path = ways(jobs), followers(jobs), []
    ready = [log for log, job in jobs.items() if not job.after]
    while ready:
        path.append(max(ready, key=way.__getitem__))
        ready = next_to[path[-1]]
    return path


def simulated(jobs: Mapping[str, Job], cores: int) -> float:
    """Return the seconds of a run on ``cores``; of jobs that are ready the longest way starts."""
    way, next_to = ways(jobs), followers(jobs)
    waiting = {log: set(job.after) for log, job in jobs.items()}
    ready = sorted((-way[log], log) for log, after in waiting.items() if not after)
    heapq.heapify(ready)
    running: list[tuple[float, str]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < cores:
            log = heapq.heappop(ready)[1]
            heapq.heappush(running, (now + jobs[log].seconds, log))
        now, done = heapq.heappop(running)
        for log in next_to[done]:
            waiting[log].remove(done)
            if not waiting[log]:
                heapq.heappush(ready, (-way[log], log))
    return now


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="results/<scale>")
    parser.add_argument(
        "--cores", type=study.whole(1), nargs="+", default=[1, 2, 4, 8], help="1 2 4 8"
    )
    options = parser.parse_args()
    try:
        jobs = read_jobs(options.folder)
    except store.StoreError as error:
        sys.exit(str(error))
    total = sum(job.seconds for job in jobs.values())
    path = critical_path(jobs)
    length = sum(jobs[log].seconds for log in path)
    print(f"{len(jobs)} jobs, {total:.0f} s together; the critical path, {length:.0f} s:\n")
    for log in path:
        print(f"  {jobs[log].seconds:8.1f}  {_name(log)}")
    print("\nseconds by rule, jobs, longest job as a share of all:\n")
    by_rule: dict[str, list[float]] = defaultdict(list)
    for job in jobs.values():
        by_rule[job.rule].append(job.seconds)
    for rule, seconds in sorted(by_rule.items(), key=lambda item: -sum(item[1])):
        print(
            f"  {sum(seconds):8.1f}  {rule:22} {len(seconds):4}  {max(seconds) / total:6.1%} of all"
        )
    print("\ncores, seconds of a run in the best order that is known, busy:\n")
    for cores in options.cores:
        seconds = simulated(jobs, cores)
        print(f"  {cores:5}  {seconds:8.1f}  {total / (cores * seconds):6.1%}")


def _name(log: str) -> str:
    return log.split("/logs/", 1)[-1].removesuffix(".log")


if __name__ == "__main__":
    main()
