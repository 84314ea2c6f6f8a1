"""What ``pyproject.toml`` says is true of the tree."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import project

ROOT = Path(__file__).resolve().parents[2]
IMPORT_TOOLS = "import pyebpf.tools as t; print(*t.__path__)"


def packages_in_tree() -> set[str]:
    found = {
        ".".join(path.relative_to(ROOT).parts)
        for path in (ROOT / "pyebpf").rglob("*")
        if path.is_dir() and any(path.glob("*.py"))
    }
    inside_tools = {
        ".".join(["pyebpf", *path.parent.relative_to(ROOT).parts])
        for path in (ROOT / "tools").rglob("*.py")
    }
    return found | inside_tools | {"pyebpf"}


def test_every_package_of_the_tree_is_shipped() -> None:
    listed = project.read()["tool"]["setuptools"]["packages"]
    assert sorted(listed) == sorted(packages_in_tree())


def test_every_package_has_an_init() -> None:
    folders = {path.parent for path in (ROOT / "pyebpf").rglob("*.py")}
    assert [
        str(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()
    ] == []


def test_lower_bounds_are_what_the_matrix_pins() -> None:
    declared = project.dependencies()
    assert all(text.count(">=") == 1 and "," not in text for text in declared), declared
    assert project.dependencies(oldest=True) == [text.replace(">=", "==") for text in declared]


def test_the_oldest_python_is_the_same_everywhere() -> None:
    oldest = project.python_versions()[0]
    config = project.read()
    assert config["project"]["requires-python"] == f">={oldest}"
    assert config["tool"]["ruff"]["target-version"] == f"py{oldest.replace('.', '')}"
    assert config["tool"]["pyright"]["pythonVersion"] == oldest


def test_extras_are_what_the_tests_have_and_never_ask_for_the_name() -> None:
    config = project.read()
    assert config["project"]["optional-dependencies"]["frames"] == project.group("frames")
    extras = config["project"]["optional-dependencies"].values()
    asked = [text for texts in (*extras, *config["dependency-groups"].values()) for text in texts]
    assert [text for text in asked if text.startswith("pyebpf")] == []


#: What would fetch the package of our name that is somebody else's: an installer, then the bare
#: name, or that as a dependency. A path, or a module behind a dot, is another word.
_FETCHES = re.compile(
    r"\b(?:pip[\d.]*|pipx|uv|uvx|poetry|pdm|rye|pixi|hatch|conda|mamba|easy_install)\b"
    r"(?: +(?:[\w.=:/'\"+-]|\[[\w,]*\])+)*? +['\"]?pyebpf\b(?![/:-]|\.\w)"
    r"|\bdependencies\W+[^]]*['\"]pyebpf\b",
    re.IGNORECASE,
)


@pytest.mark.parametrize(
    ("text", "fetches"),
    [
        ("pip install pyebpf", True),
        ("sudo python3 -m pip install -U 'pyebpf[notebook]'", True),
        ("`uv add pyebpf`", True),
        ("uv tool install --python 3.12 pyebpf==0.1", True),
        ("uvx pyebpf doctor", True),
        ("pipx run pyebpf", True),
        ("pip install numpy pyebpf", True),
        ("Then pip install pyebpf.", True),
        ('# dependencies = ["numpy", "pyebpf>=0.1"]', True),
        ('dependencies = ["numpy"]\nname = "pyebpf"', False),
        ("pip install .", False),
        ("pip install '.[notebook]'        # pyebpf, from the checkout", False),
        ("pip install ./pyebpf", False),
        ("pip install dist/pyebpf-0.1.0-py3-none-any.whl", False),
        ("python -m pyebpf doctor", False),
        ("pyebpf is not on the index that pip reads", False),
    ],
)
def test_the_scan_knows_what_fetches(text: str, fetches: bool) -> None:
    assert bool(_FETCHES.search(text)) is fetches


def test_nothing_says_a_command_that_fetches_the_package_of_somebody_else() -> None:
    """Neither a page, nor a script, nor what the program prints."""
    suffixes = {".md", ".py", ".pyi", ".toml", ".ipynb", ".sh", ".yml", ".html", ""}
    folders = ("pyebpf", "tools", "docs", "examples", "scripts")
    files = [path for path in ROOT.iterdir() if path.is_file()]
    files += [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    files = [path for path in files if path.suffix in suffixes and "__pycache__" not in path.parts]
    assert len(files) > 400
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in files
        for match in _FETCHES.finditer(path.read_text("utf-8", "replace"))
    ]
    assert found == []


def test_tools_can_be_imported_from_a_checkout(tmp_path: Path) -> None:
    found = run_python(IMPORT_TOOLS, ["-S"], tmp_path, ROOT)
    assert found.split() == [str(ROOT / "tools")]


def run_python(code: str, options: list[str], cwd: Path, *path: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    done = subprocess.run(
        [sys.executable, *options, "-c", code],
        cwd=cwd, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_listing_reads_docstrings_and_imports_nothing(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text('"""Count something.\n\nMore."""\nraise RuntimeError\n')
    (tmp_path / "_two.py").write_text('"""Private."""\n')
    (tmp_path / "three.py").write_text("x = 1\n")
    from pyebpf.tools.__main__ import catalogue

    assert catalogue(tmp_path) == {"one": "Count something.", "three": ""}
