"""From the keys of mmdet3d's own multi-view pipelines to ours."""

from __future__ import annotations

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from ..calibration import check_bev_frame, frame_cameras, frame_poses
from ..stock_augmentation import image_augmentation, lidar_augmentation
from .load_calibration import image_file_size

# Ours that mmdet3d uses as well, with another meaning.
SHARED_KEYS = ('cam2img', 'ori_shape', 'img_shape')


@TRANSFORMS.register_module()
class AdaptMultiViewImages(BaseTransform):
    """Add our keys, of a window of one frame, to those of mmdet3d's multi-view loading and augmentation.

    Put it after `LoadMultiViewImageFromFiles`, all augmentation of images (`MultiViewWrapper`) and of points
    (`RandomFlip3D`, `GlobalRotScaleTrans`), and before `LoadPseudoLabels` or `LoadBEVMasks`. `PackDetectionWithBEV`
    ends such a pipeline; it gives the detector its own values of the keys that are modified here.

    Convention: what happened to the pixels is read from the keys that mmdet3d leaves. They are in our pixel
    convention, the corner of the image being (0, 0):

    - `Resize3D` and `RandomResize3D` multiply the first two rows of `cam2img`, so it is `cam2img @ inv(ori_cam2img)`.
    - `RandomCrop3D` shifts `cam2img` where it is an array. Info files hold lists, and those it leaves as they are;
      then `img_crop_offset` is applied here.
    - `RandomFlip3D` leaves `cam2img` as it is (it would mirror the world with the image); `flip` and `flip_direction`
      are applied here as u -> width - u. In `MultiViewWrapper` it needs `flip_box3d=False`.
    - `Pad` adds to the right and below and moves nothing.

    So the order within `MultiViewWrapper` must be resize, crop, flip, as it is in mmdet3d's configs; each at most
    once. Where `Pad` follows a crop and a flip, `collected_keys` must contain 'homography_matrix', which tells the
    width of the image when it was flipped; then a wrong order of crop and flip is found out, too.

    Points and boxes that were flipped, turned, scaled or moved define a new lidar frame, and all matrices refer to
    it; the frame 'ego' is then `lidar2ego` away from that. A scale makes metres of the BEV frame longer or shorter.

    Required Keys: images, cam2img, ori_cam2img, lidar2cam, img, lidar_points (with lidar2ego), ego2global, token;
    optional img_crop_offset, flip, flip_direction, homography_matrix, transformation_3d_flow with pcd_rotation,
    pcd_scale_factor, pcd_trans

    Modified Keys: cam2img, ori_shape, img_shape

    Added Keys:
        - frames: list of one dict with token, timestamp, images and what else describes it
        - camera_names, bev_frame, img_paths, label_dir
        - img_aug: (1, N, 3, 3) float64, from pixels of the image file to pixels of `img`
        - cam2img, bev2cam: (1, N, 4, 4) float64; bev2global, road2bev: (1, 4, 4) float64
        - ori_shape: (1, N, 2); img_shape: height and width of the images
        - frame_valid: (1,), camera_valid: (1, N), all True; labelled
        - detector_keys: dict of those that were modified, as they were

    Args:
        bev_frame: 'lidar', the frame of mmdet3d's points and boxes, or 'ego'.
        label_dir: folder of BEV labels, for `LoadBEVMasks`; None: the sample has none.

    Raises:
        ValueError: images of different sizes, an order of augmentations that is not followed, points that were
            augmented twice in one way, or no lidar2ego.
    """

    def __init__(self, bev_frame: str = 'lidar', label_dir: str | None = None) -> None:
        self.bev_frame = check_bev_frame(bev_frame)
        self.label_dir = label_dir

    def transform(self, results: dict) -> dict:
        if 'lidar2ego' not in results.get('lidar_points', {}):
            raise ValueError(f"sample {results['token']} needs lidar_points['lidar2ego']: it says where the road is")
        sizes = sorted({image.shape[:2] for image in results['img']})
        if len(sizes) != 1:
            raise ValueError(f'the images of sample {results["token"]} must have one size, got {sizes}')
        names = list(results['images'])
        images = {
            name: {**camera, 'cam2img': cam2img, 'lidar2cam': lidar2cam}
            for (name, camera), cam2img, lidar2cam in zip(
                results['images'].items(), results['ori_cam2img'], results['lidar2cam'], strict=True
            )
        }
        info = ('scene_token', 'scene_name', 'frame_index', 'location', 'lidar_points', 'ego2global', 'token')
        frame = {key: results[key] for key in info if key in results}
        frame |= {'images': images, 'timestamp': results.get('timestamp', 0.0)}
        original, bev2cam = frame_cameras(frame, names, self.bev_frame)
        bev2global, road2bev = frame_poses(frame, self.bev_frame)
        old2new = self._bev_augmentation(results)
        new2old = np.linalg.inv(old2new)
        # MultiViewWrapper drops ori_shape, and stock info files do not know it.
        ori_shape = [image_file_size(camera) for camera in images.values()]
        img_aug = np.stack([image_augmentation(results, n, size) for n, size in enumerate(ori_shape)])
        cam2img = original.copy()
        cam2img[:, :3] = img_aug @ original[:, :3]
        results['detector_keys'] = {key: results[key] for key in SHARED_KEYS if key in results}
        results.update(
            frames=[frame],
            camera_names=names,
            bev_frame=self.bev_frame,
            img_paths=[[str(camera['img_path']) for camera in images.values()]],
            label_dir=self.label_dir,
            img_aug=img_aug[None],
            ori_shape=np.array([ori_shape]),
            img_shape=sizes[0],
            cam2img=cam2img[None],
            bev2cam=(bev2cam @ new2old)[None],
            bev2global=(bev2global @ new2old)[None],
            road2bev=(old2new @ road2bev)[None],
            frame_valid=[True],
            camera_valid=np.ones((1, len(names)), bool),
            labelled=self.label_dir is not None,
        )
        return results

    def _bev_augmentation(self, results: dict) -> np.ndarray:  # (4, 4)
        """From the BEV frame before to the BEV frame after the points were augmented."""
        old2new = lidar_augmentation(results)
        if self.bev_frame == 'lidar':
            return old2new
        lidar2ego = np.asarray(results['lidar_points']['lidar2ego'], np.float64)
        return lidar2ego @ old2new @ np.linalg.inv(lidar2ego)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(bev_frame={self.bev_frame!r}, label_dir={self.label_dir!r})'
