"""Where a probe in a program goes, as its name says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyebpf.runtime.binaries import Spot, spot_of


@pytest.mark.parametrize(
    ("hook", "spot"),
    [
        ("c:strlen", Spot("c", "strlen", 0)),
        ("c:strlen+0x10", Spot("c", "strlen", 16)),
        ("c:memcpy@GLIBC_2.2.5+4", Spot("c", "memcpy@GLIBC_2.2.5", 4)),
        ("/no/such:0x1234", Spot("/no/such", "", 0x1234)),
        ("/no/such:@0x401234", Spot("/no/such", "@0x401234", 0)),
        ("shop:shop::price(int)", Spot("shop", "shop::price(int)", 0)),
        ("shop:shop::operator+(int)", Spot("shop", "shop::operator+(int)", 0)),
        ("shop:main.(*Cart).Price+0x8", Spot("shop", "main.(*Cart).Price", 8)),
        ("shop:github.com/one/two.Three", Spot("shop", "github.com/one/two.Three", 0)),
    ],
)
def test_a_hook_is_taken_apart(hook: str, spot: Spot) -> None:
    assert spot_of(hook) == spot


def test_a_path_may_have_colons(tmp_path: Path) -> None:
    odd = tmp_path / "a:b"
    odd.write_bytes(b"")
    assert spot_of(f"{odd}:shop::price") == Spot(str(odd), "shop::price", 0)
    assert spot_of(f"{odd}:0x10") == Spot(str(odd), "", 16)
