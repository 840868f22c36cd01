"""Pictures: BEV maps, panels of one sample, training curves."""

from ssl_bev.visualization.bev_image import draw_bev, turn_forward_up
from ssl_bev.visualization.curves import plot_curves, read_scalars
from ssl_bev.visualization.overlay import draw_overlay, reproject_to_image
from ssl_bev.visualization.palette import class_styles, painting_order
from ssl_bev.visualization.panel import camera_places, compose_panel, draw_panel
from ssl_bev.visualization.sample_panel import check_predicted, draw_sample

__all__ = [
    'camera_places',
    'check_predicted',
    'class_styles',
    'compose_panel',
    'draw_bev',
    'draw_overlay',
    'draw_panel',
    'draw_sample',
    'painting_order',
    'plot_curves',
    'read_scalars',
    'reproject_to_image',
    'turn_forward_up',
]
