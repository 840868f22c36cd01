import pickle
from pathlib import Path

import pytest

from ssl_bev.pseudo_labels.image_list import list_images
from ssl_bev.pseudo_labels.shards import Shard


def info_file(path, frames):
    path.write_bytes(pickle.dumps({'metainfo': {}, 'data_list': frames}))
    return path


def stock_frame(name, token='t'):
    """As mmdet3d's own converter writes it: a bare file name, no size."""
    return {'token': token, 'images': {'CAM_FRONT': {'img_path': name}}}


def test_all_cameras_of_all_frames_and_sweeps(infos, tiny_data, tiny_root):
    keyframes = list_images([infos], tiny_root)
    assert len(keyframes) == 2 * 3 * 2
    first = keyframes[0]
    assert first[:4] == (
        'CAM_FRONT',
        f'{tiny_root}/samples/CAM_FRONT/scene-0061-CAM_FRONT-0.jpg',
        first.token,
        (48, 96),
    )
    assert (first.token, first.stem) == ('scene-0061-sample0', 'scene-0061-CAM_FRONT-0')
    everything = list_images([infos], tiny_root, with_sweeps=True)
    assert len(everything) == 2 * (3 + 4) * 2
    assert all(Path(image.path).is_file() for image in everything)
    val = tiny_data / 'ssl_bev_infos_val.pkl'
    assert len(list_images([infos, val], tiny_root)) == 3 * 3 * 2
    assert list_images([infos, infos], tiny_root) == keyframes


def test_some_cameras(infos, tiny_root, tmp_path):
    images = list_images([infos], tiny_root, ['CAM_BACK'])
    assert {image.camera for image in images} == {'CAM_BACK'}
    assert len(images) == 6
    with pytest.raises(
        ValueError, match=r"cameras \['CAM_SIDE'\] are in no frame of .*train.pkl.* CAM_BACK, CAM_FRONT"
    ):
        list_images([infos], tiny_root, ['CAM_BACK', 'CAM_SIDE'])
    frame = {'token': 'u', 'images': {'CAM_BACK': {'img_path': 'b.jpg'}}}
    mixed = info_file(tmp_path / 'mixed.pkl', [stock_frame('a.jpg'), frame])
    assert [image.stem for image in list_images([mixed], tmp_path, ['CAM_BACK'])] == ['b']


def test_bare_file_names_of_stock_info_files(tmp_path):
    stock = info_file(tmp_path / 'stock.pkl', [stock_frame('a.jpg')])
    (image,) = list_images([stock], tmp_path, image_folder='samples/{camera}')
    assert image[:4] == ('CAM_FRONT', f'{tmp_path}/samples/CAM_FRONT/a.jpg', 't', None)


@pytest.mark.parametrize('folder', ['samples/{cam}', 'samples/{}', 'samples/{camera'])
def test_a_folder_with_another_placeholder(tmp_path, folder):
    stock = info_file(tmp_path / 'stock.pkl', [stock_frame('a.jpg')])
    with pytest.raises(ValueError, match=r'image_folder may have the placeholder \{camera\} only, got .samples/'):
        list_images([stock], tmp_path, image_folder=folder)


def test_two_images_of_one_name_have_two_label_files(tmp_path):
    frames = [stock_frame('samples/a.jpg'), stock_frame('sweeps/a.jpg'), stock_frame('b.jpg'), stock_frame('b.jpg')]
    images = list_images([info_file(tmp_path / 'clash.pkl', frames)], tmp_path)
    assert [image.stem for image in images] == ['a', 'a', 'b']
    stems = [image.label_stem for image in images]
    assert stems[2] == 'b'
    assert len(set(stems)) == 3
    # The name hangs on the image alone, whatever else is in the list.
    more = list_images([info_file(tmp_path / 'more.pkl', [stock_frame('c/a.jpg'), *frames])], tmp_path)
    assert [image.label_stem for image in more[1:]] == stems


def test_bad_info_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'info file not found: .*none.pkl; make it with tools/create_data'):
        list_images([tmp_path / 'none.pkl'], tmp_path)
    with pytest.raises(FileNotFoundError, match=r'data_root: no folder .*nowhere'):
        list_images([tmp_path / 'none.pkl'], tmp_path / 'nowhere')
    with pytest.raises(ValueError, match='at least one info file'):
        list_images([], tmp_path)
    broken = tmp_path / 'broken.pkl'
    broken.write_bytes(pickle.dumps({'data_list': []})[:-5])
    with pytest.raises(ValueError, match=r'broken.pkl is no complete pickle'):
        list_images([broken], tmp_path)
    broken.write_bytes(pickle.dumps([1]))
    with pytest.raises(ValueError, match='needs the keys metainfo and data_list'):
        list_images([broken], tmp_path)
    stock = info_file(tmp_path / 'stock.pkl', [stock_frame('a.jpg')])
    with pytest.raises(ValueError, match=r'sweeps are wanted, but .*stock.pkl lists none'):
        list_images([stock], tmp_path, with_sweeps=True)


def test_shards_divide_the_items():
    parts = [Shard.parse(f'{i}/3').select(range(11)) for i in range(3)]
    assert parts[1] == [1, 4, 7, 10]
    assert sorted(parts[0] + parts[1] + parts[2]) == list(range(11))
    assert Shard().select('abc') == ['a', 'b', 'c']


@pytest.mark.parametrize('text', ['3/3', '0/0', '1', '-1/2', 'a/b', '0/2/4'])
def test_bad_shards(text):
    with pytest.raises(ValueError, match='i/n'):
        Shard.parse(text)


def test_shard_of_a_rank(monkeypatch):
    for name in ('RANK', 'WORLD_SIZE'):
        monkeypatch.delenv(name, raising=False)
    assert Shard.of_rank() == Shard(0, 1)
    monkeypatch.setenv('RANK', '2')
    monkeypatch.setenv('WORLD_SIZE', '4')
    assert Shard.of_rank() == Shard(2, 4)
