"""A real browser for the tests: found, installed where possible, or missed.

In CI a missing browser is a failure; elsewhere it skips, and says so.
"""

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'chrome')
ARGUMENTS = [
    '--no-sandbox',  # Chromium refuses to run as root with it
    '--disable-gpu',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
]


def system_browser():
    """Return the path of an installed Chromium or Chrome, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def quiet(*command):
    """Run a command for at most five minutes; return whether it worked."""
    try:
        result = subprocess.run(command, capture_output=True, timeout=300)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return result.returncode == 0


def find_browser(playwright):
    """Return the path of a browser, installing one where that is possible."""
    if found := system_browser():
        return found
    own = playwright.chromium.executable_path
    if not Path(own).exists():
        quiet(sys.executable, '-m', 'playwright', 'install', 'chromium')
    if Path(own).exists():
        return own
    if os.geteuid() == 0 and shutil.which('apt-get'):
        quiet('apt-get', 'update')
        quiet('apt-get', 'install', '-y', 'chromium')
    return system_browser()


@contextmanager
def open_browser():
    """Yield a headless Playwright browser, or skip the test that asks."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = find_browser(playwright)
        if path is None:
            message = 'no Chromium or Chrome here, and none can be installed'
            if os.environ.get('CI'):
                pytest.fail(message)
            pytest.skip(message)
        browser = playwright.chromium.launch(
            executable_path=path, args=ARGUMENTS
        )
        yield browser
        browser.close()


@contextmanager
def serve(folder):
    """Serve a folder on localhost; yield its address without final slash."""
    import threading
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    class Silent(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = partial(Silent, directory=str(folder))
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{server.server_port}'
        server.shutdown()
