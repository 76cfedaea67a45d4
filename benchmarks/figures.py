"""Helpers of all benchmarks: the machine and its load, percentiles, and their formatting."""

import math
import os
import platform
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime


def heading() -> str:
    """Return the date, the machine and its load, without which a figure says little."""
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    today = datetime.now(UTC).date().isoformat()
    return f"{today}, {os.cpu_count()} cores, load {load}, Python {platform.python_version()}"


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that `percent` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def spread(values: Sequence[float]) -> str:
    """Return median and 95th percentile of milliseconds, as two columns of text."""
    return f"{statistics.median(values):8.1f} {percentile(values, 95):8.1f}"
