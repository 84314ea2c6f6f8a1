"""A real JupyterLab in a real browser: a notebook is opened, run, watched, and stopped."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from scripts import notebooks
from scripts.browser import Browser
from tests.notebooks import jupyter

jupyter.needs("jupyterlab", "ipykernel")
pytestmark = [pytest.mark.kernel, pytest.mark.exact, pytest.mark.slow]

NAME = "block_io_latency.ipynb"
PATIENCE_S = 180
#: All cells of a notebook are in the page, and its user is not asked whether he wants news.
SETTINGS = {"notebook-extension/tracker": {"windowingMode": "none"}}
NO_NEWS = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}

#: Where an element is that is seen: its centre, or null.
PLACE = """((found) => {
  const one = found.find(e => e.getClientRects().length);
  if (!one) return null;
  const box = one.getBoundingClientRect();
  return [box.x + box.width / 2, box.y + box.height / 2];
})([...document.querySelectorAll(%s)].filter(e => e.textContent.includes(%s)))"""
#: The output of the live cell: its text, and that of its drawings alone.
LIVE = """[...document.querySelectorAll(".jp-CodeCell")]
  .filter(cell => cell.querySelector(".cm-content").textContent.includes("session.live("))
  .map(cell => [...cell.querySelectorAll(".jp-OutputArea-output")])
  .map(all => [all.map(e => e.textContent).join(""),
    all.flatMap(e => [...e.querySelectorAll("svg")]).map(e => e.outerHTML)])
  .at(0)"""
TEXT = "document.body.innerText"
ERRORS = """[...document.querySelectorAll('.jp-OutputArea-output[data-mime-type*="error"], \
[data-mime-type="application/vnd.jupyter.stderr"]')].map(e => e.textContent)"""


class Page:
    """JupyterLab in a browser, as its user sees it."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser

    def open(self, url: str) -> None:
        size = {"width": 1400, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
        self.browser.ask("Emulation.setDeviceMetricsOverride", **size)
        self.browser.ask("Page.navigate", url=url)

    def until(self, script: str, is_so: Callable[[Any], object] = bool) -> Any:
        """Wait until what the page gives is as wanted, and return it."""
        end = time.monotonic() + PATIENCE_S
        while not is_so(value := self.browser.run(script)):
            assert time.monotonic() < end, f"{script}\n{value}\n{self.browser.run(TEXT)}"
            time.sleep(0.05)
        return value

    def click(self, selector: str, text: str = "") -> None:
        """Wait for an element with this text, and press the mouse there."""
        x, y = self.until(PLACE % (json.dumps(selector), json.dumps(text)))
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            button = {"button": "left", "clickCount": 1} if kind != "mouseMoved" else {}
            self.browser.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, **button)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Run JupyterLab on the files of a folder, for this test alone; give its address."""
    where = jupyter.environment(folder)
    write(folder / "config/labconfig/page_config.json", NO_NEWS)
    for name, settings in SETTINGS.items():
        write(folder / f"settings/@jupyterlab/{name}.jupyterlab-settings", settings)
    token = secrets.token_hex()
    words = ["--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0"]
    words += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder / 'files'}"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *words],
            env=where,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield f"{address(folder, server)}lab/tree/{NAME}?token={token}"
    finally:
        server.terminate()  # its kernels end with it
        try:
            server.wait(30)
        finally:
            server.kill()
            stray = jupyter.left(folder)
    assert not stray


def write(path: Path, what: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(what), encoding="utf-8")


def address(folder: Path, server: subprocess.Popen[bytes]) -> str:
    """Wait until the server says where it is."""
    said = folder / f"runtime/jpserver-{server.pid}.json"
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and server.poll() is None:
        if said.exists() and (text := said.read_text(encoding="utf-8")):
            return str(json.loads(text)["url"])
        time.sleep(0.05)
    raise AssertionError((folder / "log").read_text(encoding="utf-8"))


def copied(folder: Path) -> None:
    """Copy the notebook, with a live drawing that does not end before somebody stops it."""
    text = (notebooks.FOLDER / NAME).read_text(encoding="utf-8")
    assert text.count('"SECONDS = 3\\n"') == 1
    (folder / "files").mkdir(exist_ok=True)
    endless = text.replace('"SECONDS = 3\\n"', f'"SECONDS = {10 * PATIENCE_S}\\n"')
    (folder / "files" / NAME).write_text(endless, encoding="utf-8")


def test_a_live_histogram_moves_and_is_stopped(
    tmp_path: Path, program: Callable[[str], str]
) -> None:
    program("chromium")
    copied(tmp_path)
    with serving(tmp_path) as url, Browser() as browser:
        page = Page(browser)
        page.open(url)
        page.until(LIVE, lambda found: found == ["", []])
        page.until(TEXT, lambda text: "Python 3" in text and "Idle" in text)
        page.click(".lm-MenuBar-item", "Run")
        page.click(".lm-Menu-item", "Run All Cells")
        # A drawing for each size of a request.
        _, first = page.until(LIVE, lambda found: len(found[1]) == 2 and "running" in found[0])
        said, _ = page.until(LIVE, lambda found: len(found[1]) == 2 and found[1] != first)
        assert "running" in said
        page.click('[data-jp-item-name="interrupt"] jp-button, [data-jp-item-name="interrupt"]')
        page.until(LIVE, lambda found: len(found[1]) == 2 and "running" not in found[0])
        page.until(TEXT, lambda text: "260 reads seen, 260 made" in text)
        assert browser.run(ERRORS) == []
