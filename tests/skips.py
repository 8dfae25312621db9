"""In CI a test that was skipped is a fault of the run: what it needs is to be brought, or it is not tested.

On a person's machine (without CI=true) a skip stays a skip.
"""

import os

import pytest

__all__ = ["pytest_runtest_logreport", "pytest_sessionfinish", "pytest_terminal_summary"]

_skipped: list[str] = []


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        _skipped.append(f"{report.nodeid}: {reason}")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    # Processes of pytest-xdist report to the first one, which decides.
    if _in_ci() and _skipped and not hasattr(session.config, "workerinput"):
        session.exitstatus = exitstatus or pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _in_ci() and _skipped:
        terminalreporter.section("skipped, which fails the run where CI is set", sep="=", red=True)
        for line in _skipped:
            terminalreporter.line(line)
