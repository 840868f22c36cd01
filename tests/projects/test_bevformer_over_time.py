"""BEVFormer in the whole model: windows of any length, and the same frame by frame."""

import pickle

import numpy as np
import pytest
import torch
from bevformer_rig import randomize
from mmengine.dataset import pseudo_collate

import projects.BEVFormer.bevformer  # noqa: F401  registers BEVFormer
from ssl_bev.apis import inference, predict_online
from ssl_bev.datasets import BEVDataPreprocessor, NuScenesBEVDataset
from ssl_bev.models import BEVSegmentor

GRID = {'x_range': (-12, 12), 'y_range': (-8, 8), 'cell_size': 1.0}


def make_model(**encoder):
    model = BEVSegmentor(
        data_preprocessor=BEVDataPreprocessor(pad_size_divisor=32),
        img_backbone=dict(
            type='mmdet.ResNet', depth=18, base_channels=4, num_stages=1, strides=(1,), dilations=(1,), out_indices=(0,)
        ),
        bev_encoder=dict(
            type='BEVFormer', x_range=(-12, 12), y_range=(-8, 8), bev_shape=(8, 12), in_channels=4, embed_dims=16,
            num_layers=2, num_heads=4, num_levels=1, dropout=0.0, **encoder,
        ),
        seg_head=dict(
            type='BEVSegHead', in_channels=16, channels=8, num_upsamples=1, grid=GRID, classes=['road', 'line'],
            coarse_classes={'road': ['road'], 'line': ['line']},
        ),
    )  # fmt: skip
    randomize(model.bev_encoder, torch.Generator().manual_seed(0))
    return model.eval()


@pytest.fixture(scope='module')
def model():
    return make_model()


def textured(results):
    """Pictures with something on them, the same for a frame in each window."""
    for row, frame in zip(results['img'], results['frames'], strict=True):
        for n, image in enumerate(row):
            seed = [ord(letter) for letter in frame['token']] + [n]
            row[n] = np.random.default_rng(seed).integers(0, 256, image.shape, np.uint8)
    return results


PIPELINE = [{'type': 'LoadBEVImages'}, textured, {'type': 'PackBEVInputs'}]


@pytest.fixture
def frames(tiny_data, tiny_root):
    """A function that opens the two scenes of three frames, without some of the frames."""

    def build(without=(), folder=None, **arguments):
        info_file = tiny_data / 'ssl_bev_infos_train.pkl'
        if without:
            content = pickle.loads(info_file.read_bytes())
            content['data_list'] = [frame for frame in content['data_list'] if frame['token'] not in without]
            info_file = folder / 'infos.pkl'
            info_file.write_bytes(pickle.dumps(content))
        arguments = {
            'pipeline': PIPELINE,
            'data_root': str(tiny_root),
            'info_root': '',
            'serialize_data': False,
            **arguments,
        }
        return NuScenesBEVDataset(ann_file=str(info_file), with_labels=False, **arguments)

    return build


@torch.no_grad()
def windowed(model, dataset):
    """The prediction of each sample, from its window alone."""
    return torch.stack([model.test_step(pseudo_collate([sample]))[0].pred_bev_seg for sample in dataset])


def online(model, samples, **arguments):
    """The prediction of each sample, from itself and from what those before have left."""
    state, predictions = None, []
    for sample in samples:
        (predicted,), state = predict_online(model, sample, state, **arguments)
        predictions.append(predicted.pred_bev_seg)
    return torch.stack(predictions)


def test_a_window_knows_its_frames_and_no_others(model, frames):
    """Windows of 1, 2, 3 and 5 frames agree where they reach back equally far, and no scene knows the one before."""
    one, two, three, five = (windowed(model, frames(num_frames=n)) for n in (1, 2, 3, 5))
    first_of_scene, second, third = [0, 3], [1, 4], [2, 5]
    for longer in (two, three, five):
        torch.testing.assert_close(longer[first_of_scene], one[first_of_scene])
    torch.testing.assert_close(three[second], two[second])
    torch.testing.assert_close(five, three)
    for longer, shorter, rows in ((two, one, second), (two, one, third), (three, two, third)):
        assert all((longer[i] - shorter[i]).abs().max() > 1e-3 for i in rows)
    alone = windowed(model, frames(num_frames=3, scene_list=['scene-0553']))
    torch.testing.assert_close(alone, three[3:])


def test_without_history_each_frame_stands_alone(frames):
    model = make_model(with_history=False)
    alone = windowed(model, frames(num_frames=1))
    torch.testing.assert_close(windowed(model, frames(num_frames=3)), alone)
    torch.testing.assert_close(online(model, frames(num_frames=1)), alone)


