"""Specifiers of probes: what they mean in Python, and what is said of those that mean nothing."""

from __future__ import annotations

import ast

import pytest

from pyebpf.dsl.source import capture
from pyebpf.lib.specifiers import Settings, SpecifierError, collector, read
from pyebpf.lib.specifiers.c_types import CType, read_parameter, read_type


def lines_of(text: str, *, is_drawn: bool = False, **settings: int) -> list[str]:
    """Return the statements of the probe that collects."""
    made = collector(read(text), 1, Settings(**settings), is_drawn=is_drawn)
    *_, function = [node for node in ast.parse(made.text).body if isinstance(node, ast.FunctionDef)]
    return [ast.unparse(line) for line in function.body]


def meaning(expression: str, signature: str = "int a, long b, u64 c, char *s") -> str:
    """Return what an expression becomes."""
    *_, last = lines_of(f"p:c:f({signature}):u64:({expression})", is_drawn=True)
    return last.removeprefix("found.add(cast(u64, ").removesuffix("))")


@pytest.mark.parametrize(
    ("given", "python"),
    {
        "a+b*c - -a": "a + b * c - -a",
        "a / 2 % 3": "a // 2 % 3",
        "a // 2": "a // 2",
        "a && !b || c": "a and (not b) or c",
        "not a == b and c": "not a == b and c",
        "!a == b": "(not a) == b",
        "(a & 1) == 1": "a & 1 == 1",
        "a | b ^ c & 3 << 1": "a | b ^ c & 3 << 1",
        "~a > 0x1F + 0644 + 10UL": "~a > 31 + 420 + 10",
        "a ? b : c": "b if a else c",
        "b if a else c": "b if a else c",
        "a in (1, 2) && b not in (3,)": "a in (1, 2) and b not in (3,)",
        "(u8)b + (unsigned long)c": "cast(u8, b) + cast(u64, c)",
        "(a)+b": "a + b",
        "(bool)b": "bool(b)",
        "s[0] == s[a + 1]": "s[0] == s[a + 1]",
        "*s + (&s[1] != NULL)": "s[0] + (addressof(s[1]) != 0)",
        "((struct file *)b)->f_inode.i_ino": "cast(UserPtr[kernel.file], b).f_inode.i_ino",
        "(void *)b": "cast(u64, b)",
        "min(a, b) + tgid() + $PID": "min(a, b) + tgid() + tgid()",
        'STRCMP("x:y", s)': "read_user_str(s, 80) == 'x:y'",
        'read_user_str(s, 16).startswith("x")': "read_user_str(s, 16).startswith('x')",
        "a & O_CREAT || b == ENOENT || c == true": "a & O_CREAT or b == ENOENT or c == True",
        "task->mm.owner": "task.mm.owner",
    }.items(),
)
def test_an_expression_means(given: str, python: str) -> None:
    signature = "int a, long b, u64 c, char *s, struct task_struct *task"
    found = meaning(given, signature)
    assert ast.dump(ast.parse(found)) == ast.dump(ast.parse(python)), found


def test_both_ends_of_a_function() -> None:
    """What the end needs of the begin is kept by thread; ``argument`` alone means the same."""
    signature = "vfs_read(struct file *file, char *ctx, bool in)"
    text = f"r::{signature}:int:$retval:$entry(in) && $latency>ctx[0]"
    assert lines_of(text, filtered=True) == [
        "if not is_wanted():\n    return",
        "entry = entries.pop(tid())",
        "if entry is None:\n    return",
        "latency = ktime_get_ns() - entry.began_ns",
        "in_ = entry.in_",
        "ctx_ = entry.ctx_",
        "retval = cast(i32, ret)",
        "if in_ and latency > ctx_[0]:\n    found.add(Values(v0=cast(i32, retval)))",
    ]
    made = collector(read(text), 1, Settings(filtered=True), is_drawn=False)
    assert [probe.name for probe in made.probes] == ["vfs_read_entry", "vfs_read"]
    assert made.text.count("if not is_wanted():") == 2
    assert "    in_: u8\n    ctx_: Ptr[i8]\n" in made.text


def test_where_text_is_read() -> None:
    """In the process for its functions and system calls, and where the signature says so."""
    for spec, reads in {
        "p:c:puts(char *s):char*:s": "read_user_str(s, 80)",
        "p::f(char *s):char*:s": "read_kernel_str(s, 80)",
        "p::f(char __user *s):char*:s": "read_user_str(s, 80)",
        "t:syscalls:sys_enter_open():char*:args->filename": "read_user_str(ctx.filename, 80)",
        "t:sched:sched_switch:char*:args.next_comm": "read_kernel_str(ctx.next_comm, 80)",
        "u:x:y():char*:arg2": "read_user_str(arg2, 80)",
        "r:c:gets():char*:$retval#what": "read_user_str(retval, 80)",
    }.items():
        assert lines_of(spec)[-1] == f"found.add(Values(v0={reads}))"
    assert "retval = cast(UserPtr[i8], ret)" in lines_of("r:c:gets():char*:$retval#what")


def test_what_a_specifier_leaves_out() -> None:
    assert lines_of("p::vfs_read") == ["found.add()"]
    assert lines_of("r:c:read()#results")[-1] == "found.add(Values(v0=cast(i32, retval)))"
    spec = read(' r : c:read( int fd , void* b) : int: fd : fd != 1 && "#:" != "" # a label: it ')
    assert (spec.place, spec.function, spec.label) == ("c", "read", "a label: it")
    assert [parameter.name for parameter in spec.parameters] == ["fd", "b"]
    assert spec.condition is not None
    assert spec.condition.text == 'fd != 1 && "#:" != ""'


