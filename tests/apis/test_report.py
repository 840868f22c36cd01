"""The report of small runs: what mmengine logs, and the toy model and data of this folder."""

from __future__ import annotations

import json
import re
import runpy
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from headless import find_browser, open_page
from toy_parts import CONFIG, RampDataset, write_checkpoint

from ssl_bev.apis.report import SampleSettings, write_report
from ssl_bev.apis.report.metric_tables import metric_tables
from ssl_bev.apis.report.run_facts import config_differences, timings
from ssl_bev.apis.report.run_folder import read_run

ROOT = Path(__file__).resolve().parents[2]
SECTIONS = ['overview', 'curves', 'metrics', 'samples', 'labels', 'time', 'config', 'versions']
METRICS = {
    'bev/mIoU': 0.5, 'bev/IoU_drivable_area': 0.75, 'bev/IoU_stop_line': 0.25,
    'bev/mIoU_best': 0.6, 'bev/IoU_best_drivable_area': 0.8, 'bev/IoU_best_stop_line': 0.4,
    'bev/threshold_drivable_area': 0.35, 'bev/threshold_stop_line': 0.5,
    'bev/mIoU_0-10m': 0.75, 'bev/IoU_drivable_area_0-10m': 0.75, 'bev/IoU_stop_line_0-10m': float('nan'),
}  # fmt: skip
LOG = """2026/01/02 10:00:00 - mmengine - INFO -
System environment:
    Python: 3.11.7
    PyTorch: 2.13.0+cpu
2026/01/02 10:02:05 - mmengine - INFO - Saving checkpoint at 1 epochs
"""
EVALUATOR = "\ntest_evaluator = dict(type='BEVIoUMetric', classes=['drivable_area'])\n"
EVIL = '<script>alert("x")</script>'


