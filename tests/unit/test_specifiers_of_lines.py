"""Places and patterns of names, and specifiers of lines: what they mean, and what means nothing."""

from __future__ import annotations

import ast

import pytest

from pyebpf.errors import PyebpfError
from pyebpf.lib.specifiers import (
    CType,
    Parameter,
    Part,
    Place,
    Settings,
    Signature,
    SpecifierError,
    Wanted,
    read_place,
    read_traced,
    tracing,
)
from pyebpf.spec.patterns import is_pattern, matcher


@pytest.mark.parametrize(
    ("text", "place"),
    {
        "vfs_read": ("p", "", "vfs_read"),
        "p::vfs_*": ("p", "", "vfs_*"),
        "c:malloc": ("p", "c", "malloc"),
        "p:c:malloc": ("p", "c", "malloc"),
        "shop:shop::price(int)": ("p", "shop", "shop::price(int)"),
        "r:/bin/sh:main": ("r", "/bin/sh", "main"),
        "t:block:*": ("t", "block", "*"),
        "u:pthread:start": ("u", "pthread", "start"),
        "/^tcp_(send|recv)/": ("p", "", "/^tcp_(send|recv)/"),
        "/lib/libz.so:/^crc/": ("p", "/lib/libz.so", "/^crc/"),
        "t:sched": ("p", "t", "sched"),
    }.items(),
)
def test_a_place(text: str, place: tuple[str, str, str]) -> None:
    assert read_place(Part(text, 0, len(text))) == Place(*place)


@pytest.mark.parametrize("text", ["", "t::sched", "u::x", "c:", "p::"])
def test_no_place(text: str) -> None:
    with pytest.raises(SpecifierError):
        read_place(Part(text, 0, len(text)))


def test_patterns_of_names() -> None:
    names = ["tcp_sendmsg", "tcp_recvmsg", "udp_sendmsg", "x_tcp_sendmsg"]
    for pattern, found in {
        "tcp_*": names[:2],
        "?cp_[s]*": names[:1],
        "/tcp_(send|recv)/": names[:2],
        "/.*sendmsg$/": [names[0], *names[2:]],
    }.items():
        assert is_pattern(pattern)
        assert [name for name in names if matcher(pattern)(name)] == found
    assert not is_pattern("tcp_sendmsg")
    assert not is_pattern("/")
    with pytest.raises(PyebpfError, match="is no regular expression"):
        matcher("/tcp_(/")


def statements(text: str, wanted: Wanted | None = None, **settings: object) -> list[str]:
    """Return the lines of the probe that sends, from its name on."""
    made = tracing((read_traced(text),), Settings(**settings), wanted or Wanted())  # type: ignore[arg-type]
    lines = [line.strip() for line in made.text.rpartition("\ndef ")[2].splitlines()]
    return [line for line in lines if line]


def test_what_is_sent() -> None:
    head, *lines = statements('c:write (arg1 == 1 && arg3 > 10) "%s %hd%% %p", arg2, arg3, arg1')
    assert head == "write(ctx: UprobeContext, arg1: i64, arg2: i64, arg3: i64) -> None:"
    assert lines == [
        "if tgid() == own.value:",
        "return",
        "if ((arg1 == 1) and (arg3 > 10)):",
        "with hits.reserve() as hit:",
        "hit.at_ns, hit.spec, hit.cpu = ktime_get_ns(), 0, cpu()",
        "hit.pid, hit.tid, hit.comm = tgid(), tid(), comm()",
        "hit.t0 = read_user_str(arg2, 80)",
        "hit.n0 = cast(i64, cast(i16, arg3))",
        "hit.n1 = cast(i64, cast(u64, arg1))",
    ]
    wanted = Wanted(kernel=True, user=True)
    lines = statements("r:c:write (retval < 0)", wanted, pid=3, filtered=True)
    for line in ("if not is_wanted():", "retval = cast(i64, ret)", "if (retval < 0):",
                 "hit.kernel = stacks.kernel()", "hit.user = user_stacks.user()"):  # fmt: skip
        assert line in lines


