"""All tools: help that starts with their purpose, the same names of arguments, errors without traceback."""

from __future__ import annotations

import ast
import runpy
from functools import cache
from pathlib import Path

import pytest
from mmengine.config import DictAction

from ssl_bev.command_line import CommandParser, find_device, input_errors

ROOT = Path(__file__).resolve().parents[1]
WITHOUT_PARSER = ('tools/torchrun.py', 'tools/docs/draw_frames.py')  # torch's own; one optional path
# Without a file that could be missing.
WITHOUT_INPUT = (
    'tools/demo.py',
    'tools/benchmarks/bev_encoder.py',
    'tools/benchmarks/gpu.py',
    'tools/benchmarks/infos.py',
    'tools/benchmarks/reprojection.py',
    'projects/SyntheticNuScenes/create.py',
    'projects/SyntheticNuScenes/teacher/train.py',
)
# Wrong names of common arguments, and the right ones.
SYNONYMS = {
    '--root': '--data-root',
    '--data': '--data-root',
    '--dataset-root': '--data-root',
    '--info-files': '--infos',
    '--output': '--out',
    '--out-dir': '--out',
    '--output-dir': '--out',
    '--folder': '--out',
    '--target': '--out',
    '--labels': '--pseudo-labels or --bev-labels',
    '--jobs': '--workers',
    '--num-workers': '--workers',
    '--gpu': '--device',
    '--silent': '--quiet',
    '--no-progress': '--quiet',
}


def is_script(path: Path) -> bool:
    return any(
        isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"
        for node in ast.parse(path.read_text()).body
    )


SCRIPTS = [
    str(path.relative_to(ROOT))
    for folder in ('tools', 'projects')
    for path in sorted((ROOT / folder).rglob('*.py'))
    if is_script(path) and str(path.relative_to(ROOT)) not in WITHOUT_PARSER
]


@pytest.fixture
def parsers(monkeypatch: pytest.MonkeyPatch) -> list[CommandParser]:
    """Those that were used so far."""
    used = []
    parse = CommandParser.parse_args
    monkeypatch.setattr(CommandParser, 'parse_args', lambda self, *given: used.append(self) or parse(self, *given))
    return used


@cache  # some register components, which works once
def load(script: str) -> dict:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str((ROOT / script).parent))  # as Python does for a script
        return runpy.run_path(str(ROOT / script), run_name='tool')


@pytest.mark.parametrize('script', SCRIPTS)
def test_help_names_and_errors(script: str, parsers: list[CommandParser], capsys: pytest.CaptureFixture) -> None:
    tool = load(script)
    with pytest.raises(SystemExit) as stopped:
        tool['main'](['--help'])
    help_text = capsys.readouterr().out
    assert stopped.value.code == 0
    purpose, _, examples = tool['__doc__'].partition('\n')
    assert help_text.startswith(purpose) and purpose.endswith('.')
    assert f'python {script}' in examples

    (parser,) = parsers
    names = {name: action for action in parser._actions for name in action.option_strings[:1] or [action.dest]}
    assert {name: SYNONYMS[name] for name in names if name in SYNONYMS} == {}
    assert 'infos' not in names
    assert [name for name, action in names.items() if not action.help and not action.choices] == []

    with pytest.raises(SystemExit) as stopped:
        tool['main'](['--no-such-argument'])
    assert stopped.value.code == 1
    assert capsys.readouterr().err.startswith('error: ')


def required_arguments(parser: CommandParser, value: Path) -> list[str]:
    """What a parser cannot do without, with the same value for all that is free."""
    words = []
    for action in parser._actions:
        if action.required:
            count = action.nargs if isinstance(action.nargs, int) else 1
            words += [*action.option_strings[:1], *[str(next(iter(action.choices or [value])))] * count]
    return words


@pytest.mark.parametrize('script', [script for script in SCRIPTS if script not in WITHOUT_INPUT])
def test_missing_files_are_errors_without_traceback(
    script: str,
    parsers: list[CommandParser],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    tmp_path: Path,
) -> None:
    tool = load(script)
    with pytest.raises(SystemExit):
        tool['main'](['--help'])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        tool['main'](required_arguments(parsers[0], tmp_path / 'missing'))
    message = capsys.readouterr().err if stopped.value.code == 1 else stopped.value.code
    assert message.startswith('error: ')
    assert list(tmp_path.iterdir()) == []


def test_old_names_of_arguments_are_valid_but_hidden() -> None:
    parser = CommandParser('A tool.')
    parser.add_common('--data-root', '--root', required=True)
    assert parser.parse_args(['--root', 'data']).data_root == 'data'
    assert '--root' not in parser.format_help().replace('--data-root', '')


@pytest.mark.parametrize('given', ['model.width', '=3'])
def test_options_of_the_config_are_keys_and_values(given: str, capsys: pytest.CaptureFixture) -> None:
    parser = CommandParser('A tool.')
    parser.add_common('--cfg-options', action=DictAction)
    assert parser.parse_args(['--cfg-options', 'a.b=1', 'c=d=e']).cfg_options == {'a.b': 1, 'c': 'd=e'}
    with pytest.raises(SystemExit):
        parser.parse_args(['--cfg-options', given])
    assert capsys.readouterr().err.startswith(f"error: argument --cfg-options: must be KEY=VALUE, got '{given}'")


def test_every_tool_is_in_the_table() -> None:
    page = (ROOT / 'docs' / 'tools.md').read_text()
    assert [script for script in SCRIPTS if f'`{script}`' not in page] == []


def test_input_errors() -> None:
    for error in (FileNotFoundError('no file'), ValueError('no file'), ModuleNotFoundError('no file')):
        with pytest.raises(SystemExit, match=r'^error: no file$'), input_errors():
            raise error
    with pytest.raises(SystemExit) as stopped, input_errors():
        raise KeyboardInterrupt
    assert stopped.value.code == 130
    with pytest.raises(TypeError), input_errors():
        raise TypeError
    with pytest.raises(SystemExit, match='error: key'), input_errors(LookupError):
        raise LookupError('key')


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('LOCAL_RANK', '3')
    for has_gpu, expected in ((False, 'cpu'), (True, 'cuda:3')):
        monkeypatch.setattr('torch.cuda.is_available', lambda has_gpu=has_gpu: has_gpu)
        assert find_device() == expected
    assert find_device('cpu') == 'cpu'
    with pytest.raises(ValueError, match="device 'gpu' cannot be used"):
        find_device('gpu')
