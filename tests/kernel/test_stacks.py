"""Stacks of programs of our own, in several languages and places, with their names."""

from __future__ import annotations

import ctypes
import lzma
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pyebpf import (
    Hash,
    RawTracepointContext,
    StackTrace,
    UprobeContext,
    i64,
    load,
    raw_tracepoint,
    record,
    tgid,
    u32,
    u64,
    uprobe,
)
from pyebpf.runtime import debug_files
from pyebpf.runtime.demangle import demangled
from pyebpf.runtime.image import open_image
from pyebpf.runtime.mappings import mapped_files
from pyebpf.runtime.maps import stacks as stacks_module
from pyebpf.runtime.symbols.elf_symbols import functions_of
from pyebpf.session import Session
from pyebpf.symbols import Symbols
from tests.kernel.children import in_child, own_mounts
from tests.kernel.running import fire, loaded
from tests.kernel.speakers import Program, Speaker, compiled, of_rust, speaking, tool

CPP = """
#include <iostream>
#include <string>
namespace shop {
template <typename T> struct Cart {
    __attribute__((noinline)) long price(T n) { asm volatile(""); return n * 2; }
};
__attribute__((noinline)) long ask(long n) { Cart<long> cart; return cart.price(n) + 1; }
}
namespace { __attribute__((noinline)) long hidden(long n) { return shop::ask(n) + 1; } }
int main() {
    std::string line;
    while (std::getline(std::cin, line)) std::cout << hidden(line.size()) << std::endl;
}
"""
CALLS = ["shop::Cart<long>::price(long)", "shop::ask(long)", "(anonymous namespace)::hidden(long)"]
FRAMES = "-fno-omit-frame-pointer", "-Wl,--build-id"

RUST = """
use std::io::BufRead;
mod shop {
    #[inline(never)] pub fn price<T: Into<u64>>(n: T) -> u64 { std::hint::black_box(n.into()) * 2 }
}
fn main() {
    println!("0");
    for line in std::io::stdin().lock().lines() {
        println!("{}", shop::price(line.unwrap().len() as u32));
    }
}
"""


@record
class Key:
    pid: u32
    user: i64
    kernel: i64


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stacks")


@pytest.fixture(scope="module")
def shop(program: Program, folder: Path) -> Path:
    return compiled(program, folder / "shop", CPP, *FRAMES, suffix=".cc")


@pytest.fixture(scope="module")
def bare(shop: Path, folder: Path) -> Path:
    tool("strip", "-o", folder / "bare", shop)
    return folder / "bare"


def places_of(shop: Path) -> dict[str, int]:
    """Where the functions of a program are in its file: in stripped copies at the same places."""
    with open_image(str(shop)) as image:
        return {demangled(f.name): image.place(f.address) for f in image.functions()}


def code_of(pid: int, path: str) -> int:
    """What to add to a place in a file for the address in a process."""
    (row,) = (row for row in mapped_files(pid) if row.is_code and row.path == path)
    return row.start - row.offset


def addresses(shop: Path, pid: int, path: Path) -> list[int]:
    """Where the functions of CALLS are in a process."""
    places, start = places_of(shop), code_of(pid, str(path))
    return [start + places[name] for name in CALLS]


# -- names agree with binutils


def listed(*words: str | Path) -> dict[int, set[str]]:
    """What ``nm`` says: names by address, without the versions of a library."""
    text = subprocess.run(["nm", *words], capture_output=True, text=True, check=True).stdout
    found: dict[int, set[str]] = {}
    for address, kind, name in re.findall(r"^([0-9a-f]+) (.) (.+)$", text, re.MULTILINE):
        if kind in "tTwWiuV":
            found.setdefault(int(address, 16), set()).add(re.sub(r"@@?[A-Z]\S*$", "", name))
    return found