def test_equal_texts_with_other_settings_keep_their_own_source() -> None:
    spec = read("p::vfs_write(int fd):int:fd")
    one, two = (collector(spec, 1, Settings(filtered=f), is_drawn=False) for f in (False, True))
    assert collector(spec, 1, Settings(), is_drawn=False) is one
    for made, is_filtered in ((one, False), (two, True)):
        (alternatives,) = made.probes
        function = alternatives.ways[0][0].function  # type: ignore[union-attr]
        assert ("is_wanted()" in capture(function).source.text) == is_filtered


@pytest.mark.parametrize(
    ("text", "why"),
    {
        "^x::f()": "a specifier begins with what it is about",
        "p:c^": "something is missing here",
        "p::^": "the name of a function is missing",
        "t:^:f()": "the category of the tracepoint is missing",
        "u:^:f()": "the library or program is missing",
        "t:a:f(^int a)": "a tracepoint has no signature",
        "p::f(int a^": "a `)` is missing",
        "p::f(^a):int:a": "'a' is no parameter: write its type and its name",
        "p::f(int b, ^struct a a):int:a": "struct a is no type of arguments that can be read",
        "p::f():int^": "types come with expressions",
        "p::f():^:1": "a type is missing here",
        "p::f():int,^foo:1,2": "'foo' is no type",
        "p::f():int^:1,int:2": "1 types and 2 expressions: each needs its type",
        "p::f():int,int:1^": "2 types and 1 expressions: each needs its expression",
        "p::f(int a):int,u8:a,^a": "'a' is collected already",
        "p::f():int:^": "an expression is missing",
        "p::f():int:1 +^": "a value is missing here, before the end",
        "p::f():int:^/ 1": "a value is missing here, before '/'",
        "p::f():int:^* 1 + 1": "this is no expression",
        "p::f(int a):int:^min(key=a, a)": "this is no expression: positional argument follows",
        "p::f(int a):int:a ^a": "'a' is not expected here: an operator is missing",
        "p::f():int:^a": "there is no 'a' here: the signature has no parameters",
        "p::f(int count):int:1+^coumt": "there is no 'coumt' here; did you mean `count`?",
        "t:a:b():int:^irq": "there is no 'irq' here: fields are args->name",
        "u:a:b():int:^nope": "there is no 'nope' here: arguments are arg1, arg2",
        "p::f(int a):int:a & 1 ^== 1": "C compares before `&`, Python after it: write (a & 1)",
        "p::f(int a):int:1 < a ^< 3": "a comparison of a comparison differs",
        "p::f(int a):int:a ^\\ 3": "'\\\\' has no meaning in an expression",
        "p::f(int a):int:a @ ^3": "`@` is for `@user` alone",
        'p::f(int a):char*:^"abc': "this text has no end",
        "p::f(int a):int:a:^": "the filter is missing",
        "p::f(int a):int:a:a:^4": "one `:` too many",
        "p::f(int a):int:a ? 1^:0": "':' is missing after `?`: `c ? a : b` stands in parentheses",
        "p::f(int a):int:^$retval": "$retval is known at the end of a function only",
        "r::f(int a):int:^$foo": "there is no $foo: there are $PID, $COMM",
        "r::f(int count):int:$entry(^coumt)": "the signature has no parameter 'coumt'; did you",
        "r::f(int a):int:$entry^": "'(' is missing after $entry",
        "p::f(int a):int:$entry(^a)": "$entry is for the end of a function",
        "p::f(void *a):int:a.^class": "'class' is a word of Python",
        "p::f(int a):int:(a^": "')' is missing after what it encloses",
        "p::f(int a):int:a[1^": "']' is missing after an index",
        "p::f(int a):int:min(a ^a)": "',' is missing between two arguments",
        'p::f(char *s):int:STRCMP(^s, "x")': "STRCMP begins with what to compare with",
        "p::f():int:^089": "a number that begins with 0 is octal",
        "p::f(int a):int:^(struct x)a": "a struct has to be a pointer to be cast to",
        "p::f(int a):int:a:a ^=1": "'=' is not expected here",
    }.items(),
)  # fmt: skip
def test_a_wrong_part_is_pointed_at(text: str, why: str) -> None:
    at = text.index("^")
    text = text.replace("^", "", 1)
    with pytest.raises(SpecifierError) as caught:
        collector(read(text), 1, Settings(), is_drawn=False)
    said, shown, mark = str(caught.value).splitlines()
    assert why in said
    assert shown == f"  {text}"
    assert (caught.value.at, mark) == (at, f"  {' ' * at}^")


def test_types_of_c() -> None:
    for text, scalar in {
        "unsigned": "u32", "unsigned long int": "u64", "long unsigned int": "u64",
        "short int": "i16",
        "long long": "i64", "const volatile size_t": "u64", "enum zone_type": "u32", "char": "i8",
        "int *": "u64", "struct file": "", "_Bool": "bool", "unsigned char": "u8", "signed": "i32",
    }.items():  # fmt: skip
        assert read_type(text).scalar == scalar, text
    assert str(read_type("const struct file  * const*")) == "struct file **"
    assert read_parameter("const char __user *const name") == (CType("char", 1, True), "name")
    assert read_parameter("int fds[2]") == (CType("int", 1), "fds")
    assert read_parameter("struct file") is None
