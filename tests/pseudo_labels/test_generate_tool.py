import json
import os
import runpy
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_onnx import CLASSES, write_network
from toy_teacher import files, run

import ssl_bev
from ssl_bev.files import read_picture
from ssl_bev.pseudo_labels import PseudoLabelReader, read_manifest
from ssl_bev.pseudo_labels.image_list import list_images

PROJECT = Path(__file__).resolve().parents[2]
TOOL = PROJECT / 'tools' / 'generate_pseudo_labels.py'


@pytest.fixture
def oracle(images, tmp_path):
    """Labels of all images that the oracle teacher looks up."""
    run(images, tmp_path / 'oracle')
    return tmp_path / 'oracle'


@pytest.fixture
def arguments(infos, tiny_root, tmp_path):
    return ['--infos', infos, '--data-root', tiny_root, '--out', tmp_path / 'out', '--sweeps', '--quiet']


@pytest.fixture
def tool(monkeypatch, capsys):
    """Runs the tool and returns its exit code, output and errors."""

    def call(*arguments):
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            runpy.run_path(str(TOOL), run_name='__main__')
        code, (out, err) = stopped.value.code, capsys.readouterr()
        return (1, out, f'{code}\n') if isinstance(code, str) else (code, out, err)  # as Python does with a text

    return call


@pytest.fixture
def teacher(oracle):
    return ['--teacher', 'oracle', '--oracle-root', oracle, '--batch-size', 4]


