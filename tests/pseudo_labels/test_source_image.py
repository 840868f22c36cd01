"""Labels belong to one image, whatever other images have its camera and file name."""

import logging
import pickle
import shutil

import cv2
import numpy as np
import pytest
from toy_teacher import run

from ssl_bev.datasets import LoadPseudoLabels, NuScenesBEVDataset
from ssl_bev.pseudo_labels import PseudoLabelReader, PseudoLabelWriter, list_images, verify_pseudo_labels
from ssl_bev.pseudo_labels.source_image import ImageRecord, SourceImage, read_record
from ssl_bev.pseudo_labels.verify import delete_broken

NAMES = [f'class {i}' for i in range(30)]


def scene(root, name, shade, prefix=''):
    """A scene in a folder of its own, as T4 data sets have them; returns its frame."""
    path = root / prefix / 'data/CAM_FRONT/0.png'
    path.parent.mkdir(parents=True)
    cv2.imwrite(str(path), np.full((8, 8, 3), shade, np.uint8))
    relative = path.relative_to(root).as_posix()
    return {'token': name, 'images': {'CAM_FRONT': {'img_path': relative, 'height': 8, 'width': 8}}}


def infos(path, *frames):
    path.write_bytes(pickle.dumps({'metainfo': {}, 'data_list': list(frames)}))
    return path


def class_of(reader, image):
    return int(reader.read(image.camera, image.stem, image.token, image.source)[0][4, 4])


@pytest.fixture
def two(tmp_path):
    """Two scenes below one root, and their images."""
    frames = [scene(tmp_path, f'scene_{name}', shade, f'scene_{name}') for name, shade in (('a', 10), ('b', 200))]
    return frames, list_images([infos(tmp_path / 'infos.pkl', *frames)], tmp_path)


def test_scenes_of_one_root_share_file_names(two, tmp_path):
    _, images = two
    out = tmp_path / 'labels'
    assert run(images, out).written == 2
    assert run(images, out).skipped == 2
    assert [class_of(PseudoLabelReader(out), image) for image in images] == [1, 20]
    assert verify_pseudo_labels(out, images, show_progress=False) == []
    with pytest.raises(ValueError, match='CAM_FRONT/0: several images have this camera and file name'):
        PseudoLabelReader(out).read('CAM_FRONT', '0')


def test_scenes_that_are_labelled_one_after_the_other(two, tmp_path):
    """The second list does not know of the first one's scene, and still neither takes the other's label."""
    frames, both = two
    out = tmp_path / 'labels'
    for frame in frames:
        images = list_images([infos(tmp_path / 'one.pkl', frame)], tmp_path)
        assert run(images, out).written == 1
        assert run(images, out).written == 0
    reader = PseudoLabelReader(out)
    assert [class_of(reader, image) for image in both] == [1, 20]
    assert run(both, out).written == 1  # scene_a gets the name that it has in a list of both


def test_two_roots_of_equal_paths(tmp_path, caplog):
    """Paths do not tell them apart, tokens and content do: the second root makes the labels anew."""
    roots = [tmp_path / 'a', tmp_path / 'b']
    lists = []
    for root, shade in zip(roots, (10, 200), strict=True):
        lists.append(list_images([infos(tmp_path / f'{root.name}.pkl', scene(root, root.name, shade))], root))
    out = tmp_path / 'labels'
    run(lists[0], out)
    with caplog.at_level(logging.WARNING):
        assert run(lists[1], out).written == 1
    assert '1 labels are of other images that had the same path, such as data/CAM_FRONT/0.png' in caplog.text
    reader = PseudoLabelReader(out)
    assert class_of(reader, lists[1][0]) == 20
    with pytest.raises(ValueError, match=r'0.png was made of image data/CAM_FRONT/0.png \(token b\), not of .*token a'):
        class_of(reader, lists[0][0])
    (fault,) = verify_pseudo_labels(out, lists[0], show_progress=False)
    assert 'in a folder of its own for each data root' in fault.reason


def test_equal_content_is_the_same_image(tmp_path):
    """Tables that were converted anew have other tokens; a root that moved has other paths."""
    frame = scene(tmp_path / 'a', 'old', 50)
    images = list_images([infos(tmp_path / 'a.pkl', frame)], tmp_path / 'a')
    out = tmp_path / 'labels'
    run(images, out)
    shutil.copytree(tmp_path / 'a/data', tmp_path / 'a/moved')
    camera = dict(frame['images']['CAM_FRONT'], img_path='moved/CAM_FRONT/0.png')
    anew = infos(tmp_path / 'b.pkl', {'token': 'new', 'images': {'CAM_FRONT': camera}})
    (image,) = list_images([anew], tmp_path / 'a')
    assert class_of(PseudoLabelReader(out), image) == 5
    assert run([image], out).skipped == 1
    # A tree may be entered higher up, and the image be gone: then path and token decide.
    (tmp_path / 'a/data/CAM_FRONT/0.png').unlink()
    higher = SourceImage('a/data/CAM_FRONT/0.png', ('old', 'another'))
    assert read_record(out / 'labels/CAM_FRONT/0.png').is_of(higher)
    assert not read_record(out / 'labels/CAM_FRONT/0.png').is_of(higher._replace(tokens=('another',)))


