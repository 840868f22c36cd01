"""The wiring, with an encoder of a few lines."""

import copy

import pytest
import torch
from mmdet3d.registry import MODELS
from torch import nn

from ssl_bev.geometry import BEVGrid, ground_homography, pixel_grid, pixels_to_ground, rotation_z, translation
from ssl_bev.models import BEVSegHead, BEVSegmentor
from ssl_bev.models.loss_terms import Frame, _reprojection
from ssl_bev.models.supervision import stack_pseudo_labels
from ssl_bev.structures import BEVDataSample, CameraRig

GRID = dict(x_range=(-8.0, 8.0), y_range=(-4.0, 4.0), cell_size=1.0)
FINE = ('drivable_area', 'lane_divider', 'road_divider')
COARSE = dict(drivable=['drivable_area'], marking=['lane_divider', 'road_divider'])
IMAGE, FRAMES, CAMERAS = (16, 32), 3, 2
LOSS = dict(type='SegmentationLoss')


@MODELS.register_module()
class ToyBackbone(nn.Conv2d):
    def __init__(self):
        super().__init__(3, 8, 4, stride=4)

    def forward(self, images):
        return [super().forward(images)]


@MODELS.register_module()
class ToyEncoder(nn.Module):
    """Spreads the mean image feature over the BEV and mixes in the history."""

    def __init__(self):
        super().__init__()
        self.cells = nn.Parameter(torch.randn(1, 8, 4, 8, generator=torch.Generator().manual_seed(0)))
        self.calls = []

    def forward(
        self, features, bev2img, image_size, road2bev, camera_valid, history=None, current2history=None,
        history_valid=None,
    ):  # fmt: skip
        self.calls.append(dict(grad=torch.is_grad_enabled(), size=image_size, history_valid=history_valid))
        features = features[0] * camera_valid[..., None, None, None]
        bev = features.mean((1, 3, 4))[..., None, None] * self.cells
        if history is not None:
            bev = bev + 0.5 * history * history_valid[:, None, None, None]
        return bev


def make_model(**changes):
    torch.manual_seed(0)
    config = dict(
        img_backbone=dict(type='ToyBackbone'),
        bev_encoder=dict(type='ToyEncoder'),
        seg_head=dict(
            type='BEVSegHead', in_channels=8, channels=8, num_upsamples=1, grid=GRID, classes=FINE,
            coarse_classes=COARSE, loss=LOSS,
        ),
        reprojection_head=dict(type='ReprojectionHead', loss=LOSS),
        temporal_loss=dict(type='TemporalConsistencyLoss', min_confidence=0.0, max_contrast=1.0),
        perspective_head=dict(type='PerspectiveHead', in_channels=8, num_classes=2, channels=8, loss=LOSS),
        accumulated_loss=LOSS,
        self_loss=LOSS,
        teacher_loss=dict(type='MeanTeacherLoss', loss=LOSS, min_confidence=0.0, drop_cameras=0),
    )  # fmt: skip
    model = BEVSegmentor(**{**config, **changes})
    model.init_weights()
    model.set_teacher(copy.deepcopy(model))
    return model


def make_sample(seed, labelled=True):
    generator = torch.Generator().manual_seed(seed)
    camera = torch.tensor([[16.0, 0, 16, 0], [0, 16, 4, 0], [0, 0, 1, 0], [0, 0, 0, 1]]) @ torch.tensor(
        [[0.0, -1, 0, 0], [0, 0, -1, 1.5], [1, 0, 0, 0], [0, 0, 0, 1]]
    )
    cameras = torch.stack([camera, camera @ rotation_z(torch.tensor(1.0 + seed))])
    sample = BEVDataSample(
        metainfo=dict(
            sample_token=f'sample{seed}', img_shape=IMAGE, bev_classes=list(FINE), pseudo_classes=list(COARSE), **GRID
        )
    )
    sample.bev2img = cameras.repeat(FRAMES, 1, 1, 1)
    sample.bev2global = translation(torch.tensor([[float(t), 0.0, 0.0] for t in range(FRAMES)], dtype=torch.float64))
    sample.road2bev = torch.eye(4).repeat(FRAMES, 1, 1)
    sample.frame_valid = torch.tensor([seed % 2 == 0, True, True])
    if labelled:
        sample.gt_bev_seg = torch.randint(0, 2, (3, 8, 16), generator=generator).to(torch.uint8)
    sample.set_metainfo(dict(accumulated_classes=list(COARSE), accumulated_grid=BEVGrid(**GRID)))
    sample.accumulated_probability = torch.randint(0, 256, (2, 8, 16), generator=generator).to(torch.uint8)
    sample.accumulated_weight = torch.randint(0, 256, (2, 8, 16), generator=generator).to(torch.uint8)
    sample.set_metainfo(dict(self_classes=list(FINE), self_grid=BEVGrid(**GRID)))
    sample.self_probability = torch.randint(0, 256, (3, 8, 16), generator=generator).to(torch.uint8)
    sample.self_weight = torch.randint(0, 256, (3, 8, 16), generator=generator).to(torch.uint8)
    sample.pseudo_target = torch.randint(0, 2, (FRAMES, CAMERAS, 2, 8, 16), generator=generator).to(torch.uint8)
    sample.pseudo_confidence = torch.full((FRAMES, CAMERAS, 8, 16), 255, dtype=torch.uint8)
    return sample


