import re

import numpy as np
import pytest
import torch

from ssl_bev.apis import build_test_dataloader, draw_sample, inference, init_model, load_config, save_prediction


def test_init_model_loads_the_weights_ready_for_inference(config_file, checkpoint):
    model = init_model(config_file, checkpoint)
    assert not model.training
    assert model.logit.tolist() == [2.0, 2.0, 2.0]
    assert model.cfg.model.type == 'ConstantSegmentor'


def test_a_checkpoint_of_other_shape_names_the_parameter(config, checkpoint):
    config.model.width = 5
    with pytest.raises(
        ValueError, match=r'toy\.pth is of another shape.*logit is \(3,\) in the file, \(5,\) in the model'
    ):
        init_model(config, checkpoint)


def test_missing_files_are_named(config_file, tmp_path):
    with pytest.raises(FileNotFoundError, match=r'config file .*absent\.py does not exist'):
        init_model(tmp_path / 'absent.py')
    with pytest.raises(FileNotFoundError, match=r'no checkpoint at .*absent\.pth'):
        init_model(config_file, tmp_path / 'absent.pth')


def test_options_are_laid_over_the_config(config_file):
    config = load_config(config_file, {'model.width': 7})
    assert config.model.width == 7
    assert load_config(config, {'model.width': 8}).model.width == 8
    assert config.model.width == 7  # the caller's is kept


@pytest.mark.parametrize(
    ('text', 'reason'),
    [('model = dict(', "SyntaxError: '(' was never closed"), ('model = nothing', "NameError: name 'nothing'")],
)
def test_a_config_that_is_no_python_is_named(tmp_path, text, reason):
    (tmp_path / 'base.py').write_text(text)
    (tmp_path / 'mine.py').write_text("_base_ = ['base.py']")
    message = f'config file {tmp_path}/base.py cannot be read: {reason}'
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        load_config(tmp_path / 'mine.py')
    assert isinstance(caught.value.__cause__, SyntaxError | NameError)


def test_custom_imports_that_do_not_exist_are_named_and_their_own_errors_kept(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / 'faulty_module.py').write_text('nothing')
    for module, error, message in (
        ('no_such_module', ModuleNotFoundError, r"mine\.py: .*No module named 'no_such_module'; .*PYTHONPATH"),
        ('faulty_module', NameError, '^name'),
    ):
        (tmp_path / 'mine.py').write_text(f'custom_imports = dict(imports=[{module!r}])')
        with pytest.raises(error, match=message):
            load_config(tmp_path / 'mine.py')


@pytest.mark.parametrize('value', ["/Anna's data", '/data\\new'])
def test_quotes_in_an_environment_variable_of_a_config_are_named(tmp_path, monkeypatch, value):
    monkeypatch.setenv('SSL_BEV_TOY', value)
    (tmp_path / 'base.py').write_text("data_root = '{{$SSL_BEV_TOY:data/toy}}'")
    (tmp_path / 'mine.py').write_text("_base_ = ['base.py']")
    message = f'variable SSL_BEV_TOY must not contain quotes or backslashes, since config file {tmp_path}/base.py'
    with pytest.raises(ValueError, match=rf'{re.escape(message)}.*got {re.escape(value)}$'):
        load_config(tmp_path / 'mine.py')


def test_options_that_do_not_fit_are_named(config_file):
    with pytest.raises(ValueError, match=r"options \{'model.width.x': 1\} do not fit config .*toy\.py: "):
        load_config(config_file, {'model.width.x': 1})


@pytest.mark.parametrize(
    ('part', 'settings', 'reason'),
    [
        ('model', dict(type='Nope'), 'Nope is not in the mmdet3d::model registry'),
        ('model', dict(nothing=3), r"ConstantSegmentor\.__init__\(\) got an unexpected keyword argument 'nothing'"),
        ('test_dataloader.dataset', dict(type='Nope'), 'Nope is not in the mmdet3d::dataset registry'),
    ],
)
def test_components_that_do_not_exist_are_named(config_file, part, settings, reason):
    config = load_config(config_file, {f'{part}.{key}': value for key, value in settings.items()})
    with pytest.raises(ValueError, match=rf'config .*toy\.py: {reason}') as caught:
        init_model(config) if part == 'model' else build_test_dataloader(config)
    assert isinstance(caught.value.__cause__, KeyError | TypeError)


def test_errors_inside_of_a_component_stay_what_they_are(config):
    config.model.width = 'wide'
    with pytest.raises(TypeError):
        init_model(config)