def test_frame_by_frame_is_the_window_since_the_scene_began(model, frames):
    """Over the border of two scenes, without being told."""
    expected = windowed(model, frames(num_frames=3))
    torch.testing.assert_close(online(model, frames(num_frames=1)), expected, atol=1e-5, rtol=0)
    # Of a window the last frame counts.
    torch.testing.assert_close(online(model, frames(num_frames=2)), expected, atol=1e-5, rtol=0)
    by_inference = [sample.pred_bev_seg for _, sample in inference(model, frames(num_frames=1), online=True)]
    torch.testing.assert_close(torch.stack(by_inference), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize('num_frames', [1, 2, 3, 4])
def test_a_limit_of_the_history_is_a_window_of_as_many_frames(model, frames, num_frames):
    expected = windowed(model, frames(num_frames=num_frames))
    predicted = online(model, frames(num_frames=1), num_frames=num_frames)
    torch.testing.assert_close(predicted, expected, atol=1e-5, rtol=0)


def test_a_missing_frame_is_bridged_by_its_pose(model, frames, tmp_path):
    gappy = {'without': ['scene-0061-sample1'], 'folder': tmp_path}
    expected = windowed(model, frames(num_frames=2, **gappy))
    every_other = windowed(model, frames(num_frames=2, frame_stride=2))
    torch.testing.assert_close(expected[1], every_other[2])
    torch.testing.assert_close(online(model, frames(**gappy))[:2], expected[:2], atol=1e-5, rtol=0)
    # 1 s is too long for these: both forget.
    forgetful = windowed(model, frames(num_frames=2, max_time_gap=0.9, **gappy))
    torch.testing.assert_close(online(model, frames(**gappy), max_time_gap=0.9)[:2], forgetful[:2])
    torch.testing.assert_close(forgetful[1], windowed(model, frames())[2])
    assert (forgetful[1] - expected[1]).abs().max() > 1e-3


def test_time_that_does_not_go_forward_starts_anew(model, frames):
    samples, alone = [frames()[i] for i in range(3)], windowed(model, frames())
    torch.testing.assert_close(online(model, [samples[2], samples[1]])[1], alone[1])
    torch.testing.assert_close(online(model, [samples[1], samples[1]])[1], alone[1])


def test_streams_side_by_side_are_as_alone(model, frames):
    """The second stream changes its scene while the first goes on."""
    dataset = frames()
    streams = [[0, 1, 2], [1, 2, 3]]
    state, together = None, []
    for pair in zip(*streams, strict=True):
        before = state and state.encoder[0].bev.clone()
        batch = pseudo_collate([dataset[i] for i in pair])
        samples, following = predict_online(model, batch, state)
        assert state is None or torch.equal(state.encoder[0].bev, before)
        state = following
        together.append(torch.stack([sample.pred_bev_seg for sample in samples]))
    with pytest.raises(ValueError, match='num_frames must be at least 1 or None, got 0'):
        predict_online(model, dataset[0], num_frames=0)
    for k, stream in enumerate(streams):
        alone = online(model, [dataset[i] for i in stream])
        torch.testing.assert_close(torch.stack(together)[:, k], alone, atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match=r'state is of 2 streams, batch has 1 samples; start with state=None'):
        predict_online(model, dataset[0], state)


@torch.no_grad()
def test_cameras_that_come_and_go_within_a_batch(model, frames):
    """Samples with different cameras missing in different frames of their windows, together and alone."""
    dataset = frames(num_frames=3)
    samples = [dataset[2], dataset[5]]
    samples[0]['data_samples'].camera_valid = torch.tensor([[True, True], [False, True], [True, True]])
    samples[1]['data_samples'].camera_valid = torch.tensor([[False, False], [True, True], [True, False]])
    together = [s.pred_bev_seg for s in model.test_step(pseudo_collate(samples))]
    for sample, predicted in zip(samples, together, strict=True):
        alone = model.test_step(pseudo_collate([sample]))[0].pred_bev_seg
        torch.testing.assert_close(predicted, alone, atol=1e-5, rtol=0)
    full = [model.test_step(pseudo_collate([dataset[i]]))[0].pred_bev_seg for i in (2, 5)]
    assert all((a - b).abs().max() > 1e-3 for a, b in zip(together, full, strict=True))


@torch.no_grad()
@pytest.mark.parametrize('cameras', [['CAM_BACK'], ['CAM_FRONT', 'CAM_BACK']])
def test_rigs_of_another_size(model, frames, cameras):
    outputs = windowed(model, frames(camera_names=cameras, num_frames=2))
    assert outputs.isfinite().all()
    assert (outputs[0] - outputs[1]).abs().max() > 1e-3