class Page(HTMLParser):
    """Tags with their attributes, and the text outside of styles and scripts."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags, self.words, self._inside = [], [], []
        self.feed(content)
        self.text = ' '.join(' '.join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag in ('style', 'script'):
            self._inside.append(tag)

    def handle_endtag(self, tag):
        if tag in self._inside:
            self._inside.remove(tag)

    def handle_data(self, data):
        if not self._inside:
            self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def write_run(folder: Path, config: str = '', checkpoint: Path | None = None, miou: float = 0.5) -> Path:
    """A work directory as mmengine leaves it."""
    data = folder / '20260102_100000' / 'vis_data'
    data.mkdir(parents=True)
    (data.parent / '20260102_100000.log').write_text(LOG)
    if config:
        (data / 'config.py').write_text(config)
    steps = [{'loss': 2.0 / i, 'loss_seg': 1.0 / i, 'time': 0.5, 'data_time': 0.1, 'iter': i} for i in (1, 2, 3, 4)]
    records = [*steps, METRICS | {'bev/mIoU': miou, 'step': 1}]
    (data / 'scalars.json').write_text('\n'.join(json.dumps(record) for record in records))
    if checkpoint is not None:
        (folder / 'best_bev_mIoU_epoch_1.pth').write_bytes(checkpoint.read_bytes())
    return folder


@pytest.fixture(scope='module', autouse=True)
def truths():
    """The model finds the first class everywhere; so many of eight rows of the truth are of it."""

    def with_truth(dataset, index, original=RampDataset.__getitem__):
        item = original(dataset, index)
        truth = item['data_samples'].gt_bev_seg = item['inputs']['img'].new_zeros(1, 8, 16)
        truth[:, : (2, 8, 4)[index]] = 1
        return item

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RampDataset, '__getitem__', with_truth)
        yield


@pytest.fixture(scope='module')
def two_runs(tmp_path_factory):
    """Two whole runs; the name of the second would break a page that does not escape it."""
    folder = tmp_path_factory.mktemp('report')
    (folder / 'toy.py').write_text(CONFIG)
    checkpoint, config = write_checkpoint(folder / 'toy.py', folder / 'toy.pth'), CONFIG + EVALUATOR
    first = write_run(folder / 'runs' / 'one', config, checkpoint)
    second = write_run(folder / 'runs' / 'two', f'{config}# {EVIL}\n', checkpoint, 0.375)
    return {'ours': first, f'a{EVIL}&b': second}


@pytest.fixture(scope='module')
def page_file(two_runs, tmp_path_factory):
    out = tmp_path_factory.mktemp('page') / 'new' / 'report.html'
    missing = write_report(two_runs, out, SampleSettings(count=1, show_progress=False))
    assert missing == [f'{name}: The config of this run reads no pseudo-labels.' for name in two_runs]
    return out


def test_all_sections_stand_in_one_file_that_loads_nothing(page_file):
    content = page_file.read_text()
    page = Page(content)
    assert [attributes['id'] for attributes in page.all('section')] == SECTIONS
    assert [link['href'] for link in page.all('a')] == [f'#{name}' for name in SECTIONS]
    sources = [image['src'] for image in page.all('img')]
    assert [source[:19] for source in sources] == ['data:image/svg+xml;'] + ['data:image/jpeg;bas'] * 4
    assert all(image['alt'] for image in page.all('img'))
    assert [link['href'] for link in page.all('link')] == ['data:,']
    assert not any('src' in script for script in page.all('script'))
    assert not re.search(r'url\(|@import|https?:', content)


def test_names_are_escaped(page_file):
    content = page_file.read_text()
    assert EVIL not in content and '&lt;script&gt;' in content
    page = Page(content)
    assert len(page.all('script')) == 1  # ours
    assert f'a{EVIL}&b' in page.text and f'# {EVIL}' in page.text


def test_what_the_page_says(page_file):
    text = Page(page_file.read_text()).text
    assert 'bev/mIoU 50.0 50.0 (epoch 1) 4 2 s best_bev_mIoU_epoch_1.pth' in text
    assert 'drivable_area 75.0 80.0 0.35 75.0 stop_line 25.0 40.0 0.50 — mean 50.0 60.0 — 75.0' in text
    assert 'ours 50.0 75.0 25.0' in text and '&b 37.5 75.0 25.0' in text  # side by side
    assert 'one step 0.50 s (median)' in text and 'waiting for data 20 % of a step' in text
    assert 'all, with validation and checkpoints 2.1 min' in text
    assert 'PyTorch 2.13.0+cpu' in text
    assert 'ours: by mean IoU among 3 frames, evenly spread over the 3 test frames' in text
    assert 'token1 best ours : mIoU 100.0 % (drivable_area 100.0) a<script>' in text
    assert 'token0 worst ours : mIoU 25.0 % (drivable_area 25.0)' in text


def test_a_run_that_was_never_validated_is_measured(two_runs, tmp_path):
    run = tmp_path / 'run'
    shutil.copytree(two_runs['ours'], run)
    (run / '20260102_100000' / 'vis_data' / 'scalars.json').unlink()
    missing = write_report([run], tmp_path / 'r.html', SampleSettings(count=1, show_progress=False))
    assert missing[0] == 'run: No scalars were logged: no curves, no timings.'
    text = Page((tmp_path / 'r.html').read_text()).text
    assert (
        'bev: measured for this report on 3 of 3 test frames' in text and 'drivable_area 58.3' in text
    )  # 14 of 24 rows


def test_what_is_missing_is_said_where_it_would_stand(tmp_path):
    bare = tmp_path / 'bare'
    (bare / '20260102_100000' / 'vis_data').mkdir(parents=True)
    (bare / '20260102_100000' / 'vis_data' / 'config.py').write_text(CONFIG)
    out = tmp_path / 'bare.html'
    write_report([bare], out, SampleSettings(show_progress=False))
    text = Page(out.read_text()).text
    for words in (
        'No run logged scalars: there is nothing to draw.',
        'No metrics: no validation and no test was logged',
        'bare: No samples: there is no checkpoint.',
        'The config of this run reads no pseudo-labels.',
        'No times: no training step was logged.',
        'The log does not name the versions.',
    ):
        assert words in text
    (bare / '20260102_100000' / 'vis_data' / 'config.py').write_text("custom_imports = dict(imports=['gone_away'])")
    assert 'imports what is not there' in read_run(bare).notes[1] and read_run(bare).config is not None


def test_a_torn_last_line_of_the_scalars_is_noted(tmp_path):
    run = write_run(tmp_path / 'run')
    with (run / '20260102_100000/vis_data/scalars.json').open('a') as file:
        file.write('\n{"loss": 0.5, "it')
    found = read_run(run)
    assert len(found.scalars) == 5
    assert 'scalars.json, line 6: left out' in found.notes[0]


def test_weights_that_no_training_can_resume_from_are_shown(tmp_path):
    run = write_run(tmp_path / 'run')
    torch.save({'state_dict': {}, 'meta': {}}, run / 'epoch_1.pth')
    found = read_run(run)
    assert found.checkpoint == run / 'epoch_1.pth'
    assert not any('checkpoint' in note for note in found.notes)


def test_faults_of_the_caller(tmp_path, two_runs):
    one = two_runs['ours']
    with pytest.raises(FileNotFoundError, match=r'no work directory at .*absent'):
        write_report([tmp_path / 'absent'], tmp_path / 'r.html')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match=r'empty holds no training'):
        write_report([tmp_path / 'empty'], tmp_path / 'r.html')
    with pytest.raises(ValueError, match='must have different names'):
        write_report([one, one], tmp_path / 'r.html')
    with pytest.raises(ValueError, match='number of frames must be at least 1, got 0'):
        SampleSettings(frames=0)
    assert not (tmp_path / 'r.html').exists()


def test_the_tool(two_runs, tmp_path, capsys):
    main = runpy.run_path(str(ROOT / 'tools' / 'report.py'))['main']
    folders = [str(path) for path in two_runs.values()]
    main([*folders, '--samples', '0', '--sheets', '0', '--quiet', '--names', 'a', 'b'])
    printed = capsys.readouterr().out
    assert 'not in the report: a: No samples were asked for.' in printed
    assert printed.splitlines()[-1] == f'report: {folders[0]}/report.html'
    for arguments, fault in (
        ([str(tmp_path / 'absent')], 'no work directory at'),
        ([*folders, '--names', 'a'], '--names must be as many as the work directories'),
        ([*folders, '--names', 'a', 'a', 'b'], '--names must be as many as the work directories'),
        ([folders[0], '--device', 'abacus'], "device 'abacus' cannot be used"),
    ):
        with pytest.raises(SystemExit, match=f'error: {fault}'):
            main(arguments)


def test_tables_of_other_metrics():
    (table,) = metric_tables({'image/mIoU': 0.5, 'image/IoU_marking': 0.5, 'time': 3.0})
    assert table.prefix == 'image' and table.columns == ['IoU']
    assert table.rows == {'marking': {'IoU': 0.5}, 'mean': {'IoU': 0.5}}


def test_configs_differ_in_what_matters(tmp_path):
    texts = (
        "a = dict(b=[dict(c=1)], d=(1, 2))\nwork_dir = 'x'",
        "a = dict(b=[dict(c=2)], d=[1, 2])\nwork_dir = 'y'\ne = 3",
    )
    runs = [read_run(write_run(tmp_path / str(i), text)) for i, text in enumerate(texts)]
    assert config_differences(runs) == {'a.b.0.c': ['1', '2'], 'e': ['—', '3']}
    assert timings(runs[0])['training steps'] == '2 s'


@pytest.mark.skipif(
    find_browser() is None, reason='no Chromium on this machine; apt-get install chromium-headless-shell'
)
def test_in_a_browser(page_file, tmp_path):
    document, console = open_page(page_file, find_browser(), tmp_path / 'profile')
    assert console == []
    page = Page(document)
    assert [attributes['id'] for attributes in page.all('section')] == SECTIONS
    assert len(page.all('img')) == 5 and len(page.all('details')) == 2
    # The console is heard, and scripts run.
    broken = tmp_path / 'broken.html'
    broken.write_text('<script>document.title = "ran"; nonsense()</script><img src="gone.png">')
    document, console = open_page(broken, find_browser(), tmp_path / 'profile')
    assert '<title>ran' in document and any('nonsense is not defined' in line for line in console)
