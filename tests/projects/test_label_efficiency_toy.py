"""Toy runs of `make benchmark` and `make demo`: the real tools with their real arguments, on two tiny scenes."""

import importlib.util
import multiprocessing
import os
import re
import runpy
import shutil
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from projects.LabelEfficiency.label_efficiency import steps as steps_module
from projects.LabelEfficiency.label_efficiency.robustness import OtherTowns
from projects.LabelEfficiency.label_efficiency.steps import PROJECT, Steps, read_json
from projects.LabelEfficiency.label_efficiency.towns import TOY_TOWNS, Towns
from ssl_bev.pseudo_labels import PseudoLabelReader

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def launched():
    """The commands so far: children of a process that has imported what tools need, which saves their start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('OMP_NUM_THREADS', '1')  # torch reads it as it is imported
        context = multiprocessing.get_context('forkserver')
        context.set_forkserver_preload(['mmdet3d.apis', 'mmseg.apis', 'ssl_bev.apis', 'ssl_bev.components', 'numba'])
        commands = []

        def launch(command, log, env):
            commands.append(command)
            log.parent.mkdir(parents=True, exist_ok=True)
            child = context.Process(target=run_script, args=(command[1:], log, dict(env)))
            child.start()
            child.join()
            return child.exitcode

        patch.setattr(steps_module, 'launch', launch)
        yield commands


def run_script(command, log, env):
    for stream in (1, 2):
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    os.environ.update(env)
    os.chdir(PROJECT)
    sys.argv = command
    # yapf takes seconds for it
    Config.pretty_text = property(
        lambda config: '\n'.join(f'{key} = {value!r}' for key, value in config.to_dict().items())
    )
    runpy.run_path(command[0], run_name='__main__')


def main_of(script):
    spec = importlib.util.spec_from_file_location(f'script_{Path(script).stem}', PROJECT / script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda *arguments: module.main([str(argument) for argument in arguments])


@pytest.fixture(scope='module')
def benchmark(launched, synthetic_root, tmp_path_factory):
    """Folder and command of a toy benchmark that ran; towns are ready-made."""
    folder = tmp_path_factory.mktemp('benchmark')
    for town in TOY_TOWNS:
        shutil.copytree(synthetic_root, folder / 'data' / town.folder, symlinks=True)
    main, places = main_of('projects/LabelEfficiency/run.py'), ['--data-root', folder / 'data', '--out', folder / 'out']
    command = lambda *runs: main(*runs, '--toy', '--workers', 1, *places)  # noqa: E731
    command('supervised:1', 'ours:0.5', 'ours_without_completion:0.5')
    return folder, command


def test_the_benchmark_leaves_records_and_a_report(benchmark):
    folder, _ = benchmark
    page = (folder / 'out' / 'test.md').read_text()
    assert '<section id="curves">' in (folder / 'out' / 'report.html').read_text()
    assert '| ours' in page and '| supervised' in page
    records = {record['recipe']: record for record in map(read_json, folder.glob('out/runs/*/record.json'))}
    for name, record in records.items():
        assert record['code'].startswith('0.') and record['config'] and record['data'] == 'synthetic'
        # Validated twice; the first time of two phases is before the evaluated head learns.
        assert (record['steps'], len(record['curve'])) == ((8, 1) if name == 'ours_without_completion' else (10, 2))
        assert all(0 <= record['test'][truth]['mIoU'] <= 1 for truth in ('published', 'exact'))
        assert all(seconds > 0 for seconds in (*record['seconds'].values(), *record['data_seconds'].values()))
    assert len({record['series'] for record in records.values()}) == 1
    assert list(records['supervised']['data_seconds']) == [] and records['supervised']['images'] == '-'
    assert list(records['ours']['data_seconds']) == ['teacher', 'accumulation', 'registration', 'completion']
    assert list(records['ours_without_completion']['data_seconds']) == ['teacher', 'votes']
    assert len(list(folder.glob('data/votes/*.npz'))) == len(list(folder.glob('data/accumulated/*.npz')))
    maps = {path.stem for path in folder.glob('data/completed/50pct_seed0_10steps/*.npz')}
    assert maps == {path.stem for path in folder.glob('data/accumulated/*.npz')} and len(maps) == 3


def test_what_is_done_is_not_done_again(benchmark, launched):
    folder, command = benchmark
    before = len(launched)
    command('supervised:1', 'ours:0.5', 'ours_without_completion:0.5')
    assert len(launched) == before
    lost = next(folder.glob('out/runs/supervised*/record.json'))
    content = read_json(lost)
    lost.unlink()
    command('supervised:1')
    assert len(launched) == before  # its training and evaluations are there
    assert read_json(lost)['test'] == content['test']
    config = lost.with_name('config.py')
    config.write_text(config.read_text().replace("'seed': 0", "'seed': 1"))
    with pytest.raises(SystemExit, match=r'error: .*holds another config than the recipe makes now'):
        command('supervised:1')


def test_other_conditions_share_the_towns_and_nothing_that_they_change(benchmark):
    folder, _ = benchmark
    base = Towns(folder / 'data', TOY_TOWNS, Steps(folder / 'data'))
    exact, worse = OtherTowns(base, 'exact_labels'), OtherTowns(base, 'teacher_L2')
    for towns in (exact, worse):
        towns.make()
        towns.label('train')
        assert (towns.root / 'towns').resolve() == base.root / 'towns'
    assert exact.maps_of(TOY_TOWNS[0]) == exact.root / 'towns' / 'a' / 'truth'
    assert worse.maps_of(TOY_TOWNS[0]) == worse.root / 'towns' / 'a'
    assert (exact.root / 'pseudo_labels').resolve() == base.root / 'pseudo_labels'
    clean, noisy = (PseudoLabelReader(towns.root / 'pseudo_labels') for towns in (base, worse))
    image = next((base.root / 'pseudo_labels' / 'labels').glob('*/*.png'))
    changed = (clean.read(image.parent.name, image.stem)[0] != noisy.read(image.parent.name, image.stem)[0]).mean()
    assert 0 < changed < 0.5
    assert '+noise-L2' in (worse.root / 'pseudo_labels' / 'manifest.json').read_text()


def test_other_towns_in_the_folder_are_refused(benchmark):
    folder, _ = benchmark
    with pytest.raises(ValueError, match=r'data was made of other towns, .*; choose another folder or delete it'):
        Towns(folder / 'data', TOY_TOWNS[:1], Steps(folder / 'data')).make()


@pytest.fixture
def ready_town(synthetic_root, tmp_path):
    """Data to look at first."""
    return Path(shutil.copytree(synthetic_root, tmp_path / 'ready', symlinks=True))


def test_the_demo_leaves_a_table_and_pictures(launched, synthetic_root, ready_town, tmp_path, capsys):
    shutil.copytree(synthetic_root, tmp_path / 'data', symlinks=True)
    (tmp_path / 'out' / 'first_look').mkdir(parents=True)
    (tmp_path / 'out' / 'first_look' / 'data').symlink_to(ready_town)
    (shipped,) = PROJECT.glob('projects/SyntheticNuScenes/model/*.pth')
    assert shipped.stat().st_size <= 6e6 and set(torch.load(shipped, weights_only=True)) == {'state_dict', 'meta'}
    main_of('tools/demo.py')('--toy', '--data-root', tmp_path / 'data', '--out', tmp_path / 'out')
    table = (tmp_path / 'out' / 'iou.md').read_text()
    assert table.splitlines()[2].split('|')[2].strip() == 'mIoU' and 'stop_line' in table and 'lane_divider' in table
    rows = [line.split('|')[1].strip() for line in table.splitlines()[4:]]
    assert [row.split(':')[0] for row in rows] == ['ours', 'supervised', 'weights that come with the project']
    assert all(0 <= float(line.split('|')[2]) <= 100 for line in table.splitlines()[4:])
    assert len(list((tmp_path / 'out' / 'first_look').glob('panel_*.png'))) == 3
    assert len(list((tmp_path / 'out').glob('panel_*.png'))) == 1 and (tmp_path / 'out' / 'curves.png').is_file()
    report = tmp_path / 'out' / 'report.html'
    printed = capsys.readouterr().out
    assert f'All on one page, for a browser: {report}' in printed and 'A first picture after' in printed
    page = report.read_text()
    assert 'supervised: the same 50 % of the labels: mIoU' in re.sub('<[^>]*>', '', page) and 'class="sheet"' in page
    assert page.count('class="sample"') >= 4 and 'could not be drawn' not in page and 'could be drawn' not in page


def test_the_demo_from_nothing_asks_for_images_in_an_empty_folder(tmp_path, monkeypatch):
    asked = []

    def launch(command, log, env):
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()
        if command[1].endswith('SyntheticNuScenes/create.py'):
            asked.append(Path(command[command.index('--out') + 1]))
            assert not asked[-1].exists() or not any(asked[-1].iterdir())
        return len(asked) - 1  # the second town fails

    monkeypatch.setattr(steps_module, 'launch', launch)
    with pytest.raises(SystemExit, match=r'images and maps \. failed with exit code 1'):
        main_of('tools/demo.py')('--data-root', tmp_path / 'data', '--out', tmp_path / 'out')
    assert asked == [tmp_path / 'out' / 'first_look' / 'data', tmp_path / 'data']
