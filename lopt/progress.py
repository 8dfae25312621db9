"""Progress of long work: a bar on a terminal, plain lines in a log file."""

import logging
import sys
import time
from typing import Any

from tqdm import tqdm

__all__ = ["Progress"]


class Progress:
    """Report steps of a known total to a logger and, where a person watches, as a bar.

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
    ) -> None:
        self.total, self.unit, self.logger, self.seconds = total, unit, logger, seconds
        self.bar = tqdm(
            total=total,
            initial=start,
            unit=f" {unit}",
            disable=not sys.stderr.isatty(),
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
        if steps > 0 and seconds > 0:
            left = (self.total - step) * seconds / steps
            text += f"  {steps / seconds:.3g} {self.unit}s/s  {left / 60:.1f} min left"
        self.logger.info("%s %d/%d  %s", self.unit, step, self.total, text)

    def close(self) -> None:
        """Take the bar away."""
        self.bar.close()
