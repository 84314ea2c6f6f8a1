"""Histograms as text: every character as BCC prints it."""

from __future__ import annotations

from pyebpf.present.hist import Hist
from pyebpf.present.keyed import KeyedHist

BLOCK = """\
     usecs               : count     distribution
         0 -> 1          : 3        |************                            |
         2 -> 3          : 0        |                                        |
         4 -> 7          : 10       |****************************************|
         8 -> 15         : 1        |****                                    |"""


def block() -> Hist:
    return Hist.log2([3, 0, 10, 1, *[0] * 60], "us")


def test_log2() -> None:
    assert block().render() == BLOCK
    assert str(block()) == BLOCK


def test_the_label_may_be_given() -> None:
    assert block().render("kbytes").splitlines() == [
        "     kbytes              : count     distribution", *BLOCK.splitlines()[1:]
    ]  # fmt: skip
    assert block().render("escape\x1b[2J").startswith(r"     escape\x1b[2J       : count")


def test_leading_zeros_may_be_left_out() -> None:
    hist = Hist.log2([0, 0, 5, 0, 2], "ms")
    assert (
        hist.render(strip_leading_zeros=True)
        == """\
     msecs               : count     distribution
         4 -> 7          : 5        |****************************************|
         8 -> 15         : 0        |                                        |
        16 -> 31         : 2        |****************                        |"""
    )


def test_large_values_widen_the_columns_and_halve_the_bar() -> None:
    counts = [0] * 64
    counts[31] = 1
    narrow = Hist.log2(counts).render(strip_leading_zeros=True)
    assert (
        narrow
        == """\
     value               : count     distribution
2147483648 -> 4294967295 : 1        |****************************************|"""
    )
    counts[32] = 4
    wide = Hist.log2(counts, "ns").render(strip_leading_zeros=True)
    assert (
        wide
        == """\
               nsecs                         : count     distribution
          2147483648 -> 4294967295           : 1        |*****               |
          4294967296 -> 8589934591           : 4        |********************|"""
    )
    top = Hist.log2([0] * 63 + [123456789]).render(strip_leading_zeros=True)
    assert (
        top
        == """\
               value                         : count     distribution
 9223372036854775808 -> 18446744073709551615 : 123456789 |********************|"""
    )


def test_only_the_first_slot() -> None:
    assert (
        Hist.log2([2] + [0] * 63).render("usecs")
        == """\
     usecs               : count     distribution
         0 -> 1          : 2        |****************************************|"""
    )


def test_nothing_seen_prints_nothing() -> None:
    assert Hist.log2([0] * 64).render() == ""
    assert Hist.linear([0] * 8).render() == ""


def test_linear() -> None:
    assert (
        Hist.linear([1, 0, 4, 0, 0]).render("runqlen")
        == """\
     runqlen       : count     distribution
        0          : 1        |**********                              |
        1          : 0        |                                        |
        2          : 4        |****************************************|"""
    )


def test_linear_shows_what_is_beyond_its_last_slot() -> None:
    assert (
        Hist.linear([1, 0, 2]).render()
        == """\
     value         : count     distribution
        0          : 1        |********************                    |
        1          : 0        |                                        |
        >= 2       : 2        |****************************************|"""
    )


def test_linear_of_wider_slots_shows_both_ends() -> None:
    assert (
        Hist.linear([1, 0, 4, 2], "ms", low=10, step=5).render()
        == """\
     msecs               : count     distribution
      -inf -> 14         : 1        |**********                              |
        15 -> 19         : 0        |                                        |
        20 -> 24         : 4        |****************************************|
        25 -> inf        : 2        |********************                    |"""
    )


def test_sections() -> None:
    hists = KeyedHist({"sdb": block(), "sda": block()}, Hist.log2([0] * 64, "us"), section="disk")
    assert str(hists) == f"\ndisk = sda\n{BLOCK}\n\ndisk = sdb\n{BLOCK}"


def test_a_section_of_nothing_is_its_head_alone() -> None:
    empty = Hist.log2([0] * 64, "us")
    assert KeyedHist({7: empty}, empty, section="pid").render() == "\npid = 7"


def test_keys_are_formatted_and_made_safe() -> None:
    hists = KeyedHist({(8, 1): block()}, block() - block())
    named = hists.named("disk", lambda key: f"sd\x1b{key[1]}")
    assert named.render().startswith("\ndisk = sd\\x1b1\n     usecs")
