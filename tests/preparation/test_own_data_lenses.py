"""Distorted images and their labels are undistorted on loading, and meet where the calibration says."""

import json
import shutil

import cv2
import numpy as np
import own_drive
import pytest
from tiny_nuscenes import VERSION

from ssl_bev.datasets import (
    AdaptMultiViewImages,
    BEVDataset,
    LoadBEVImages,
    LoadPseudoLabels,
    PackBEVInputs,
    ResizeCropFlipImages,
)
from ssl_bev.datasets.info_files import read_info_file
from ssl_bev.files.lens import Lens
from ssl_bev.preparation.checks import check_data
from ssl_bev.preparation.create_infos import create_data
from ssl_bev.pseudo_labels import PseudoLabelWriter
from ssl_bev.pseudo_labels.image_list import list_images
from ssl_bev.pseudo_labels.source_image import source_image
from ssl_bev.pseudo_labels.target_reader import TargetReader


def seen_by_a_lens(rig_line, name, points):
    """Pixels where a camera of the rig shows points of its own frame; whole numbers are pixel centres."""
    camera = rig_line['cameras'][name]
    k = camera['intrinsics']
    matrix = np.array([[k['fx'], 0, k['cx']], [0, k['fy'], k['cy']], [0, 0, 1]])
    project = cv2.fisheye.projectPoints if camera['distortion']['model'] == 'fisheye' else cv2.projectPoints
    coefficients = np.array(camera['distortion']['coefficients'])
    return project(np.array(points, float)[:, None], np.zeros(3), np.zeros(3), matrix, coefficients)[0].reshape(-1, 2)


LENSES = {
    'pinhole': {'model': 'pinhole', 'coefficients': [-0.3, 0.08, 0.001, -0.002, 0.0]},
    'fisheye': {'model': 'fisheye', 'coefficients': [-0.02, 0.01, 0.0, 0.0]},
}


@pytest.fixture(params=['same size', 'another size'])
def distorted_drive(request, tmp_path):
    """Two cameras with lenses; a bright spot, and its label, where each shows the road 6 m ahead, 1 m to the left."""
    lines = own_drive.drive(dict.fromkeys(LENSES, (200, 320)), count=2)
    lines[0]['pixel_centers'] = 'integer'
    for name, distortion in LENSES.items():
        lines[1]['cameras'][name]['distortion'] = distortion
        if request.param == 'another size':
            plane = {'fx': 150, 'fy': 150, 'cx': 200, 'cy': 140}
            lines[1]['cameras'][name]['undistorted'] = {'width': 400, 'height': 280, 'intrinsics': plane}
    own_drive.create(tmp_path, lines)
    writer = PseudoLabelWriter(tmp_path / 'pseudo', 'teacher', '0' * 64, ['Road', 'Lane Marking - General'])
    with writer:
        for name in LENSES:
            ((u, v),) = seen_by_a_lens(lines[1], name, [[-1, 1.5, 6 - 0.5]])
            row, column = np.mgrid[:200, :320]
            distance = np.hypot(column - u, row - v)
            picture = (255 * np.exp(-(distance**2) / 8)).astype(np.uint8)
            for index in range(2):
                cv2.imwrite(str(tmp_path / f'images/{name}/{index:03d}.png'), np.repeat(picture[..., None], 3, 2))
                writer.write(
                    name, f'{index:03d}', (distance < 4).astype(np.uint8), np.full(picture.shape, 255, np.uint8)
                )
    return tmp_path


def test_images_and_labels_of_lenses_are_undistorted(distorted_drive):
    """In what training sees, spot and label are where bev2img has that place of the road, through augmentation too."""
    pipeline = [
        LoadBEVImages(),
        ResizeCropFlipImages((180, 300), resize=(1.1, 1.1), flip_prob=1.0),
        LoadPseudoLabels(str(distorted_drive / 'pseudo'), 'mapillary_v1', ('drivable', 'marking'), stride=1),
        PackBEVInputs(),
    ]
    packed = own_drive.dataset(distorted_drive, pipeline)[0]
    sample = packed['data_samples']
    turned = [[6, 1, 0, 1], [-6, -1, 0, 1]]  # the second camera looks back
    for n, place in enumerate(turned):
        u, v, depth, _ = sample.bev2img[0, n].double().numpy() @ place
        spot = packed['inputs']['img'][0, n, 0].double().numpy()
        paint = np.where(sample.pseudo_target[0, n, 1] == 255, 0, sample.pseudo_target[0, n, 1]).astype(float)
        rows, columns = np.mgrid[:180, :300] + 0.5
        for values, tolerance in ((spot, 0.15), (paint, 0.5)):
            centre = np.array([(columns * values).sum(), (rows * values).sum()]) / values.sum()
            np.testing.assert_allclose(centre, [u / depth, v / depth], atol=tolerance)


def test_what_a_lens_does_not_show_counts_nowhere(distorted_drive):
    frame = read_info_file(distorted_drive / own_drive.INFOS)['data_list'][0]
    for name in LENSES:
        lens = Lens.of(frame['images'][name])
        reader = TargetReader(distorted_drive / 'pseudo', 'mapillary_v1', ('drivable', 'marking'))
        size = (frame['images'][name]['height'], frame['images'][name]['width'])
        ids, confidence = reader.read(name, '000', size=size, image=source_image(frame, name))
        assert (ids[~lens.seen()] == 255).all() and (confidence[~lens.seen()] == 0).all()
        assert (ids[lens.seen()] != 255).all()


def test_checks_and_lists_know_the_size_of_distorted_files(distorted_drive):
    report = check_data(
        distorted_drive,
        [distorted_drive / own_drive.INFOS],
        [],
        [distorted_drive / 'pseudo'],
        full=True,
        show_progress=False,
    )
    assert report.is_good, str(report)
    assert {image.size for image in list_images([distorted_drive / own_drive.INFOS], distorted_drive)} == {(200, 320)}


def test_lenses_of_nuscenes_tables(tiny_root, tmp_path):
    root = shutil.copytree(tiny_root, tmp_path / 'root')
    table = root / VERSION / 'calibrated_sensor.json'
    records = json.loads(table.read_text())
    for record in records:
        record['camera_distortion'] = [-0.3, 0.08, 0.001, -0.002, 0.0] if record['token'] == 'c-CAM_FRONT' else []
    table.write_text(json.dumps(records))
    create_data(root, VERSION, root, infos_only=True, show_progress=False)
    frame = read_info_file(root / own_drive.INFOS)['data_list'][0]
    assert frame['images']['CAM_FRONT']['lens']['model'] == 'pinhole' and 'lens' not in frame['images']['CAM_BACK']
    sample = BEVDataset(own_drive.INFOS, [LoadBEVImages()], data_root=str(root), with_labels=False)[0]
    front, back = sample['img'][0]
    assert (front[0, 0] == back[0, 0]).all()  # barrel distortion leaves no border where size and matrix stay
    with pytest.raises(ValueError, match=r"pictures of \['CAM_FRONT'\] .* are distorted, and only LoadBEVImages"):
        AdaptMultiViewImages()(frame | {'img': [], 'ori_cam2img': [], 'lidar2cam': []})
