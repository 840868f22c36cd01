"""Links from pages of the site to files of the repository: checked, then changed to the site of the repository.

A hook of mkdocs, see mkdocs.yml. Pages link to code, configs and READMEs by relative paths, as on GitHub. The site does
not contain these files: if `SITE_REPO_URL` is set, such a link leads there, otherwise only the text is kept.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path, PurePosixPath
from posixpath import normpath

LINK = re.compile(r'(?<!!)\[(?P<text>[^\]]+)\]\((?P<path>[^)#\s:]+)(?P<anchor>#[^)\s]*)?\)')
BRANCH = 'main'
logger = logging.getLogger('mkdocs.hooks.repository_links')


def on_page_markdown(markdown: str, page, config, files) -> str:
    """Replace the links of one page."""
    docs, root = Path(config.docs_dir), Path(config.config_file_path).parent

    def replace(link: re.Match) -> str:
        place = PurePosixPath(docs.name, page.file.src_uri).parent
        target = normpath(place / link['path'])
        if target.startswith(f'{docs.name}/'):
            return link[0]  # mkdocs checks its own pages
        if not (root / target).exists():
            logger.warning("%s links to '%s', which is not in the repository", page.file.src_uri, link['path'])
        if not config.repo_url:
            return link['text']
        kind = 'tree' if (root / target).is_dir() else 'blob'
        return f'[{link["text"]}]({config.repo_url}/{kind}/{BRANCH}/{target}{link["anchor"] or ""})'

    return LINK.sub(replace, markdown)
