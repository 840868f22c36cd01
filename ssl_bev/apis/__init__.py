"""Inference from Python: build a model from a config and a checkpoint, predict, save."""

from ssl_bev.apis.inference import build_test_dataloader, inference, init_model
from ssl_bev.apis.random_batch import image_size, random_batch
from ssl_bev.apis.results import save_panel, save_prediction
from ssl_bev.engine import OnlineState, load_config, predict_online
from ssl_bev.visualization import draw_sample

__all__ = [
    'OnlineState',
    'build_test_dataloader',
    'draw_sample',
    'image_size',
    'inference',
    'init_model',
    'load_config',
    'predict_online',
    'random_batch',
    'save_panel',
    'save_prediction',
]
