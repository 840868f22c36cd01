"""Scenes as films and as Rerun recordings, of the toy model and data of this folder."""

from __future__ import annotations

import runpy
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from ssl_bev.apis import build_test_dataloader, inference, init_model
from ssl_bev.apis.rerun_scene import decompose_camera, write_rerun
from ssl_bev.apis.scenes import predict_scene, scene_samples

ROOT = Path(__file__).resolve().parents[2]
needs_rerun = pytest.mark.skipif(find_spec('rerun') is None, reason="no rerun-sdk; pip install 'ssl_bev[viz]'")


@pytest.fixture
def tool(config_file, checkpoint):
    def run(name, *arguments):
        main = runpy.run_path(str(ROOT / 'tools' / f'{name}.py'))['main']
        main([str(config_file), str(checkpoint), '--device', 'cpu', '--quiet', *map(str, arguments)])

    return run


def test_scenes_are_found_by_name_and_token(config):
    dataset = build_test_dataloader(config).dataset
    assert scene_samples(dataset) == scene_samples(dataset, 'a') == scene_samples(dataset, 'scene-a') == [0, 1]
    assert scene_samples(dataset, 'scene-b') == [2]
    with pytest.raises(ValueError, match=r"there is no scene 'c'; there are scene-a, scene-b"):
        scene_samples(dataset, 'c')
    with pytest.raises(ValueError, match='limit must be at least 1, got 0'):
        next(predict_scene(init_model(config), dataset, limit=0))


def test_a_film_is_as_fast_as_the_scene(tool, tmp_path, capsys):
    tool('make_video', '--out', tmp_path / 'a.mp4')
    assert capsys.readouterr().out == f'2 frames: {tmp_path / "a.mp4"}\n'
    film = cv2.VideoCapture(str(tmp_path / 'a.mp4'))
    assert film.get(cv2.CAP_PROP_FPS) == pytest.approx(2, abs=0.01) and film.get(cv2.CAP_PROP_FRAME_COUNT) == 2
    tool('make_video', '--out', tmp_path / 'b.mp4', '--scene', 'scene-b', '--fps', 5)
    assert cv2.VideoCapture(str(tmp_path / 'b.mp4')).get(cv2.CAP_PROP_FPS) == pytest.approx(5, abs=0.01)
    with pytest.raises(SystemExit, match="error: there is no scene 'c'"):
        tool('make_video', '--out', tmp_path / 'c.mp4', '--scene', 'c')
    assert sorted(path.name for path in tmp_path.glob('*.mp4')) == ['a.mp4', 'b.mp4']


def test_a_projection_is_taken_apart(two_camera_rig):
    for bev2img in two_camera_rig.bev2img.double().numpy():
        cam2img, rotation, position = decompose_camera(3 * bev2img)  # scale says nothing
        assert cam2img == pytest.approx(two_camera_rig.cam2img[0, :3, :3].numpy(), abs=1e-5)
        assert np.linalg.det(rotation) == pytest.approx(1) and rotation @ rotation.T == pytest.approx(
            np.eye(3), abs=1e-6
        )
        assert position == pytest.approx([0, 0, 1.5], abs=1e-5)


@needs_rerun
def test_a_recording_holds_the_scene(tool, tmp_path):
    import rerun as rr

    out = tmp_path / 'a.rrd'
    tool('export_rerun', '--out', out)
    recording = rr.dataframe.load_recording(str(out))

    def read(entity, component):
        table = recording.view(index='frame', contents=entity).select().read_all()
        (name,) = [name for name in table.column_names if name.endswith(f':{component}')]
        return table[name].to_pylist()

    # From the start of the scene; north is y.
    assert read('/world/ego', 'Translation3D') == [[[0, 0, 0]], [[0, 2, 0]]]
    assert read('/world/ego', 'TransformMat3x3')[0] == [[0, 1, 0, -1, 0, 0, 0, 0, 1]]  # columns: forward, left, up
    times = recording.view(index='time', contents='/world/ego').select().read_all()['time'].to_pylist()
    assert [time.total_seconds() for time in times] == [0, 0.5]
    assert read('/world/ego/front', 'PinholeProjection')[0] == [
        pytest.approx([40, 0, 0, 0, 40, 0, 40, 10, 1], abs=1e-4)
    ]
    assert read('/world/ego/front', 'Translation3D')[0] == [pytest.approx([0, 0, 1.5], abs=1e-4)]
    images = [cv2.imdecode(np.array(blob[0], np.uint8), 1) for blob in read('/world/ego/front/image', 'Blob')]
    assert [round(image.mean()) for image in images] == [0, 50] and images[0].shape == (20, 80, 3)
    painted = [cv2.imdecode(np.array(blob[0], np.uint8), 1) for blob in read('/world/ego/rear/prediction', 'Blob')]
    assert painted[0][:8].mean() < 5 < painted[0][14:].mean()  # the ground is below the horizon
    assert len(read('/bev/prediction', 'Blob')) == 2 and len(read('/bev/truth', 'Blob')) == 1
    assert np.array(read('/world/ego/ground', 'Position3D')[0])[:, :2].tolist() == [[-8, -4], [8, -4], [8, 4], [-8, 4]]
    paths = {str(column.entity_path) for column in recording.schema().component_columns()}
    assert {'/world/path', '/world/ego/axes', '/world/ego/vehicle'} <= paths


@needs_rerun
def test_pseudo_labels_are_shown_where_they_are(config, tmp_path):
    import rerun as rr

    images, sample = next(inference(init_model(config), build_test_dataloader(config)))
    sample.set_metainfo(dict(pseudo_classes=['marking']))
    target = torch.full((1, 2, 1, 10, 40), 255, dtype=torch.uint8)  # ignored
    target[..., 5:, :] = 254
    sample.pseudo_target = target
    sample.camera_valid = torch.tensor([[True, True], [True, False]])
    assert write_rerun([(images, sample)], tmp_path / 'a.rrd') == 1
    recording = rr.dataframe.load_recording(str(tmp_path / 'a.rrd'))
    paths = {str(column.entity_path) for column in recording.schema().component_columns()}
    assert '/world/ego/front/pseudo_labels' in paths and '/world/ego/rear' not in paths
    table = recording.view(index='frame', contents='/world/ego/front/pseudo_labels').select().read_all()
    blob = next(table[name].to_pylist()[0][0] for name in table.column_names if name.endswith(':Blob'))
    upper, lower = np.split(cv2.imdecode(np.array(blob, np.uint8), 1).astype(int), 2)
    assert np.ptp(upper[2:-2], -1).max() < 40 and lower[4:, :, 2].mean() > lower[4:, :, 0].mean() + 80  # grey; orange


def test_faults_of_the_caller(tool, tmp_path):
    if find_spec('rerun') is None:
        with pytest.raises(SystemExit, match='error: rerun-sdk is not installed'):
            tool('export_rerun', '--out', tmp_path / 'a.rrd')
        return
    with pytest.raises(SystemExit, match='error: --pseudo-labels and --label-map go together'):
        tool('export_rerun', '--out', tmp_path / 'a.rrd', '--label-map', 'mapillary_v1')
    with pytest.raises(ValueError, match=r'must end in \.rrd'):
        write_rerun([], tmp_path / 'a.mp4')
    with pytest.raises(ValueError, match='frames must have at least one'):
        write_rerun([], tmp_path / 'a.rrd')
    assert not list(tmp_path.glob('*.rrd')) and not list(tmp_path.glob('.*'))
