"""The plateau rule, means, spreads and ratios, worked by hand; and the written report."""

import json
import math

import pytest
from matplotlib.figure import Figure

from projects.SyntheticNuScenes.label_efficiency.arms import ARMS
from projects.SyntheticNuScenes.label_efficiency.figure import draw_curves
from projects.SyntheticNuScenes.label_efficiency.measurements import figures
from projects.SyntheticNuScenes.label_efficiency.plateau import Point, late_gain_pp, reached_plateau
from projects.SyntheticNuScenes.label_efficiency.report import write_report
from projects.SyntheticNuScenes.label_efficiency.screening import HEAD, screening_table
from projects.SyntheticNuScenes.label_efficiency.summary import summarise

OTHER = 'completed_without_perspective'


def curve(*scores, first=0.0, seconds=100.0):
    """A validation every 100 steps."""
    return [Point(100 * i, first + seconds * i, score, score + 0.1) for i, score in enumerate(scores, 1)]


def test_late_gain_is_what_the_last_third_adds_to_the_best_before():
    rising = curve(0.10, 0.20, 0.18, 0.19, 0.21, 0.215)
    assert late_gain_pp(rising, 600) == pytest.approx(1.5)  # best until step 400: .20; after: .215
    assert not reached_plateau(rising, 600)
    assert reached_plateau(curve(0.10, 0.20, 0.2005, 0.2029), 400)
    assert late_gain_pp(curve(0.1, 0.3, 0.2), 300) == 0.0  # overfitting is no gain


def test_the_rule_needs_validations_on_both_sides():
    with pytest.raises(ValueError, match=r'before and in the last third of 900, got \[100, 200\]'):
        late_gain_pp(curve(0.1, 0.2), 900)


def record(arm, fraction, seed, mIoU, points, setting='more_images', **seconds):
    scores = dict(mIoU=mIoU, mIoU_chosen=mIoU + 0.01)
    return dict(
        arm=arm, title=ARMS[arm].title, setting=setting, fraction=fraction, seed=seed, variant='', seconds=seconds,
        passes=dict(completed=400), curve=[point._asdict() for point in points], late_gain_pp=0.1 + seed,
        conditions=dict(load_average_before=0.5, cores=2, torch='2', date='2026-01-01', series='a'),
        validation=dict(noisy=dict(mIoU=mIoU), exact=dict(mIoU=mIoU)),
        test=dict(noisy=scores, exact=dict(mIoU=mIoU + 0.02, mIoU_chosen=mIoU + 0.03)),
    )  # fmt: skip


@pytest.fixture
def records():
    base = dict(setting='labels_only')
    return [
        record('supervised', 1.0, 0, 0.30, curve(0.10, 0.20, 0.25, 0.31), supervised=400, **base),
        record('supervised', 1.0, 1, 0.34, curve(0.10, 0.20, 0.25, 0.31), supervised=500, **base),
        # within 0.3 pp of .31 after 100 of teacher and 100 of training; the baseline after 400
        record(OTHER, 0.5, 0, 0.36, curve(0.308, 0.32, first=100), teacher=100, completed=100),
        record(OTHER, 0.5, 1, 0.40, curve(0.25, 0.308, first=100), teacher=100, completed=150),
        record(OTHER, 0.1, 0, 0.20, curve(0.10, 0.30, first=100), teacher=100, completed=100),
    ]


def test_means_spreads_and_time_ratios(records):
    baseline, half, tenth = summarise(records)
    assert (baseline.arm, half.fraction, tenth.fraction) == ('supervised', 0.5, 0.1)
    assert half.seeds == (0, 1) and tenth.seeds == (0,)
    assert half.noisy == pytest.approx((0.38, 0.02 * 2**0.5))
    assert half.exact_chosen.mean == pytest.approx(0.41)
    assert tenth.noisy == (0.20, None)
    assert half.seconds.mean == pytest.approx(225)
    assert half.time_ratio == pytest.approx((200 / 400 + 250 / 500) / 2)
    assert half.time_to_baseline == pytest.approx((200 / 400 + 300 / 400) / 2)
    assert baseline.time_ratio == baseline.time_to_baseline == 1
    assert tenth.time_to_baseline is None  # .30 is more than 0.3 pp below .31
    assert half.late_gain_pp == pytest.approx((0.6, 0.5**0.5))


def test_variants_and_untested_runs_do_not_count(records):
    variant = {**records[2], 'variant': 'lr4e-3'}
    untested = {key: value for key, value in records[3].items() if key != 'test'}
    assert [row.seeds for row in summarise([records[0], records[2], variant, untested])] == [(0,), (0,)]


def test_without_a_baseline_there_is_no_ratio(records):
    (row,) = summarise(records[2:3])
    assert row.time_ratio is None and row.time_to_baseline is None


