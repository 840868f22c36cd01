import io
import os
import pickle
import tarfile
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from engine_toy import make_runner, run, two_phases
from mmengine.logging import HistoryBuffer
from mmengine.runner import load_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader

from ssl_bev.checkpoints import load_checkpoint_file, safe_checkpoint, with_safe_loading
from ssl_bev.engine import load_weights

needs_strict_torch = pytest.mark.skipif(
    not safe_checkpoint.TAKES_STAND_INS, reason='before torch 2.6, torch.load runs what a file asks for'
)
each_unpickler = pytest.mark.parametrize(
    'takes_stand_ins', [pytest.param(True, marks=needs_strict_torch), False], ids=['torch', 'ours']
)


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple:
        return self.call

    def __call__(self) -> None:
        """Only so that a call of the result of a call can be pickled."""


def _buffer_with(state: dict) -> HistoryBuffer:
    buffer = HistoryBuffer([1.0], [1])
    buffer.__dict__.update(state)
    return buffer


@pytest.mark.parametrize(
    'payload',
    [
        lambda marker: Calls(os.system, f'touch {marker}'),
        lambda marker: Calls(eval, f'open({str(marker)!r}, "w")'),
        lambda marker: Calls(Calls(getattr, np.ndarray, 'tofile'), np.zeros(1), str(marker)),
        lambda marker: Calls(getattr, HistoryBuffer, '__init__'),
        lambda marker: Calls(getattr, 'text', 'format'),
        lambda marker: Calls(np.load, str(marker)),
        lambda marker: np.array([Calls(os.system, f'touch {marker}')], dtype=object),
        lambda marker: np.array([None, 'text'], dtype=object),
        lambda marker: _buffer_with(dict(_log_history=['text'])),
    ],
    ids=['system', 'eval', 'getattr_method', 'getattr_init', 'getattr_str', 'np_load', 'array', 'objects', 'buffer'],
)
@each_unpickler
def test_crafted_files_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, payload: Any, takes_stand_ins: bool
) -> None:
    monkeypatch.setattr(safe_checkpoint, 'TAKES_STAND_INS', takes_stand_ins)
    marker, file = tmp_path / 'executed', tmp_path / 'crafted.pth'
    torch.save(dict(state_dict={}, meta=payload(marker)), file)
    with pytest.raises(ValueError, match=r'crafted\.pth is refused'):
        load_checkpoint_file(file)
    with pytest.raises(ValueError, match=r'crafted\.pth is refused'):
        load_checkpoint(torch.nn.Linear(1, 1), f'safe:{file}')
    assert not marker.exists()


def _archive(path: Path, program: bytes) -> Path:
    """A checkpoint whose pickle is written by hand."""
    torch.save({}, path)
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_STORED) as archive:
        for name, content in contents.items():
            archive.writestr(name, program if name.endswith('data.pkl') else content)
    return path


@pytest.mark.parametrize(
    'program',
    [
        b'cos\nsystem\n(VTOUCH\ntR.',
        b'(VTOUCH\nios\nsystem\n.',  # INST
        b'(cos\nsystem\nVTOUCH\no.',  # OBJ
        b'\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x05TOUCH\x85R.',  # STACK_GLOBAL
        b'\x80\x04ccollections\nOrderedDict\n)}\x92.',  # NEWOBJ_EX
        b'\x80\x02\x82\x01.',  # EXT1
        b'ccollections\nOrderedDict\n(N}VHARM\nI1\nstb.',  # BUILD of a class
        b'ctorch._utils\n_rebuild_tensor_v2\n}VHARM\nI1\nsb.',  # BUILD of a function
        b'\x80\x02ccollections\nOrderedDict\n)R)R.',  # a call of what a call gave
        b'\x80\x02c__builtin__\ngetattr\n(ccollections\nOrderedDict\nX\x06\0\0\0updatetR.',
    ],
    ids=['reduce', 'inst', 'obj', 'stack_global', 'newobj_ex', 'ext', 'class', 'function', 'twice', 'getattr'],
)
@each_unpickler
def test_opcodes_that_could_run_code_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: bytes, takes_stand_ins: bool
) -> None:
    monkeypatch.setattr(safe_checkpoint, 'TAKES_STAND_INS', takes_stand_ins)
    monkeypatch.chdir(tmp_path)
    file = _archive(tmp_path / 'crafted.pth', program.replace(b'TOUCH', b'touch executed'))
    with pytest.raises(ValueError, match=r'crafted\.pth is refused'):
        load_checkpoint_file(file)
    assert not (tmp_path / 'executed').exists()
    assert not hasattr(torch._utils._rebuild_tensor_v2, 'HARM')


