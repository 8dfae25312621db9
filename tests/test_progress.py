"""Progress in a log file, with a clock that the test moves."""

import logging

import pytest

from lopt import progress
from lopt.progress import Progress


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, "progress test")
    return lambda: [record.getMessage() for record in caplog.records]


def report_all(reports, clock, **options):
    bar = Progress(100, "meta-step", logging.getLogger("progress test"), **options)
    for time, step, values in reports:
        clock.now = time
        bar.report(step, **values)
    bar.close()


def test_rate_and_time_left_leave_out_the_compilation(clock, lines):
    """The first ten steps took 60 s, of which most is compilation; 40 more take 20 s: 2 a second."""
    report_all([(160.0, 10, {}), (180.0, 50, {"loss": 0.123456789, "skipped": 2})], clock)
    assert lines() == [
        "meta-step 10/100  ",
        "meta-step 50/100  loss 0.12346  skipped 2  2 meta-steps/s  0.4 min left",
    ]


def test_a_run_that_goes_on_does_not_count_the_steps_of_the_one_before(clock, lines):
    report_all([(160.0, 60, {}), (180.0, 70, {})], clock, start=50)
    assert lines()[-1] == "meta-step 70/100    0.5 meta-steps/s  1.0 min left"


def test_lines_come_at_intervals_and_at_the_end(clock, lines):
    reports = [(100.0 + 0.5 * step, step, {}) for step in range(1, 101)]
    report_all(reports, clock, seconds=10.0)
    steps = [int(line.split()[1].split("/")[0]) for line in lines()]
    assert steps == [1, 21, 41, 61, 81, 100]
    assert lines()[-1].endswith("0.0 min left")


def test_no_bar_is_drawn_where_nobody_watches(clock, lines, capsys):
    report_all([(101.0, 1, {"loss": 1.0}), (120.0, 100, {"loss": 0.5})], clock)
    assert capsys.readouterr() == ("", "")


def test_a_bar_is_drawn_on_a_terminal(clock, lines, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr("tqdm.std.time", clock.monotonic)  # it draws ten times a second at most
    report_all([(101.0, 40, {"loss": 1.0}), (120.0, 100, {"loss": 0.5})], clock)
    drawn = capsys.readouterr().err
    assert "40/100 [00:01" in drawn and "40.00 meta-step/s, loss=1" in drawn
    assert drawn.endswith("\r") and drawn.rsplit("\r", 2)[1].strip() == ""  # taken away again


def test_a_job_among_others_says_whose_progress_it_is(clock, lines, capsys):
    """A line at first, then one in 30 s at most, and one at the end; the log has more."""
    reports = [
        (100.0, 10, {"meta_objective": 0.5}),
        (110.0, 20, {"meta_objective": 0.25}),
        (130.0, 40, {"meta_objective": 0.125}),
        (190.0, 100, {"meta_objective": 0.0625}),
    ]
    report_all(reports, clock, label="rosenbrock, seed 1")
    assert capsys.readouterr().err.splitlines() == [
        "rosenbrock, seed 1: meta-step 10/100, objective 0.5",
        "rosenbrock, seed 1: meta-step 40/100, objective 0.125, 1.0 min left",
        "rosenbrock, seed 1: meta-step 100/100, objective 0.0625",
    ]
    assert len(lines()) == 4


class Gone:
    """A terminal that was closed."""

    def write(self, text: str) -> None:
        raise OSError("Input/output error")

    def isatty(self) -> bool:
        return False


def test_a_terminal_that_is_gone_stops_no_work(clock, lines, monkeypatch):
    monkeypatch.setattr("sys.stderr", Gone())
    report_all([(100.0, 10, {}), (200.0, 100, {})], clock, label="rosenbrock, seed 1")
    assert len(lines()) == 2
