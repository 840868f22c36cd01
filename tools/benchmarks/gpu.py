"""Measure images per second and memory on a GPU, for both phases and the published sizes of BEVFormer.

    python tools/benchmarks/gpu.py --out gpu.json          # tiny, small, base; float32, float16, bfloat16
    python tools/benchmarks/gpu.py --models tiny --batch-sizes 1 2 4 8
    python tools/benchmarks/gpu.py --device cpu --models tiny --scale 0.1 --precisions float32 --repeats 1  # a trial

A step is a training step of random images and labels: preprocessing, forward, backward, update by fused AdamW if
available, without data loading. A step that does not fit into memory is recorded as such, and the rest continues.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from contextlib import nullcontext
from datetime import date
from pathlib import Path

import torch
from mmdet3d.registry import MODELS
from mmdet3d.utils import register_all_modules
from mmengine.config import Config
from mmengine.optim import OptimWrapper

from ssl_bev.apis import image_size, random_batch
from ssl_bev.command_line import CommandParser, input_errors

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
PHASES = dict(pretrain=dict(reprojection=1.0, temporal=0.5, perspective=0.5), finetune=dict(seg=1.0))
PRECISIONS = dict(float32=None, float16=torch.float16, bfloat16=torch.bfloat16)


def scaled_config(path: Path, scale: float) -> tuple[Config, tuple[int, int], int]:
    """The config without pretrained weights, its image size in multiples of 32, and its frames."""
    for name in ('NUSCENES', 'SYNTHETIC', 'OWN_DATA', 'OWN_IMAGES'):
        os.environ.setdefault(f'SSL_BEV_{name}', 'data')
    config = Config.fromfile(path)
    config.model.img_backbone.init_cfg = None
    dataset = config.train_dataloader.dataset
    size = tuple(max(round(scale * side / 32), 2) * 32 for side in image_size(dataset.pipeline))
    return config, size, dataset.num_frames


def measure(
    config: Config, phase: str, precision: str, batch_size: int, image_size: tuple[int, int], frames: int,
    device: str, repeats: int,
) -> dict:  # fmt: skip
    """Seconds of a step, images a second and memory."""
    torch.manual_seed(0)
    model = MODELS.build(config.model).to(device).train()
    model.set_loss_weights(PHASES[phase])
    cuda = device.startswith('cuda')
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 2e-4, fused=cuda or None)
    wrapper = OptimWrapper(optimizer, clip_grad=dict(max_norm=35))
    dtype = PRECISIONS[precision]
    batch = random_batch(model, image_size, frames, batch_size)
    scaler = torch.cuda.amp.GradScaler(enabled=dtype == torch.float16) if cuda else None

    def step() -> float:
        started = time.perf_counter()
        with torch.autocast(device.split(':')[0], dtype) if dtype else nullcontext():
            losses = model(**model.data_preprocessor(batch, True), mode='loss')
        loss = model.parse_losses(losses)[0]
        if scaler is not None and scaler.is_enabled():
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
        else:
            wrapper.update_params(loss)
        if cuda:
            torch.cuda.synchronize()
        return time.perf_counter() - started

    if cuda:
        torch.cuda.reset_peak_memory_stats()
    step()  # warms up: kernels are chosen, constants copied
    seconds = statistics.median(step() for _ in range(repeats))
    images = batch_size * frames * 6
    memory = torch.cuda.max_memory_allocated() / 2**30 if cuda else None
    return dict(seconds=round(seconds, 4), images_per_second=round(images / seconds, 1), memory_gib=memory)


@input_errors()
def main(arguments: list[str] | None = None) -> None:
    parser = CommandParser(__doc__)
    parser.add_argument('--models', nargs='+', default=['tiny', 'small', 'base'], choices=['tiny', 'small', 'base'])
    parser.add_argument('--phases', nargs='+', default=list(PHASES), choices=list(PHASES))
    parser.add_argument('--precisions', nargs='+', default=list(PRECISIONS), choices=list(PRECISIONS))
    parser.add_argument('--batch-sizes', nargs='+', type=int, default=[1, 2], help='windows per step')
    parser.add_common('--device', default='cuda')
    parser.add_argument('--scale', type=float, default=1.0, help='factor of the image size, for a trial run')
    parser.add_argument('--repeats', type=int, default=10, help='measured steps')
    parser.add_argument('--out', type=Path, help='write the JSON to this file, too')
    args = parser.parse_args(arguments)
    if args.device == 'auto':
        args.device = 'cuda'
    if args.device.startswith('cuda') and not torch.cuda.is_available():
        parser.error('--device cuda: torch sees no GPU; --device cpu --scale 0.1 is a trial run')
    register_all_modules()
    rows = []
    for name in args.models:
        config, size, frames = scaled_config(CONFIGS / 'bevformer' / f'bevformer_{name}_seg.py', args.scale)
        cases = [(p, q, b) for p in args.phases for q in args.precisions for b in args.batch_sizes]
        for phase, precision, batch_size in cases:
            row = dict(model=name, phase=phase, precision=precision, batch_size=batch_size, images=size, frames=frames)
            try:
                row.update(measure(config, phase, precision, batch_size, size, frames, args.device, args.repeats))
            except torch.cuda.OutOfMemoryError:
                row.update(out_of_memory=True)
            rows.append(row)
    device = torch.cuda.get_device_name() if args.device.startswith('cuda') else 'cpu'
    about = dict(date=date.today().isoformat(), device=device, torch=torch.__version__, repeats=args.repeats)
    text = json.dumps(dict(about=about, results=rows), indent=1)
    if args.out:
        args.out.write_text(text + '\n')
    print(text)


if __name__ == '__main__':
    main()
