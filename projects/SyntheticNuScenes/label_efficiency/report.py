"""docs/results/label_efficiency.{json,md,png} from the runs' files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ssl_bev.files import write_bytes

from .ablation import HEAD as ABLATION_HEAD
from .ablation import ablation_tables, is_short
from .arms import LABELS_ONLY, SETTINGS
from .figure import draw
from .json_files import read_json, write_json
from .plateau import PLATEAU_PP
from .screening import HEAD as SCREENING_HEAD
from .screening import percent, points, screening_table, tried
from .summary import Row, summarise

NAMES = {
    'same_images': 'Same images: SSL sees the keyframes of the 100 % and no others',
    'more_images': 'More images: SSL also sees those of unlabelled towns',
}
HEAD = (
    '| arm | labels | seeds | noisy labels, 0.5 | noisy, chosen threshold | exact, 0.5 | exact, chosen threshold '
    '| seconds | frames | time | time to baseline | late gain |'
)

ABOUT_ABLATIONS = (
    'Two fifths of the steps (`--screen --short`), 50 % of the labels. Below each recipe, in bold, what was changed in '
    'it, the best first. A change is in percentage points, mean ± standard deviation of the differences seed by seed. '
    'Classes: IoU against the exact truth.'
)


def read_records(folder: Path) -> list[dict]:
    """All runs' files."""
    return [read_json(path) for path in sorted(folder.glob('*.json'))]


def write_report(records: Sequence[Mapping], data: Mapping, target: Path) -> list[Path]:
    """Write the report of all tested runs.

    Args:
        records: of runs.
        data: what data.json says of the towns; `condition`, for the title.
        target: the files' path without suffix.

    Raises:
        ValueError: no run has been tested yet.
    """
    rows = summarise(records)
    if not rows:
        raise ValueError('there is no tested run to report; runs of --screen never touch the test towns')
    tested = [record for record in records if 'test' in record and not record['variant']]
    paths = [target.with_suffix(suffix) for suffix in ('.json', '.md', '.png')]
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    write_json(paths[0], dict(data=dict(data), rows=[row._asdict() for row in rows], runs=tested))
    write_bytes(paths[1], markdown(rows, tested, data, paths[2].name, records).encode())
    draw(rows, tested, paths[2])
    return paths


def markdown(
    rows: Sequence[Row], records: Sequence[Mapping], data: Mapping, figure: str, screened: Sequence[Mapping] = ()
) -> str:
    """The report as a page: a table for each setting, with the supervised arms in each; then what was tried,
    and ablations."""
    loads = [record['conditions']['load_average_before'] for record in records]
    machines = sorted({f'{r["conditions"]["cores"]} cores, torch {r["conditions"]["torch"]}' for r in records})
    dates = sorted(record['conditions']['date'] for record in records)
    condition = f': {data["condition"]}' if data.get('condition') else ''
    lines = [
        f'# Label efficiency, on synthetic towns{condition}',
        '',
        'Written by `tools/label_efficiency.py`; the protocol is in [results.md](../results.md). mIoU of five classes '
        'on test towns, %, mean ± standard deviation over seeds. Synthetic data: says nothing about real roads.',
        '',
        f'Machine: {"; ".join(machines)}, {dates[0]} to {dates[-1]}, load average before a run '
        f'{min(loads):.1f} to {max(loads):.1f}. Teacher: {data["teacher"]}.',
    ]
    if data['teacher'] == 'oracle':
        lines += ['', '**The oracle was the teacher: these figures show that the tool runs, and nothing else.**']
    for setting in SETTINGS:
        if any(row.setting == setting for row in rows):
            lines += _table(NAMES[setting], [row for row in rows if row.setting in (LABELS_ONLY, setting)])
    if all(row.setting == LABELS_ONLY for row in rows):
        lines += _table('Labels only', rows)
    if choices := tried([record for record in screened if not is_short(record)]):
        lines += ['', '## What was tried, on validation towns', '', *_lines(SCREENING_HEAD, screening_table(choices))]
    if ablations := ablation_tables(screened):
        lines += ['', '## Parts, on validation towns', '', ABOUT_ABLATIONS]
        for table in ablations:
            lines += ['', *_lines(ABLATION_HEAD, table)]
    lines += [
        '',
        'seconds: teacher, accumulation, registration, completion and all phases. frames: of six images, through a '
        'network, teacher included. '
        'time: seconds over those of the supervised arm with all labels, of the seeds that ran on the same machine as '
        'that arm with that seed. time to baseline: the '
        f"same until validation mIoU comes within {PLATEAU_PP} pp of that arm's best. late gain: what the last third "
        f'of the schedule added, pp; a plateau is below {PLATEAU_PP}.',
        '',
        f'![mIoU against labels and against time]({figure})',
        '',
    ]
    return '\n'.join(lines)


def _lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f'| {" | ".join(cells)} |' for cells in (head, ['---'] * len(head), *rows)]


def _table(title: str, rows: Sequence[Row]) -> list[str]:
    head = [HEAD, '|' + '---|' * (HEAD.count('|') - 1)]
    return ['', f'## {title}', '', *head, *(_line(row) for row in rows)]


def _line(row: Row) -> str:
    scores = [percent(value) for value in (row.noisy, row.noisy_chosen, row.exact, row.exact_chosen)]
    ratios = ['-' if ratio is None else f'{ratio:.2f}' for ratio in (row.time_ratio, row.time_to_baseline)]
    cells = [
        row.title, f'{100 * row.fraction:g} %', str(len(row.seeds)), *scores, f'{row.seconds.mean:.0f}',
        f'{row.frames:.0f}', *ratios, points(row.late_gain_pp) if row.fraction else '-',
    ]  # fmt: skip
    return f'| {" | ".join(cells)} |'
