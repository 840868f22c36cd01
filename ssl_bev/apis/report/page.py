"""The page: all runs in one self-contained HTML file."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import jinja2
import mmcv
import mmdet3d
import mmengine
import numpy as np
import torch

import ssl_bev
from ssl_bev.files import write_text
from ssl_bev.visualization import plot_curves

from .metric_tables import MEAN, MetricTable
from .run_facts import ABSENT, config_differences
from .samples import SampleSettings, ShownSample
from .sections import RunSection, add_samples, add_sheets, read_runs, read_section

TEMPLATE = Path(__file__).with_name('page.html.j2')
JPEG_QUALITY = 85


def write_report(
    runs: Mapping[str, str | Path] | Sequence[str | Path],
    out: str | Path,
    samples: SampleSettings | None = None,
    sheets: int = 2,
) -> list[str]:
    """Write one HTML file about trainings: curves, metrics, samples, pseudo-labels, times, configs, versions.

    Missing parts of a run, and their reasons, are reported in their place on the page.

    Args:
        runs: work directories, or name -> work directory.
        out: the HTML file; its folder is created.
        samples: settings of the drawn samples; None: the defaults of `SampleSettings`.
        sheets: pseudo-label sheets for each folder of pseudo-labels; 0: none.

    Returns:
        The missing parts, one line each.

    Raises:
        FileNotFoundError: there is no such work directory.
        ValueError: no run, a duplicate name, a folder without a training, or scalars that cannot be read.
    """
    sections, samples = [read_section(run) for run in read_runs(runs)], samples or SampleSettings()
    tokens: list[tuple[str, str]] = []
    drawn: dict[str, str] = {}
    for section in sections:
        add_samples(section, samples, tokens)
        add_sheets(section, sheets, samples.data_root, drawn)
    write_text(out, _render(sections, _curves(sections)))
    return [f'{section.run.name}: {note}' for section in sections for note in section.missing()]


def _group_samples(sections: Sequence[RunSection]) -> dict[str, list[tuple[str, ShownSample]]]:
    """Token -> its panel from each run, so that panels of the same sample are below each other."""
    groups: dict[str, list[tuple[str, ShownSample]]] = {}
    for section in sections:
        for shown in section.samples.shown if section.samples else ():
            groups.setdefault(shown.token, []).append((section.run.name, shown))
    return groups


def _compare(sections: Sequence[RunSection]) -> MetricTable | None:
    """IoU by class with a row for each run, from the first table of each."""
    first = {section.run.name: section.tables[0][1][0] for section in sections if section.tables}
    if len(first) < 2:
        return None
    classes = dict.fromkeys(name for table in first.values() for name in table.rows if name != MEAN)
    columns = [MEAN, *classes]
    rows = {run: {name: table.rows.get(name, {}).get('IoU') for name in columns} for run, table in first.items()}
    return MetricTable(next(iter(first.values())).prefix, columns, rows)


def _curves(sections: Sequence[RunSection]) -> str | None:
    """All runs in one picture, as SVG."""
    logged = {section.run.name: section.run.path for section in sections if section.run.scalars}
    if not logged:
        return None
    with TemporaryDirectory() as folder:
        return _data_uri(plot_curves(logged, Path(folder) / 'curves.svg').read_bytes(), 'image/svg+xml')


def _render(sections: Sequence[RunSection], curves: str | None) -> str:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= dict(percent=_percent, picture=_picture)
    return environment.from_string(TEMPLATE.read_text()).render(
        sections=sections,
        curves=curves,
        groups=_group_samples(sections),
        comparison=_compare(sections),
        differences=config_differences([section.run for section in sections]),
        made=datetime.now().strftime('%Y-%m-%d %H:%M'),
        libraries={
            'ssl_bev': ssl_bev.__version__,
            'mmdet3d': mmdet3d.__version__,
            'mmcv': mmcv.__version__,
            'mmengine': mmengine.__version__,
            'torch': torch.__version__,
        },
        absent=ABSENT,
    )


def _percent(value: float | None) -> str:
    return ABSENT if value is None else f'{100 * value:.1f}'


def _picture(picture: np.ndarray) -> str:
    _, content = cv2.imencode('.jpg', picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return _data_uri(content.tobytes(), 'image/jpeg')


def _data_uri(content: bytes, kind: str) -> str:
    return f'data:{kind};base64,{base64.b64encode(content).decode()}'
