"""Interpreters of other versions: those of this machine, or of newer Debian suites."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from archive import SetupError, Suite, alone, cache, codename

#: The suites that may have a Python, oldest first.
SUITES = ("trixie", "forky", "sid")
#: What the interpreter and binary wheels need of the suite, with all that these depend on.
_BESIDE = ("libstdc++6", "zlib1g")
#: What starts an interpreter with the C library that it was made for. Python looks for its modules
#: from where it was called, or where a virtual environment says that it is.
_LAUNCHER = """\
#!/bin/sh
exec {loader} --library-path {libraries} --argv0 "$0" {program} "$@"
"""


def find(version: str) -> str:
    """Find an interpreter: this one, pyenv's, one on the path, one that uv has, or Debian's.

    Args:
        version: such as ``3.14``.

    Returns:
        its path.

    Raises:
        SetupError: there is none, and Debian's archive has or gives none.
    """
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    managed = sorted(pyenv.glob(f"{version}.*/bin/python"))
    candidates = [*map(str, reversed(managed)), f"python{version}", _of_uv(version)]
    found = next((path for path in candidates if path and _is_python(path, version)), None)
    return found or str(_of_debian(version))


def _of_uv(version: str) -> str | None:
    if not shutil.which("uv"):
        return None
    words = ["uv", "python", "find", version]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()


def _is_python(path: str, version: str) -> bool:
    # A version manager's stand-in is on the path even when the version behind it is not installed.
    if not shutil.which(path):
        return False
    words = [path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    found = subprocess.run(words, capture_output=True, text=True, check=False)
    return found.stdout.strip() == version


def _of_debian(version: str) -> Path:
    """Return an interpreter that is unpacked in the cache, and installed nowhere."""
    package = f"python{version}"
    codename()  # it raises on machines without Debian's archive
    for suite in map(Suite, SUITES):
        release = suite.version(package)
        if release is None:
            continue
        folder = cache() / f"{package}-{release}"
        with alone(package):
            if not folder.exists():
                with tempfile.TemporaryDirectory(dir=cache()) as scratch:
                    root = Path(scratch, "root")
                    suite.unpack([package, *_BESIDE], root, with_dependencies=True)
                    _make_startable(root, package, folder)
                    root.rename(folder)  # whole, or not there
        return folder / "usr/bin" / package
    raise SetupError(f"none of {', '.join(SUITES)} has a package {package}")


def _make_startable(root: Path, package: str, home: Path) -> None:
    """Put a script in the place of an interpreter that needs another C library than ours.

    Args:
        root: where it is unpacked.
        package: its name.
        home: where that will be.
    """
    program = root / "usr/bin" / package
    (loader,) = (root / "usr").glob("lib*/ld-linux-*.so.*")
    (libraries,) = (root / "usr/lib").glob("*-linux-gnu")
    own = program.rename(program.with_name(f"{package}.real"))
    loader, libraries, own = (home / path.relative_to(root) for path in (loader, libraries, own))
    launcher = _LAUNCHER.format(loader=loader, libraries=libraries, program=own)
    program.write_text(launcher, encoding="utf-8")
    program.chmod(0o755)
