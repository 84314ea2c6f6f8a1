"""Interpreters of other versions: those of this machine, or of newer Debian suites."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

from archive import SetupError, Suite, cache, codename
from unpacked import SUITES, loading, once

#: What the interpreter and binary wheels need of the suite, with all that these depend on.
_BESIDE = ("libstdc++6", "zlib1g")
#: What starts an interpreter with the C library that it was made for. Python looks for its modules
#: from where it was called, or where a virtual environment says that it is.
_LAUNCHER = """\
#!/bin/sh
exec {words} "$@"
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
        once(folder, package, functools.partial(_make, suite, package, folder))
        return folder / "usr/bin" / package
    raise SetupError(f"none of {', '.join(SUITES)} has a package {package}")


def _make(suite: Suite, package: str, home: Path, root: Path) -> None:
    """Unpack an interpreter, with a script in its place that gives it the suite's C library.

    Args:
        suite: where it is from.
        package: its name.
        home: where it will be.
        root: where it is made.
    """
    suite.unpack([package, *_BESIDE], root, with_dependencies=True)
    program = root / "usr/bin" / package
    own = program.rename(program.with_name(f"{package}.real"))
    words = " ".join([*loading(root), "--argv0", '"$0"', str(own)])
    launcher = _LAUNCHER.format(words=words.replace(str(root), str(home)))
    program.write_text(launcher, encoding="utf-8")
    program.chmod(0o755)
