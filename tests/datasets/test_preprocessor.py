import pytest
import torch
from mmengine.dataset import pseudo_collate

from ssl_bev.datasets import BEVDataPreprocessor
from ssl_bev.structures import BEVDataSample


def sample(height=6, width=10, value=0):
    image = torch.full((2, 3, 3, height, width), value, dtype=torch.uint8)
    image[:, :, 0] = 10  # blue
    image[:, :, 2] = 30  # red
    data_sample = BEVDataSample(metainfo={'img_shape': (height, width)})
    data_sample.bev2img = torch.eye(4).expand(2, 3, 4, 4)
    return {'inputs': {'img': image}, 'data_samples': data_sample}


def test_normalised_in_the_order_of_mean_and_std():
    preprocessor = BEVDataPreprocessor(mean=(1, 2, 3), std=(1, 2, 4))
    batch = preprocessor(pseudo_collate([sample(value=20)]))
    image = batch['inputs']['img']
    assert image.shape == (1, 2, 3, 3, 6, 10)
    assert image.dtype == torch.float32
    # Red first: (30 - 1) / 1, (20 - 2) / 2, (10 - 3) / 4.
    assert image[0, 1, 2, :, 3, 4].tolist() == [29, 9, 1.75]
    bgr = BEVDataPreprocessor(mean=(1, 2, 3), std=(1, 2, 4), bgr_to_rgb=False)(pseudo_collate([sample(value=20)]))
    assert bgr['inputs']['img'][0, 1, 2, :, 3, 4].tolist() == [9, 9, 6.75]


def test_padding_is_right_and_below_and_zero():
    preprocessor = BEVDataPreprocessor(mean=(0, 0, 0), std=(1, 1, 1), pad_size_divisor=8)
    data = pseudo_collate([sample(6, 10, 20), sample(5, 9, 40)])
    before = [s.bev2img.clone() for s in data['data_samples']]
    batch = preprocessor(data)
    image = batch['inputs']['img']
    assert image.shape == (2, 2, 3, 3, 8, 16)
    assert (image[0, ..., :6, :10] > 0).all()
    assert (image[1, ..., :5, :9] > 0).all()
    assert image[0, ..., 6:, :].abs().sum() == image[0, ..., 10:].abs().sum() == image[1, ..., 9:].abs().sum() == 0
    for data_sample, matrix, shape in zip(batch['data_samples'], before, [(6, 10), (5, 9)], strict=True):
        assert torch.equal(data_sample.bev2img, matrix)
        assert data_sample.img_shape == shape
        assert data_sample.pad_shape == (8, 16)


def test_single_sample_and_untouched_input():
    one = sample(value=20)
    kept = one['inputs']['img'].clone()
    batch = BEVDataPreprocessor()(one)
    assert batch['inputs']['img'].shape == (1, 2, 3, 3, 6, 10)
    assert len(batch['data_samples']) == 1
    assert torch.equal(one['inputs']['img'], kept)


def test_windows_of_other_lengths_do_not_stack():
    longer, shorter = sample(), sample()
    shorter['inputs']['img'] = shorter['inputs']['img'][:1]
    with pytest.raises(ValueError, match=r'equally many frames and cameras, got \[\(1, 3\), \(2, 3\)\]'):
        BEVDataPreprocessor()(pseudo_collate([longer, shorter]))


def test_checkpoints_do_not_hold_the_statistics():
    assert not BEVDataPreprocessor().state_dict()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'mean': (1, 2)}, 'mean and std must be three numbers'),
        ({'std': (1, 0, 1)}, 'std positive'),
        ({'pad_size_divisor': 0}, 'pad_size_divisor must be at least 1'),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        BEVDataPreprocessor(**arguments)
