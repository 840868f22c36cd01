"""Both attentions against slow, readable twins, and their symmetries."""

import pytest
import torch
import torch.nn.functional as F
from bevformer_rig import IMAGE_SIZE, LEVEL_SHAPES, level_features, randomize, ring_of_cameras

from projects.BEVFormer.bevformer.reference_points import pillar_points, view_pillars
from projects.BEVFormer.bevformer.spatial_cross_attention import SpatialCrossAttention
from projects.BEVFormer.bevformer.temporal_self_attention import TemporalSelfAttention
from ssl_bev.geometry import BEVGrid, project_points

GRID = BEVGrid((-6, 6), (-3, 5), 1)
CHANNELS, HEADS, POINTS, HEIGHTS = 16, 4, 8, 4


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def spatial(generator):
    return randomize(SpatialCrossAttention(CHANNELS, HEADS, len(LEVEL_SHAPES), POINTS), generator)


@pytest.fixture
def temporal(generator):
    return randomize(TemporalSelfAttention(CHANNELS, HEADS, 4), generator)


def flatten(features):
    return torch.cat([level.flatten(3).transpose(2, 3) for level in features], 2)


def draw_queries(generator, batch=2):
    return torch.randn(batch, GRID.shape[0] * GRID.shape[1], CHANNELS, generator=generator)


def bilinear(feature_map, location):
    """One sample of a (D, h, w) map at an (x, y) fraction."""
    return F.grid_sample(feature_map[None], 2 * location.view(1, 1, 1, 2) - 1, align_corners=False)[0, :, 0, 0]


def spatial_twin(attention, query, features, points, bev2img):
    """One sample, query, camera, head, level and point after the other."""
    inner = attention.deformable_attention
    output = []
    for sample in range(len(query)):
        pixels, depth, visible = project_points(points[0][None], bev2img[sample][:, None], IMAGE_SIZE)
        for index, one_query in enumerate(query[sample]):
            cameras = [camera for camera in range(len(pixels)) if visible[camera, index].any()]
            offsets = inner.sampling_offsets(one_query).view(HEADS, len(features), POINTS, 2)
            weights = inner.attention_weights(one_query).view(HEADS, -1).softmax(-1).view(HEADS, -1, POINTS)
            total = torch.zeros(CHANNELS)
            for camera in cameras:
                heads = [0] * HEADS
                for level, maps in enumerate(features):
                    value = inner.value_proj(maps[sample, camera].permute(1, 2, 0)).permute(2, 0, 1)
                    size = torch.tensor([value.shape[2], value.shape[1]])
                    for head, channels in enumerate(value.chunk(HEADS)):
                        for point in range(POINTS):
                            if depth[camera, index, point % HEIGHTS] <= 0.1:
                                continue
                            reference = pixels[camera, index, point % HEIGHTS] / torch.tensor([96, 64])
                            location = reference + offsets[head, level, point] / size
                            heads[head] += weights[head, level, point] * bilinear(channels, location)
                total += torch.cat(heads) / len(cameras)
            output.append(one_query + attention.output_proj(total))
    return torch.stack(output).view_as(query)


