"""Metrics as a file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from ssl_bev.files import write_text


def write_metrics(path: str | Path, metrics: Mapping[str, float]) -> None:
    """Write metrics as JSON; undefined ones (NaN) are null."""
    defined = {name: None if math.isnan(value) else value for name, value in metrics.items()}
    write_text(path, json.dumps(defined, indent=2) + '\n')