def test_programs_and_old_archives_are_refused(tmp_path: Path) -> None:
    torch.jit.script(torch.nn.Linear(1, 1)).save(str(tmp_path / 'program.pth'))
    with pytest.raises(ValueError, match=r'program\.pth is refused.*TorchScript'):
        load_checkpoint_file(tmp_path / 'program.pth')
    with tarfile.open(tmp_path / 'old.pth', 'w') as archive:
        archive.addfile(tarfile.TarInfo('storages'), io.BytesIO())
    with pytest.raises(ValueError, match=r'old\.pth is refused.*tar archive'):
        load_checkpoint_file(tmp_path / 'old.pth')


def test_methods_in_the_file_do_not_replace_statistics(tmp_path: Path) -> None:
    buffer = HistoryBuffer([1.0, 3.0], [1, 1])
    before = dict(HistoryBuffer._statistics_methods)
    buffer._statistics_methods = dict(before, mean=HistoryBuffer.max)
    torch.save(buffer, tmp_path / 'a.pth')
    loaded = load_checkpoint_file(tmp_path / 'a.pth')
    assert type(loaded) is HistoryBuffer
    assert loaded.statistics('mean') == 2.0
    assert before == HistoryBuffer._statistics_methods


@pytest.mark.parametrize('zipped', [True, False])
@each_unpickler
def test_numbers_come_back_as_they_were_also_after_saving_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zipped: bool, takes_stand_ins: bool
) -> None:
    monkeypatch.setattr(safe_checkpoint, 'TAKES_STAND_INS', takes_stand_ins)
    content = dict(
        array=np.arange(6, dtype='>i2').reshape(2, 3).T,
        scalar=np.float32(1.5),
        flag=np.bool_(True),
        buffer=HistoryBuffer([1.0, 2.0], [1, 2], max_length=7),
        tensor=torch.arange(3),
        parameter=torch.nn.Parameter(torch.rand(2, dtype=torch.bfloat16)),
        bytes=b'\x00\xff',
        size=torch.Size([2, 3]),
        dtype=torch.float16,
        weights=torch.nn.BatchNorm1d(2).state_dict(),
        nested=[(1, 'text', None), {'a': {2.5}}],
        milestones=Counter([8, 11]),
    )
    torch.save(content, tmp_path / 'a.pth', _use_new_zipfile_serialization=zipped)
    loaded = load_checkpoint_file(tmp_path / 'a.pth')
    torch.save(loaded, tmp_path / 'b.pth', _use_new_zipfile_serialization=zipped)
    assert b'ssl_bev' not in (tmp_path / 'b.pth').read_bytes()  # nothing of ours is needed to read the copy
    for file in ('a.pth', 'b.pth'):
        loaded = load_checkpoint_file(tmp_path / file)
        assert np.array_equal(loaded['array'], content['array'])
        assert loaded['array'].dtype == np.int16  # numpy itself turns to the machine's byte order
        assert loaded['scalar'] == 1.5
        assert type(loaded['scalar']) is np.float32
        assert loaded['flag']
        assert loaded['buffer'].data[0].tolist() == [1.0, 2.0]
        assert loaded['buffer'].max_length == 7
        for key in ('tensor', 'parameter'):
            assert torch.equal(loaded[key], content[key])
        for key in ('nested', 'milestones', 'bytes', 'size', 'dtype'):
            assert loaded[key] == content[key]
        assert loaded['weights']._metadata == content['weights']._metadata


@needs_strict_torch
def test_torch_load_is_as_strict_as_before(tmp_path: Path) -> None:
    torch.save(HistoryBuffer([1.0], [1]), tmp_path / 'a.pth')
    load_checkpoint_file(tmp_path / 'a.pth')
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / 'a.pth')