def images(count, seed=0):
    return torch.randn(count, FRAMES, CAMERAS, 3, *IMAGE, generator=torch.Generator().manual_seed(seed))


ALL = dict.fromkeys(
    (
        'loss_seg',
        'loss_reprojection',
        'loss_temporal',
        'loss_perspective',
        'loss_accumulated',
        'loss_self',
        'loss_teacher',
    ),
    1.0,
)


def test_losses_are_scaled_by_their_weights():
    model, batch = make_model(), [make_sample(0), make_sample(1)]
    model.set_loss_weights(ALL)
    single = model(dict(img=images(2)), batch, mode='loss')
    scales = dict(loss_seg=2.0, loss_reprojection=3.0, loss_temporal=0.5, loss_accumulated=4.0)
    model.set_loss_weights(scales)
    scaled = model(dict(img=images(2)), batch, mode='loss')
    for name, factor in scales.items():
        assert single[name] > 0
        torch.testing.assert_close(scaled[name], factor * single[name])


@pytest.mark.parametrize('active', list(ALL))
def test_the_same_keys_and_a_graph_to_every_parameter_in_every_phase(active):
    """What distributed training needs: no rank may lack a loss or a gradient."""
    model = make_model()
    model.set_loss_weights({active: 1.0})
    losses = model(dict(img=images(1)), [make_sample(0)], mode='loss')
    assert list(losses) == list(ALL)
    assert [name for name, value in losses.items() if value != 0] == [active]
    sum(losses.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize(('kind', 'level'), [('accumulated', 'coarse'), ('self', 'fine')])
def test_accumulated_targets_train_the_map_of_their_classes_where_it_is_observed(kind, level):
    model, batch = make_model(), [make_sample(0), make_sample(1)]
    model.set_loss_weights({f'loss_{kind}': 1.0})
    loss = model(dict(img=images(2)), batch, mode='loss')[f'loss_{kind}']
    assert [call['grad'] for call in model.bev_encoder.calls] == [False, False, True]
    logits = model(dict(img=images(2)), batch, mode='tensor')[level]
    probability = torch.stack([sample.get(f'{kind}_probability') for sample in batch]) / 255
    weight = torch.stack([sample.get(f'{kind}_weight') for sample in batch]) / 255
    entropy = -(probability * logits.sigmoid().log() + (1 - probability) * (1 - logits.sigmoid()).log())
    expected = (entropy * weight).sum((0, 2, 3)) / weight.sum((0, 2, 3))
    torch.testing.assert_close(loss, expected.mean())


def test_only_the_last_frames_have_gradients():
    model = make_model()
    model.set_loss_weights(dict(loss_seg=1.0))
    model(dict(img=images(1)), [make_sample(0)], mode='loss')
    assert [call['grad'] for call in model.bev_encoder.calls] == [False, False, True]
    model.bev_encoder.calls.clear()
    model.set_loss_weights(dict(loss_reprojection=1.0))
    model(dict(img=images(1)), [make_sample(0)], mode='loss')
    assert [call['grad'] for call in model.bev_encoder.calls] == [False, True, True]


def test_a_stage_in_the_image_plane_runs_no_encoder_and_gives_the_same_loss():
    model, batch = make_model(), [make_sample(0), make_sample(1)]
    losses = []
    for weights in (dict(loss_perspective=1.0), dict(loss_perspective=1.0, loss_seg=1.0)):
        model.set_loss_weights(weights)
        losses.append(model(dict(img=images(2)), batch, mode='loss')['loss_perspective'])
        assert bool(model.bev_encoder.calls) == ('loss_seg' in weights)
    torch.testing.assert_close(*losses)


def test_history_validity_is_that_of_the_frame_before():
    model = make_model()
    model(dict(img=images(2)), [make_sample(0), make_sample(1)], mode='tensor')
    valid = [call['history_valid'] for call in model.bev_encoder.calls]
    assert valid[0] is None and valid[1].tolist() == [True, False] and valid[2].tolist() == [True, True]


def test_batch_independence():
    model, batch, pictures = make_model().eval(), [make_sample(0), make_sample(1)], images(2)
    together = model(dict(img=pictures), batch, mode='tensor')
    for i in range(2):
        alone = model(dict(img=pictures[i : i + 1]), batch[i : i + 1], mode='tensor')
        for level in ('fine', 'coarse'):
            torch.testing.assert_close(together[level][i : i + 1], alone[level])


def with_cameras(sample, *valid):
    sample.camera_valid = torch.tensor(valid).expand(FRAMES, CAMERAS).clone()
    return sample


def in_view_of(sample, present):
    """Labels of what each frame's cameras see of a world that is given in the last frame's coordinates."""
    pixels = pixel_grid((8, 16), dtype=torch.float64).flatten(0, 1) * 2  # labels at stride 2
    for t in range(FRAMES):
        for n in range(CAMERAS):
            homography = ground_homography(sample.bev2img[t, n].double(), sample.road2bev[t].double())
            xy, _, valid = pixels_to_ground(pixels, homography)
            moved = sample.bev2global[t, :2, 3] - sample.bev2global[-1, :2, 3]  # no turns
            # Half a cell of bilinear blur is nobody's fault.
            label = torch.where(valid[:, None], present(xy + moved, 0.8), 255.0).T.reshape(2, 8, 16)
            sample.pseudo_target[t, n] = label.to(torch.uint8)
    return sample


def test_the_map_is_right_in_the_cameras_of_neighbouring_frames():
    """The world ends 3.5 m ahead of the last frame and begins 1.5 m to the right; the car drives 1 m a frame."""

    def present(xy, margin=0.0):
        inside = torch.stack([3.5 - xy[:, 0], xy[:, 1] + 1.5], -1)
        return torch.where(inside.abs() < margin, 255.0, (inside > 0).double())

    model, sample = make_model(reproject_frames=1, neighbour_weight=0.3), in_view_of(make_sample(0), present)
    centers = model.seg_head.grid.cell_centers().double()
    logits = (present(centers.flatten(0, 1)).T.reshape(1, 2, 8, 16).float() * 2 - 1) * 9

    def loss(weight, changed=sample):
        model.neighbour_weight = weight
        rig = CameraRig.from_data_samples([changed])
        labels = stack_pseudo_labels([changed], model.seg_head.coarse_classes)
        return _reprojection(model, Frame(2, rig.frame(2), [], dict(coarse=logits)), rig, *labels).item()

    own = loss(0.0)
    assert own < 0.001 and loss(0.3) < 0.001
    with torch.autocast('cpu', torch.bfloat16):
        assert loss(0.3) < 0.001
    backwards = sample.clone()
    backwards.bev2global[:, 0, 3] *= -1
    assert loss(0.0, backwards) == own
    assert loss(0.3, backwards) > 0.1
    sample.frame_valid[:2] = False  # the window reaches beyond its scene: repeated frames teach nothing
    assert loss(0.3) == pytest.approx(own / 1.6)


def test_neighbours_teach_every_trained_map():
    losses = []
    for weight in (0.0, 0.3):
        model = make_model(neighbour_weight=weight)
        model.set_loss_weights(dict(loss_reprojection=1.0))
        losses.append(model(dict(img=images(1)), [make_sample(0)], mode='loss')['loss_reprojection'])
    assert losses[0] != losses[1]
    losses[1].backward()
    assert model.bev_encoder.cells.grad.abs().sum() > 0
    with pytest.raises(ValueError, match='neighbour_weight must not be negative, got -1'):
        make_model(neighbour_weight=-1)


def test_a_missing_camera_is_neither_seen_nor_taught():
    """Whatever its image and its calibration hold; a batch may mix full and partial rigs."""
    model, other = make_model(), images(2)
    model.set_loss_weights(ALL)
    other[1, :, 0] += 3.0

    def losses(pictures):
        batch = [make_sample(0), with_cameras(make_sample(1), False, True)]
        batch[1].pseudo_confidence[:, 0] = 0
        if pictures is other:
            batch[1].bev2img[:, 0] = batch[0].bev2img[:, 1]
        return model(dict(img=pictures), batch, mode='loss')

    for name, value in losses(images(2)).items():
        torch.testing.assert_close(losses(other)[name], value)
    assert not torch.equal(
        losses(images(2))['loss_seg'],
        model(dict(img=images(2)), [make_sample(0), make_sample(1)], mode='loss')['loss_seg'],
    )


def test_a_camera_that_is_dropped_from_the_input_may_still_teach_the_map():
    model = make_model()
    model.set_loss_weights(dict(loss_reprojection=1.0, loss_perspective=1.0))
    sample = with_cameras(make_sample(0), False, False)
    losses = model(dict(img=images(1)), [sample], mode='loss')
    assert losses['loss_reprojection'] > 0 and losses['loss_perspective'] == 0


def test_the_ground_that_only_a_missing_camera_sees_is_not_observed():
    sample = make_sample(0)
    grid = make_model().seg_head.grid
    seen = {}
    for valid in ((True, True), (True, False), (False, True)):
        rig = CameraRig.from_data_samples([with_cameras(sample, *valid)])
        seen[valid] = rig.frame(0).observed(grid)
    assert torch.equal(seen[True, False] | seen[False, True], seen[True, True])
    assert not torch.equal(seen[True, False], seen[True, True])


def test_an_unlabelled_sample_in_a_mixed_batch_changes_nothing_for_the_labelled_one():
    model = make_model()
    alone = model(dict(img=images(1)), [make_sample(0)], mode='loss')['loss_seg']
    mixed = model(
        dict(img=torch.cat([images(1), images(1, seed=5)])),
        [make_sample(0), make_sample(1, labelled=False)],
        mode='loss',
    )['loss_seg']
    torch.testing.assert_close(mixed, alone)


def test_padding_is_known_to_the_encoder_but_not_to_the_labels():
    model = make_model()
    model.set_loss_weights(dict(loss_reprojection=1.0))
    padded = torch.nn.functional.pad(images(1), (0, 0, 0, 16))
    losses = model(dict(img=padded), [make_sample(0)], mode='loss')
    assert losses['loss_reprojection'] > 0
    assert {call['size'] for call in model.bev_encoder.calls} == {(32, 32)}


@pytest.mark.parametrize(('level', 'names'), [('fine', FINE), ('coarse', tuple(COARSE))])
def test_predict_adds_probabilities_with_their_names_and_grid(level, names):
    model = make_model().eval()
    model.seg_head.predict_classes = level
    sample = model(dict(img=images(1)), [make_sample(0)], mode='predict')[0]
    assert sample.pred_classes == names and sample.pred_bev_seg.shape == (len(names), 8, 16)
    assert (sample.x_range, sample.cell_size) == ((-8.0, 8.0), 1.0)
    logits = model(dict(img=images(1)), [make_sample(0)], mode='tensor')[level]
    torch.testing.assert_close(sample.pred_bev_seg, logits[0].sigmoid())


def test_fine_rows_start_from_their_parents():
    head = make_model().seg_head
    head.init_fine_from_coarse()
    assert head.parent == (0, 1, 1)
    torch.testing.assert_close(head.fine.weight[1], head.coarse.weight[1])
    torch.testing.assert_close(head.fine.weight[2], head.coarse.weight[1])
    torch.testing.assert_close(head.fine.bias[0], head.coarse.bias[0])


def test_new_classes_keep_their_own_start():
    head = BEVSegHead(
        4, GRID, ('road', 'walkway', 'line'), dict(drivable=['road'], marking=['line']), dict(type='SegmentationLoss'),
        channels=8, num_upsamples=1, new_classes=('walkway',),
    )  # fmt: skip
    before = head.fine.weight[1].clone()
    head.init_fine_from_coarse()
    torch.testing.assert_close(head.fine.weight[1], before, rtol=0, atol=0)
    torch.testing.assert_close(head.fine.weight[2], head.coarse.weight[1])


@pytest.mark.parametrize(
    ('weights', 'message'),
    [
        (dict(loss_sge=1.0), "unknown loss 'loss_sge'"),
        (dict(loss_seg=-1.0), 'must not be negative'),
        (dict(loss_temporal=1.0), 'loss_temporal has the weight 1.0, but the model has no temporal_loss'),
    ],
)
def test_bad_weights(weights, message):
    with pytest.raises(ValueError, match=message):
        make_model(temporal_loss=None).set_loss_weights(weights)


def test_labels_are_found_by_name_among_more():
    model, sample = make_model(), make_sample(0)
    expected = model(dict(img=images(1)), [sample], mode='loss')['loss_seg']
    sample.set_metainfo(dict(bev_classes=['thin', *FINE[::-1]]))
    sample.gt_bev_seg = torch.cat([1 - sample.gt_bev_seg[:1], sample.gt_bev_seg.flip(0)])
    torch.testing.assert_close(model(dict(img=images(1)), [sample], mode='loss')['loss_seg'], expected)


def test_labels_that_do_not_belong_to_the_head():
    model, sample = make_model(), make_sample(0)
    sample.set_metainfo(dict(bev_classes=['a', 'b', 'c']))
    with pytest.raises(ValueError, match=r"BEV labels of sample sample0 have the classes \('a', 'b', 'c'\)"):
        model(dict(img=images(1)), [sample], mode='loss')
    sample = make_sample(0)
    sample.set_metainfo(dict(cell_size=0.5))
    with pytest.raises(ValueError, match='sample0 have the grid'):
        model(dict(img=images(1)), [sample], mode='loss')


def test_missing_pseudo_labels_are_named():
    model, sample = make_model(), make_sample(3)
    model.set_loss_weights(dict(loss_reprojection=1.0))
    del sample.pseudo_target
    with pytest.raises(ValueError, match='sample sample3 has none; add LoadPseudoLabels'):
        model(dict(img=images(1)), [sample], mode='loss')


def test_accumulated_targets_that_are_missing_or_of_another_kind():
    model = make_model()
    model.set_loss_weights(dict(loss_accumulated=1.0))
    for key, value, message in (
        ('accumulated_classes', ['a', 'b'], 'accumulated targets of sample sample0 have the classes'),
        ('accumulated_grid', BEVGrid((-8, 8), (-4, 4), 0.5), 'accumulated targets of sample sample0 have the grid'),
    ):
        sample = make_sample(0)
        sample.set_metainfo({key: value})
        with pytest.raises(ValueError, match=message):
            model(dict(img=images(1)), [sample], mode='loss')
    sample = make_sample(3)
    del sample.accumulated_probability
    with pytest.raises(ValueError, match='sample sample3 has none; add LoadAccumulatedTargets'):
        model(dict(img=images(1)), [sample], mode='loss')


def test_bad_head_arguments():
    arguments = dict(in_channels=8, grid=GRID, classes=FINE, coarse_classes=COARSE, loss=LOSS)
    with pytest.raises(ValueError, match='exactly once'):
        BEVSegHead(**{**arguments, 'coarse_classes': dict(drivable=['drivable_area'])})
    with pytest.raises(ValueError, match="predict_classes must be 'fine' or 'coarse'"):
        BEVSegHead(**arguments, predict_classes='all')
    for size, steps in (((3, 3), 1), ((2, 4), 1), ((4, 8), 3), ((4, 8), 0), ((16, 32), 1)):
        message = rf'features of \({size[0]}, {size[1]}\) and {steps} doublings do not give the label grid \(8, 16\)'
        with pytest.raises(ValueError, match=message):
            BEVSegHead(**arguments, num_upsamples=steps)(torch.zeros(1, 8, *size))


def test_the_last_upsampling_goes_to_the_label_grid():
    """From 3 x 6 cells over 6 x 12 to 8 x 16: a cell that lights up stays where it is in metres."""
    head = BEVSegHead(
        in_channels=1, channels=8, num_upsamples=2, grid=GRID, classes=FINE, coarse_classes=COARSE, loss=LOSS
    )
    head.blocks = nn.ModuleList(nn.Identity() for _ in range(3))
    head.fine = head.coarse = nn.Identity()
    bev = torch.zeros(1, 1, 3, 6)
    bev[..., 1, 2] = 1.0  # its centre is 1.5/3 of the height and 2.5/6 of the width
    logits = head(bev)['fine'][0, 0]
    assert logits.shape == (8, 16)
    rows, columns = torch.arange(8) + 0.5, torch.arange(16) + 0.5
    center = [(logits.sum(1) * rows).sum() / logits.sum() / 8, (logits.sum(0) * columns).sum() / logits.sum() / 16]
    torch.testing.assert_close(torch.stack(center), torch.tensor([1.5 / 3, 2.5 / 6]), atol=0.01, rtol=0)
