"""What `make bench` measures beside ours: which peers there are, and which of them are timed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import archive
import pytest
import unpacked

from tests.bench import counting, peers
from tests.bench.counting import EVENTS, Look
from tests.bench.peers import BCC, BPFTRACE, LIBBPF, Release
from tests.bench.report import Report
from tests.bench.starting import Contestant, Peer


@pytest.mark.parametrize(
    ("debian", "authors"),
    [
        ("0.26.0+ds-1", "0.26.0"),
        ("0.27.1-1", "0.27.1"),
        ("1:22.1.8-1~deb12u1", "22.1.8"),
        ("of another origin", "of another origin"),
    ],
)
def test_versions_are_those_of_the_authors(debian: str, authors: str) -> None:
    assert peers.upstream(debian) == authors


def test_unpacked_programs_are_started_by_their_own_loader(tmp_path: Path) -> None:
    (tmp_path / "usr/sbin").mkdir(parents=True)
    (tmp_path / "usr/sbin/runqlat-libbpf").touch()
    release = Release({BPFTRACE: "0.27.1"}, tmp_path, ("ld.so", "--library-path", "lib"))
    assert release.bpftrace() == ["ld.so", "--library-path", "lib", f"{tmp_path}/usr/bin/bpftrace"]
    assert release.tool("runqlat")[-1] == f"{tmp_path}/usr/sbin/runqlat-libbpf"
    assert release.bcc("runqlat")[-2:] == [
        f"{tmp_path}/usr/bin/python3",
        f"{tmp_path}/usr/sbin/runqlat-bpfcc",
    ]
    assert BPFTRACE in release
    assert BCC not in release
    assert Release({LIBBPF: "0.26.0"}).tool("runqlat") == ["/usr/sbin/runqlat"]


def see(counted: dict[str, int]) -> Callable[[Contestant], Look]:
    def look(one: Contestant) -> Look:
        if one.name not in counted:
            raise RuntimeError(f"{one.name} did not say b'attached': b''\nTraceback\nno kprobes\n")
        return Look(counted[one.name], 0, "text")

    return look


def test_a_peer_that_counts_wrong_is_named_and_not_timed() -> None:
    ours, right, wrong, dead = Contestant("ours", ()), *(Peer(name, ()) for name in "abc")
    report = Report()
    seen = see({"ours": EVENTS, "a": EVENTS, "b": 0})
    assert list(counting.fit(report, "reads", [ours, right, wrong, dead], seen)) == [ours, right]
    assert report.notes == [
        f"reads: b counted 0 of {EVENTS}, so it is not timed",
        "reads: c does not start, so it is not timed: no kprobes",
    ]


def test_more_than_was_made_is_wrong_unless_others_make_some() -> None:
    seen = see({"a": EVENTS + 1})
    assert not counting.fit(Report(), "reads", [Peer("a", ())], seen)
    assert counting.fit(Report(), "waits", [Peer("a", ())], seen, exact=False)


@pytest.mark.parametrize(("counted", "error"), [({"ours": 0}, AssertionError), ({}, RuntimeError)])
def test_ours_that_counts_wrong_fails(counted: dict[str, int], error: type[Exception]) -> None:
    with pytest.raises(error, match="ours"):
        counting.fit(Report(), "reads", [Contestant("ours", ())], see(counted))


class FakeSuite:
    """A suite that has version 1 of everything."""

    def __init__(self, name: str) -> None:
        self.name = name

    def version(self, package: str) -> str | None:
        return None if (self.name, package) == ("forky", "bpftrace") else "1:1"

    def unpack(self, packages: list[str], folder: Path, *, with_dependencies: bool) -> None:
        assert (packages, with_dependencies) == (["bpftrace"], True)
        folder.mkdir()


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYEBPF_VM_CACHE", str(tmp_path))
    monkeypatch.setattr(unpacked, "Suite", FakeSuite)
    return tmp_path


def test_the_newest_suite_whose_programs_start_is_taken(own_cache: Path) -> None:
    old = own_cache / "peers-trixie-0"
    old.mkdir()
    tree = unpacked.newest("peers", ["bpftrace"], lambda tree: tree.suite == "trixie")
    assert tree == (own_cache / "peers-trixie-1_1", "trixie", {"bpftrace": "1:1"})
    assert not old.exists()
    with pytest.raises(archive.SetupError, match=r"of sid do not start; forky has no bpftrace"):
        unpacked.newest("peers", ["bpftrace"], lambda _: False)


def test_what_cannot_be_unpacked_leaves_nothing(own_cache: Path) -> None:
    def fail(root: Path) -> None:
        root.mkdir()
        raise archive.SetupError("no")

    with pytest.raises(archive.SetupError):
        unpacked.once(own_cache / "tree", "tree", fail)
    assert [path.name for path in own_cache.iterdir()] == ["tree.lock"]
