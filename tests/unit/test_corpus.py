"""The script that counts what a C program needs sees it, and claims nothing without evidence."""

from __future__ import annotations

from pathlib import Path

import c_source
import corpus
import corpus_features
import corpus_support
import pytest

PROGRAM = r"""
/* A comment with goto; and // another one */
#include "vmlinux.h"
#define LIMIT 16
#define EMIT(x) bpf_printk("%d", x)

char _license[] SEC("license") = "GPL";
const volatile int target = 0;
int total, seen = 1;
struct event { int pid; struct bpf_spin_lock lock; };
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_MMAPABLE);
	__type(key, int);
	__type(value, struct event);
} events SEC(".maps");

extern void bpf_rcu_read_lock(void) __ksym;
extern const int jiffies __ksym;

static int body(__u32 index, void *ctx) { return 0; }

__noinline int shared(int x) { return x; }

SEC("fentry/" SYS_PREFIX "sys_nanosleep")
int BPF_PROG(entered, int *where)
{
	int i, key = 0;

	for (i = 0; i < LIMIT; i++)
		if (i == target)
			goto out;
	bpf_rcu_read_lock();
	bpf_loop(3, body, NULL, 0);
	EMIT(*(int *)where);
out:
	return bpf_get_current_pid_tgid() >> 32;
}

SEC("?xdp")
int dropped(struct xdp_md *xdp)
{
	asm volatile("" ::: "memory");
	xdp->rx_queue_index = 1;
	return (long)xdp->data < (long)xdp->data_end;
}
"""


@pytest.fixture
def source(tmp_path: Path) -> c_source.Source:
    path = tmp_path / "program.c"
    path.write_text(PROGRAM)
    return c_source.read(path, corpus_features.SHARED)


def test_what_a_file_declares(source: c_source.Source) -> None:
    found = {(item.kind, item.name, item.section) for item in source.items}
    assert found >= {
        ("variable", "_license", "license"),
        ("variable", "events", ".maps"),
        ("variable", "target", ""),
        ("extern", "jiffies", ""),
        ("function", "body", ""),
        ("function", "entered", "fentry/*sys_nanosleep"),
        ("function", "dropped", "?xdp"),
    }


def test_what_a_file_needs(source: c_source.Source) -> None:
    assert corpus_features.features(source, frozenset({"bpf_rcu_read_lock"})) == {
        "constants set at load",
        "direct packet access",
        "functions of their own",
        "functions, inlined",
        "global numbers",
        "goto",
        "helper:get_current_pid_tgid",
        "helper:loop",
        "helper:spin_lock",
        "kernel variables",
        "kfuncs",
        "loop",
        "map flag:BPF_F_MMAPABLE",
        "map flag:BPF_F_NO_PREALLOC",
        "map:hash",
        "memory as another type",
        "print",
        "program:fentry",
        "program:xdp",
        "spin locks",
        "writes to the context",
    }


@pytest.mark.parametrize(
    ("text", "feature"),
    [
        ('asm volatile("r0 = 1");', "inline assembly"),
        ("again: x++; goto again;", "goto backwards"),
        ("switch (x) { case 1: break; }", "switch"),
        ("bpf_obj_drop(p);", "objects on the BPF heap"),
        ("f(); return probe();", "recursion"),
        ("long __arena *p = 0;", "arena"),
        ("while (x) x--;", "loop"),
        ("char name[16]; f(name);", "local text"),
        ("__u32 row[3] = {};", "local arrays"),
        ("char *p = c; p += 4;", "pointers that move"),
        ("struct s *p = (void *)&other;", "memory as another type"),
        ("x = bpf_htons(x);", "byte order"),
    ],
)
def test_a_construct_is_seen(tmp_path: Path, text: str, feature: str) -> None:
    path = tmp_path / "one.c"
    path.write_text(f'SEC("xdp") int probe(void *c) {{ int x = 0; {text} return 0; }}')
    source = c_source.read(path, corpus_features.SHARED)
    assert corpus_features.has_programs(source)
    assert feature in corpus_features.features(source, frozenset())


def test_conditions_on_what_the_file_defines(tmp_path: Path) -> None:
    (tmp_path / "part.h").write_text("#ifdef ON\nint on;\n#else\nint off;\n#endif\n")
    path = tmp_path / "one.c"
    path.write_text('#define ON\n#include "part.h"\n#ifndef ON\nint never;\n#endif\nint always;\n')
    source = c_source.read(path, frozenset())
    assert [item.name for item in source.items] == ["on", "always"]


def test_programs_that_are_wrong_on_purpose(tmp_path: Path) -> None:
    path = tmp_path / "one.c"
    path.write_text('SEC("xdp") __failure __msg("no") int f(void *c) { return 0; }')
    assert corpus_features.has_wrong(c_source.read(path, frozenset()))


def test_nothing_is_claimed_without_evidence() -> None:
    assert corpus_support.evidence("map:hash") == "Hash"
    assert corpus_support.evidence("program:tp_btf") == "@tp_btf(…)"
    assert corpus_support.evidence("loop").endswith(".py")
    assert corpus_support.evidence("inline assembly") == ""
    assert corpus_support.evidence("map:arena") == ""
    for feature in corpus_support._SHOWN_BY:
        found = corpus_support.evidence(feature)
        assert not found or (corpus_support._CASES / found).exists()


def test_the_report_counts(tmp_path: Path) -> None:
    folder = tmp_path / "tools/testing/selftests/bpf/progs"
    folder.mkdir(parents=True)
    (folder / "types.c").write_text("struct nothing { int x; };")
    (folder / "good.c").write_text('SEC("tp_btf/x") int f(void *c) { while (1) return 0; }')
    (folder / "bad.c").write_text('SEC("tp_btf/x") int f(void *c) { asm("r0 = 1"); return 0; }')
    programs, others = corpus.survey(tmp_path)
    assert others == ["types.c"]
    assert corpus.blockers(programs) == [corpus.Blocker("inline assembly", 1, 1)]
    assumed, _ = corpus.survey(tmp_path, ("inline",))
    assert corpus.blockers(assumed) == []
    assert "1 expressible: 50.0%" in corpus.report(programs, others)
    assert "**1 of 2 (50%)**" in corpus.page(programs, "here")
    assert '"lacks": [\n    "inline assembly"' in corpus.as_json(programs, others)
