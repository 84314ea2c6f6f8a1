"""The build backend: that of setuptools, whose archives depend on the sources alone.

Two builds of the same tree give the same bytes, whoever makes them, when, and after which others.
``SOURCE_DATE_EPOCH`` is the time of all files in them, in seconds since 1970, if it is set.

Source: https://peps.python.org/pep-0517/ and https://reproducible-builds.org/specs/source-date-epoch/.
"""

from __future__ import annotations

import gzip
import os
import shutil
import stat
import tarfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403 - the hooks that stay as they are

#: The first moment that a zip archive knows.
_BEGIN_OF_1980 = "315532800"
#: What belongs to an earlier build: modules that are gone since would get into a wheel.
_LEFT_OVER = Path("build", "lib")
_PLAIN = 0o644


def build_wheel(folder: str, *settings: Any) -> str:
    """Make the wheel, and return its name."""
    os.environ.setdefault("SOURCE_DATE_EPOCH", _BEGIN_OF_1980)
    shutil.rmtree(_LEFT_OVER, ignore_errors=True)
    name: str = build_meta.build_wheel(folder, *settings)
    _pack_wheel(Path(folder, name))
    return name


def build_sdist(folder: str, *settings: Any) -> str:
    """Make the source archive, and return its name."""
    name: str = build_meta.build_sdist(folder, *settings)
    _pack_sdist(Path(folder, name), int(os.environ.get("SOURCE_DATE_EPOCH", _BEGIN_OF_1980)))
    return name


def _pack_wheel(path: Path) -> None:
    """Leave out of a wheel which permissions whoever made it gives to his files."""
    packed = path.with_suffix(".new")
    with ZipFile(path) as archive, ZipFile(packed, "w", ZIP_DEFLATED) as again:
        for entry in archive.infolist():
            entry.external_attr = (stat.S_IFREG | _PLAIN) << 16
            again.writestr(entry, archive.read(entry))
    packed.replace(path)


def _pack_sdist(path: Path, made: int) -> None:
    """Leave out of a ``.tar.gz`` who made it and when, and which permissions he gives."""
    packed = path.with_suffix(".new")
    with ExitStack() as stack:
        archive = stack.enter_context(tarfile.open(path))
        raw = stack.enter_context(packed.open("wb"))
        file = stack.enter_context(gzip.GzipFile("", "wb", mtime=made, fileobj=raw))
        again = stack.enter_context(tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT))
        for member in sorted(archive.getmembers(), key=lambda member: member.name):
            again.addfile(_anonymous(member, made), archive.extractfile(member))
    packed.replace(path)


def _anonymous(member: tarfile.TarInfo, made: int) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime, member.mode = made, 0o755 if member.isdir() else _PLAIN
    member.pax_headers = {}
    return member
