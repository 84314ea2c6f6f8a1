"""One word, seen as a number and as its halves."""

from pyebpf import Array, FixedArray, RawTracepointContext, array, raw_tracepoint, u16, u32, union


@union
class Word:
    whole: u32
    halves: FixedArray[u16] = array(2)


words = Array[Word](max_entries=1)
out = Array[u32](max_entries=2)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    word = words[0]
    word.whole = ctx.args[0]
    out[0] = word.halves[0]
    out[1] = word.halves[1]
