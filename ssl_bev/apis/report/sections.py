"""The content of a page for each run, with the reasons of missing parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .label_sheets import draw_sheets, find_label_sources
from .metric_tables import MetricTable, metric_tables
from .run_facts import overview, timings
from .run_folder import RunFolder, read_run
from .samples import RunSamples, SampleSettings, draw_samples

# Errors of data and files of the user. The page reports them and shows the rest.
EXPECTED = (OSError, ValueError, KeyError, RuntimeError)


@dataclass
class RunSection:
    """What the page shows of a run."""

    run: RunFolder
    overview: Mapping[str, str]
    tables: list[tuple[str, list[MetricTable]]] = field(default_factory=list)
    timings: Mapping[str, str] = field(default_factory=dict)
    samples: RunSamples | None = None
    samples_missing: str = ''
    sheets: list[dict] = field(default_factory=list)
    sheets_missing: str = ''

    def missing(self) -> list[str]:
        """The missing parts of this run."""
        return [note for note in (*self.run.notes, self.samples_missing, self.sheets_missing) if note]


def read_runs(runs: Mapping[str, str | Path] | Sequence[str | Path]) -> list[RunFolder]:
    if not runs:
        raise ValueError('runs must name at least one work directory, got none')
    if not isinstance(runs, Mapping):
        paths = [Path(path).absolute() for path in runs]
        # Folders with the same name are distinguished by their parent.
        bare = [path.name for path in paths]
        names = [path.name if bare.count(path.name) == 1 else f'{path.parent.name}/{path.name}' for path in paths]
        if len(set(names)) < len(names):
            raise ValueError(f'work directories must have different names, got {names}')
        runs = dict(zip(names, paths, strict=True))
    return [read_run(path, name) for name, path in runs.items()]


def read_section(run: RunFolder) -> RunSection:
    section = RunSection(run, overview(run), timings=timings(run))
    if run.validations:
        epoch, metrics = run.validations[-1]
        section.tables.append((f'last validation, epoch {epoch}', metric_tables(metrics)))
    section.tables += [(f'test of {date}', metric_tables(metrics)) for date, metrics in run.tests]
    return section


def add_samples(section: RunSection, settings: SampleSettings, tokens: list[tuple[str, str]]) -> None:
    """Panels and, if the run was never validated, metrics. The first run chooses the samples of the others."""
    run = section.run
    if not settings.count:
        section.samples_missing = 'No samples were asked for.'
    elif run.config is None or run.checkpoint is None:
        section.samples_missing = f'No samples: there is no {"config" if run.config is None else "checkpoint"}.'
    else:
        try:
            section.samples = draw_samples(run.config, run.checkpoint, settings, tokens)
        except EXPECTED as error:
            section.samples_missing = f'No samples could be drawn: {error}'
            return
        tokens += [] if tokens else [(shown.kind, shown.token) for shown in section.samples.shown]
        if section.samples.metrics and not section.tables:
            looked_at, available = section.samples.looked_at, section.samples.available
            title = f'measured for this report on {looked_at} of {available} test frames'
            section.tables.append((title, metric_tables(section.samples.metrics)))


def add_sheets(section: RunSection, count: int, data_root: Path | None, drawn: dict[str, str]) -> None:
    """Sheets of each folder of pseudo-labels; a reference if another run has shown it."""
    if section.run.config is None or not count:
        section.sheets_missing = 'No sheets: there is no config.' if count else 'No sheets were asked for.'
        return
    sources = find_label_sources(section.run.config)
    if not sources:
        section.sheets_missing = 'The config of this run reads no pseudo-labels.'
    for source in sources:
        if (key := repr(source)) in drawn:
            section.sheets.append({'root': source.labels['root'], 'same_as': drawn[key]})
            continue
        drawn[key] = section.run.name
        try:
            pictures, shares = draw_sheets(source, count, data_root)
        except EXPECTED as error:
            section.sheets_missing = f'Sheets of {source.labels["root"]} could not be drawn: {error}'
            continue
        section.sheets.append({'root': source.labels['root'], 'pictures': pictures, 'shares': shares})
