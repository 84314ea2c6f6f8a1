"""A headless Chromium that draws pages: its DevTools protocol, through pipes, without a port.

Source: https://chromedevtools.github.io/devtools-protocol, and ``--remote-debugging-pipe``, by
which Chromium reads messages of JSON, each ended by a NUL, from descriptor 3, and writes to 4.
"""

from __future__ import annotations

import base64
import json
import os
import select
import subprocess
import tempfile
import time
from typing import Any

import debian

from pyebpf.owner import Owner

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
_FD = "/proc/self/fd/"
_PATIENCE_S = 60.0
_RECT = """(() => { const r = document.getElementById("it").getBoundingClientRect();
return [r.x, r.y, r.width, r.height].map(Math.round); })()"""


class Browser(Owner):
    """One page of a browser of its own, with a new profile.

    Raises:
        FileNotFoundError: there is no Chromium.
    """

    def __init__(self) -> None:
        found = debian.find(debian.BROWSER[0])
        if found is None:
            raise FileNotFoundError("no Chromium: install the Debian package chromium")
        self._home = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        words = [found, *_FLAGS, f"--user-data-dir={self._home.name}", "about:blank"]
        self._process = subprocess.Popen(
            # Not 3<&12: dash knows descriptors of one digit only.
            ["sh", "-c", f'exec "$@" 3<{_FD}{theirs_in} 4>{_FD}{theirs_out}', "sh", *words],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._number, self._read, self._session = 0, b"", ""
        try:
            target = self.ask("Target.createTarget", url="about:blank")["targetId"]
            attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        except BaseException:
            self.close()
            raise
        self._session = attached["sessionId"]

    def close(self) -> None:
        """End Chromium, and remove its profile. Closing twice is no error."""
        if self._process.returncode is not None:
            return
        os.close(self._out)  # which ends it
        os.close(self._in)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._home.cleanup()

    def ask(self, method: str, **params: Any) -> Any:
        """Send a message and return the answer to it.

        Raises:
            RuntimeError: Chromium refused.
            TimeoutError: it did not answer within a minute, or is gone.
        """
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = json.loads(self._message(method))
            if answer.get("id") == self._number:
                break
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def _message(self, method: str) -> bytes:
        end = time.monotonic() + _PATIENCE_S
        while b"\0" not in self._read:
            left = max(end - time.monotonic(), 0)
            ready = select.select([self._in], [], [], left)[0]
            read = os.read(self._in, 1 << 16) if ready else b""
            if not read:
                raise TimeoutError(f"Chromium does not answer to {method}")
            self._read += read
        message, _, self._read = self._read.partition(b"\0")
        return message

    def run(self, script: str) -> Any:
        """Return the value of an expression of JavaScript, in the page; promises are awaited.

        Raises:
            RuntimeError: it threw.
        """
        given = {"expression": script, "returnByValue": True, "awaitPromise": True}
        answer = self.ask("Runtime.evaluate", **given)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{script}: {answer['exceptionDetails']['text']}")
        return answer["result"].get("value")

    def show(self, html: str, *, scheme: str, width: int = 900) -> None:
        """Show a page.

        Args:
            html: all of it.
            scheme: ``"light"`` or ``"dark"``: which colours the reader's system prefers.
            width: of the window, in pixels.
        """
        screen = {"width": width, "height": 2_000, "deviceScaleFactor": 1, "mobile": False}
        self.ask("Emulation.setDeviceMetricsOverride", **screen)
        wish = {"name": "prefers-color-scheme", "value": scheme}
        self.ask("Emulation.setEmulatedMedia", features=[wish])
        frame = self.ask("Page.getFrameTree")["frameTree"]["frame"]["id"]
        self.ask("Page.setDocumentContent", frameId=frame, html=html)

    def photograph(self) -> bytes:
        """Return a picture (PNG) of the element that has the id ``it``."""
        x, y, width, height = self.run(_RECT)
        clip = {"x": x, "y": y, "width": width, "height": height, "scale": 1}
        answer = self.ask("Page.captureScreenshot", format="png", clip=clip)
        return base64.b64decode(answer["data"])
