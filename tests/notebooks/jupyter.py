"""Where Jupyter keeps its files: in a folder of the test, so that nothing is read from its user."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: Which of the tests' folders a process belongs to.
_MARK = "JUPYTER_RUNTIME_DIR"
_PATIENCE_S = 30


def needs(*packages: str) -> None:
    """Skip the tests of a file where a package is not installed; none is imported for that."""
    for package in packages:
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed (make setup)", allow_module_level=True)


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a Jupyter whose every file is in a folder, made for it."""
    places = {
        "HOME": "home",
        "IPYTHONDIR": "ipython",
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        _MARK: "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    }
    for name in places.values():
        (folder / name).mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")}
    own = {variable: str(folder / name) for variable, name in places.items()}
    return {**kept, **own, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def processes(folder: Path) -> list[int]:
    """Return the processes that were started with the environment of a folder: kernels, too."""
    mark = f"{_MARK}={folder / 'runtime'}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # ended since it was listed
            if mark in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return sorted(set(found) - {os.getpid()})


def left(folder: Path) -> list[int]:
    """Wait for the processes of a folder to end; end those that do not, and return them."""
    end = time.monotonic() + _PATIENCE_S
    while (stray := processes(folder)) and time.monotonic() < end:
        time.sleep(0.05)
    for pid in stray:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return stray