def test_times_of_another_series_are_no_ratio(records):
    records[2]['conditions']['series'] = 'b'
    _, half, _ = summarise(records)
    assert half.time_ratio == pytest.approx(250 / 500) and half.time_to_baseline == pytest.approx(300 / 400)
    records[3]['conditions']['series'] = 'b'
    _, half, _ = summarise(records)
    assert half.time_ratio is None and half.time_to_baseline is None and half.noisy.mean == pytest.approx(0.38)


def test_curves_of_another_series_are_not_drawn(records):
    axes = Figure().subplots()
    records[2]['conditions']['series'] = 'b'
    draw_curves(axes, records, 'mIoU')
    assert [line.get_label() for line in axes.lines] == ['supervised, 100 %', 'no perspective loss, 10 %']


def test_the_report_states_figures_conditions_and_the_oracle(records, tmp_path):
    data = dict(teacher='oracle', pools={})
    paths = write_report(records, data, tmp_path / 'results' / 'label_efficiency')
    assert [path.name for path in paths] == [f'label_efficiency.{s}' for s in ('json', 'md', 'png')]
    page = paths[1].read_text()
    scores = '38.0 ± 2.8 | 39.0 ± 2.8 | 40.0 ± 2.8 | 41.0 ± 2.8'
    assert f'| no perspective loss | 50 % | 2 | {scores} | 225 | 400 | 0.50 |' in page
    assert '| no perspective loss | 10 % | 1 | 20.0 |' in page and 'More images' in page and 'Same images' not in page
    assert 'synthetic' in page.lower() and 'oracle was the teacher' in page and '2 cores' in page
    assert len(json.loads(paths[0].read_text())['rows']) == 3
    assert paths[2].stat().st_size > 10_000
    assert 'oracle was' not in write_report(records, dict(teacher='mask2former'), tmp_path / 'b')[1].read_text()


def test_a_condition_is_in_the_title_and_the_picture_is_the_reports_own(records, tmp_path):
    data = dict(teacher='mask2former', condition='labels of somebody else')
    page = write_report(records, data, tmp_path / 'label_efficiency_other')[1].read_text()
    assert page.startswith('# Label efficiency, on synthetic towns: labels of somebody else\n')
    assert '(label_efficiency_other.png)' in page


def test_nothing_tested_is_no_report(records, tmp_path):
    with pytest.raises(ValueError, match='no tested run'):
        write_report([{**records[0], 'variant': 'a'}], dict(teacher='oracle'), tmp_path / 'report')
    assert not list(tmp_path.iterdir())


def test_screening_ranks_by_validation_with_noisy_labels(records):
    table = [dict(zip(HEAD, row, strict=True)) for row in screening_table([*records, dict(arm='completed_only')])]
    assert [row['mIoU noisy'] for row in table] == ['38.0 ± 2.8', '32.0 ± 2.8', '20.0']
    assert [(row['arm'], row['labels'], row['seeds']) for row in table[:2]] == [
        ('no perspective loss', '50 %', '2'),
        ('supervised', '100 %', '2'),
    ]


def test_the_report_says_what_was_tried_beside_what_it_varies(records, tmp_path):
    variant = {**records[2], 'variant': 'lr_4e-3'}
    page = write_report([*records, variant], dict(teacher='mask2former'), tmp_path / 'a')[1].read_text()
    section = page.split('## What was tried')[1]
    assert '| no perspective loss | more images | 50 % | lr 4e-3 | 1 | 36.0 |' in section
    assert '| no perspective loss | more images | 50 % | - | 2 | 38.0 ± 2.8 |' in section
    assert '| supervised |' not in section
    assert 'What was tried' not in write_report(records, dict(teacher='mask2former'), tmp_path / 'b')[1].read_text()


def test_short_runs_have_tables_of_their_own(records, tmp_path):
    runs = [record(arm, 0.5, 0, score, curve(0.1, 0.2)) for arm, score in (('completed_only', 0.3), (OTHER, 0.2))]
    short = [{**run, 'variant': 'short'} for run in runs]
    page = write_report([*records, *short], dict(teacher='mask2former'), tmp_path / 'a')[1].read_text()
    assert '| **SSL, completed maps** | 1 | 30.0 | 30.0 |' in page.split('## Parts')[1]
    assert '| no perspective loss | 1 | 20.0 | 20.0 | -10.0 | -10.0 |' in page.split('## Parts')[1]
    assert 'What was tried' not in page


def test_figures_by_truth_and_what_is_not_defined():
    metrics = {'bev/mIoU': 0.5, 'bev/IoU_stop_line': math.nan, 'exact/IoU_exact_stop_line': 0.25, 'time': 1.0}
    assert figures(metrics) == dict(noisy=dict(mIoU=0.5, IoU_stop_line=None), exact=dict(IoU_stop_line=0.25))
