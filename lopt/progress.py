"""Progress of long work: a bar on a terminal, plain lines in a log file and beside those of other jobs."""

import contextlib
import logging
import sys
import time
from collections.abc import Mapping
from typing import Any

from tqdm import tqdm

__all__ = ["Progress"]


TOLD_SECONDS = 30.0  # at least, between two lines on the terminal


class Progress:
    """Report steps of a known total to a logger and, where a person watches, as a bar.

    With a ``label`` it is one of several jobs that share a terminal: in place of a bar, which they would take
    from each other, each writes a line now and then that says whose it is.

    The rate leaves out the first report, which pays for compilation, and the steps of an earlier run.
    """

    def __init__(
        self,
        total: int,
        unit: str,
        logger: logging.Logger,
        *,
        start: int = 0,
        seconds: float = 10.0,
        label: str | None = None,
    ) -> None:
        self.total, self.unit, self.logger, self.seconds = total, unit, logger, seconds
        self.label, self._told_at = label, -float("inf")
        self.bar = tqdm(
            total=total,
            initial=start,
            unit=f" {unit}",
            disable=label is not None or not sys.stderr.isatty(),
            leave=False,
        )
        self._measured_from: tuple[float, int] | None = None
        self._logged_at = -float("inf")

    def report(self, step: int, **values: Any) -> None:
        """Say that ``step`` steps are done, with what they achieved."""
        now = time.monotonic()
        self.bar.set_postfix(values, refresh=False)
        self.bar.update(step - self.bar.n)
        if self._measured_from is None:
            self._measured_from = (now, step)
        if step < self.total and now - self._logged_at < self.seconds:
            return
        self._logged_at = now
        seconds, steps = now - self._measured_from[0], step - self._measured_from[1]
        text = "  ".join(
            f"{name} {value:.5g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in values.items()
        )
        left = None
        if steps > 0 and seconds > 0:
            left = (self.total - step) * seconds / steps
            text += f"  {steps / seconds:.3g} {self.unit}s/s  {left / 60:.1f} min left"
        self.logger.info("%s %d/%d  %s", self.unit, step, self.total, text)
        if self.label is not None and (now - self._told_at >= TOLD_SECONDS or step == self.total):
            self._told_at = now
            self._tell(step, values, left)

    def _tell(self, step: int, values: Mapping[str, Any], left: float | None) -> None:
        """Write a line for who watches the terminal; a terminal that is gone stops no work."""
        objective = values.get("meta_objective")
        parts = [f"{self.label}: {self.unit} {step}/{self.total}"]
        if objective is not None:
            parts.append(f"objective {objective:.4g}")
        if left is not None and step < self.total:
            parts.append(f"{left / 60:.1f} min left")
        with contextlib.suppress(OSError, ValueError, AttributeError):
            print(", ".join(parts), file=sys.stderr, flush=True)

    def close(self) -> None:
        """Take the bar away."""
        self.bar.close()
