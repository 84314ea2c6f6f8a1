"""Every block of ``docs/hooks.md`` is a module that compiles."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pyebpf.dsl.probes import Probe
from pyebpf.dsl.probes.alternatives import Alternatives
from pyebpf.testing import target
from tests.kernel.running import cell

PAGE = Path(__file__).parents[2] / "docs" / "hooks.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_a_block_of_the_page_compiles(number: int) -> None:
    from pyebpf import compile_probes

    module = cell(BLOCKS[number])
    probes = [value for value in vars(module).values() if isinstance(value, (Probe, Alternatives))]
    assert probes
    assert compile_probes(*probes, target=target()).programs
