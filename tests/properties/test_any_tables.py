"""Tables of the nuScenes format with a strange value somewhere: info files are made, or the error says where it is."""

from __future__ import annotations

import json
import logging
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from damage import any_record
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_nuscenes import VERSION

from ssl_bev.datasets import LoadBEVImages, NuScenesBEVDataset
from ssl_bev.preparation.checks import check_data
from ssl_bev.preparation.create_infos import create_data

TABLES = ('sample', 'sample_data', 'ego_pose', 'calibrated_sensor', 'sensor', 'scene', 'log', 'category')
TABLES += ('instance', 'sample_annotation')
INFOS = 'ssl_bev_infos_train.pkl'


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def root(tiny_root: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_root, tmp_path / 'root')


@settings(max_examples=30)
@given(data=st.data())
def test_tables(root: Path, data: st.DataObject) -> None:
    table = data.draw(st.sampled_from(TABLES))
    path = root / VERSION / f'{table}.json'
    good = path.read_text()
    path.write_text(json.dumps(data.draw(any_record(json.loads(good)))))
    try:
        create_data(root, VERSION, root.parent / 'out', infos_only=True, show_progress=False)
    except (ValueError, FileNotFoundError) as error:
        assert table in str(error) or f'table {table} has no record' in str(error) or 'refers to' in str(error)
    finally:
        path.write_text(good)
        shutil.rmtree(root.parent / 'out', ignore_errors=True)


@settings(max_examples=12)
@given(data=st.data())
def test_info_files(root: Path, tiny_data: Path, data: st.DataObject) -> None:
    """As other programs write them; `check_data` reports and never raises."""
    content = pickle.loads((tiny_data / INFOS).read_bytes())
    content['data_list'] = [{**frame, 'instances': []} for frame in content['data_list'][:2]]
    (root / INFOS).write_bytes(pickle.dumps(data.draw(any_record(content))))
    check_data(root, [root / INFOS], with_sweeps=True, show_progress=False, num_workers=1)
    try:
        dataset = NuScenesBEVDataset(INFOS, [LoadBEVImages()], data_root=str(root), num_frames=2, with_labels=False)
        for index in range(len(dataset)):
            dataset[index]
    except (ValueError, OSError) as error:
        assert any(name in str(error) for name in (INFOS, 'scene-0061', '.jpg')), error