@torch.no_grad()
def test_spatial_attention_equals_the_loop(spatial, generator):
    rigs = torch.stack([ring_of_cameras(3), ring_of_cameras(3, first_yaw=0.4, focal_length=20)])
    grid = BEVGrid((-4, 6), (-2, 4), 2)
    points = pillar_points(grid, (-1, 3), HEIGHTS)
    features = level_features(2, 3, CHANNELS, generator)
    query = torch.randn(2, points.shape[1], CHANNELS, generator=generator)
    views = view_pillars(points, rigs, IMAGE_SIZE)
    assert views.num_views.max() > 1 and len(set(views.cameras.index.bincount().tolist())) > 1
    vectorised = spatial(query, flatten(features), LEVEL_SHAPES, views)
    torch.testing.assert_close(vectorised, spatial_twin(spatial, query, features, points, rigs), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_spatial_attention_does_not_care_for_the_order_of_cameras(spatial, generator):
    rig, order = ring_of_cameras(5), torch.tensor([3, 0, 4, 1, 2])
    points = pillar_points(GRID, (-1, 3), HEIGHTS)
    features = flatten(level_features(1, 5, CHANNELS, generator))
    query = draw_queries(generator, 1)
    outputs = [
        spatial(query, features[:, o], LEVEL_SHAPES, view_pillars(points, rig[o][None], IMAGE_SIZE))
        for o in (torch.arange(5), order)
    ]
    torch.testing.assert_close(*outputs)


def test_unseen_queries_keep_finite_values_and_gradients(spatial, generator):
    points = pillar_points(GRID, (-1, 3), HEIGHTS)
    views = view_pillars(points, ring_of_cameras(1)[None], IMAGE_SIZE)
    unseen = torch.ones(points.shape[1], dtype=torch.bool)
    unseen[views.query] = False
    assert unseen.any() and not unseen.all()
    query = draw_queries(generator, 1).requires_grad_()
    features = flatten(level_features(1, 1, CHANNELS, generator)).requires_grad_()
    output = spatial(query, features, LEVEL_SHAPES, views)
    torch.testing.assert_close(output[0, unseen], query[0, unseen] + spatial.output_proj.bias)
    output[0, unseen].sum().backward()
    torch.testing.assert_close(query.grad[0, unseen], torch.ones_like(query.grad[0, unseen]))
    assert (features.grad == 0).all()


def test_spatial_points_must_divide(generator):
    attention = SpatialCrossAttention(CHANNELS, HEADS, len(LEVEL_SHAPES), num_points=6)
    points = pillar_points(GRID, (-1, 3), HEIGHTS)
    views = view_pillars(points, ring_of_cameras(1)[None], IMAGE_SIZE)
    features = flatten(level_features(1, 1, CHANNELS, generator))
    with pytest.raises(ValueError, match='num_points 6 must be a multiple of the 4 pillar heights'):
        attention(draw_queries(generator, 1), features, LEVEL_SHAPES, views)


def temporal_twin(attention, query, bev_pos, history, current):
    """One sample, query, map, head and point after the other."""
    rows, columns = GRID.shape
    output = []
    for sample in range(len(query)):
        for index in range(rows * columns):
            previous = history[sample, index]
            context = torch.cat([previous, query[sample, index] + bev_pos[0, index]])
            offsets = attention.sampling_offsets(context).view(HEADS, 2, 4, 2)
            weights = attention.attention_weights(context).view(HEADS, 2, 4).softmax(-1)
            center = torch.tensor([(index % columns + 0.5) / columns, (index // columns + 0.5) / rows])
            total = torch.zeros(CHANNELS)
            for queue, bev in enumerate((history, current)):
                value = attention.value_proj(bev[sample]).T.view(HEADS, -1, rows, columns)
                for head in range(HEADS):
                    for point in range(4):
                        location = center + offsets[head, queue, point] / torch.tensor([columns, rows])
                        part = weights[head, queue, point] * bilinear(value[head], location)
                        total[head * len(part) : (head + 1) * len(part)] += part / 2
            output.append(query[sample, index] + attention.output_proj(total))
    return torch.stack(output).view_as(query)


@torch.no_grad()
def test_temporal_attention_equals_the_loop(temporal, generator):
    query, history, current = (draw_queries(generator) for _ in range(3))
    bev_pos = draw_queries(generator, 1)
    with_history = temporal(query, bev_pos, GRID.shape, history, current)
    expected = temporal_twin(temporal, query, bev_pos, history, current)
    torch.testing.assert_close(with_history, expected, atol=1e-5, rtol=1e-5)
    without_history = temporal(query, bev_pos, GRID.shape)
    expected = temporal_twin(temporal, query, bev_pos, query, query)
    torch.testing.assert_close(without_history, expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_history_counts_only_where_it_is_valid(temporal, generator):
    query, history, current = (draw_queries(generator) for _ in range(3))
    bev_pos, shift = draw_queries(generator, 1), torch.tensor([[0.1, -0.2], [0.3, 0.1]])
    mixed = temporal(query, bev_pos, GRID.shape, history, current, torch.tensor([False, True]), shift)
    with_history = temporal(query, bev_pos, GRID.shape, history, current, history_shift=shift)
    without_history = temporal(query, bev_pos, GRID.shape)
    torch.testing.assert_close(mixed[0], without_history[0])
    torch.testing.assert_close(mixed[1], with_history[1])
    assert not torch.allclose(with_history[0], without_history[0], atol=1e-2)


@pytest.mark.parametrize('attention', [SpatialCrossAttention, TemporalSelfAttention])
def test_heads_must_divide_the_channels(attention):
    with pytest.raises(ValueError, match='num_heads 5 must divide embed_dims 16'):
        attention(16, num_heads=5)


def test_offsets_start_as_a_directional_grid():
    bias = TemporalSelfAttention(16, num_heads=4, num_points=2).sampling_offsets.bias.view(4, 2, 2, 2)
    expected = torch.tensor([[1.0, 0], [0, 1], [-1, 0], [0, -1]])  # right, down, left, up in cells
    for queue in range(2):
        torch.testing.assert_close(bias[:, queue, 0], expected, atol=1e-6, rtol=0)
        torch.testing.assert_close(bias[:, queue, 1], 2 * expected, atol=1e-6, rtol=0)
