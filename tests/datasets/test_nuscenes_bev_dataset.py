import pickle

import pytest
import torch

from ssl_bev.datasets import NuScenesBEVDataset, read_scene_list
from ssl_bev.datasets.info_files import check_disjoint, find_scenes


def build(tiny_data, tiny_root, split='train', **arguments):
    settings = {'pipeline': [], 'data_root': str(tiny_root), 'info_root': str(tiny_data)} | arguments
    return NuScenesBEVDataset(ann_file=f'ssl_bev_infos_{split}.pkl', **settings)


def tokens(item):
    return [frame['token'].removeprefix('scene-') for frame in item['frames']]


def test_windows_of_keyframes_never_cross_scenes(tiny_data, tiny_root):
    dataset = build(tiny_data, tiny_root, num_frames=3)
    windows = [(tokens(item), item['frame_valid']) for item in (dataset[i] for i in range(len(dataset)))]
    assert windows == [
        (['0061-sample0'] * 3, [False, False, True]),
        (['0061-sample0', '0061-sample0', '0061-sample1'], [False, True, True]),
        (['0061-sample0', '0061-sample1', '0061-sample2'], [True, True, True]),
        (['0553-sample0'] * 3, [False, False, True]),
        (['0553-sample0', '0553-sample0', '0553-sample1'], [False, True, True]),
        (['0553-sample0', '0553-sample1', '0553-sample2'], [True, True, True]),
    ]
    assert dataset.scene_tokens == ['scene-0061-token'] * 3 + ['scene-0553-token'] * 3


def test_windows_with_sweeps_and_stride(tiny_data, tiny_root):
    dataset = build(tiny_data, tiny_root, num_frames=2, frames='all', frame_stride=3)
    assert len(dataset) == 2 * 7
    assert tokens(dataset[3]) == ['0061-sample0', '0061-sample1']
    assert tokens(dataset[4]) == ['0061-CAM_FRONT-1', '0061-CAM_FRONT-4']
    # A step that reaches before the scene repeats its first frame.
    assert (tokens(dataset[2]), dataset[2]['frame_valid']) == (['0061-sample0', '0061-CAM_FRONT-2'], [False, True])
    assert tokens(dataset[7])[0] == '0553-sample0'
    times = [frame['timestamp'] for i in range(7) for frame in dataset[i]['frames'][-1:]]
    assert times == sorted(times)
    assert [dataset[i]['labelled'] for i in range(4)] == [True, False, False, True]


def edited_infos(tiny_data, path, edit):
    """The info file after `edit` of its list of frames, as the arguments of a dataset."""
    content = pickle.loads((tiny_data / 'ssl_bev_infos_train.pkl').read_bytes())
    edit(content['data_list'])
    path.write_bytes(pickle.dumps(content))
    return {'info_root': '', 'ann_file': str(path), 'pipeline': [], 'with_labels': False, 'serialize_data': False}


def test_a_missing_frame_is_skipped_and_a_large_gap_ends_the_history(tiny_data, tiny_root, tmp_path):
    """Without sample1 there is 1 s between sample0 and sample2."""
    arguments = edited_infos(tiny_data, tmp_path / 'infos.pkl', lambda frames: frames.pop(1))
    windows = {
        gap: NuScenesBEVDataset(**arguments, data_root=str(tiny_root), num_frames=2, max_time_gap=gap)[1]
        for gap in (2.0, 0.9)
    }
    assert (tokens(windows[2.0]), windows[2.0]['frame_valid']) == (['0061-sample0', '0061-sample2'], [True, True])
    assert (tokens(windows[0.9]), windows[0.9]['frame_valid']) == (['0061-sample2', '0061-sample2'], [False, True])
    with pytest.raises(ValueError, match=r'max_time_gap must be positive \(seconds\), got 0'):
        NuScenesBEVDataset(**arguments, max_time_gap=0)


