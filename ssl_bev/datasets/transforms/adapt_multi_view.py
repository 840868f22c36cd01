"""From the keys of mmdet3d's multi-view pipelines to ours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from ..calibration import check_bev_frame, frame_cameras, frame_poses, lidar2ego, road_heights
from ..info_files import CREATE_COMMAND
from ..label_subsets import read_scene_list
from ..road_files import RoadReader
from ..stock_augmentation import image_augmentation, lidar_augmentation
from .load_calibration import image_file_size

# Keys that mmdet3d uses with another meaning.
SHARED_KEYS = ('cam2img', 'ori_shape', 'img_shape')


@TRANSFORMS.register_module()
class AdaptMultiViewImages(BaseTransform):
    """Add our keys, of a window of one frame, to those of mmdet3d's multi-view loading and augmentation.

    A lidar detector needs no images: without `LoadMultiViewImageFromFiles` pseudo-labels are those of the whole
    image files, which are not read. The dataset's modality needs use_camera=True, for the paths.

    Put it after `LoadMultiViewImageFromFiles`, all augmentation of images (`MultiViewWrapper`) and of points
    (`RandomFlip3D`, `GlobalRotScaleTrans`), and before `LoadPseudoLabels` or `LoadBEVMasks`. `PackDetectionWithBEV`
    ends such a pipeline; it restores the values of the detector for the keys that are modified here.

    Convention: the augmentation of pixels is read from the keys that mmdet3d writes. They are in our pixel
    convention, the corner of the image being (0, 0):

    - `Resize3D` and `RandomResize3D` multiply the first two rows of `cam2img`, so it is `cam2img @ inv(ori_cam2img)`.
    - `RandomCrop3D` shifts `cam2img` if it is an array. Info files contain lists, which it does not change;
      then `img_crop_offset` is applied here.
    - `RandomFlip3D` does not change `cam2img` (it mirrors the world with the image); `flip` and `flip_direction`
      are applied here as u -> width - u. In `MultiViewWrapper` it needs `flip_box3d=False`.
    - `Pad` adds pixels on the right and at the bottom and moves nothing.

    So the order within `MultiViewWrapper` must be resize, crop, flip, as in the configs of mmdet3d; each at most
    once. If `Pad` follows a crop and a flip, `collected_keys` must contain 'homography_matrix', which gives the
    width of the image when it was flipped; then a wrong order of crop and flip is also detected.

    Points and boxes that were flipped, rotated, scaled or translated define a new lidar frame, and all matrices refer
    to it; the frame 'ego' is then given by `lidar2ego` from there. A scale changes the length of a metre in the BEV
    frame. `LoadBEVMasks` and `LoadAccumulatedTargets` follow `bev_aug`.

    Required Keys: images, lidar_points (with lidar2ego), ego2global, token; with images cam2img, ori_cam2img,
    lidar2cam, img; optional scene_token, scene_name, img_crop_offset, flip, flip_direction, homography_matrix,
    transformation_3d_flow with pcd_rotation, pcd_scale_factor, pcd_trans; road

    Modified Keys: cam2img, ori_shape, img_shape

    Added Keys:
        - frames: list of one dict with token, timestamp, images and what else describes it
        - camera_names, bev_frame, img_paths, label_dir
        - bev_aug: (4, 4) float64, from the BEV frame before to the BEV frame after the points were augmented
        - img_aug: (1, N, 3, 3) float64, from pixels of the image file to pixels of `img`
        - cam2img, bev2cam: (1, N, 4, 4) float64; bev2global, road2bev: (1, 4, 4) float64
        - road_heights, road_grid where the road is known, as `LoadBEVImages` adds them
        - ori_shape: (1, N, 2); img_shape: height and width of the images
        - frame_valid: (1,), camera_valid: (1, N), all True; labelled
        - detector_keys: dict of those that were modified, as they were

    Args:
        bev_frame: 'lidar', the frame of mmdet3d's points and boxes, or 'ego'.
        label_dir: folder of BEV labels, for `LoadBEVMasks`; None: the sample has none.
        label_scenes: tokens or names of the scenes that are labelled, or a file of them as tools/make_label_subsets.py
            writes them; None: all.
        roads: folder of tools/estimate_road.py; None: as in the info file, or else the plane under
            the wheels.

    Raises:
        FileNotFoundError: no file of scenes, or no roads.
        ValueError: images of different sizes, another order of augmentations, points that were
            augmented twice in the same way, no lidar2ego, or `label_scenes` for info files that name no scene.
    """

    def __init__(
        self,
        bev_frame: str = 'lidar',
        label_dir: str | None = None,
        label_scenes: str | Sequence[str] | None = None,
        roads: str | None = None,
    ) -> None:
        self.bev_frame = check_bev_frame(bev_frame)
        self.label_dir = label_dir
        self.road_of = dict if roads is None else RoadReader(roads)
        self.label_scenes = None if label_scenes is None else frozenset(read_scene_list(label_scenes))

    def transform(self, results: dict) -> dict:
        names = list(results['images'])
        images = self._cameras(results)
        info = ('scene_token', 'scene_name', 'frame_index', 'location', 'lidar_points', 'ego2global', 'token', 'road')
        frame = {key: results[key] for key in info if key in results}
        frame = self.road_of(frame | {'images': images, 'timestamp': results.get('timestamp', 0.0)})
        original, bev2cam = frame_cameras(frame, names, self.bev_frame)
        bev2global, road2bev = frame_poses(frame, self.bev_frame)
        old2new = self._bev_augmentation(results)
        new2old = np.linalg.inv(old2new)
        # MultiViewWrapper drops ori_shape, and info files of mmdet3d do not have it.
        ori_shape = [image_file_size(camera) for camera in images.values()]
        if 'img' in results:
            sizes = sorted({image.shape[:2] for image in results['img']})
            img_aug = np.stack([image_augmentation(results, n, size) for n, size in enumerate(ori_shape)])
        else:
            sizes, img_aug = sorted(set(ori_shape)), np.tile(np.eye(3), (len(names), 1, 1))
        if len(sizes) != 1:
            raise ValueError(f'the images of sample {results["token"]} must have one size, got {sizes}')
        cam2img = original.copy()
        cam2img[:, :3] = img_aug @ original[:, :3]
        results |= road_heights([frame])
        results['detector_keys'] = {key: results[key] for key in SHARED_KEYS if key in results}
        results.update(
            frames=[frame],
            camera_names=names,
            bev_frame=self.bev_frame,
            img_paths=[[str(camera['img_path']) for camera in images.values()]],
            label_dir=self.label_dir,
            bev_aug=old2new,
            img_aug=img_aug[None],
            ori_shape=np.array([ori_shape]),
            img_shape=sizes[0],
            cam2img=cam2img[None],
            bev2cam=(bev2cam @ new2old)[None],
            bev2global=(bev2global @ new2old)[None],
            road2bev=(old2new @ road2bev)[None],
            frame_valid=[True],
            camera_valid=np.ones((1, len(names)), bool),
            labelled=self.label_dir is not None and self._in_label_scenes(results),
        )
        return results

    @staticmethod
    def _cameras(results: dict) -> dict[str, dict]:
        """Each camera as in the info file, before its image was augmented."""
        images = results['images']
        if 'img' not in results:
            return dict(images)
        if distorted := [name for name, camera in images.items() if camera.get('lens')]:
            raise ValueError(
                f'the pictures of {distorted} (sample {results["token"]}) are distorted, and only LoadBEVImages '
                'undistorts; undistort the files'
            )
        matrices = zip(images.items(), results['ori_cam2img'], results['lidar2cam'], strict=True)
        return {
            name: {**camera, 'cam2img': cam2img, 'lidar2cam': lidar2cam}
            for (name, camera), cam2img, lidar2cam in matrices
        }

    def _in_label_scenes(self, results: dict) -> bool:
        if self.label_scenes is None:
            return True
        names = {results[key] for key in ('scene_token', 'scene_name') if key in results}
        if not names:
            raise ValueError(
                f'label_scenes needs info files that name scenes, sample {results["token"]} has none; '
                f'make them with {CREATE_COMMAND}'
            )
        return not names.isdisjoint(self.label_scenes)

    def _bev_augmentation(self, results: dict) -> np.ndarray:  # (4, 4)
        """From the BEV frame before to the BEV frame after the points were augmented."""
        old2new = lidar_augmentation(results)
        if self.bev_frame == 'lidar':
            return old2new
        pose = lidar2ego(results)
        return pose @ old2new @ np.linalg.inv(pose)

    def __repr__(self) -> str:
        scenes = None if self.label_scenes is None else len(self.label_scenes)
        settings = f'bev_frame={self.bev_frame!r}, label_dir={self.label_dir!r}, label_scenes={scenes}'
        return f'{type(self).__name__}({settings})'
