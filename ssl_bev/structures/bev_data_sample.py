"""The data that belongs to a window of images: calibration, poses, labels, and later the prediction."""

from __future__ import annotations

from mmengine.structures import BaseDataElement


class BEVDataSample(BaseDataElement):
    """One window of T frames seen by N cameras; the last frame is the current one.

    Data fields (tensors, moved by `.to()`):
        bev2img: (T, N, 4, 4) float32, from the frame's BEV frame to pixels of the augmented image.
        bev2global: (T, 4, 4) float64, pose of each BEV frame.
        road2bev: (T, 4, 4) float32, pose of the road frame, whose plane z = 0 is the road.
        road_heights: (T, h, w) float32, metres of the ground over that plane, on `road_grid`; (T, 0, 0) if the road
            is known and a plane. Samples without it have no known road: it is the plane under the wheels.
        frame_valid: (T,) bool, False where a window extends beyond its scene and repeats a frame.
        camera_valid: (T, N) bool, False where a frame lacks a camera: its image is black and has no influence.
        gt_bev_seg: (K, H, W) uint8 of the current frame, 0, 1 or 255 = ignore. Labelled samples only.
        pseudo_target: (T', N, K', h, w) uint8 for the last T' frames of the window, at a stride of the augmented
            images: 0 ... 254 = fraction of the class in 254ths, 255 = ignore, see `ssl_bev.targets`.
        pseudo_confidence: (T', N, h, w) uint8, 255 = certain.
        accumulated_probability: (K', H, W) uint8 soft targets of the current frame, 255 = certainly present.
        accumulated_weight: (K', H, W) uint8, 255 = well observed, 0 = not observed.
        completed_probability, completed_weight: the same for the K fine classes, of a completed map.
        pred_bev_seg: (K, H, W) float32 probabilities, added by the model.

    Metainfo: sample_token, scene_token, scene_name, frame_index, location, timestamps, camera_names, img_paths,
    img_shape, image_size, bev_frame, bev_classes, pseudo_classes, accumulated_classes, accumulated_grid,
    road_grid, completed_classes, completed_grid, pred_classes, x_range, y_range, cell_size.
    """