def test_missing_cameras_are_black_and_said_to_be_missing(tiny_data, tiny_root, tmp_path):
    def edit(frames):
        del frames[0]['images']['CAM_FRONT']
        frames[1]['images']['CAM_BACK']['img_path'] = 'samples/CAM_BACK/lost.jpg'

    arguments = edited_infos(tiny_data, tmp_path / 'infos.pkl', edit)
    arguments.update(pipeline=[{'type': 'LoadBEVImages'}, {'type': 'PackBEVInputs'}], num_frames=3)
    dataset = NuScenesBEVDataset(**arguments, data_root=str(tiny_root), allow_missing_cameras=True)
    assert dataset.camera_names == ['CAM_FRONT', 'CAM_BACK']
    packed = dataset[2]
    sample, images = packed['data_samples'], packed['inputs']['img']
    assert sample.camera_valid.tolist() == [[False, True], [True, False], [True, True]]
    assert (images.flatten(2).amax(-1) > 0).tolist() == sample.camera_valid.tolist()
    assert sample.img_paths[0][0] == '' and sample.bev2img.isfinite().all()
    whole = build(tiny_data, tiny_root, **{k: arguments[k] for k in ('pipeline', 'num_frames')})[2]['data_samples']
    assert whole.camera_valid.all()
    # What is calibrated keeps its calibration.
    torch.testing.assert_close(sample.bev2img[1], whole.bev2img[1])

    with pytest.raises(ValueError, match=r"camera_names \['CAM_FRONT'\] are not among the cameras of frame scene-0061"):
        NuScenesBEVDataset(**arguments, data_root=str(tiny_root), camera_names=['CAM_FRONT'])
    with pytest.raises(ValueError, match=r"camera_names \['CAM_TOP'\] are not among"):
        NuScenesBEVDataset(**arguments, camera_names=['CAM_TOP'], allow_missing_cameras=True)
    nowhere = NuScenesBEVDataset(**arguments, data_root=str(tmp_path), allow_missing_cameras=True)
    with pytest.raises(ValueError, match='frame scene-0061-sample0 has none of the cameras'):
        nowhere[0]


@pytest.mark.parametrize('position', [0, 1])
def test_a_frame_that_lacks_a_camera_does_not_decide_for_all(tiny_data, tiny_root, tmp_path, caplog, position):
    arguments = edited_infos(
        tiny_data, tmp_path / 'infos.pkl', lambda frames: frames[position]['images'].pop('CAM_BACK')
    )
    arguments.update(pipeline=[{'type': 'LoadBEVImages'}, {'type': 'PackBEVInputs'}], data_root=str(tiny_root))
    dataset = NuScenesBEVDataset(**arguments)
    assert dataset.camera_names == ['CAM_FRONT', 'CAM_BACK']
    assert (
        f'1 of 6 frames of {tmp_path / "infos.pkl"}, such as scene-0061-sample{position}, lack some of' in caplog.text
    )
    valid = [dataset[i]['data_samples'].camera_valid[0].tolist() for i in range(3)]
    assert valid == [[True, i != position] for i in range(3)]
    with pytest.raises(ValueError, match=rf"camera_names \['CAM_BACK'\] are not among .* scene-0061-sample{position}"):
        NuScenesBEVDataset(**arguments, camera_names=['CAM_FRONT', 'CAM_BACK'])
    (tmp_path / 'empty').mkdir()
    with pytest.raises(FileNotFoundError, match='CAM_FRONT'):  # what the info file names must be there
        NuScenesBEVDataset(**arguments | {'data_root': str(tmp_path / 'empty')})[0]


def test_interval_thins_the_current_frames_not_the_windows(tiny_data, tiny_root):
    dataset = build(tiny_data, tiny_root, num_frames=2, sample_interval=2)
    assert [tokens(dataset[i])[-1] for i in range(len(dataset))] == ['0061-sample0', '0061-sample2', '0553-sample1']
    assert tokens(dataset[1]) == ['0061-sample1', '0061-sample2']


def test_label_subset_by_scene(tiny_data, tiny_root, tmp_path):
    path = tmp_path / 'subset.txt'
    arguments = {'label_fraction': 0.5, 'label_seed': 1}
    every = build(tiny_data, tiny_root, label_subset_file=str(path), **arguments)
    only = build(tiny_data, tiny_root, labelled_only=True, **arguments)
    subset = read_scene_list(path)
    assert len(subset) == 1
    assert [item['labelled'] for item in every] == [token in subset for token in every.scene_tokens]
    assert set(only.scene_tokens) == set(subset)
    assert len(only) == 3
    assert all(item['labelled'] for item in only)
    same = build(tiny_data, tiny_root, labelled_only=True, label_scenes=str(path))
    assert same.scene_tokens == only.scene_tokens


