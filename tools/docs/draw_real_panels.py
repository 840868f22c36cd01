"""Draw the nuScenes pictures of docs/results.md, with people and vehicles blurred where the teacher labels them.

python tools/docs/draw_real_panels.py configs/real/nuscenes_part_ssl.py CHECKPOINT --tokens TOKEN ... --out DIR

The model gets the original images; only the pictures are blurred.
"""

import copy
from pathlib import Path

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from ssl_bev.apis import build_test_dataloader, draw_sample, inference, init_model, load_config
from ssl_bev.command_line import CommandParser, input_errors
from ssl_bev.files import write_bytes
from ssl_bev.pseudo_labels import LabelMap, PseudoLabelReader
from ssl_bev.visualization.canvas import PAPER, Label, write

CREDIT = 'Images: nuScenes, (c) Motional AD Inc., CC BY-NC-SA 4.0'
MARGIN = 31  # pixels of the whole image, since the outlines of the teacher are coarse


@TRANSFORMS.register_module()
class BlurMovers(BaseTransform):
    """Blur the people and vehicles of the loaded images, by the pseudo-labels of the folder `root`."""

    def __init__(self, root: str, label_map: str) -> None:
        self.reader = PseudoLabelReader(root)
        self.moving = LabelMap.load(label_map).moving(self.reader.class_names)

    def transform(self, results: dict) -> dict:
        for images, frame in zip(results['img'], results['frames'], strict=True):
            for i, camera in enumerate(results['camera_names']):
                stem = Path(frame['images'][camera]['img_path']).stem
                ids, _ = self.reader.read(camera, stem, frame['token'])
                movers = cv2.dilate(np.append(self.moving, False)[np.minimum(ids, len(self.moving))].astype(np.uint8),
                                    np.ones((MARGIN, MARGIN)))  # fmt: skip
                images[i] = np.where(movers[..., None], cv2.GaussianBlur(images[i], (0, 0), 14), images[i])
        return results


@input_errors()
def main(arguments: list[str] | None = None) -> None:
    parser = CommandParser(__doc__)
    parser.add_argument('config', help='config file of the model')
    parser.add_argument('checkpoint', help='file of the trained weights')
    parser.add_argument('--tokens', nargs='+', required=True, metavar='TOKEN', help='frames to draw')
    parser.add_common('--out', type=Path, required=True)
    args = parser.parse_args(arguments)
    config = load_config(args.config)
    blurred = copy.deepcopy(config)
    labels = dict(root=config.labels.root, label_map=config.labels.label_map)
    blurred.test_dataloader.dataset.pipeline.insert(1, dict(type='BlurMovers', **labels))
    shown = build_test_dataloader(blurred).dataset
    frames = {frame.metainfo['sample_token']: i for i, frame in enumerate(item['data_samples'] for item in shown)}
    for _, sample in inference(init_model(config, args.checkpoint), build_test_dataloader(config)):
        if sample.sample_token not in args.tokens:
            continue
        panel = draw_sample(shown[frames[sample.sample_token]]['inputs']['img'][-1], sample)
        panel = cv2.resize(panel, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        panel = cv2.copyMakeBorder(panel, 0, 20, 0, 0, cv2.BORDER_CONSTANT, value=(PAPER,) * 3)
        write(panel, [Label(CREDIT, 4, panel.shape[0] - 17, 11)])
        _, data = cv2.imencode('.jpg', panel, [cv2.IMWRITE_JPEG_QUALITY, 88])
        write_bytes(args.out / f'{sample.scene_name}.jpg', data.tobytes())


if __name__ == '__main__':
    main()
