"""Large info files are mapped from a cache that processes share; what a dataset yields is the same."""

import copy
import logging
import os
import pickle
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ssl_bev.datasets import BEVDataset, info_cache
from ssl_bev.datasets.info_cache import cache_path, open_info_table
from ssl_bev.datasets.info_table import InfoTable

INFOS = 'ssl_bev_infos_train.pkl'


@pytest.fixture
def infos(tiny_data, tmp_path, monkeypatch):
    """An info file of the test's own; every size counts as large."""
    monkeypatch.setattr(info_cache, 'MIN_SIZE', 0)
    monkeypatch.setenv('SSL_BEV_CACHE', str(tmp_path / 'cache'))
    return Path(shutil.copy(tiny_data / INFOS, tmp_path / INFOS))


@pytest.fixture
def reads(monkeypatch):
    """The info files that were read whole."""
    paths = []
    read = InfoTable.read
    monkeypatch.setattr(InfoTable, 'read', lambda path: paths.append(path) or read(path))
    return paths


def samples(*files, **arguments):
    dataset = BEVDataset([str(file) for file in files], [], num_frames=2, frames='all', **arguments)
    fields = ('frames', 'frame_valid', 'labelled', 'camera_names')
    return [{key: dataset[i][key] for key in fields} for i in range(len(dataset))], dataset.metainfo


def test_the_file_is_read_once_and_gives_the_same_samples(infos, reads, tiny_data, monkeypatch):
    mapped = [samples(infos), samples(infos)]
    assert len(reads) == 1
    monkeypatch.setattr(info_cache, 'MIN_SIZE', float('inf'))
    whole = samples(infos)
    assert len(reads) == 2 and len(whole[0]) == 14
    assert mapped == [whole, whole]

    pair = samples(infos, tiny_data / 'ssl_bev_infos_val.pkl')
    monkeypatch.setattr(info_cache, 'MIN_SIZE', 0)
    assert samples(infos, tiny_data / 'ssl_bev_infos_val.pkl') == pair


def test_who_comes_while_it_is_read_waits(infos, monkeypatch):
    paths = []
    read = InfoTable.read
    monkeypatch.setattr(InfoTable, 'read', lambda path: time.sleep(0.2) or paths.append(path) or read(path))
    with ThreadPoolExecutor(4) as pool:
        tables = list(pool.map(open_info_table, [infos] * 4))
    assert len(paths) == 1
    assert all(isinstance(table.frames.buffer, np.memmap) for table in tables)


def test_frames_are_mapped_and_mapped_again_in_copies(infos):
    open_info_table(infos)
    table = open_info_table(infos)
    for frames in (table.frames, copy.deepcopy(table.frames), pickle.loads(pickle.dumps(table.frames))):
        assert isinstance(frames.buffer, np.memmap) and frames.buffer.filename == cache_path(infos)
        assert frames[3] == table.frames[3]
    assert len(pickle.dumps(table.frames)) < 2000


@pytest.mark.parametrize('change', ['content', 'time', 'truncated', 'not a cache', 'older format'])
def test_a_cache_that_is_not_of_the_file_is_written_again(infos, reads, change, monkeypatch):
    before = samples(infos)[0]
    cache = cache_path(infos)
    content = pickle.loads(infos.read_bytes())
    if change == 'content':
        content['data_list'][0]['ego2global'][0][3] += 1
        infos.write_bytes(pickle.dumps(content))
    elif change == 'time':
        os.utime(infos, ns=(0, 0))
    elif change == 'truncated':
        cache.write_bytes(cache.read_bytes()[:-100])
    elif change == 'not a cache':
        cache.write_bytes(b'something else')
    else:
        monkeypatch.setattr(info_cache, '_FORMAT', 0)
    after = samples(infos)[0]
    assert len(reads) == 2
    assert (after == before) == (change != 'content')
    assert samples(infos)[0] == after and len(reads) == 2
    assert sorted(path.name for path in cache.parent.iterdir()) == [cache.name, f'{cache.name}.lock']


def test_without_a_folder_for_the_cache_the_file_is_read_whole(infos, reads, tmp_path, caplog, monkeypatch):
    (tmp_path / 'file').touch()
    monkeypatch.setenv('SSL_BEV_CACHE', str(tmp_path / 'file'))
    with caplog.at_level(logging.WARNING):
        assert len(samples(infos)[0]) == 14
    assert len(reads) == 1 and 'set SSL_BEV_CACHE to a folder with space' in caplog.text


def test_errors_of_an_info_file_are_those_of_reading_it(infos, tmp_path):
    content = pickle.loads(infos.read_bytes())
    del content['data_list'][0]['scene_name']
    (tmp_path / 'stock.pkl').write_bytes(pickle.dumps(content))
    for _ in range(2):  # read, then mapped
        with pytest.raises(
            ValueError, match=r"num_frames=2, frames='all' needs .* lacks \['scene_name'\] \(frame scene-"
        ):
            samples(tmp_path / 'stock.pkl')
    (tmp_path / 'broken.pkl').write_bytes(b'x')
    with pytest.raises(ValueError, match=r'broken\.pkl is no complete pickle'):
        samples(tmp_path / 'broken.pkl')
    assert not cache_path(tmp_path / 'broken.pkl').exists()


def test_a_cache_runs_nothing(infos, tmp_path):
    """Whoever may write the cache must not run code by it."""

    class Call:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / 'was run'),)

    table = open_info_table(infos)
    cache = cache_path(infos)
    harmful = pickle.dumps(Call(), protocol=4)
    content = cache.read_bytes()
    start = len(content) - len(table.frames.buffer)
    cache.write_bytes(content[:start] + harmful + content[start + len(harmful) :])
    with pytest.raises(pickle.UnpicklingError, match='mkdir, which could run code'):
        open_info_table(infos).frames[0]
    assert not (tmp_path / 'was run').exists()
