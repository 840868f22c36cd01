import cv2

from ssl_bev.visualization.frames_figure import draw_frames_figure


def test_the_picture_of_the_conventions_can_be_drawn(tmp_path):
    out = draw_frames_figure(tmp_path / 'docs' / 'frames.png')
    picture = cv2.imread(str(out))
    assert picture.shape == (860, 1550, 3)
    assert (picture < 100).any(-1).mean() > 0.005
