"""A one-node SLURM cluster on this machine, for tests: no munge, no database, no systemd.

    with SlurmCluster(folder) as cluster:
        cluster.jobs()

Two partitions, ``cpu`` and ``gpu``, and two GPUs that are clones of /dev/null: enough to see which job is
given
which. The daemons are children of this process and get SIGTERM from the kernel when it ends, however it ends.

Needs root and Debian's packages (``install`` fetches them). Takes /etc/slurm/slurm.conf for its own while it
runs, since jobs find their configuration nowhere else, and refuses to where a site has put one.
"""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

__all__ = ["SlurmCluster", "SlurmUnavailableError", "install"]

SITE = Path("/etc/slurm")
PACKAGES = ["slurmctld", "slurmd", "slurm-client"]
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthType=auth/none
CredType=cred/none
StateSaveLocation={folder}/slurmctld
SlurmdSpoolDir={folder}/slurmd
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldPort=16817
SlurmdPort=16818
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
MailProg=/bin/true
ReturnToService=2
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=5
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/jobs.log
MinJobAge=600
KillWait=5
OverTimeLimit=0
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} CoresPerSocket={cpus} RealMemory={memory} Gres=gpu:2 State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes={host} MaxTime=INFINITE State=UP
"""
GPUS = "AutoDetect=off\nNodeName={host} Name=gpu File={folder}/devices/gpu[0-1]\n"


class SlurmUnavailableError(RuntimeError):
    """SLURM can't be run here; the message says why."""


def install() -> None:
    """Make sure that SLURM is installed.

    Raises:
        SlurmUnavailableError: if it is not and can't be.
    """
    if os.getuid() != 0:
        raise SlurmUnavailableError("starting a SLURM cluster needs root")
    if all(shutil.which(name) for name in ("slurmctld", "slurmd", "sbatch", "setpriv")):
        return
    if not shutil.which("apt-get"):
        raise SlurmUnavailableError("SLURM is not installed, and there is no apt-get to install it")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-qq"], ["install", "-qq", "--no-install-recommends", *PACKAGES]):
        done = subprocess.run(
            ["apt-get", "-y", *command], env=environment, capture_output=True, text=True
        )
        if done.returncode:
            raise SlurmUnavailableError(f"apt-get {command[0]} failed: {done.stderr.strip()}")


class SlurmCluster:
    """The cluster; a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.host = folder, socket.gethostname().split(".")[0]
        self.cpus = os.cpu_count() or 1
        self._daemons: list[subprocess.Popen] = []
        self._links: list[Path] = []

    def __enter__(self) -> Self:
        for name in ("slurmctld", "slurmd", "devices"):
            (self.folder / name).mkdir(parents=True)
        for index in range(2):
            subprocess.run(
                ["mknod", self.folder / f"devices/gpu{index}", "c", "1", "3"], check=True
            )
        try:
            self._configure()
            self._start("slurmctld")
            self._start("slurmd")
            self._wait_until_idle()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def jobs(self, state: str = "all") -> list[list[str]]:
        """Return [number, state, submission's comment] of every job in ``state``."""
        output = self._run("squeue", "--noheader", "--states", state, "--format", "%A|%T|%k")
        return [line.split("|") for line in output.splitlines()]

    def cancel(self, number: str) -> None:
        """End a job as its user would."""
        self._run("scancel", number)

    def description(self, number: str) -> str:
        """Return what SLURM knows about a job: partition, limits, what it asked for."""
        return self._run("scontrol", "show", "job", number)

    def stop(self) -> None:
        """End all jobs and the daemons, and take the configuration away."""
        if self._daemons:
            subprocess.run(["scancel", "--user=root", "--full"], capture_output=True, timeout=30)
            deadline = time.monotonic() + 15
            while time.monotonic() < deadline and self.jobs("running,completing"):
                time.sleep(0.2)
        for daemon in reversed(self._daemons):
            daemon.terminate()
        for daemon in self._daemons:
            try:
                daemon.wait(timeout=15)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self._daemons.clear()
        for link in self._links:
            link.unlink(missing_ok=True)
        self._links.clear()

    def _configure(self) -> None:
        megabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
        facts = {
            "host": self.host,
            "folder": self.folder,
            "cpus": self.cpus,
            "memory": int(0.8 * megabytes),
        }
        SITE.mkdir(exist_ok=True)
        for name, text in (("slurm.conf", CONFIGURATION), ("gres.conf", GPUS)):
            link, target = SITE / name, self.folder / name
            if link.exists() and not _left_by_a_killed_test(link):
                raise SlurmUnavailableError(
                    f"{link} exists: this machine belongs to a cluster, or another test is running"
                )
            target.write_text(text.format(**facts))
            link.unlink(missing_ok=True)
            link.symlink_to(target)
            self._links.append(link)

    def _start(self, daemon: str) -> None:
        log = open(self.folder / f"{daemon}.log", "w")
        self._daemons.append(
            subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", daemon, "-D", "-c"],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        )
        log.close()

    def _wait_until_idle(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for daemon in self._daemons:
                if daemon.poll() is not None:
                    name = daemon.args[3]
                    log = (self.folder / f"{name}.log").read_text()
                    raise SlurmUnavailableError(f"{name} ended at once:\n{log[-2000:]}")
            state = subprocess.run(
                ["sinfo", "-h", "-N", "-o", "%T"], capture_output=True, text=True
            )
            if state.stdout.split()[:1] == ["idle"]:
                return
            time.sleep(0.2)
        raise SlurmUnavailableError(
            f"the node is not ready after 30 s: {state.stdout}{state.stderr}"
        )

    @staticmethod
    def _run(*command: str) -> str:
        return subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=30
        ).stdout


def _left_by_a_killed_test(link: Path) -> bool:
    """Whether the configuration is this module's, and the cluster it belonged to is gone."""
    if not link.is_symlink():
        return False
    conf = link.resolve().with_name("slurm.conf")
    if not conf.exists() or "ClusterName=test\n" not in conf.read_text():
        return False
    return subprocess.run(["scontrol", "ping"], capture_output=True, timeout=60).returncode != 0
