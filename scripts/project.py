"""What ``pyproject.toml`` declares, for the scripts that must not say it a second time."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10, where pytest brings the same parser along
    import tomli as tomllib  # type: ignore[import-not-found,no-redef,unused-ignore]

ROOT = Path(__file__).resolve().parent.parent


def read() -> dict[str, Any]:
    """Return the whole file as a dictionary."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def python_versions() -> list[str]:
    """Return the Python versions that the classifiers promise, oldest first: ``["3.10", …]``."""
    found = [
        re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", classifier)
        for classifier in read()["project"]["classifiers"]
    ]
    return sorted((m[1] for m in found if m), key=lambda text: int(text.partition(".")[2]))


def dependencies(*, oldest: bool = False) -> list[str]:
    """Return the run-time dependencies, pinned to their lower bounds if ``oldest``."""
    declared: list[str] = read()["project"]["dependencies"]
    return [text.replace(">=", "==") for text in declared] if oldest else declared


def group(name: str) -> list[str]:
    """Return the requirements of a dependency group."""
    return list(read()["dependency-groups"][name])