def start(arguments, **environment):
    environment = {**os.environ, 'PYTHONPATH': str(PROJECT), **environment}
    command = [sys.executable, str(TOOL), *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_generate_go_on_and_verify(tool, arguments, teacher, oracle, tmp_path):
    code, out, _ = tool(*arguments, *teacher)
    assert (code, out) == (0, f'{tmp_path / "out"}: 28 images labelled, 0 were labelled before\n')
    found, expected = files(tmp_path / 'out'), files(oracle)
    assert f'"generator_version": "{ssl_bev.__version__}"' in found.pop('manifest.json').decode()
    del expected['manifest.json']
    assert found == expected
    assert '0 images labelled, 28 were labelled before' in tool(*arguments, *teacher)[1]
    code, out, _ = tool(*arguments, '--verify')
    assert (code, out) == (0, f'{tmp_path / "out"}: 0 faults in the labels of 28 images\n')


def test_faulty_labels(tool, arguments, teacher, tmp_path):
    tool(*arguments, *teacher)
    broken = next((tmp_path / 'out' / 'labels').rglob('*.png'))
    broken.write_bytes(b'')
    code, out, _ = tool(*arguments, '--verify', '--delete-broken')
    assert code == 1
    assert f'picture is truncated: {broken}' in out
    assert '2 files deleted' in out
    tool(*arguments, *teacher)
    assert tool(*arguments, '--verify')[0] == 0


def test_unreadable_image(tool, arguments, teacher, own_root, tiny_root):
    lost = own_root / 'sweeps' / 'CAM_BACK' / 'scene-0553-CAM_BACK-4.jpg'
    lost.unlink()
    code, out, err = tool(*[own_root if argument == tiny_root else argument for argument in arguments], *teacher)
    assert code == 3
    assert '27 images labelled' in out
    assert '1 images are unreadable' in err
    assert f'  {lost}: picture not found' in err


def test_errors(tool, arguments, teacher, oracle):
    code, _, err = tool(*arguments, *teacher, '--cameras', 'CAM_SIDE')
    assert (code, err.startswith("error: cameras ['CAM_SIDE'] are in no frame")) == (1, True)
    assert tool(*arguments, '--teacher', 'oracle')[0] == 1
    code, _, err = tool(*arguments)
    assert (code, '--teacher is needed' in err) == (1, True)
    code, _, err = tool(*arguments, *teacher, '--scale', 1, 2, 3)
    assert (code, err) == (
        1,
        'error: --scale takes a factor, or a width and a height in whole pixels, got [1.0, 2.0, 3.0]\n',
    )
    code, _, err = tool(*arguments, *teacher, '--shard', '4/4')
    assert (code, 'a shard i/n needs 0 <= i < n' in err) == (1, True)


def test_onnx(tool, arguments, images, tmp_path):
    model = write_network(tmp_path / 'net.onnx', size=(48, 96))
    (tmp_path / 'classes.txt').write_text('\n'.join(CLASSES))
    network = ['--teacher', 'onnx', '--model', model, '--classes', tmp_path / 'classes.txt']
    settings = ['--batch-size', 3, '--device', 'cpu', '--settings', 'mean=0,0,0', 'std=1,1,1', 'values=logits']
    code, _, err = tool(*arguments, *network, *settings)
    assert (code, 'net.yaml does not exist, so nothing says channels' in err) == (1, True)
    code, out, _ = tool(
        *arguments, '--shard', '0/2', *network, *settings, 'channels=rgb', '--batch-size', 3, '--device', 'cpu'
    )
    assert (code, '14 images labelled, 0 were labelled before' in out) == (0, True)
    assert '14 images labelled, 14 were labelled before' in tool(*arguments, *network, *settings, 'channels=rgb')[1]
    assert tool(*arguments, '--verify')[0] == 0
    manifest = read_manifest(tmp_path / 'out' / 'manifest.json')
    assert (manifest['teacher']['name'], manifest['class_names']) == ('net', list(CLASSES))
    assert manifest['settings']['provider'] == 'CPUExecutionProvider'
    assert manifest['settings']['onnx']['mean'] == [0, 0, 0]
    picture = read_picture(images[5].path)
    ids, _ = PseudoLabelReader(tmp_path / 'out').read(images[5].camera, images[5].stem)
    assert (ids == picture[..., ::-1].argmax(-1)).all()
    code, _, err = tool(*arguments, *network, *settings, 'channels=bgr')
    assert (code, 'holds pseudo-labels with another settings' in err) == (1, True)
    code, _, err = tool(*arguments, *network, '--settings', 'mean')
    assert (code, err) == (1, "error: --settings takes KEY=VALUE, got 'mean'\n")


def test_an_output_that_is_no_label_names_the_images(tool, arguments, images, tmp_path):
    model = write_network(tmp_path / 'net.onnx', bias=[0, float('nan'), 0])
    (tmp_path / 'classes.txt').write_text('\n'.join(CLASSES))
    settings = ['--settings', 'mean=0,0,0', 'std=1,1,1', 'values=logits', 'channels=rgb']
    code, _, err = tool(
        *arguments, '--teacher', 'onnx', '--model', model, '--classes', tmp_path / 'classes.txt', *settings
    )
    expected = f"error: teacher net: output 'labels' holds values that are not finite; on {images[0].path}\n"
    assert (code, err) == (1, expected)


def test_shard_of_a_rank_and_shard_by_hand(tool, arguments, teacher, images, tmp_path, monkeypatch):
    monkeypatch.setenv('RANK', '1')
    monkeypatch.setenv('WORLD_SIZE', '4')
    monkeypatch.delenv('MASTER_ADDR', raising=False)
    assert 'shard 1/4: 7 images labelled' in tool(*arguments, *teacher)[1]
    assert {path.stem for path in (tmp_path / 'out' / 'labels').rglob('*.png')} == {i.stem for i in images[1::4]}
    assert 'shard 0/2: 14 images labelled' in tool(*arguments, *teacher, '--shard', '0/2')[1]


def test_processes_of_one_folder_at_the_same_time(arguments, teacher, oracle, tmp_path):
    shards = [start([*arguments, *teacher, '--shard', f'{i}/3']) for i in range(3)]
    for process in shards:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    assert read_manifest(tmp_path / 'out' / 'manifest.json')['label_count'] == 28
    assert {name for name in files(tmp_path / 'out') if 'CAM' in name} == {
        name for name in files(oracle) if 'CAM' in name
    }


def test_ranks_leave_together(arguments, teacher, own_root, tiny_root, tmp_path):
    """A rank that left early with an error would make torchrun end the others."""
    arguments = [own_root if argument == tiny_root else argument for argument in arguments]
    (lost,) = [image.path for image in list_images([arguments[1]], own_root)[1:2]]
    Path(lost).unlink()
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = str(probe.getsockname()[1])
    environment = {'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': port, 'WORLD_SIZE': '2', 'OMP_NUM_THREADS': '1'}
    ranks = [start([*arguments, *teacher], RANK=str(i), **environment) for i in range(2)]
    results = [process.communicate(timeout=120) for process in ranks]
    assert [process.returncode for process in ranks] == [3, 3], results
    # Rank 1 had the image, rank 0 tells.
    assert [f'  {lost}: picture not found' in err for _, err in results] == [True, False]
    assert read_manifest(tmp_path / 'out' / 'manifest.json')['label_count'] == 27


def test_benchmark(infos, tiny_root, teacher, monkeypatch, capsys):
    tool = PROJECT / 'tools' / 'benchmarks' / 'pseudo_labels.py'
    monkeypatch.syspath_prepend(str(tool.parent))
    command = [tool, '--infos', infos, '--data-root', tiny_root, *teacher, '--repeats', 1]
    monkeypatch.setattr(sys, 'argv', list(map(str, command)))
    runpy.run_path(str(tool), run_name='__main__')
    result = json.loads(capsys.readouterr().out)
    assert result['ratio'] == pytest.approx(result['teacher_images_per_second'] / result['generator_images_per_second'])
    assert (result['images'], result['image_size'], result['batch_size']) == (12, [48, 96], 4)


def test_the_detection_library_stays_outside():
    modules = 'arguments, generate, verify'
    check = f'import sys; from ssl_bev.pseudo_labels import {modules}; sys.exit("mmdet3d" in sys.modules)'
    assert subprocess.run([sys.executable, '-c', check], cwd=PROJECT).returncode == 0
