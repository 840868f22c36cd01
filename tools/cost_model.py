"""Estimate what a training costs: hours, GPU hours, memory and disk, from counted operations and bytes.

    python tools/cost_model.py configs/bevformer_ssl_two_phase.py --gpus 8 --card a100
    python tools/cost_model.py CONFIG --frames 2813000 --val-frames 601900       # 100 times nuScenes
    python tools/cost_model.py CONFIG --image-size 128 352 --calibrate           # check the model here, on a CPU

Operations and bytes of each call are counted on meta tensors (tools/step_cost.py). The time of a call is that of its
arithmetic or its memory traffic, whichever is longer, at an assumed efficiency, and at least the time of a launch. The
teacher is not in the config; it is counted with --teacher-tflop per image. Data loading and work of the CPU
(accumulation and completion of maps) are not included.
"""

from __future__ import annotations

import argparse
import json
import time

import torch
from mmdet3d.registry import MODELS
from mmdet3d.utils import register_all_modules
from mmengine.config import Config
from step_cost import Cost, count_step

from ssl_bev.apis import image_size, random_batch
from ssl_bev.command_line import CommandParser, input_errors
from ssl_bev.engine import load_config

# Dense bfloat16 operations and bytes per second, as published by the manufacturers.
GPUS = {'h100': (989e12, 3.35e12), 'a100': (312e12, 2.04e12), '4090': (165e12, 1.01e12)}
# Assumed efficiencies, not measured: of arithmetic, memory, several GPUs; least seconds of a call.
EFFICIENCY = dict(arithmetic=0.35, memory=0.6, scaling=0.9, launch=8e-6)
BYTES_OF_AN_IMAGE = dict(picture=137e3, pseudo_label=350e3)  # the first measured on nuScenes, the second at most


def phases_of(config: Config) -> list[tuple[str, dict, float]]:
    """(name, loss weights, windows as a fraction of all frames, times epochs) of each phase."""
    hooks = [hook for hook in config.get('custom_hooks', []) if hook.type == 'TwoPhaseHook']
    whole = [dict(name='train', epochs=config.train_cfg.max_epochs, losses=config.model.loss_weights)]
    found = []
    for phase in hooks[0].phases if hooks else whole:
        dataset = config[phase.get('train_dataloader', 'train_dataloader')].dataset
        share = dataset.get('label_fraction', 1.0) if dataset.get('labelled_only') else 1.0
        found.append((phase['name'], dict(phase['losses']), share * phase['epochs']))
    return found


def estimate(config: Config, args: argparse.Namespace) -> dict:
    """GPU seconds, memory and disk of each part."""
    dataset = config.train_dataloader.dataset
    size, frames = image_size(dataset.pipeline), dataset.num_frames
    parts, memory = [], 0.0
    for name, losses, epochs in phases_of(config):
        cost = count_step(MODELS.build(config.model), size, frames, 1, losses)
        parts.append(dict(part=name, windows=round(epochs * args.frames), **step_row(cost, args.card)))
        memory = max(memory, 16 * cost.parameters + cost.saved)
    cost = count_step(MODELS.build(config.model), size, frames)
    parts.append(dict(part='validation', windows=args.val_frames, **step_row(cost, args.card)))
    if any('pseudo_target' in str(step) or step['type'] == 'LoadPseudoLabels' for step in dataset.pipeline):
        peak = GPUS[args.card][0] * EFFICIENCY['arithmetic']
        teacher = dict(tflop=args.teacher_tflop, gigabytes=None, seconds=args.teacher_tflop * 1e12 / peak)
        parts.insert(0, dict(part='teacher', windows=6 * args.frames, **teacher))
    for part in parts:
        part['gpu_hours'] = round(part['windows'] * part['seconds'] / 3600, 1)
    total = sum(part['gpu_hours'] for part in parts)
    for part in parts:
        part['share'] = round(part['gpu_hours'] / total, 3)
    scaling = EFFICIENCY['scaling'] if args.gpus > 1 else 1.0
    images = 6 * (args.frames + args.val_frames)
    return dict(
        card=args.card,
        gpus=args.gpus,
        efficiency=EFFICIENCY,
        parts=parts,
        gpu_hours=round(total / scaling, 1),
        hours=round(total / scaling / args.gpus, 1),
        memory_gib_at_batch_1=round(memory / 2**30, 1),
        disk_gib={name: round(images * size / 2**30) for name, size in BYTES_OF_AN_IMAGE.items()},
    )


