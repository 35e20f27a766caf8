"""A headless Chromium that is told what to do over two pipes (the DevTools protocol), without any package."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--hide-scrollbars", "--remote-debugging-pipe",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",  # the browser's own curiosity ends here
)  # fmt: skip


def found() -> str | None:
    """The program, where there is one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page. ``loaded``: the addresses that it asked for.

    Args:
        folder: for its profile.
    """

    def __init__(self, program: str, folder: Path) -> None:
        to_it, self._out = os.pipe()
        self._in, from_it = os.pipe()

        def third_and_fourth() -> None:
            ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (to_it, from_it)]
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        self._process = subprocess.Popen(
            [program, *_QUIET, f"--user-data-dir={folder}", "about:blank"],
            stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, preexec_fn=third_and_fourth, pass_fds=(3, 4),
        )  # fmt: skip
        os.close(to_it)
        os.close(from_it)
        self._held, self._number, self._session = b"", 0, ""
        self.loaded: list[str] = []
        targets = self.do("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        self._session = self.do("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        self.do("Network.enable")
        self.do("Page.enable")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._in)
        os.close(self._out)

    def do(self, method: str, **arguments: Any) -> dict[str, Any]:
        """A command of the protocol, and what it gives."""
        self._number += 1
        told = {"id": self._number, "method": method, "params": arguments}
        if self._session:
            told["sessionId"] = self._session
        os.write(self._out, json.dumps(told).encode() + b"\0")
        while True:
            message = self._message()
            if message.get("id") == self._number:
                assert "error" not in message, message
                return message["result"]

    def open(self, address: str, *, dark: bool = False, width: int = 1200, height: int = 1000) -> None:
        """A new document, whatever was open before."""
        self.do(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": ["light", "dark"][dark]}]
        )
        self.do("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.do("Page.navigate", url="about:blank")
        self.loaded.clear()
        self.do("Page.navigate", url=address)

    def said(self, script: str) -> Any:
        """The value of a JavaScript expression."""
        found = self.do("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, script: str, seconds: float = 60) -> Any:
        """Waits until an expression is true; its value."""
        end = time.monotonic() + seconds
        whole = (
            f"(() => {{ try {{ return {script} }} catch {{ return null }} }})()"  # the document may not be there yet
        )
        while not (value := self.said(whole)):
            assert time.monotonic() < end, f"not in {seconds} s: {script}; {self.said('document.body.innerText')}"
            time.sleep(0.02)
        return value

    def press(self, key: str, *, control: bool = False) -> None:
        """A key, as from a keyboard."""
        code, text = {"Tab": (9, ""), "Enter": (13, "\r")}[key]
        held = {"key": key, "code": key, "windowsVirtualKeyCode": code, "modifiers": 2 * control}
        self.do("Input.dispatchKeyEvent", type="keyDown", **held, **({"text": text} if text and not control else {}))
        self.do("Input.dispatchKeyEvent", type="keyUp", **held)

    def type(self, text: str) -> None:
        self.do("Input.insertText", text=text)

    def choose(self, field: str, file: Path) -> None:
        """Puts a file into the field that a CSS selector names."""
        root = self.do("DOM.getDocument")["root"]["nodeId"]
        node = self.do("DOM.querySelector", nodeId=root, selector=field)["nodeId"]
        self.do("DOM.setFileInputFiles", nodeId=node, files=[str(file)])

    def picture(self) -> bytes:
        """A PNG of the whole page."""
        return base64.b64decode(self.do("Page.captureScreenshot", captureBeyondViewport=True)["data"])

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._held:
            assert select.select([self._in], [], [], 60)[0], "the browser says nothing"
            piece = os.read(self._in, 1 << 16)
            assert piece, "the browser has ended"
            self._held += piece
        told, _, self._held = self._held.partition(b"\0")
        message: dict[str, Any] = json.loads(told)
        if message.get("method") == "Network.requestWillBeSent":
            self.loaded.append(message["params"]["request"]["url"])
        return message
