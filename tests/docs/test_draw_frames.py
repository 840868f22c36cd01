import runpy
from pathlib import Path

import cv2

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'docs' / 'draw_frames.py'


def test_the_picture_of_the_conventions_can_be_drawn(tmp_path):
    out = runpy.run_path(str(TOOL))['draw_frames_figure'](tmp_path / 'docs' / 'frames.png')
    picture = cv2.imread(str(out))
    assert picture.shape == (860, 1550, 3)
    assert (picture < 100).any(-1).mean() > 0.005
