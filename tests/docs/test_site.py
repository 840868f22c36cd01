"""Links of the site to files of the repository, and its list of pages."""

import logging
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = SimpleNamespace(file=SimpleNamespace(src_uri='api/a.md'))


@pytest.fixture
def convert(tmp_path: Path):
    (tmp_path / 'configs').mkdir()
    (tmp_path / 'README.md').touch()
    hook = runpy.run_path(str(ROOT / 'tools' / 'docs' / 'repository_links.py'))['on_page_markdown']

    def convert(markdown: str, repo_url: str = '') -> str:
        config = SimpleNamespace(
            docs_dir=tmp_path / 'docs', config_file_path=tmp_path / 'mkdocs.yml', repo_url=repo_url
        )
        return hook(markdown, PAGE, config, None)

    return convert


def test_files_of_the_repository_are_linked_where_it_is_published(convert) -> None:
    text = '[a](../../README.md#use) [b](../../configs) [c](../b.md#d) [e](https://e.org) ![f](../images/f.png)'
    linked = '[a](https://r/blob/main/README.md#use) [b](https://r/tree/main/configs)'
    rest = '[c](../b.md#d) [e](https://e.org) ![f](../images/f.png)'
    assert convert(text, 'https://r') == f'{linked} {rest}'
    assert convert(text) == f'a b {rest}'


def test_a_missing_file_is_a_warning_and_so_an_error_of_a_strict_build(convert, caplog) -> None:
    with caplog.at_level(logging.WARNING, 'mkdocs'):
        convert('[a](../../gone.py)')
    assert "api/a.md links to '../../gone.py', which is not in the repository" in caplog.text


def test_every_page_is_in_the_navigation() -> None:
    text = (ROOT / 'mkdocs.yml').read_text()
    pages = [path.relative_to(ROOT / 'docs').as_posix() for path in (ROOT / 'docs').rglob('*.md')]
    assert [page for page in pages if f': {page}\n' not in text] == []
