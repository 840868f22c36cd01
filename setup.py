"""What setup.cfg cannot say: a wheel brings configs and tools under `ssl_bev/.mim`, where `mim` looks for them."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from setuptools import setup
from setuptools.command.build import build
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
TEACHER = Path('projects', 'SyntheticNuScenes', 'teacher')
UNUSED = shutil.ignore_patterns('__pycache__', '*.pyc', 'setup_env.sh', 'docs', 'demo.py')


def mim_names(configs: Path) -> Iterator[tuple[str, Path]]:
    """A unique name for each config, without suffix: its stem, or {folder}_{stem} if a config above has that stem."""
    taken = set()
    for path in sorted(configs.rglob('*.py'), key=lambda path: (len(path.parts), path)):
        inside = path.relative_to(configs)
        if any(part.startswith('_') for part in inside.parts):
            continue
        name = path.stem if path.stem not in taken else f'{path.parent.name}_{path.stem}'
        taken.add(name)
        yield name, inside


class BuildInTemporaryFolder(build):
    """Leaves no build/ in the clone, since its stale files would get into the next wheel."""

    def initialize_options(self) -> None:
        super().initialize_options()
        self._folder = tempfile.TemporaryDirectory(prefix='ssl_bev_build_')
        self.build_base = self._folder.name


class BuildWithMim(build_py):
    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        mim = Path(self.build_lib) / 'ssl_bev' / '.mim'
        for name in ('configs', 'tools'):
            shutil.copytree(ROOT / name, mim / name, ignore=UNUSED, dirs_exist_ok=True)
        shutil.copy2(ROOT / 'model-index.yml', mim)
        # The small teacher, where the synthetic configs look for its weights.
        (mim / TEACHER).mkdir(parents=True, exist_ok=True)
        for path in (ROOT / TEACHER).glob('mask2former_v2.*'):
            shutil.copy2(path, mim / TEACHER)
        for name, config in mim_names(ROOT / 'configs'):
            (mim / 'configs' / name).write_text(f'{config.as_posix()}\n')


setup(cmdclass={'build': BuildInTemporaryFolder, 'build_py': BuildWithMim})
