import json
import os

import cv2
import numpy as np
import pytest

from ssl_bev.pseudo_labels import PseudoLabelReader, PseudoLabelWriter, read_manifest

NAMES = ['Road', 'Lane Marking - General']


@pytest.fixture
def ids():
    return np.arange(12, dtype=np.uint8).reshape(3, 4) % 2


def writer(root, name='teacher-a', sha256='0' * 64, class_names=NAMES):
    return PseudoLabelWriter(root, name, sha256, class_names)


def test_round_trip(tmp_path, ids):
    with writer(tmp_path) as out:
        out.write('CAM_FRONT', 'a', ids, np.linspace(0, 1, 12).reshape(3, 4))
        assert out.exists('CAM_FRONT', 'a')
        assert not out.exists('CAM_FRONT', 'b')
    read_ids, confidence = PseudoLabelReader(tmp_path, teacher='teacher-a').read('CAM_FRONT', 'a')
    np.testing.assert_array_equal(read_ids, ids)
    assert confidence[0, 0] == 0
    assert confidence[2, 3] == 255
    manifest = read_manifest(tmp_path / 'manifest.json')
    assert manifest['label_count'] == 1
    assert manifest['image_sizes'] == [[3, 4]]
    assert manifest['class_names'] == NAMES


def test_continues_the_same_teacher_and_refuses_another(tmp_path, ids):
    with writer(tmp_path) as out:
        out.write('CAM_FRONT', 'a', ids, ids)
    with writer(tmp_path) as out:
        out.write('CAM_BACK', 'b', ids, ids)
    assert read_manifest(tmp_path / 'manifest.json')['label_count'] == 2
    before = (tmp_path / 'manifest.json').read_bytes()
    with pytest.raises(ValueError, match=r"another teacher.*'teacher-a'.*'teacher-b'"):
        writer(tmp_path, name='teacher-b')
    with pytest.raises(ValueError, match='another teacher'):
        writer(tmp_path, sha256='1' * 64)
    with pytest.raises(ValueError, match='another class_names'):
        writer(tmp_path, class_names=['Road'])
    assert (tmp_path / 'manifest.json').read_bytes() == before


def test_interrupted_write_leaves_the_old_file_and_no_rest(tmp_path, ids, monkeypatch):
    with writer(tmp_path) as out:
        out.write('CAM_FRONT', 'a', ids, ids)

        def killed(source, target):
            raise KeyboardInterrupt

        monkeypatch.setattr(os, 'replace', killed)
        with pytest.raises(KeyboardInterrupt):
            out.write('CAM_FRONT', 'a', 1 - ids, ids)
        with pytest.raises(KeyboardInterrupt):
            out.write('CAM_FRONT', 'b', ids, ids)
        monkeypatch.undo()
    np.testing.assert_array_equal(PseudoLabelReader(tmp_path).read('CAM_FRONT', 'a')[0], ids)
    files = sorted(p.name for p in tmp_path.rglob('*') if p.is_file())
    assert files == ['.manifest.json.lock', 'a.png', 'a.png', 'manifest.json']


def test_bad_arrays(tmp_path, ids):
    out = writer(tmp_path)
    with pytest.raises(ValueError, match=r'ids must be \(H, W\) uint8'):
        out.write('CAM_FRONT', 'a', ids.astype(np.int64), ids)
    with pytest.raises(ValueError, match='confidence must have the shape of ids'):
        out.write('CAM_FRONT', 'a', ids, ids[:2])
    with pytest.raises(ValueError, match='CAM_FRONT/a: id 7 is outside the 2 classes'):
        out.write('CAM_FRONT', 'a', ids + 7, ids)
    with pytest.raises(ValueError, match='1 to 255 names'):
        writer(tmp_path / 'other', class_names=[])
    assert not list(tmp_path.rglob('*.png'))


def test_reader_names_what_is_missing(tmp_path, ids):
    with pytest.raises(FileNotFoundError, match=r'manifest.json; write it with .*generate_pseudo_labels'):
        PseudoLabelReader(tmp_path)
    with writer(tmp_path) as out:
        out.write('CAM_FRONT', 'a', ids, ids)
    with pytest.raises(ValueError, match="made by teacher 'teacher-a', expected 'teacher-b'"):
        PseudoLabelReader(tmp_path, teacher='teacher-b')
    reader = PseudoLabelReader(tmp_path)
    with pytest.raises(FileNotFoundError, match=r'labels/CAM_FRONT/b.png \(frame token7\).*generate_pseudo_labels'):
        reader.read('CAM_FRONT', 'b', 'token7')
    with pytest.raises(ValueError, match='manifest=None'):
        PseudoLabelReader(tmp_path, manifest=None, teacher='x')


def test_folder_without_manifest_and_confidence(tmp_path, ids):
    cv2.imwrite(str(tmp_path / 'CAM_FRONT.png'), ids)
    reader = PseudoLabelReader(tmp_path, '{camera}.png', None, None)
    assert reader.class_names is None
    read_ids, confidence = reader.read('CAM_FRONT', 'whatever')
    np.testing.assert_array_equal(read_ids, ids)
    assert confidence is None


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('{', 'is no JSON'),
        (json.dumps({'schema': 9, 'teacher': {'name': 'a'}, 'class_names': ['b']}), 'schema must be .* got 9'),
        ('{"schema": 1}', "must have the key 'teacher'"),
    ],
)
def test_broken_manifests(tmp_path, content, message):
    (tmp_path / 'manifest.json').write_text(content)
    with pytest.raises(ValueError, match=message):
        PseudoLabelReader(tmp_path)


def test_pseudo_label_that_is_a_colour_picture(tmp_path):
    cv2.imwrite(str(tmp_path / 'CAM_FRONT.png'), np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ValueError, match='no single-channel 8-bit PNG'):
        PseudoLabelReader(tmp_path, '{camera}.png', None, None).read('CAM_FRONT', 'a')
