"""Inference from Python: build a model from a config and a checkpoint, predict, save."""

from ssl_bev.apis.inference import build_test_dataloader, inference, init_model, load_config
from ssl_bev.apis.results import draw_sample, save_panel, save_prediction

__all__ = [
    'build_test_dataloader',
    'draw_sample',
    'inference',
    'init_model',
    'load_config',
    'save_panel',
    'save_prediction',
]
