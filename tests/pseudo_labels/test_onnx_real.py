"""The real road network's labels of real images equal those of a plain loop over onnxruntime."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
from toy_teacher import run

from ssl_bev.pseudo_labels import LabelMap, PseudoLabelReader
from ssl_bev.pseudo_labels.image_list import LabelImage
from ssl_bev.pseudo_labels.teachers import build_teacher

CONFIGS = Path(__file__).resolve().parents[2] / 'configs' / 'teachers'
IMAGES = ('CAM_FRONT/scene-0553_first__CAM_FRONT', 'CAM_BACK_LEFT/scene-0655_first__CAM_BACK_LEFT')


@pytest.fixture(scope='module')
def model(shared_dir: Path) -> Path:
    path = shared_dir / 'real' / 'teachers' / 'road_segmentation_adas_0001.onnx'
    if not path.is_file():
        pytest.skip(f'no real network {path}; set SSL_BEV_SHARED')
    return path


@pytest.fixture(scope='module')
def folder(shared_dir: Path) -> Path:
    folder = shared_dir / 'real' / 'nuscenes_mini_part'
    if not folder.is_dir():
        pytest.skip(f'no real images in {folder}; set SSL_BEV_SHARED')
    return folder


def test_labels_of_the_real_network(model: Path, folder: Path, tmp_path: Path) -> None:
    name = 'road_segmentation_adas_0001'
    files = dict(model=model, config=CONFIGS / f'{name}.yaml', classes=CONFIGS / f'{name}.txt')
    teacher = build_teacher('onnx', **files)
    assert teacher.sha256 == '49d7effacc98066102b9cc021d7cbb0380ffdc5c1d3738cd59a6de0d7e5a54d9'
    paths = [str(folder / 'samples' / f'{image}.jpg') for image in IMAGES]
    images = [LabelImage(Path(path).parent.name, path, 'token', None) for path in paths]
    assert run(images, tmp_path, teacher, batch_size=2).written == len(IMAGES)

    session = onnxruntime.InferenceSession(str(model), providers=['CPUExecutionProvider'])
    reader, shipped = PseudoLabelReader(tmp_path), PseudoLabelReader(folder / 'pseudo_labels')
    paint = [
        LabelMap.load(label_map).table(labels.class_names, ['marking'])[:, 0]
        for label_map, labels in (('road_segmentation_adas', reader), ('mapillary_v1', shipped))
    ]
    for image, path in zip(images, paths, strict=True):
        picture = cv2.imread(path)
        squeezed = cv2.resize(picture, (896, 512), interpolation=cv2.INTER_AREA)
        (probabilities,) = session.run(None, {'image': squeezed.transpose(2, 0, 1)[None].astype(np.float32)})
        large = [cv2.resize(part, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR) for part in probabilities[0]]
        ids, confidence = reader.read(image.camera, image.stem)
        # Two interpolations round differently where two classes are equally likely.
        assert np.mean(ids != np.argmax(large, 0)) < 1e-5
        assert np.abs(confidence - 255 * np.max(large, 0)).max() < 0.51

        # What ships was fused with more tricks, but of this network's paint.
        theirs, _ = shipped.read(image.camera, image.stem)
        ours, known = paint[0][ids] == 1, theirs != 255
        theirs = (paint[1][np.where(known, theirs, 0)] == 1) & known
        assert (ours & theirs).sum() > 0.9 * (ours & known).sum() > 1000