@needs_strict_torch
def test_a_training_checkpoint_which_stock_mmengine_cannot_load(tmp_path: Path) -> None:
    run(tmp_path / 'a', two_phases(), 'stock_a')
    file = str(tmp_path / 'a/epoch_5.pth')
    with pytest.raises(pickle.UnpicklingError):
        CheckpointLoader.load_checkpoint(file, 'cpu')
    assert CheckpointLoader.load_checkpoint(f'safe:{file}', 'cpu')['meta']['epoch'] == 5


def test_log_history_goes_on_after_resuming(tmp_path: Path) -> None:
    straight, _ = run(tmp_path / 'a', two_phases(), 'history_a')
    (tmp_path / 'a/last_checkpoint').write_text(str(tmp_path / 'a/epoch_3.pth'))
    resumed, _ = run(tmp_path / 'a', two_phases(), 'history_b', resume=True)
    histories = [runner.message_hub.get_scalar('train/loss').data[0] for runner in (straight, resumed)]
    assert np.array_equal(*histories)
    assert len(histories[0]) == 17


def test_missing_damaged_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'checkpoint .*none\.pth does not exist'):
        load_checkpoint_file(tmp_path / 'none.pth')
    torch.save(dict(a=torch.arange(1000.0)), tmp_path / 'whole.pth')
    (tmp_path / 'cut.pth').write_bytes((tmp_path / 'whole.pth').read_bytes()[:2000])
    with pytest.raises(ValueError, match=r'cut\.pth is damaged'):
        load_checkpoint_file(tmp_path / 'cut.pth')
    content = bytearray((tmp_path / 'whole.pth').read_bytes())
    content[content.find(np.float32(500).tobytes())] ^= 0xFF
    (tmp_path / 'flipped.pth').write_bytes(content)
    with pytest.raises(ValueError, match=r'flipped\.pth is damaged or truncated: the checksum of'):
        load_checkpoint_file(tmp_path / 'flipped.pth')
    (tmp_path / 'text.pth').write_text('no checkpoint at all')
    with pytest.raises(ValueError, match=r'text\.pth'):
        load_checkpoint_file(tmp_path / 'text.pth')
    (tmp_path / 'empty.pth').touch()
    with pytest.raises(ValueError, match=r'empty\.pth'):
        load_checkpoint_file(tmp_path / 'empty.pth')


@pytest.mark.parametrize('name', ['a.pth', '/a.pth', 'https://example.org/a.pth', 's3://a.pth'])
def test_stock_loaders_are_left_alone(name: str) -> None:
    assert CheckpointLoader._get_checkpoint_loader(name).__module__ == 'mmengine.runner.checkpoint'
    expected = 'mmengine.runner.checkpoint' if name.startswith('s3') else 'ssl_bev.checkpoints.safe_checkpoint'
    assert CheckpointLoader._get_checkpoint_loader(with_safe_loading(name)).__module__ == expected


