import json

import cv2
import pytest

from ssl_bev.visualization.curves import plot_curves, read_scalars, score_curve


def write_run(path, losses, first=1, seconds=0.5, scores=()):
    """A log as mmengine writes it: a record for every step, one for each validation behind it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    scores = dict(scores)
    for step, loss in enumerate(losses, first):
        lines.append({'loss': loss, 'loss_seg': loss / 2, 'loss_temporal': 0.0, 'time': seconds, 'iter': step})
        if step in scores:
            lines.append({'bev/mIoU': scores[step], 'time': 9.0, 'step': 1})
    path.write_text('\n'.join(json.dumps(line) for line in lines))
    return path


def test_steps_and_seconds_of_training_only(tmp_path):
    path = write_run(tmp_path / 'scalars.json', [3.0, 2.0, 1.0], scores={2: 0.25})
    records = read_scalars(path)
    assert [record['steps'] for record in records] == [1, 2, 2, 3]
    assert [record['seconds'] for record in records] == pytest.approx([0.5, 1.0, 1.0, 1.5])


def test_logging_every_tenth_step_counts_all_of_them(tmp_path):
    path = tmp_path / 'scalars.json'
    path.write_text('\n'.join(json.dumps({'loss': 1.0, 'time': 0.2, 'iter': step}) for step in (10, 20)))
    assert read_scalars(path)[-1]['seconds'] == pytest.approx(4.0)


def test_a_resumed_run_continues_the_curve(tmp_path):
    write_run(tmp_path / '20240101_000000/vis_data/scalars.json', [3.0, 2.0, 9.0], first=1)
    write_run(tmp_path / '20240101_000100/vis_data/scalars.json', [1.0, 0.5], first=3)
    records = read_scalars(tmp_path)
    assert [record['loss'] for record in records] == [3.0, 2.0, 1.0, 0.5]
    assert [record['seconds'] for record in records] == pytest.approx([0.5, 1.0, 1.5, 2.0])


def test_a_run_started_again_replaces_the_old_one(tmp_path):
    write_run(tmp_path / '20240101_000000/vis_data/scalars.json', [3.0, 2.0])
    write_run(tmp_path / '20240101_000100/vis_data/scalars.json', [7.0, 6.0])
    assert [record['loss'] for record in read_scalars(tmp_path)] == [7.0, 6.0]


def test_curves_of_two_runs(tmp_path):
    ours = write_run(tmp_path / 'ours.json', [2.0, 1.0], scores={2: 0.3})
    other = write_run(tmp_path / 'supervised.json', [2.0, 1.5, 1.0, 0.9], scores={4: 0.2})
    out = plot_curves({'ours': ours, 'supervised': other}, tmp_path / 'new' / 'curves.png')
    assert cv2.imread(str(out)).shape[0] > 500


def test_a_mean_over_other_classes_is_no_point_of_the_curve():
    coarse = {'bev/mIoU': 0.6, 'bev/IoU_marking': 0.6, 'steps': 5, 'seconds': 1.0}
    fine = [{'bev/mIoU': 0.1 * i, 'bev/IoU_stop_line': 0.1 * i, 'steps': 5 + i, 'seconds': 1.0 + i} for i in (1, 2)]
    assert score_curve([coarse, *fine, {'loss': 1.0}], 'bev/mIoU') == ([6, 7], [2.0, 3.0], [0.1, 0.2])
    assert score_curve([{'loss': 1.0}], 'bev/mIoU') == ([], [], [])


def test_a_run_without_validation_or_losses_is_drawn(tmp_path):
    path = tmp_path / 'scalars.json'
    path.write_text('{"lr": 0.1, "iter": 1}')
    assert plot_curves({'run': path}, tmp_path / 'curves.png').is_file()


def test_errors_name_what_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no scalars of mmengine at .*nowhere\.json'):
        read_scalars(tmp_path / 'nowhere.json')
    with pytest.raises(FileNotFoundError, match=r'give a scalars\.json or the work_dir'):
        read_scalars(tmp_path)
    with pytest.raises(ValueError, match='runs must name at least one run'):
        plot_curves({}, tmp_path / 'curves.png')
    path = write_run(tmp_path / 'scalars.json', [1.0])
    for torn in ('{"loss": 1.0\n', '{"loss": 1.0\n{"loss": 1.0}'):
        path.write_text(torn)
        with pytest.raises(ValueError, match=r'scalars\.json, line 1: not a JSON object'):
            read_scalars(path)


def test_a_last_line_without_end_is_left_out(tmp_path):
    path = tmp_path / 'scalars.json'
    path.write_text('{"loss": 1.0, "iter": 1}\n{"loss": 0.5, "it')
    with pytest.warns(UserWarning, match=r'scalars\.json, line 2: left out'):
        assert [record['loss'] for record in read_scalars(path)] == [1.0]
