"""The rows of helpers agree with themselves; the script that reads a kernel's sources works."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from kernel_tree import KernelTree

import pyebpf.abi.helpers
from pyebpf.abi import constants
from pyebpf.abi.helpers import FAMILIES, HELPERS, Helper, Parameter, helper_by_id, parse
from pyebpf.abi.helpers.row import expand
from scripts import gen_helpers

ROWS = list(HELPERS.values())
PROGRAM_TYPES = {
    name.removeprefix("BPF_PROG_TYPE_").lower()
    for name in vars(constants)
    if name.startswith("BPF_PROG_TYPE_")
}


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def test_ids_are_dense_and_versions_never_go_back() -> None:
    assert [row.id for row in ROWS] == list(range(1, len(ROWS) + 1))
    assert sum(len(family.rows) for family in FAMILIES) == len(ROWS)
    versions = [version(row.since) for row in ROWS]
    assert versions == sorted(versions)
    assert all(helper_by_id(row.id) is row for row in ROWS)
    assert helper_by_id(0) is None
    assert helper_by_id(len(ROWS) + 1) is None


def test_a_signature_is_read_as_it_is_written() -> None:
    row = HELPERS["fib_lookup"]
    assert row.args[1:3] == (
        Parameter("params", "rw_mem", "bpf_fib_lookup"),
        Parameter("plen", "size"),
    )
    assert HELPERS["get_current_task_btf"].ret == Parameter("", "btf", "task_struct")
    assert [arg.python_name for arg in HELPERS["l3_csum_replace"].args][2] == "from_"
    for row in ROWS:
        assert gen_helpers._text(row.args) == row.signature
        assert gen_helpers._text([row.ret]) == row.returns


def test_every_kind_is_documented() -> None:
    documented = set(re.findall(r"``(\w+)``", pyebpf.abi.helpers.__doc__ or ""))
    used = {arg.kind for row in ROWS for arg in (*row.args, row.ret)}
    missing = {k for k in used - documented if k.removesuffix("_or_null") not in documented}
    assert missing == set()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row(row: Helper) -> None:
    kinds = [arg.kind for arg in row.args]
    assert len(kinds) <= 5
    assert len({arg.name for arg in row.args}) == len(kinds)
    for kind, following in pairwise([*kinds, ""]):
        assert ("mem" in kind.split("_")) == (following in ("size", "size_or_zero")), kind
    assert bool(row.callback) == ("func" in kinds) or row.name in ("timer_set_callback",)
    assert row.program_types
    assert row.program_types <= PROGRAM_TYPES
    assert re.fullmatch(r"[A-Z].*\.", row.doc)


def test_words_for_programs() -> None:
    assert expand("tc xdp") == {"sched_cls", "sched_act", "xdp"}
    assert expand("all -xdp") == expand("all") - {"xdp"}
    for row in ROWS:
        assert gen_helpers.compress(row.program_types) == row.programs


HEADER = """\
/* Start of BPF helper function descriptions:
 *
 * long bpf_first(struct bpf_map *map, const void *key,
 *                u64 flags)
 * 	Text.
 *
 * struct thing *bpf_second(void *ctx, char *buf, u32 size)
 * 	Text.
 */
#define ___BPF_FUNC_MAPPER(FN, ctx...)			\\
	FN(unspec, 0, ##ctx)				\\
	FN(first, 1, ##ctx)				\\
	FN(second, 2, ##ctx)				\\
"""
SOURCE = """\
const struct bpf_func_proto bpf_first_proto = {
	.func		= bpf_first,
	.gpl_only	= true,
	.ret_type	= RET_INTEGER,
	.arg1_type	= ARG_CONST_MAP_PTR,
	.arg2_type	= ARG_PTR_TO_MAP_KEY,
	.arg3_type	= ARG_ANYTHING, /* why not */
};

static const struct bpf_func_proto bpf_second_sleepable_proto = {
	.func		= bpf_second,
	.might_sleep	= true,
	.ret_type	= RET_PTR_TO_BTF_ID | PTR_MAYBE_NULL,
	.ret_btf_id	= &things[0],
	.arg1_type	= ARG_PTR_TO_CTX,
	.arg2_type	= ARG_PTR_TO_UNINIT_MEM,
	.arg3_type	= ARG_MEM_SIZE_OR_ZERO
};

static const struct bpf_func_proto *
base_func_proto(enum bpf_func_id func_id, const struct bpf_prog *prog)
{
	switch (func_id) {
	case BPF_FUNC_first:
		return &bpf_first_proto;
	default:
		return NULL;
	}
}

static const struct bpf_func_proto *xdp_func_proto(enum bpf_func_id func_id,
	const struct bpf_prog *prog)
{
	switch (func_id) {
	case BPF_FUNC_second:
		switch (prog->expected_attach_type) {
		case BPF_XDP:
			return NULL;
		default:
			return &bpf_second_sleepable_proto;
		}
	default:
		return base_func_proto(func_id, prog);
	}
}

const struct bpf_verifier_ops xdp_verifier_ops = {
	.get_func_proto		= xdp_func_proto,
};

const struct bpf_verifier_ops base_verifier_ops = {
	.get_func_proto		= base_func_proto,
};
"""
TYPES = "BPF_PROG_TYPE(BPF_PROG_TYPE_XDP, xdp,\nBPF_PROG_TYPE(BPF_PROG_TYPE_KPROBE, base,\n"


@pytest.fixture
def tree(tmp_path: Path) -> KernelTree:
    for name, text in (
        ("include/uapi/linux/bpf.h", HEADER),
        ("include/linux/bpf_types.h", TYPES),
        ("kernel/bpf/helpers.c", SOURCE),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return KernelTree(tmp_path)


def test_a_tree_is_read(tree: KernelTree) -> None:
    first, second = (gen_helpers.Fact(tree, name) for name in tree.ids)
    assert first.row() == (
        'Helper("first", 1, "", "map: map, key: key, flags: flags", "errno", '
        '"kprobe xdp", "", gpl=True),'
    )
    assert second.row() == (
        'Helper("second", 2, "", "ctx: ctx, buf: uninit_mem[char], size: size_or_zero", '
        '"btf_or_null[thing]", "xdp", "", sleeps=True),'
    )


def test_differences_are_found(tree: KernelTree) -> None:
    fact = gen_helpers.Fact(tree, "first")
    good = Helper(
        "first", 1, "3.19", "map: map, key: key, flags: flags", "errno", "all", "", gpl=True
    )
    assert gen_helpers.differences(good, fact) == []
    bad = good._replace(
        id=2, gpl=False, signature="map: map, key: value, flags: flags", returns="void"
    )
    assert gen_helpers.differences(bad, fact) == [
        "id is 1",
        "gpl is True",
        "takes (map: map, key: key, flags: flags)",
        "returns errno",
    ]
    assert parse("") == ()