def test_a_file_of_the_web_is_loaded_safely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch and mmengine by themselves load what they download without `weights_only`."""
    monkeypatch.setattr('torch.hub.get_dir', lambda: str(tmp_path))
    (tmp_path / 'checkpoints').mkdir()
    marker = tmp_path / 'executed'
    torch.save(Calls(os.system, f'touch {marker}'), tmp_path / 'checkpoints/crafted.pth')
    with pytest.raises(ValueError, match=r'crafted\.pth is refused'):
        CheckpointLoader.load_checkpoint('safe:https://example.org/crafted.pth')
    assert not marker.exists()


@pytest.mark.parametrize('resume', [False, True])
def test_a_crafted_checkpoint_in_a_run(tmp_path: Path, resume: bool) -> None:
    """Whether the run is to go on from it, or to begin with its weights."""
    run(tmp_path, two_phases(), f'crafted{resume}')
    file, marker = tmp_path / 'epoch_5.pth', tmp_path / 'executed'
    content = load_checkpoint_file(file)
    content['meta']['note'] = Calls(os.system, f'touch {marker}')
    torch.save(content, file)
    runner = make_runner(tmp_path, two_phases(), f'victim{resume}', load_from=str(file), resume=resume)
    with pytest.raises(ValueError, match=r'epoch_5\.pth is refused'):
        runner.train()
    assert not marker.exists()


def test_checkpoint_of_another_shape_names_file_parameter_and_shapes(tmp_path: Path) -> None:
    run(tmp_path / 'a', two_phases(), 'shape_a')
    source = str(tmp_path / 'a/epoch_1.pth')
    pattern = (
        r'epoch_1\.pth is of another shape than the model: encoder\.0\.weight is \(8, 4\) in the file, '
        r'\(16, 4\) in the model; .*; and \d+ more|encoder\.0\.bias is \(8,\) in the file, \(16,\) in the model'
    )
    for resume in (False, True):
        runner = make_runner(
            tmp_path / 'b', two_phases(), f'shape_b{resume}', load_from=f'safe:{source}', resume=resume
        )
        runner.model.encoder[0] = torch.nn.Linear(4, 16)
        with pytest.raises(ValueError, match=pattern):
            runner.load_or_resume()


def test_a_class_layer_for_other_classes_keeps_its_initial_values(tmp_path: Path) -> None:
    run(tmp_path / 'a', two_phases(), 'classes_a')
    source = str(tmp_path / 'a/epoch_1.pth')
    hooks = [dict(type='CheckpointShapeHook', reinitialize=[r'^seg_head\.fine\.'])]
    runner = make_runner(tmp_path / 'b', two_phases(), 'classes_b', load_from=f'safe:{source}', custom_hooks=hooks)
    runner.model.seg_head.fine = torch.nn.Linear(8, 5)
    initial = runner.model.seg_head.fine.weight.clone()
    runner.load_or_resume()
    saved = load_checkpoint_file(source)['state_dict']
    assert torch.equal(runner.model.seg_head.fine.weight, initial)
    assert torch.equal(runner.model.seg_head.coarse.weight, saved['seg_head.coarse.weight'])


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    torch.save(dict(state_dict={'backbone.weight': torch.rand(2)}), tmp_path / 'other.pth')
    runner = make_runner(tmp_path, two_phases(), 'other', load_from=str(tmp_path / 'other.pth'))
    with pytest.raises(ValueError, match=r'other\.pth has no parameter in common.*backbone\.weight .*encoder'):
        runner.load_or_resume()


def test_a_checkpoint_must_fit_by_its_share(tmp_path: Path) -> None:
    """One name in common is not enough: of 32 + 68 numbers the model has a place for 32."""
    weights = {'encoder.0.weight': torch.rand(8, 4), 'pts_bbox_head.weight': torch.rand(68)}
    torch.save(dict(state_dict=weights), tmp_path / 'part.pth')

    def load(name: str, **hook) -> list[str]:
        hooks, said = [dict(type='CheckpointShapeHook', **hook)], []
        runner = make_runner(
            tmp_path / name, two_phases(), name, load_from=str(tmp_path / 'part.pth'), custom_hooks=hooks
        )
        runner.logger.info = said.append
        runner.load_or_resume()
        return said

    message = r'1 of 2 tensors of .*part\.pth fit \(32 % of its numbers\).*min_share = 50 %.*no pts_bbox_head\.weight'
    with pytest.raises(ValueError, match=message):
        load('default')
    said = [line for line in load('lower', min_share=0.3) if 'tensors of' in str(line)]
    assert len(said) == 1 and 'give the model 38 % of its own' in said[0]
    with pytest.raises(ValueError, match=r'min_share must lie in 0 \.\.\. 1, got 2'):
        load('wrong', min_share=2)


def test_weights_load_outside_a_runner(tmp_path: Path) -> None:
    source, target = torch.nn.Linear(2, 3), torch.nn.Linear(2, 3)
    torch.save(
        dict(state_dict={f'module.{name}': tensor for name, tensor in source.state_dict().items()}), tmp_path / 'a'
    )
    load_weights(target, tmp_path / 'a')
    assert torch.equal(target.weight, source.weight)
    torch.save({'weight': source.weight}, tmp_path / 'b')
    load_weights(target, tmp_path / 'b', strict=False)
    with pytest.raises(ValueError, match=r"b does not fit the model: it lacks \['bias'\]"):
        load_weights(target, tmp_path / 'b')
    with pytest.raises(
        ValueError, match=r'b is of another shape than the model: weight is \(3, 2\) in the file, \(4, 2\)'
    ):
        load_weights(torch.nn.Linear(2, 4), tmp_path / 'b')