def test_without_labels(tiny_data, tiny_root):
    item = build(tiny_data, tiny_root, with_labels=False)[0]
    assert item['label_dir'] is None
    assert not item['labelled']
    with pytest.raises(ValueError, match='labelled_only=True needs with_labels=True'):
        build(tiny_data, tiny_root, with_labels=False, labelled_only=True)


def test_scene_list_selects_by_name_or_token(tiny_data, tiny_root):
    for scene in ('scene-0553', 'scene-0553-token'):
        dataset = build(tiny_data, tiny_root, scene_list=[scene])
        assert set(dataset.scene_tokens) == {'scene-0553-token'}
    for argument in ('scene_list', 'label_scenes'):
        with pytest.raises(
            ValueError, match=f'{argument} names 1 of 2 scenes that are not in the info files: elsewhere'
        ):
            build(tiny_data, tiny_root, **{argument: ['elsewhere', 'scene-0553']})


def test_a_split_of_ones_own_over_both_info_files(tiny_data, tiny_root, tmp_path):
    """Lists by token and by name; the validation scene of the official split trains."""
    both = ['ssl_bev_infos_train.pkl', 'ssl_bev_infos_val.pkl']
    train, val = tmp_path / 'train.txt', tmp_path / 'val.txt'
    train.write_text('# east\nscene-0061-token  # scene-0061\nscene-0103\n')
    val.write_text('scene-0553-token\n')
    settings = {'pipeline': [], 'data_root': str(tiny_root), 'info_root': str(tiny_data), 'ann_file': both}
    dataset = NuScenesBEVDataset(scene_list=str(train), disjoint_from=str(val), num_frames=2, **settings)
    assert dataset.scene_tokens == ['scene-0061-token'] * 3 + ['scene-0103-token'] * 3
    assert tokens(dataset[3]) == ['0103-sample0', '0103-sample0']
    assert set(NuScenesBEVDataset(scene_list=str(val), **settings).scene_tokens) == {'scene-0553-token'}
    # By name in one list, by token in the other: still the same scene.
    val.write_text('scene-0061\nscene-0553\n')
    with pytest.raises(ValueError, match='disjoint_from names 1 scenes that are used here as well, such as scene-0061'):
        NuScenesBEVDataset(scene_list=str(train), disjoint_from=str(val), **settings)
    with pytest.raises(FileNotFoundError, match='scene list not found'):
        NuScenesBEVDataset(scene_list=str(train), disjoint_from=str(tmp_path / 'none.txt'), **settings)


def test_cameras_by_name_in_the_order_given(tiny_data, tiny_root):
    assert build(tiny_data, tiny_root)[0]['camera_names'] == ['CAM_FRONT', 'CAM_BACK']
    names = ['CAM_BACK', 'CAM_FRONT']
    assert build(tiny_data, tiny_root, camera_names=names)[0]['camera_names'] == names
    with pytest.raises(ValueError, match=r"camera_names \['CAM_LEFT'\] are not among the cameras"):
        build(tiny_data, tiny_root, camera_names=['CAM_LEFT'])


def test_samples_survive_a_subset_and_a_worker(tiny_data, tiny_root):
    dataset = build(tiny_data, tiny_root, num_frames=2, pipeline=[{'type': 'LoadBEVImages'}])
    part = dataset.get_subset([4])
    assert tokens(part[0]) == tokens(dataset[4])
    assert pickle.loads(pickle.dumps(dataset))[4]['frame_valid'] == [True, True]
    assert dataset.metainfo['version'] == 'v1.0-mini'


def test_the_history_of_a_subset_can_be_dropped(tiny_data, tiny_root):
    dataset = build(tiny_data, tiny_root, num_frames=2)
    expected = [tokens(dataset[i])[-1:] for i in (3, 4, 5)]
    last_scene = build(tiny_data, tiny_root, num_frames=2, indices=[3, 4, 5])
    dataset.get_subset_(range(3, 6))
    for part in (dataset, last_scene):
        part.drop_history()
        assert [tokens(sample) for sample in part] == expected
    with pytest.raises(ValueError, match='the history of a sample is not the samples before it'):
        build(tiny_data, tiny_root, num_frames=2, indices=[0, 2]).drop_history()