def test_what_the_kernel_knows_of_a_function() -> None:
    pointer, number = CType("struct sock", 1), CType("int")
    known = {"f": Signature((Parameter(pointer, "sk"), Parameter(number, "n")), number)}
    text = 'r::f (retval < 0 && sk->sk_family == AF_INET) "%d %u", n, sk->num'
    lines = statements(text, signature=known.get)
    assert "retval = cast(i32, ret)" in lines
    assert "if ((retval < 0) and (sk.__sk_common.skc_family == AF_INET)):" in lines
    assert "hit.n0 = cast(i64, cast(i32, n))" in lines
    with pytest.raises(SpecifierError, match="there is no 'sk' here"):
        statements('r::g "%d", sk->num', signature=known.get)


def test_where_text_of_the_kernels_functions_is() -> None:
    both = "hit.t0 = (read_user_str(cast(u64, arg2), 80) if cast(u64, arg2) < 1 << 63 else"
    for text, line in {
        'p::f "%s", arg2': f"{both} read_kernel_str(arg2, 80))",
        'p::f "%s", arg2@user': "hit.t0 = read_user_str(cast(UserPtr[u8], arg2), 80)",
        'p::f(int a, char *b) "%s", b': "hit.t0 = read_kernel_str(b, 80)",
        'sys_open "%s", arg1': "hit.t0 = read_user_str(arg1, 80)",
        'p::f "%s", $COMM': "hit.t0 = read_kernel_str(comm(), 80)",
    }.items():
        assert statements(text)[-1] == line
    assert "@ksyscall('open')" in tracing((read_traced("sys_open"),), Settings(), Wanted()).text
    assert "@kprobe('f+0x10')" in tracing((read_traced("f+0x10"),), Settings(), Wanted()).text


@pytest.mark.parametrize(
    ("text", "condition"),
    {
        'f (arg1 > 10) && arg2 == 3 "%d", arg1': "(arg1 > 10) and arg2 == 3",
        'f (STRCMP("a)", arg1)) || (arg2) "x"': """(read_user_str(arg1, 80) == "a)") or arg2""",
        "f (arg1 in (1, 2) and not arg2)": "arg1 in (1, 2) and not arg2",
    }.items(),
)
def test_a_predicate(text: str, condition: str) -> None:
    lines = statements(f"p:c:{text}")
    (found,) = (line for line in lines if line.startswith("if ") and "own" not in line)
    assert ast.dump(ast.parse(f"{found} 1")) == ast.dump(ast.parse(f"if {condition}: 1"))


@pytest.mark.parametrize(
    ("text", "formatted", "kinds"),
    [
        ('f "%lld %5u %-8s|%#lx"', "%d %5d %-8s|%#x", "dusx"),
        ('f "%p %16p %K %c %i"', "%#x %#16x %s %c %d", "ppKci"),
        (r'f "a\tb\n\"%%\"%d"', 'a\tb\n"%%"%d', "d"),
    ],
)
def test_a_format(text: str, formatted: str, kinds: str) -> None:
    message = read_traced(text + ", 1" * len(kinds)).message
    assert (message.text, message.kinds) == (formatted, kinds)


@pytest.mark.parametrize(
    ("text", "why"),
    {
        "^": "say where to look",
        "^vfs_*": "one function at a time",
        "f(int a^": "a `)` is missing for this",
        "t:a:b(^int a)": "a tracepoint has no signature",
        "f ^arg1": 'a (predicate) or a "format" may come here',
        'f "%d^': "the format has no end",
        'f "%d" ^arg1': "a comma is missing between the format and its values",
        'f "%d", 1, 2^': "the format takes 1 values, and there are 2",
        'f "%d", ^': "a value is missing here",
        'f ^"%q"': "this is no conversion of the format",
    }.items(),
)
def test_a_wrong_part_is_pointed_at(text: str, why: str) -> None:
    at = text.index("^")
    text = text.replace("^", "", 1)
    with pytest.raises(SpecifierError) as refused:
        read_traced(text)
    assert why in str(refused.value)
    expected = text.index("(") if "`)` is missing" in why else at
    assert expected - 6 <= refused.value.at <= expected
