import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from toy_teacher import ToyTeacher, files, run

from ssl_bev.pseudo_labels import PseudoLabelReader, read_manifest
from ssl_bev.pseudo_labels.image_list import LabelImage
from ssl_bev.pseudo_labels.shards import Shard
from ssl_bev.pseudo_labels.verify import verify_pseudo_labels

HERE = Path(__file__).parent


def test_each_image_gets_the_labels_that_the_teacher_gives_it(images, tmp_path):
    teacher = ToyTeacher()
    report = run(images, tmp_path, teacher)
    assert report == (28, 0, [])
    assert teacher.seen == [image.stem for image in images]
    reader = PseudoLabelReader(tmp_path)
    for image in images:
        expected = ToyTeacher.label(cv2.imread(image.path))
        for found, wanted in zip(reader.read(image.camera, image.stem), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)
    manifest = read_manifest(tmp_path / 'manifest.json')
    assert (manifest['label_count'], manifest['image_sizes']) == (28, [[48, 96]])


def test_images_of_different_sizes(tmp_path):
    images = []
    for size in ((20, 30), (30, 20), (20, 30)):
        path = tmp_path / f'{len(images)}.png'
        cv2.imwrite(str(path), np.full((*size, 3), 50, np.uint8))
        images.append(LabelImage('CAM_FRONT', str(path), 't', None))
    run(images, tmp_path / 'out', batch_size=2)
    assert read_manifest(tmp_path / 'out' / 'manifest.json')['image_sizes'] == [[20, 30], [30, 20]]
    assert verify_pseudo_labels(tmp_path / 'out', images, show_progress=False) == []


def test_goes_on_where_it_stopped(images, tmp_path):
    run(images, tmp_path)
    whole = files(tmp_path)
    lost = [images[3], images[10], images[20]]
    (tmp_path / 'labels' / lost[0].camera / f'{lost[0].stem}.png').unlink()
    (tmp_path / 'confidence' / lost[1].camera / f'{lost[1].stem}.png').unlink()
    (tmp_path / 'labels' / lost[2].camera / f'{lost[2].stem}.png').write_bytes(b'')
    teacher = ToyTeacher()
    assert run(images, tmp_path, teacher, batch_size=2) == (3, 25, [])
    assert teacher.seen == [image.stem for image in lost]
    assert files(tmp_path) == whole


def test_shards_and_batches_make_no_difference(images, tmp_path):
    run(images, tmp_path / 'one', batch_size=1)
    for index in (2, 0, 1):
        part = Shard(index, 3).select(images)
        report = run(part, tmp_path / 'three', batch_size=4, num_workers=3)
        assert report == (len(part), 0, [])
    assert files(tmp_path / 'three') == files(tmp_path / 'one')


def test_refuses_what_would_mix_labels(images, tmp_path):
    run(images[:2], tmp_path)
    before = files(tmp_path)
    other = ToyTeacher()
    other.sha256 = 'b' * 64
    with pytest.raises(ValueError, match='another teacher'):
        run(images, tmp_path, other)
    with pytest.raises(ValueError, match=r"another settings: \{\} instead of \{'scale': 0.5\}"):
        run(images, tmp_path, settings={'scale': 0.5})
    assert files(tmp_path) == before
    (tmp_path / 'manifest.json').unlink()
    with pytest.raises(ValueError, match=r'holds pseudo-labels without a manifest.json'):
        run(images, tmp_path)


def test_unreadable_images_are_reported_and_the_others_labelled(images, own_root, tiny_root, tmp_path):
    own = [image._replace(path=image.path.replace(str(tiny_root), str(own_root))) for image in images]
    Path(own[0].path).unlink()
    Path(own[7].path).write_bytes(Path(own[7].path).read_bytes()[:-30])
    cv2.imwrite(own[27].path, np.zeros((10, 10, 3), np.uint8))
    report = run(own, tmp_path / 'out')
    assert (report.written, [entry.path for entry in report.unreadable]) == (25, [own[i].path for i in (0, 7, 27)])
    for entry, reason in zip(report.unreadable, ('not found', 'truncated', r'is (10, 10)'), strict=True):
        assert reason in entry.reason
        assert 'frame scene-' in entry.reason
    assert read_manifest(tmp_path / 'out' / 'manifest.json')['label_count'] == 25


def test_an_unfit_teacher_stops_the_run(images, tmp_path):
    def teacher_that(change):
        teacher = ToyTeacher()
        teacher.predict = lambda pictures, paths: change([ToyTeacher.label(picture) for picture in pictures])
        return teacher

    with pytest.raises(ValueError, match='teacher toy gave 4 labels for 5 images'):
        run(images, tmp_path, teacher_that(lambda labels: labels[1:]))
    with pytest.raises(ValueError, match=r'CAM_FRONT-0.jpg must have its size \(48, 96\).*got \(96, 48\)'):
        run(images, tmp_path, teacher_that(lambda labels: [(ids.T, c.T) for ids, c in labels]))
    # Found by a writing thread, in the last batch as well.
    with pytest.raises(ValueError, match='id 31 is outside the 30 classes'):
        run(images[:1], tmp_path, teacher_that(lambda labels: [(ids * 0 + 31, c) for ids, c in labels]))
    assert list(files(tmp_path)) == ['manifest.json']
    with pytest.raises(ValueError, match='batch_size must be at least 1, got 0'):
        run(images, tmp_path, batch_size=0)


KILLED_RUN = """
import os, pickle, sys
from toy_teacher import run

images, out, last = pickle.loads(bytes.fromhex(sys.argv[1])), sys.argv[2], int(sys.argv[3])
renamed, replace = [], os.replace

def kill_after_last(source, target):
    renamed.append(target)
    if len(renamed) > last:
        os.kill(os.getpid(), 9)
    replace(source, target)

os.replace = kill_after_last
run(images, out, num_workers=1)
"""


# The first two renames are the manifest's, with the image size; then confidence and label take turns.
@pytest.mark.parametrize(('renames', 'labelled'), [(0, 0), (1, 0), (2, 0), (3, 0), (10, 4)])
def test_killed_while_writing(images, tmp_path, renames, labelled):
    out = tmp_path / 'out'
    arguments = [pickle.dumps(images).hex(), str(out), str(renames)]
    killed = subprocess.run([sys.executable, '-c', KILLED_RUN, *arguments], env={**os.environ, 'PYTHONPATH': str(HERE)})
    assert killed.returncode == -signal.SIGKILL
    (rest,) = out.rglob('*.tmp')
    pictures = list(out.rglob('*.png'))
    assert len(pictures) == max(0, renames - 2)
    assert all(cv2.imread(str(path), cv2.IMREAD_UNCHANGED) is not None for path in pictures)
    if renames:
        missing = [fault.image for fault in verify_pseudo_labels(out, images, show_progress=False) if fault.image]
        assert missing == images[labelled:]
    assert run(images[:-1], out).skipped == labelled
    # A rest as young as this could belong to a shard that is still at work.
    assert rest.exists() == (renames > 1)
    if rest.exists():
        os.utime(rest, (0, 0))
    run(images, out)
    run(images, tmp_path / 'undisturbed')
    assert files(out) == files(tmp_path / 'undisturbed')
