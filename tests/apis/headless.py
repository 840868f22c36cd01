"""A headless Chromium that opens a page of this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

NAMES = ('chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome', 'chrome')
CONSOLE = re.compile(r'(?:INFO|WARNING|ERROR):CONSOLE.*?\] (.*)')


def find_browser() -> str | None:
    """That of $CHROME, or the first one on the path."""
    return os.environ.get('CHROME') or next((found for name in NAMES if (found := shutil.which(name))), None)


def open_page(page: Path, browser: str, profile: Path) -> tuple[str, list[str]]:
    """The document as it is after its scripts ran, and what the console says, with what could not be loaded."""
    options = [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        f'--user-data-dir={profile}',
        '--virtual-time-budget=2000',
    ]
    command = [browser, *options, '--enable-logging=stderr', '--v=0', '--dump-dom', page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout, CONSOLE.findall(done.stderr)
