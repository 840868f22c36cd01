"""The arms side by side: which map stands where, and that the truth is the exact one."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from projects.SyntheticNuScenes.label_efficiency import pictures as module
from projects.SyntheticNuScenes.label_efficiency.pictures import draw_frames
from ssl_bev.structures import BEVDataSample
from ssl_bev.visualization import class_styles

NAMES = ('drivable_area', 'stop_line')
CAMERAS = ['CAM_FRONT', 'CAM_BACK']


def sample(prediction: torch.Tensor) -> tuple[torch.Tensor, BEVDataSample]:
    """Published labels everywhere drivable, exact ones nowhere."""
    labels = torch.zeros(4, 20, 40, dtype=torch.uint8)
    labels[0] = 1
    metainfo = dict(
        pred_classes=NAMES, x_range=(-10, 10), y_range=(-5, 5), cell_size=0.5, scene_name='scene-0001',
        bev_classes=(*NAMES, *(f'exact_{name}' for name in NAMES)), camera_names=CAMERAS,
    )  # fmt: skip
    one = BEVDataSample(metainfo=metainfo)
    one.gt_bev_seg, one.pred_bev_seg = labels, prediction
    return torch.full((2, 3, 16, 32), 128, dtype=torch.uint8), one


@pytest.fixture
def predictions(monkeypatch):
    """The first arm sees nothing, the second one road everywhere."""
    nothing, road = torch.zeros(2, 20, 40), torch.zeros(2, 20, 40)
    road[0] = 1
    given = {'nothing': nothing, 'road': road}
    monkeypatch.setattr(module, 'predict_frames', lambda config, checkpoint, _: [sample(given[checkpoint.stem])] * 2)


def test_truth_is_exact_and_maps_stand_in_the_order_of_the_arms(predictions, tmp_path):
    arms = [(name, None, Path(name)) for name in ('nothing', 'road')]
    paths = draw_frames(arms, tmp_path / 'frames', frames=2)
    assert [path.name for path in paths] == ['frame_0.png', 'frame_1.png']
    picture = cv2.imread(str(paths[0]))
    width = 20 * module.PIXELS_PER_CELL
    ends = [picture.shape[1] - 8 - i * (width + 8) for i in range(3)]  # of the last arm, the first, the truth
    road = np.array(class_styles(NAMES)[0].colour)
    shares = [(np.abs(picture[70:150, end - width : end] - road).max(-1) < 8).mean() for end in ends]
    assert shares[0] > 0.5 and shares[1:] == [0, 0]