@pytest.mark.parametrize('as_dataset', [True, False])
def test_inference_yields_current_images_and_predictions_in_order(config, checkpoint, as_dataset):
    loader = build_test_dataloader(config)
    results = list(inference(init_model(config, checkpoint), loader.dataset if as_dataset else loader))
    assert [sample.sample_token for _, sample in results] == ['token0', 'token1', 'token2']
    for index, (images, sample) in enumerate(results):
        assert images.shape == (2, 3, 20, 80) and images.dtype == torch.uint8
        assert images.unique().tolist() == [50 * index]
        assert sample.pred_bev_seg[0] == pytest.approx(torch.full((8, 16), 2.0).sigmoid())
        assert sample.pred_bev_seg[1].mean().item() == pytest.approx(50 * index / 255)


def test_a_model_without_images(config, checkpoint, monkeypatch):
    """As of lidar points; its panel has no camera."""
    model, (batch, *_) = init_model(config, checkpoint), build_test_dataloader(config)
    (of_cameras, sample), *_ = inference(model, [batch])
    monkeypatch.setattr(model, 'test_step', lambda batch: [sample])
    ((none, same),) = inference(model, [dict(inputs=dict(points=[[torch.zeros(5, 4)]]), data_samples=[sample])])
    assert none.shape[0] == 0 and same.sample_token == 'token0'
    assert draw_sample(none, same).shape[1] < draw_sample(of_cameras, same).shape[1]


def test_other_infos_replace_the_data_and_drop_the_label_subset(config, tmp_path):
    infos = tmp_path / 'mine' / 'infos.pkl'
    (infos.parent / 'labels').mkdir(parents=True)
    infos.touch()
    settings = build_test_dataloader(config, infos).dataset.settings
    assert settings == {
        'ann_file': 'infos.pkl', 'info_root': str(infos.parent), 'data_root': str(infos.parent),
        'label_dir': 'labels', 'with_labels': True, 'labelled_only': False,
    }  # fmt: skip
    (infos.parent / 'labels').rmdir()
    settings = build_test_dataloader(config, infos, data_root=tmp_path).dataset.settings
    assert settings['data_root'] == str(tmp_path) and not settings['with_labels']
    assert config.test_dataloader.dataset.ann_file == 'none.pkl'  # the caller's config is kept


def test_errors_of_the_data(config, tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no info file at .*absent\.pkl'):
        build_test_dataloader(config, tmp_path / 'absent.pkl')
    with pytest.raises(FileNotFoundError, match=r'no data_root at .*absent'):
        build_test_dataloader(config, data_root=tmp_path / 'absent')
    config.pop('test_dataloader')
    with pytest.raises(ValueError, match='has no test_dataloader'):
        build_test_dataloader(config)


def test_saved_arrays_are_read_back_without_pickle(config, checkpoint, tmp_path):
    _, sample = next(inference(init_model(config, checkpoint), build_test_dataloader(config)))
    path = save_prediction(sample, tmp_path / 'new' / 'folder')
    assert [file.name for file in path.parent.iterdir()] == ['token0.npz']
    with np.load(path, allow_pickle=False) as saved:
        assert (saved['probabilities'] == sample.pred_bev_seg.numpy()).all()
        assert saved['classes'].tolist() == ['drivable_area', 'stop_line']
        assert saved['x_range'].tolist() == [-8, 8] and saved['y_range'].tolist() == [-4, 4]
        assert str(saved['bev_frame']) == 'ego' and str(saved['sample_token']) == 'token0'
        assert saved['cell_size'] == 1.0


def test_the_panel_shows_a_truth_where_there_is_one(config, checkpoint):
    results = list(inference(init_model(config, checkpoint), build_test_dataloader(config)))
    with_truth, without = (draw_sample(*results[index]) for index in (0, 1))
    assert with_truth.shape[1] > without.shape[1] + 100


def test_the_panel_leaves_missing_cameras_out(config, checkpoint):
    images, sample = next(inference(init_model(config, checkpoint), build_test_dataloader(config)))
    whole = draw_sample(images, sample)
    sample.camera_valid = torch.tensor([[True, True], [True, True]])
    assert (draw_sample(images, sample) == whole).all()
    sample.camera_valid = torch.tensor([[True, True], [False, True]])
    partial = draw_sample(images, sample)
    images[0] = 0
    assert (draw_sample(images, sample) == partial).all()
    assert partial.shape != whole.shape


def test_a_sample_without_prediction_is_refused(config, tmp_path):
    sample = build_test_dataloader(config).dataset[0]['data_samples']
    with pytest.raises(ValueError, match='sample token0 has no pred_bev_seg'):
        save_prediction(sample, tmp_path)
    assert not list(tmp_path.glob('**/*.npz'))
