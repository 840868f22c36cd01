"""Tables of all runs: means over seeds, what a recipe gains, and its time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ssl_bev.files import write_text

PLATEAU = 0.3  # percentage points: on its plateau, the last third of a training gains less
KEYS = ['recipe', 'share', 'images', 'steps', 'options', 'condition']
FIGURES = ['published', 'exact']
RATIOS = ['time', 'time, all in', 'plateau', 'plateau, all in']
ABOUT = """mIoU at 0.5 in %, mean ± standard deviation over seeds, against published and exact labels; gains in
percentage points over the supervised recipe with all labels. **Synthetic data: says nothing about real roads.**
time: of training, over that recipe's; all in: with the teacher's pass, accumulation, registration and completion.
plateau: the same until validation mIoU comes within {plateau} of that recipe's best. late gain: what the last third of
the steps added to validation mIoU; below {plateau} is a plateau. Times are compared within one series (folder and
machine) and seed alone.

Code: {code}. Series: {series}."""


def run_table(records: Sequence[dict], on: str) -> pd.DataFrame:
    """A row for each run that was evaluated on a pool."""
    rows = []
    for record in (record for record in records if on in record):
        curve = pd.DataFrame(record['curve'], columns=['steps', 'seconds', 'mIoU'])
        late = 3 * curve.steps > 2 * record['steps']
        gain = 100 * (curve.mIoU[late].max() - curve.mIoU[~late].max())
        row = {key: record[key] for key in (*KEYS, 'seed', 'series', 'code', 'config', 'date')}
        row['options'] = ' '.join(f'{key}={value}' for key, value in record['options'].items())
        row |= {truth: 100 * record[on][truth]['mIoU'] for truth in FIGURES}
        row |= dict(seconds=sum(record['seconds'].values()), data_seconds=sum(record['data_seconds'].values()))
        row |= dict(curve=curve, late_gain=0.0 if gain < 0 else gain)
        rows.append(row)
    return pd.DataFrame(rows)


def with_ratios(runs: pd.DataFrame) -> pd.DataFrame:
    """Runs beside the supervised one with all labels, the same seed, condition and series (of several the shortest)."""
    key = ['condition', 'series', 'seed']
    base = runs[(runs.recipe == 'supervised') & (runs.share == 1) & (runs.options == '')]
    base = base.sort_values('steps').drop_duplicates(key)[[*key, 'seconds', 'curve']]
    runs = runs.merge(base, how='left', on=key, suffixes=('', '_base'))
    runs[RATIOS] = float('nan')
    for index, run in runs[runs.seconds_base.notna()].iterrows():
        target = run.curve_base.mIoU.max() - PLATEAU / 100
        reached = (curve.seconds[curve.mIoU >= target] for curve in (run.curve, run.curve_base))
        own, other = (min(seconds, default=float('inf')) for seconds in reached)
        runs.loc[index, RATIOS] = [
            run.seconds / run.seconds_base,
            (run.seconds + run.data_seconds) / run.seconds_base,
            own / other,
            (own + run.data_seconds) / other,
        ]
    return runs


def summary(runs: pd.DataFrame) -> pd.DataFrame:
    """A row for each recipe, share of labels and so on, as text."""
    runs = with_ratios(runs)
    groups = runs.groupby(KEYS)
    mean, std, count = groups[[*FIGURES, 'late_gain', *RATIOS]].mean(), groups[FIGURES].std(), groups.size()
    base = mean.query("recipe == 'supervised' and share == 1 and options == ''").groupby('condition')[FIGURES].first()
    table = pd.DataFrame({'seeds': count})
    for truth in FIGURES:
        spread = std[truth].map(' ± {:.1f}'.format).where(std[truth].notna(), '')
        table[truth] = mean[truth].map('{:.1f}'.format) + spread
        gain = mean[truth] - mean.index.get_level_values('condition').map(base[truth])
        table[f'gain {truth}'] = gain.map('{:+.1f}'.format)
    for name in (*RATIOS, 'late_gain'):
        table[name.replace('_', ' ')] = mean[name].map('{:.2f}'.format)
    table = table.replace({'nan': '-', '+nan': '-', 'inf': 'never'}).reset_index()
    table['share'] = (100 * table['share']).map('{:g} %'.format)
    empty = [key for key in ('options', 'condition') if (table[key] == '').all()]
    return table.drop(columns=empty).rename(columns={'share': 'labels'})


def write_report(records: Sequence[dict], on: str, folder: Path) -> str:
    """Write {on}.md and {on}_runs.csv, and return the page.

    Raises:
        ValueError: no run was evaluated on this pool.
    """
    runs = run_table(records, on)
    if runs.empty:
        raise ValueError(f'no run in {folder} was evaluated on {on} towns')
    write_text(folder / f'{on}_runs.csv', with_ratios(runs).drop(columns=['curve', 'curve_base']).to_csv())
    about = ABOUT.format(plateau=PLATEAU, code=', '.join(runs.code.unique()), series=', '.join(runs.series.unique()))
    page = f'# Label efficiency on synthetic {on} towns\n\n{summary(runs).to_markdown(index=False)}\n\n{about}\n'
    write_text(folder / f'{on}.md', page)
    return page
