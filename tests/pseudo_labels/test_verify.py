import cv2
import numpy as np
import pytest
from toy_teacher import files, run

from ssl_bev.pseudo_labels.manifest import MANIFEST
from ssl_bev.pseudo_labels.verify import delete_broken, verify_pseudo_labels


def verify(root, images):
    return verify_pseudo_labels(root, images, show_progress=False)


@pytest.fixture
def labels(images, tmp_path):
    run(images, tmp_path)
    return tmp_path


def path_of(root, kind, image):
    return root / kind / image.camera / f'{image.stem}.png'


def picture(value, size=(48, 96)):
    return np.full(size, value, np.uint8)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-20])


def put(content):
    return lambda path: cv2.imwrite(str(path), content)


def test_whole_labels_have_no_fault(images, labels):
    assert verify(labels, images) == []
    assert verify(labels, images[:3]) == []


@pytest.mark.parametrize(
    ('kind', 'damage', 'reason'),
    [
        ('confidence', lambda path: path.unlink(), 'not found'),
        ('labels', truncate, 'truncated'),
        ('confidence', truncate, 'truncated'),
        ('labels', lambda path: path.write_bytes(b'no picture'), 'cannot be decoded'),
        ('labels', put(np.zeros((48, 96, 3), np.uint8)), 'no single-channel 8-bit PNG'),
        ('labels', put(picture(30)), r'holds the ids [30], the teacher has 30 classes'),
        ('confidence', put(picture(0, (24, 48))), 'confidence of CAM_FRONT/scene-0553-CAM_FRONT-0 is (24, 48)'),
    ],
)
def test_each_kind_of_damage(images, labels, kind, damage, reason):
    image = images[14]
    damage(path_of(labels, kind, image))
    (fault,) = verify(labels, images)
    assert fault.image == image
    assert reason in fault.reason
    assert image.stem in fault.reason


def test_ignored_pixels_are_no_fault(images, labels):
    put(picture(255))(path_of(labels, 'labels', images[0]))
    assert verify(labels, images) == []


def test_labels_of_another_size_than_their_image(images, labels):
    for kind in ('labels', 'confidence'):
        put(picture(0, (24, 48)))(path_of(labels, kind, images[0]))
    (fault,) = verify(labels, images)
    assert 'is (24, 48) (height, width), its image is (48, 96)' in fault.reason
    # An info file without sizes: the image itself is asked.
    (fault,) = verify(labels, [images[0]._replace(size=None)])
    assert 'its image is (48, 96)' in fault.reason


def test_manifest_that_does_not_count_all(images, labels):
    path_of(labels, 'labels', images[5]).unlink()
    manifest, label = verify(labels, images)
    assert manifest.image is None
    assert 'label_count is 28, found 27 files' in manifest.reason
    assert 'not found' in label.reason
    assert label.image == images[5]


def test_manifest_that_lacks_a_size(images, labels):
    path = labels / MANIFEST
    path.write_text(path.read_text().replace('96', '97'))
    faults = verify(labels, images)
    assert len(faults) == 28
    assert 'image_sizes of the manifest lacks: [(48, 97)]' in faults[0].reason


def test_broken_labels_are_deleted_and_made_again(images, labels):
    whole = files(labels)
    truncate(path_of(labels, 'labels', images[3]))
    path_of(labels, 'confidence', images[9]).unlink()
    assert delete_broken(labels, verify(labels, images)) == 3
    assert [fault.image for fault in verify(labels, images)] == [images[3], images[9]]
    assert run(images, labels).written == 2
    assert files(labels) == whole


def test_folder_without_manifest(images, tmp_path):
    with pytest.raises(FileNotFoundError, match=r'manifest not found.*generate_pseudo_labels'):
        verify(tmp_path, images)
