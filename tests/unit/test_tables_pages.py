"""What is made from the tables is current, and the helpers can be named."""

from __future__ import annotations

import ast
import subprocess
import sys

import gen_tables
import pytest

import pyebpf
from pyebpf import helpers
from pyebpf.abi.helpers import HELPERS, Helper
from pyebpf.errors import PyebpfError
from pyebpf.helpers import HelperFunction


@pytest.mark.parametrize("name", gen_tables.PAGES)
def test_a_page_is_current(name: str) -> None:
    text = (gen_tables.ROOT / name).read_text(encoding="utf-8")
    assert text == gen_tables.PAGES[name](), "run python scripts/gen_tables.py"


def test_every_row_is_a_function_of_the_module() -> None:
    for name, row in HELPERS.items():
        function = getattr(helpers, name)
        assert isinstance(function, HelperFunction)
        assert function.__pyebpf_builtin__ is row
        assert getattr(helpers, name) is function
    assert set(dir(helpers)) >= {*HELPERS}
    assert helpers.loop.__doc__ == f"{HELPERS['loop'].doc} Since Linux 5.17."
    assert repr(helpers.loop) == "<helper bpf_loop>"


def test_a_helper_cannot_be_called_outside_a_probe() -> None:
    with pytest.raises(PyebpfError, match=r"helpers.get_retval\(\) works in a probe only"):
        helpers.get_retval()


def test_an_unknown_helper_is_an_error() -> None:
    with pytest.raises(AttributeError, match="no BPF helper is called 'get_coffee'"):
        helpers.get_coffee  # type: ignore[attr-defined] # noqa: B018


def test_naming_the_module_does_not_read_the_table() -> None:
    code = "import sys; from pyebpf import helpers; print('pyebpf.abi.helpers' in sys.modules)"
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=gen_tables.ROOT)
    assert done.stdout == "False\n"


def test_the_stub_has_the_parameters_of_the_rows() -> None:
    tree = ast.parse(gen_tables.PAGES["pyebpf/helpers.pyi"]())
    found = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert found.keys() == HELPERS.keys()
    for name, node in found.items():
        row = HELPERS[name]
        assert [arg.arg for arg in node.args.args] == [arg.python_name for arg in row.args]
        assert len(node.args.args) - len(node.args.defaults) == row.required


def test_what_can_be_left_out() -> None:
    assert HELPERS["map_update_elem"].required == 3
    assert HELPERS["loop"].required == 2
    assert HELPERS["perf_event_output"].required == 5
    assert isinstance(HELPERS["loop"], Helper)
    assert pyebpf.__all__
