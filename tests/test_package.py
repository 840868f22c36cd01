"""What the package says about itself: one version, and every dependency that the code imports."""

from __future__ import annotations

import ast
import re
import sys
from configparser import ConfigParser
from pathlib import Path

import yaml

import ssl_bev

ROOT = Path(__file__).resolve().parents[1]
# Names of distributions that differ from the module's.
DISTRIBUTIONS = {
    'PIL': 'pillow',
    'cv2': 'opencv-python-headless',
    'imageio_ffmpeg': 'imageio-ffmpeg',
    'mmseg': 'mmsegmentation',
    'nuscenes': 'nuscenes-devkit',
    'rerun': 'rerun-sdk',
    'yaml': 'pyyaml',
}
COMES_WITH = {'huggingface_hub': 'transformers'}


def declared() -> dict[str, set[str]]:
    """The names of what is needed always ('') and by each extra."""
    settings = ConfigParser()
    settings.read(ROOT / 'setup.cfg')
    lists = {'': settings['options']['install_requires'], **settings['options.extras_require']}
    return {
        extra: {re.split(r'[^\w.-]', line.strip())[0].lower() for line in re.split('[\n;]', text) if line.strip()}
        for extra, text in lists.items()
    }


def test_every_import_is_declared() -> None:
    known = set().union(*declared().values()) | set(sys.stdlib_module_names) | {'ssl_bev', 'projects'}
    missing = set()
    for path in [*(ROOT / 'ssl_bev').rglob('*.py'), *(ROOT / 'projects').rglob('*.py')]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            for module in (name.split('.')[0] for name in names):
                if DISTRIBUTIONS.get(module, COMES_WITH.get(module, module)) not in known:
                    missing.add(f'{path.relative_to(ROOT)}: {module}')
    assert missing == set()


def test_there_is_one_version() -> None:
    assert 'version = attr: ssl_bev.__version__' in (ROOT / 'setup.cfg').read_text()
    assert yaml.safe_load((ROOT / 'CITATION.cff').read_text())['version'] == ssl_bev.__version__
    assert f'## {ssl_bev.__version__}' in (ROOT / 'CHANGELOG.md').read_text()


def test_extras_have_a_purpose_each() -> None:
    assert {'teacher', 'huggingface', 'onnx', 'viz', 'docs'} <= set(declared())
    assert (ROOT / 'ssl_bev' / 'py.typed').exists()


def test_links_between_pages_lead_somewhere() -> None:
    link = re.compile(r'\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)\s]*)?\)')
    pages = [
        *ROOT.glob('*.md'),
        *(p for folder in ('docs', 'projects', 'examples') for p in (ROOT / folder).rglob('*.md')),
    ]
    broken = [
        f'{page.relative_to(ROOT)}: {target}'
        for page in pages
        for target in link.findall(re.sub(r'```.*?```', '', page.read_text(), flags=re.DOTALL))
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_one_set_of_torch_and_python_is_tested_promised_and_shown() -> None:
    rows = re.findall(r'^\| (2\.\d+\.\d+)\b[^|]*\| (3\.\d+) \|', (ROOT / 'README.md').read_text(), re.MULTILINE)
    pinned = re.search(r'^torch==(\S+)', (ROOT / 'requirements/torch.txt').read_text(), re.MULTILINE)[1]
    matrix = yaml.safe_load((ROOT / '.github/workflows/test.yml').read_text())['jobs']['test']['strategy']['matrix']
    assert rows == [(job['torch'] or pinned, job['python']) for job in matrix['include']]

    (oldest, first_python), (newest, last_python) = rows[0], rows[-1]
    major, minor = newest.split('.')[:2]
    settings = ConfigParser()
    settings.read(ROOT / 'setup.cfg')
    assert f'torch>={oldest},<{major}.{int(minor) + 1}' in settings['options']['install_requires'].splitlines()
    after_last = f'3.{int(last_python.split(".")[1]) + 1}'
    assert settings['options']['python_requires'] == f'>={first_python},<{after_last}'