def test_an_unknown_file_is_matched_by_its_path(tmp_path, caplog):
    """Tools that project labels have no images: frames whose tokens changed keep their labels, with a warning."""
    frame = scene(tmp_path, 'old', 50)
    out = tmp_path / 'labels'
    run(list_images([infos(tmp_path / 'a.pkl', frame)], tmp_path), out)
    path = frame['images']['CAM_FRONT']['img_path']
    reader = PseudoLabelReader(out)
    with caplog.at_level(logging.WARNING):
        reader.read('CAM_FRONT', '0', image=SourceImage(path, ('old',)))
        assert not caplog.text
        assert reader.read('CAM_FRONT', '0', image=SourceImage(path, ('new',)))[0][4, 4] == 5
        reader.read('CAM_FRONT', '0', image=SourceImage(path, ('new',)))
    assert caplog.text.count('frames with other tokens') == 1 and '--verify' in caplog.text
    for other in (SourceImage('other/CAM_FRONT/0.png', ('new',)), SourceImage(path, ('new',), tmp_path / 'gone.png')):
        with pytest.raises(ValueError, match='was made of image'):
            reader.read('CAM_FRONT', '0', image=other)


def test_labels_without_a_record_are_matched_by_name(two, tmp_path):
    """Folders of earlier versions: good while names are unambiguous, an error where they are not."""
    frames, images = two
    out = tmp_path / 'labels'
    with PseudoLabelWriter(out, 'toy', 'a' * 64, NAMES) as writer:
        writer.write('CAM_FRONT', '0', np.full((8, 8), 3, np.uint8), np.full((8, 8), 255, np.uint8))
    reader = PseudoLabelReader(out)
    (alone,) = list_images([infos(tmp_path / 'one.pkl', frames[0])], tmp_path)
    assert class_of(reader, alone) == 3
    assert run([alone], out).skipped == 1
    with pytest.raises(ValueError, match=r'does not say which image it is of, and scene_a/.* is not the only one'):
        class_of(reader, images[0])
    assert run(images, out).written == 2
    assert [class_of(reader, image) for image in images] == [1, 20]


def test_a_data_set_of_several_scenes_reads_its_own_labels(two, tmp_path):
    frames, images = two
    out = tmp_path / 'labels'
    pose = np.eye(4).tolist()
    for frame in frames:
        frame.update(timestamp=0.0, ego2global=pose, lidar_points={'lidar2ego': pose})
        frame['images']['CAM_FRONT'].update(cam2img=[[8, 0, 4], [0, 8, 4], [0, 0, 1]], lidar2cam=pose)
    path = infos(tmp_path / 'full.pkl', *frames)
    others = [name for name in NAMES if name != 'class 20']
    label_map = {
        'class_names': NAMES,
        'roles': {'light': ['class 20'], 'dark': others},
        'targets': {'bright': {'positive': ['light'], 'negative': ['dark']}},
    }
    run(images, out)
    load = LoadPseudoLabels(str(out), label_map, classes=['bright'])
    results = [{**item, **window()} for item in NuScenesBEVDataset(str(path), [], data_root=str(tmp_path))]
    assert [load.transform(result)['pseudo_target'].max() for result in results] == [0, 254]
    names = results[0]['shared_names']
    assert len(names) == 1 and ('CAM_FRONT', '0') in names and ('CAM_FRONT', '1') not in names


def window():
    return {'img_aug': np.eye(3)[None, None], 'ori_shape': np.array([[[8, 8]]]), 'img_shape': (8, 8)}


def test_another_images_label_is_not_deleted(two, tmp_path):
    frames, _ = two
    out = tmp_path / 'labels'
    first, second = (list_images([infos(tmp_path / 'one.pkl', frame)], tmp_path) for frame in frames)
    run(first, out)
    faults = verify_pseudo_labels(out, second, show_progress=False)
    assert len(faults) == 1
    assert delete_broken(out, faults) == 0
    assert verify_pseudo_labels(out, first, show_progress=False) == []


def test_a_broken_record(tmp_path):
    ids = np.zeros((4, 4), np.uint8)
    with PseudoLabelWriter(tmp_path, 'toy', 'a' * 64, ['x']) as writer:
        writer.write('CAM_FRONT', 'a', ids, ids, ImageRecord('ä/a.jpg', ('t',), 7))
    path = tmp_path / 'labels/CAM_FRONT/a.png'
    assert read_record(path) == ('ä/a.jpg', ('t',), 7)
    path.write_bytes(path.read_bytes().replace(b'checksum', b'chicksum'))
    with pytest.raises(ValueError, match=r"a.png has a broken record of its image: KeyError\('checksum'\)"):
        read_record(path)
