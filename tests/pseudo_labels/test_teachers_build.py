import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ssl_bev.pseudo_labels import PseudoLabelWriter
from ssl_bev.pseudo_labels.teachers import build_teacher
from ssl_bev.pseudo_labels.teachers.images import check_scale, resize, scaled_size


def test_nothing_heavy_is_imported_before_a_teacher_is_built() -> None:
    heavy = {'mmdet3d', 'mmdet', 'mmseg', 'mmengine', 'transformers', 'onnxruntime', 'torch'}
    code = f'import sys, ssl_bev.pseudo_labels.teachers; print([m for m in {heavy} if m in sys.modules])'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.stdout.strip() == '[]', done.stdout + done.stderr


@pytest.mark.parametrize(
    ('arguments', 'match'),
    [
        (dict(kind='mmsegmentation'), "kind must be one of mmseg, huggingface, onnx, oracle, got 'mmsegmentation'"),
        (dict(kind='mmseg', config='c.py'), r"'mmseg' takes config and checkpoint, got \{'config': 'c.py'\}"),
        (dict(kind='huggingface', model='m', root='r'), "'huggingface' takes model, got"),
        (
            dict(kind='onnx', model='m'),
            r"'onnx' takes model and classes \(and perhaps config and settings\), got \{'model'",
        ),
        (dict(kind='onnx', model='m', classes='c', root='r'), "'onnx' takes model and classes"),
        (dict(kind='onnx', model='m', classes='c', autocast='float16'), 'exported with, got autocast=float16'),
        (dict(kind='huggingface', model='m', settings={}), "'huggingface' takes model, got"),
        (dict(kind='oracle'), "'oracle' takes root, got none of them"),
        (dict(kind='oracle', root='r', autocast='float16'), 'no network that autocast could change; got float16'),
        (dict(kind='oracle', root='r', scale=0.5), 'no network that scale could change; got 0.5'),
    ],
)
def test_arguments_that_do_not_go_together(arguments: dict, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        build_teacher(**arguments)


@pytest.mark.parametrize('scale', [0, -1.0, float('inf'), float('nan'), True, (10,), (0, 5), (1.5, 2), '2'])
def test_scales_that_are_none(scale: object) -> None:
    with pytest.raises(ValueError, match='scale must be a positive factor'):
        check_scale(scale)


@pytest.mark.parametrize(
    ('scale', 'expected'),
    [(None, (900, 1600)), (0.5, (450, 800)), (2, (1800, 3200)), ((800, 800), (450, 800)), ((3200, 900), (900, 1600))],
)
def test_the_network_sees_the_image_in_its_aspect(scale: object, expected: tuple[int, int]) -> None:
    assert scaled_size((900, 1600), check_scale(scale)) == expected


def test_shrinking_keeps_the_mean_of_a_thin_line() -> None:
    image = np.zeros((40, 40, 3), np.uint8)
    image[:, 17] = 240
    assert resize(image, (40, 40)) is image
    assert resize(image, (10, 10))[:, 4].tolist() == [[60, 60, 60]] * 10

    # The axis that grows does not decide for the other one.
    assert resize(image, (50, 10))[:, 4].tolist() == [[60, 60, 60]] * 50
    assert resize(image.transpose(1, 0, 2), (10, 50))[4].tolist() == [[60, 60, 60]] * 50


class TestOracle:
    @pytest.fixture
    def data_root(self, tmp_path: Path) -> Path:
        with PseudoLabelWriter(tmp_path / 'oracle', 'oracle', 'f' * 64, ['Road', 'Sky']) as writer:
            writer.write('CAM_FRONT', 'a', np.eye(4, 6, dtype=np.uint8), np.full((4, 6), 255, np.uint8))
            writer.write('CAM_BACK', 'a', np.zeros((3, 5), np.uint8), np.full((3, 5), 250, np.uint8))
        return tmp_path

    @pytest.mark.parametrize('folder', ['.', 'oracle'])
    def test_labels_by_camera_and_file(self, data_root: Path, folder: str) -> None:
        teacher = build_teacher('oracle', root=data_root / folder)
        assert (teacher.name, teacher.sha256, teacher.class_names) == ('oracle', 'f' * 64, ['Road', 'Sky'])
        images = [np.zeros((3, 5, 3), np.uint8), np.zeros((4, 6, 3), np.uint8)]
        back, front = teacher.predict(images, ['samples/CAM_BACK/a.jpg', Path('sweeps/CAM_FRONT/a.jpg')])
        np.testing.assert_array_equal(front[0], np.eye(4, 6))
        assert back[1].tolist() == [[250] * 5] * 3

    def test_what_it_does_not_know(self, data_root: Path, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match='nowhere holds no exact labels'):
            build_teacher('oracle', root=tmp_path / 'nowhere')
        teacher = build_teacher('oracle', root=data_root)
        image = np.zeros((4, 6, 3), np.uint8)
        with pytest.raises(ValueError, match='needs one path for each of the 1 images, got none'):
            teacher.predict([image])
        with pytest.raises(ValueError, match=r'the image is \(4, 6\), its exact labels are \(3, 5\)'):
            teacher.predict([image], ['CAM_BACK/a.jpg'])
        with pytest.raises(FileNotFoundError, match=r'CAM_FRONT/b\.png'):
            teacher.predict([image], ['CAM_FRONT/b.jpg'])
        with pytest.raises(ValueError, match=r'images\[0\] must be \(height, width, 3\) uint8'):
            teacher.predict([image[..., 0]], ['CAM_FRONT/a.jpg'])