@pytest.mark.thorough
@pytest.mark.parametrize("which", ["libc", "libstdc++", "ours"])
def test_names_agree_with_nm_and_addr2line(
    which: str, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every function of the file is asked for at its begin, and the sized ones at their end."""
    monkeypatch.setattr(debug_files, "DEBUG_FOLDER", str(tmp_path))  # nm -D does not look there
    path = str(shop)
    if which != "ours":
        ctypes.CDLL("libstdc++.so.6" if which == "libstdc++" else "libc.so.6")
        path = next(row.path for row in mapped_files() if f"/{which}.so" in row.path)
    names = listed("-C", *(["-D"] if which != "ours" else []), "--defined-only", path)
    with open_image(path) as image:
        table = functions_of(image)
        functions = [f for f in image.functions() if f.kind == 2 or f.kind == 10]
        begins = np.array([image.place(f.address) for f in functions], np.uint64)
    sizes = np.array([max(f.size, 1) for f in functions], np.uint64)
    first, last = table.rows(begins), table.rows(begins + sizes - np.uint64(1))
    assert len(functions) > (1_000 if which != "ours" else 10)
    assert (first >= 0).all()
    wrong = [
        (table.name(row), names[f.address])
        for f, row in zip(functions, first.tolist(), strict=True)
        if table.name(row) not in names[f.address]
    ]
    assert wrong == []
    # Another function may begin before the end of a large one; hardly ever.
    assert (first == last).mean() > 0.98
    if which == "ours":
        words = [f"{f.address + f.size // 2:#x}" for f in functions]
        done = subprocess.run(
            ["addr2line", "-f", "-C", "-e", path, *words],
            capture_output=True,
            text=True,
            check=True,
        )
        said = done.stdout.splitlines()[::2]
        assert [table.name(row) for row in first.tolist()] == said


# -- where a program's names are


def check(symbols: Symbols, at: list[int], speaker: Speaker) -> None:
    assert symbols.names(at, speaker.pid) == CALLS
    behind = [address + 4 for address in at]
    assert [frame.offset for frame in symbols.frames(behind, speaker.pid)] == [4, 4, 4]


@pytest.mark.thorough
@pytest.mark.parametrize("flags", [("-no-pie",), ("-pie", "-fPIE"), ("-static",)], ids=str)
def test_wherever_the_linker_puts_a_program(
    program: Program, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    made = compiled(program, tmp_path / "made", CPP, *FRAMES, *flags, suffix=".cc")
    with speaking(made) as speaker:
        check(Symbols(), addresses(made, speaker.pid, made), speaker)


def by_build_id(symbols: Path, folder: Path, bare: Path) -> None:
    with open_image(str(bare)) as image:
        ident = image.build_id()
    target = folder / ".build-id" / ident[:2] / f"{ident[2:]}.debug"
    target.parent.mkdir(parents=True)
    shutil.copy(symbols, target)


def packed_inside(symbols: Path, folder: Path, bare: Path) -> None:
    packed = folder / "packed"
    packed.write_bytes(lzma.compress(symbols.read_bytes()))
    tool("objcopy", f"--add-section=.gnu_debugdata={packed}", bare)


@pytest.mark.thorough
@pytest.mark.parametrize("put", [by_build_id, packed_inside])
def test_names_that_a_program_was_stripped_of(
    shop: Path, bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, put: object
) -> None:
    monkeypatch.setattr(debug_files, "DEBUG_FOLDER", str(tmp_path / "debug"))
    (tmp_path / "debug").mkdir()
    copy = tmp_path / "bare"
    shutil.copy(bare, copy)
    tool("objcopy", "--only-keep-debug", shop, tmp_path / "symbols")
    with speaking(copy) as speaker:
        at = addresses(shop, speaker.pid, copy)
        assert Symbols().names(at, speaker.pid) == ["[bare]"] * 3
        before = [frame.offset for frame in Symbols().frames(at, speaker.pid)]
    put(tmp_path / "symbols", tmp_path / "debug", copy)  # type: ignore[operator]
    with speaking(copy) as speaker:
        at = addresses(shop, speaker.pid, copy)
        check(Symbols(), at, speaker)
    assert before == [places_of(shop)[name] for name in CALLS]


@pytest.mark.thorough
def test_a_pipe_where_a_debug_file_would_be(
    bare: Path, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody writes into it: who opens it to read waits for ever."""
    monkeypatch.setattr(debug_files, "DEBUG_FOLDER", str(tmp_path))
    with open_image(str(bare)) as image:
        ident = image.build_id()
    (tmp_path / ".build-id" / ident[:2]).mkdir(parents=True)
    os.mkfifo(tmp_path / ".build-id" / ident[:2] / f"{ident[2:]}.debug")
    with speaking(bare) as speaker:
        at = addresses(shop, speaker.pid, bare)
        assert Symbols().names(at, speaker.pid) == ["[bare]"] * 3


@pytest.mark.thorough
def test_names_of_rust(program: Program, tmp_path: Path) -> None:
    made = of_rust(program, tmp_path / "rusty", RUST)
    with speaking(made) as speaker:
        with open_image(str(made)) as image:
            rows = [f for f in image.functions() if "price" in f.name and "shop" in f.name]
            place = image.place(rows[0].address)
        (name,) = Symbols().names([code_of(speaker.pid, str(made)) + place + 1], speaker.pid)
    assert name in ("rusty::shop::price::<u32>", "rusty::shop::price")


# -- processes that end, and that live elsewhere


@pytest.mark.thorough
def test_what_was_seen_of_a_process_is_known_when_it_has_ended(shop: Path) -> None:
    seen, remembering, unseen = Symbols(), Symbols(), Symbols()
    with speaking(shop) as speaker:
        at = addresses(shop, speaker.pid, shop)
        seen.names([8], speaker.pid)
        remembering.remember(speaker.pid)
    check(seen, at, speaker)
    check(remembering, at, speaker)
    assert unseen.names(at, speaker.pid) == [f"{address:#x}" for address in at]
    seen.forget(speaker.pid)
    assert seen.names(at, speaker.pid) == [f"{address:#x}" for address in at]


@pytest.mark.thorough
@pytest.mark.parametrize("replaced", [False, True])
def test_a_program_that_was_deleted(shop: Path, tmp_path: Path, replaced: bool) -> None:
    copy = tmp_path / "copy"
    shutil.copy(shop, copy)
    with speaking(copy) as speaker:
        at = addresses(shop, speaker.pid, copy)
        copy.unlink()
        if replaced:
            copy.write_bytes(b"another file")
        kept = Symbols()
        check(Symbols(), at, speaker)
        kept.remember(speaker.pid)
    check(kept, at, speaker)


@pytest.mark.thorough
def test_a_process_that_became_another_program(
    shop: Path, program: Program, tmp_path: Path
) -> None:
    text = (
        "#include <unistd.h>\nint main(int n, char **a) { char line[64]; read(0, line, 64); "
        'write(1, "0\\n", 2); read(0, line, 1); execv(a[1], a + 1); }'
    )
    first = compiled(program, tmp_path / "first", text)
    symbols = Symbols()
    with speaking(first, str(shop)) as speaker:
        (main,) = [
            row.start for row in mapped_files(speaker.pid) if row.path == str(first) and row.is_code
        ]
        assert symbols.names([main], speaker.pid)[0] != hex(main)
        speaker.say("x")
        check(symbols, addresses(shop, speaker.pid, shop), speaker)
        assert symbols.frames([main], speaker.pid)[0].module == str(first)


@pytest.mark.kernel
@pytest.mark.thorough
def test_a_mount_namespace_of_its_own(shop: Path, tmp_path: Path) -> None:
    """Program and map of compiled code are on file systems that only the process has."""
    room = tmp_path / "room"
    room.mkdir()
    ours, theirs = os.pipe(), os.pipe()

    def inside() -> None:
        own_mounts()
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.mount(b"none", str(room).encode(), b"tmpfs", 0, None) == 0
        shutil.copy(shop, room / "shop")
        with speaking(room / "shop") as speaker:
            assert libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0
            Path(f"/tmp/perf-{speaker.pid}.map").write_text("1000 10 compiled\n")
            os.write(ours[1], f"{speaker.pid}\n".encode())
            os.read(theirs[0], 1)

    def outside(child: int) -> None:
        with os.fdopen(os.dup(ours[0])) as told:
            pid = int(told.readline())
        at = addresses(shop, pid, room / "shop")
        assert not (room / "shop").exists()
        kept = Symbols()
        kept.remember(pid)
        found.extend([kept, at, pid])
        assert Symbols().names([*at, 0x1008], pid) == [*CALLS, "compiled"]
        os.write(theirs[1], b"x")

    found: list[object] = []
    try:
        in_child(inside, beside=outside)
    finally:
        for fd in (*ours, *theirs):
            os.close(fd)
    kept, at, pid = found
    assert isinstance(kept, Symbols)
    assert kept.names([*at, 0x1008], pid) == [*CALLS, "compiled"]  # type: ignore[misc,arg-type]


# -- in the kernel

#: Where a function has made its frame. At its begin older kernels do not see who called it.
BEHIND_PROLOGUE = 4 if platform.machine() == "x86_64" else 8

stacks = StackTrace(max_entries=1_024, depth=20)
places = StackTrace(max_entries=1_024, depth=20, stack_build_id=True)
samples = Hash[Key, u64](max_entries=64)
by_file = Hash[Key, u64](max_entries=64)


@pytest.fixture
def watched(shop: Path) -> Iterator[tuple[Session, Speaker]]:
    @uprobe(shop, CALLS[0], offset=BEHIND_PROLOGUE)
    def priced(ctx: UprobeContext) -> None:
        samples[Key(pid=tgid(), user=stacks.user(), kernel=stacks.kernel())] += 1
        by_file[Key(pid=tgid(), user=places.user(), kernel=places.kernel())] += 1

    with speaking(shop) as speaker, load(priced, attach=False) as session:
        session.attach(priced, pid=speaker.pid)
        yield session, speaker


@pytest.mark.thorough
@pytest.mark.kernel
def test_stacks_are_named_counted_and_drawn(watched: tuple[Session, Speaker]) -> None:
    session, speaker = watched
    for _ in range(3):
        speaker.say("go")
    (key,) = session[samples].keys()
    named = session[stacks].names(key.user, speaker.pid)
    assert (key.pid, named[:4]) == (speaker.pid, [*CALLS, "main"])
    counts = session[stacks].counts(session[samples], kernel=None)
    assert counts.folded().endswith(f"{';'.join(['main', *CALLS[::-1]])} 3")
    whole = session[stacks].counts(session[samples]).folded(marks=True)
    assert bool("_[k] 3" in whole) is (key.kernel >= 0)
    frames = session[stacks].frames(key.user, speaker.pid)
    assert frames[0].offset == BEHIND_PROLOGUE
    assert frames[1].offset > 0
    (place,) = session[by_file].keys()
    session[places].remember(speaker.pid)
    speaker.process.kill()
    speaker.process.wait()
    found = session[places][place.user]
    with open_image(frames[0].module) as image:
        built = image.build_id()
    assert bytes(found["build_id"][0]).hex() in (built, "00" * 20)
    # Without the process and its number: the files are known by their build ids.
    if found["status"][0] == 1:
        assert session[places].names(place.user)[:4] == [*CALLS, "main"]
    assert session[stacks].names(key.user, speaker.pid) == named
    assert session[places].names(place.kernel) == session[stacks].names(key.kernel)


@pytest.mark.kernel
def test_many_stacks_are_those_of_each_id(
    watched: tuple[Session, Speaker], monkeypatch: pytest.MonkeyPatch
) -> None:
    session, speaker = watched
    speaker.say("go")
    monkeypatch.setattr(stacks_module, "_BLOCK", 3)  # and they go over the end of one
    for declared, counted in ((stacks, samples), (places, by_file)):
        (key,) = session[counted].keys()
        kept, absent = session[declared], (key.user + 1) % 1_024
        while absent in kept:
            absent = (absent + 1) % 1_024
        found, lengths = kept.several(np.array([key.user, -14, absent, absent, key.user]))
        one = kept[key.user]
        assert lengths.tolist() == [len(one), 0, 0, 0, len(one)]
        assert (found == np.concatenate([one, one])).all()
    none, lengths = session[stacks].several(np.array([], np.int64))
    assert (len(none), len(lengths)) == (0, 0)


@raw_tracepoint("sys_enter")
def kept_here(ctx: RawTracepointContext) -> int:
    return 7


@pytest.mark.kernel
def test_a_program_that_came_later_has_a_name() -> None:
    """The list of the kernel's symbols was read before the program was loaded."""
    symbols = Symbols()
    symbols.names([1 << 63])
    with loaded(kept_here) as session:
        assert fire(session, kept_here) == 7
        lines = Path("/proc/kallsyms").read_text(encoding="ascii").splitlines()
        rows = [line.split() for line in lines if line.endswith("_kept_here\t[bpf]")]
        if not rows:
            pytest.skip("the kernel lists no programs among its symbols")
        ((start, _, name, module),) = rows
        (frame,) = symbols.frames([int(start, 16) + 1])
    assert (frame.name, frame.offset, frame.module) == (name, 1, module)