def step_row(cost: Cost, gpu: str) -> dict:
    """Counts, and seconds in bfloat16, whose maps are half as large."""
    peak, bandwidth = GPUS[gpu]
    rates = (peak * EFFICIENCY['arithmetic'], 2 * bandwidth * EFFICIENCY['memory'], EFFICIENCY['launch'])
    figures = dict(tflop=cost.flops / 1e12, gigabytes=cost.bytes / 1e9, seconds=cost.seconds(*rates))
    return {name: round(value, 4) for name, value in figures.items()}


def calibrate(config: Config, size: tuple[int, int]) -> list[dict]:
    """A step of each phase on this CPU, one thread: processor seconds, and their prediction from two rates of this CPU.

    The rates are those of large calls. The first phase gives the factor for real calls, and the other phases show the
    error of the model.
    """
    torch.set_num_threads(1)
    flops_per_second, bytes_per_second = cpu_rates()
    frames, factor, rows = config.train_dataloader.dataset.num_frames, 0.0, []
    for name, losses, _ in phases_of(config):
        torch.manual_seed(0)
        model = MODELS.build(config.model).train()
        model.set_loss_weights(losses)
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad])
        batch, seconds = random_batch(model, size, frames), []
        for _ in range(3):
            started = time.process_time()
            sum(model(**model.data_preprocessor(batch, True), mode='loss').values()).backward()
            optimizer.step()
            optimizer.zero_grad()
            seconds.append(time.process_time() - started)
        cost = count_step(model, size, frames, 1, losses)
        predicted, measured = cost.seconds(flops_per_second, bytes_per_second), min(seconds)
        factor = factor or measured / predicted
        row = dict(phase=name, predicted=factor * predicted, measured=measured, factor=factor)
        row['error'] = row['predicted'] / measured - 1
        rows.append({key: value if key == 'phase' else round(value, 3) for key, value in row.items()})
    return rows


def cpu_rates() -> tuple[float, float]:
    """Operations per second of a convolution, and bytes per second of a sum of two maps, on one thread."""
    maps, kernel = torch.randn(1, 64, 64, 64), torch.randn(64, 64, 3, 3)
    large = torch.randn(2**22)

    def seconds(function, *arguments) -> float:
        times = []
        for _ in range(5):
            started = time.process_time()
            function(*arguments)
            times.append(time.process_time() - started)
        return min(times)

    flops, size = 2 * 64 * 64 * 9 * 64 * 64, 12 * 2**22
    return flops / seconds(torch.conv2d, maps, kernel), size / seconds(torch.add, large, large)


@input_errors()
def main(arguments: list[str] | None = None) -> None:
    parser = CommandParser(__doc__)
    parser.add_argument('config', help='config file of a BEVFormer')
    parser.add_argument('--card', '--gpu', dest='card', choices=list(GPUS), default='a100', help='kind of GPU')
    parser.add_argument('--gpus', type=int, default=8, help='number of GPUs')
    parser.add_argument('--frames', type=int, default=28130, help='training keyframes')
    parser.add_argument('--val-frames', type=int, default=6019, help='validation keyframes')
    parser.add_argument('--teacher-tflop', type=float, default=4.0, help='operations of the teacher for one image')
    parser.add_argument(
        '--image-size', nargs=2, type=int, help='with --calibrate: height and width, instead of those of the config'
    )
    parser.add_argument('--calibrate', action='store_true', help='instead, compare with steps on this CPU')
    args = parser.parse_args(arguments)
    config = load_config(args.config)
    register_all_modules()
    if 'img_backbone' in config.model:
        config.model.img_backbone.init_cfg = None
    if args.calibrate:
        size = args.image_size or image_size(config.train_dataloader.dataset.pipeline)
        result = calibrate(config, tuple(size))
    else:
        result = estimate(config, args)
    print(json.dumps(result, indent=1))


if __name__ == '__main__':
    main()
