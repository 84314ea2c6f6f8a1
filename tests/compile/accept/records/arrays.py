from pyebpf import *

out = Array[i64](max_entries=16)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    n = ctx.args[0]
    zeros = [0] * 8
    small: FixedArray[u8] = array(20)
    given: FixedArray[i16] = [1, n, 3]
    zeros[n] += 5
    zeros[-2] = n
    small[n & 15] = n
    a, b, c = given
    for i, value in enumerate(given):
        out[i] = value
    out[4] = sum(zeros) + max(given) + len(small) + a * b * c
    out[5] = 3 in given and n not in [1, 2]
    out[6] = any(value > 100 for value in small)