def stock_infos(tiny_data, path):
    """The info file as mmdet3d's own converter writes it: without temporal fields."""
    content = pickle.loads((tiny_data / 'ssl_bev_infos_train.pkl').read_bytes())
    for frame in content['data_list']:
        for key in ('scene_token', 'scene_name', 'frame_index', 'prev', 'next', 'location', 'is_keyframe', 'sweeps'):
            del frame[key]
        for name, camera in frame['images'].items():
            camera['img_path'] = camera['img_path'].removeprefix(f'samples/{name}/')
            del camera['height'], camera['width']
    path.write_bytes(pickle.dumps(content))


def test_stock_infos_work_for_single_frames_only(tiny_data, tiny_root, tmp_path):
    path = tmp_path / 'stock.pkl'
    stock_infos(tiny_data, path)
    arguments = {'data_root': str(tiny_root), 'pipeline': [{'type': 'LoadBEVImages'}]}
    prefix = {name: f'samples/{name}' for name in ('CAM_FRONT', 'CAM_BACK')}
    dataset = NuScenesBEVDataset(str(path), data_prefix=prefix, **arguments)
    assert len(dataset) == 6
    assert dataset[0]['img'][0][0].shape == (48, 96, 3)
    for argument in ({'num_frames': 2}, {'frames': 'all'}, {'label_fraction': 0.5}, {'scene_list': ['x']}):
        (name,) = argument
        with pytest.raises(
            ValueError, match=rf'{name}=.* needs an info file with temporal fields.*tools/create_data.py'
        ):
            NuScenesBEVDataset(str(path), **arguments, **argument)


def test_a_transform_that_returns_none_raises_with_the_token(tiny_data, tiny_root):
    dataset = build(tiny_data, tiny_root, pipeline=[lambda results: None])
    with pytest.raises(ValueError, match='returned None for sample scene-0061-sample1'):
        dataset[1]


def test_broken_info_files(tiny_data, tiny_root, tmp_path):
    with pytest.raises(FileNotFoundError, match=r'none.pkl; make it with tools/create_data.py'):
        NuScenesBEVDataset(str(tmp_path / 'none.pkl'), [])
    path = tmp_path / 'infos.pkl'
    path.write_bytes((tiny_data / 'ssl_bev_infos_train.pkl').read_bytes()[:1000])
    with pytest.raises(ValueError, match='no complete pickle'):
        NuScenesBEVDataset(str(path), [])
    path.write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(ValueError, match='no info file of mmdet3d v2'):
        NuScenesBEVDataset(str(path), [])


@pytest.mark.parametrize(
    ('argument', 'message'),
    [
        ({'num_frames': 0}, 'num_frames must be a positive integer, got 0'),
        ({'frame_stride': 1.5}, 'frame_stride must be a positive integer'),
        ({'frames': 'some'}, "frames must be 'keyframes' or 'all', got 'some'"),
        ({'bev_frame': 'world'}, "bev_frame must be one of .*, got 'world'"),
        ({'label_fraction': 2.0}, r'label_fraction must be in \(0, 1\], got 2.0'),
    ],
)
def test_arguments_out_of_range(tiny_data, tiny_root, argument, message):
    with pytest.raises(ValueError, match=message):
        build(tiny_data, tiny_root, **argument)


def test_scenes_of_several_data_sets_may_share_a_name():
    """Every town of a generator counts its scenes from 1."""
    frames = [dict(scene_name='scene-0001', scene_token=token) for token in ('a', 'b')]
    assert find_scenes('scene_list', ['a'], frames) == {'a'}
    assert find_scenes('scene_list', ['scene-0001'], frames) == {'a', 'b'}
    for scene in ('a', 'b', 'scene-0001'):
        with pytest.raises(
            ValueError, match=f'disjoint_from names 1 scenes that are used here as well, such as {scene}'
        ):
            check_disjoint([scene], frames)
