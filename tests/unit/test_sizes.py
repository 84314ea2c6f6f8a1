"""No function and no file grows past what one can read."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import sizes


def test_nothing_is_over_its_cap() -> None:
    assert [f"{size.where}: {size.lines} lines" for size in sizes.over_cap()] == []


def test_a_long_function_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "pyebpf"
    folder.mkdir()
    long_body = "    x = 1\n" * sizes.FUNCTION_CAP
    (folder / "hall.py").write_text(f'def hall():\n    """Not counted."""\n{long_body}')
    monkeypatch.setattr(sizes, "ROOT", tmp_path)
    (found,) = sizes.over_cap()
    assert found == (sizes.FUNCTION_CAP + 1, "pyebpf/hall.py:1 hall")


def test_a_long_file_is_found_unless_it_is_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyebpf" / "abi").mkdir(parents=True)
    text = "x = 1\n" * (sizes.FILE_CAP + 1)
    (tmp_path / "pyebpf" / "abi" / "rows.py").write_text(text)
    (tmp_path / "pyebpf" / "hall.py").write_text(text)
    monkeypatch.setattr(sizes, "ROOT", tmp_path)
    (found,) = sizes.over_cap()
    assert found.where == "pyebpf/hall.py"
