"""The descriptions of tracepoints, as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyebpf.errors import FormatError
from pyebpf.runtime.tracefs import parse_format
from pyebpf.spec.target import TracepointField

SCHED_WAKEUP = """\
name: sched_wakeup
ID: 370
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

\tfield:char comm[16];\toffset:8;\tsize:16;\tsigned:0;
\tfield:const char * filename;\toffset:24;\tsize:8;\tsigned:0;
\tfield:const void *ptr;\toffset:32;\tsize:8;\tsigned:0;
\tfield:__data_loc char[] name;\toffset:40;\tsize:4;\tsigned:0;
\tfield:__rel_loc u8[] data;\toffset:44;\tsize:4;\tsigned:0;

print fmt: "field:int x; comm=%s", REC->comm
"""


def test_every_field_is_there_in_order() -> None:
    assert parse_format(SCHED_WAKEUP) == (
        TracepointField("common_type", "unsigned short", 0, 2, signed=False),
        TracepointField("common_pid", "int", 4, 4, signed=True),
        TracepointField("comm", "char[16]", 8, 16, signed=False),
        TracepointField("filename", "const char *", 24, 8, signed=False),
        TracepointField("ptr", "const void *", 32, 8, signed=False),
        TracepointField("name", "__data_loc char[]", 40, 4, signed=False),
        TracepointField("data", "__rel_loc u8[]", 44, 4, signed=False),
    )
    assert [f.name for f in parse_format(SCHED_WAKEUP) if f.is_dynamic] == ["name", "data"]


@pytest.mark.parametrize(
    "line",
    [
        "field:int x;offset:a;size:4;signed:1;",
        "field:int x;size:4;signed:1;",
        "field:int x;offset:-1;size:4;signed:1;",
        "field:int;offset:0;size:4;signed:1;",
        "field:;offset:0;size:4;signed:1;",
    ],
)
def test_a_broken_field_is_refused(line: str) -> None:
    with pytest.raises(FormatError, match="no field of a tracepoint"):
        parse_format(line)


pieces = st.sampled_from(
    [*"\n\t[]*1; ", "field:", "int x;", "offset:", "4;", "size:", "signed:", "__data_loc "]
)


@given(st.lists(st.one_of(pieces, st.text(max_size=5))).map("".join))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        fields = parse_format(text)
    except FormatError:
        return
    assert all(f.name and f.c_type and f.offset >= 0 and f.size >= 0 for f in fields)
