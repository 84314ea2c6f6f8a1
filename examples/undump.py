"""Print what processes read from UNIX stream sockets, after BCC's undump.

sudo python examples/undump.py                     # Ctrl-C ends it
sudo python examples/undump.py -p 1234 --hexdump   # what process 1234 reads, in hexadecimal numbers

It looks where the kernel copies a packet to its reader, which needs no kprobes. Of each packet the
first 512 bytes are shown.
"""

from pyebpf import (
    Bytes,
    Char,
    Const,
    Events,
    Ptr,
    Session,
    addressof,
    cast,
    chars,
    comm,
    helpers,
    i32,
    octets,
    record,
    rows,
    tgid,
    tp_btf,
    u32,
)
from pyebpf.cli import run
from pyebpf.kernel import sk_buff, unix_skb_parms

AF_UNIX, SHOWN = 1, 512
pid = Const(0, "-p", "--pid", help="only this process")
hexdump = Const(False, "--hexdump", help="print hexadecimal numbers, not text")


@record
class Received:
    pid: u32
    size: u32
    shown: u32
    comm: Char = chars(16)
    data: Bytes = octets(SHOWN)


received = Events[Received](pages=64)


@tp_btf("skb_copy_datagram_iovec")
def copied(skb: Ptr[sk_buff], size: i32) -> None:
    sk = skb.sk
    if size > 0 and pid in (0, tgid()) and sk and sk.__sk_common.skc_family == AF_UNIX:
        done = cast(Ptr[unix_skb_parms], addressof(skb.cb)).consumed  # by earlier reads
        there = max(0, skb.len - skb.data_len - done)  # what is behind that lies in other pages
        with received.reserve() as e:
            e.pid, e.size, e.comm = tgid(), size, comm()
            if helpers.probe_read_kernel(e.data, SHOWN, skb.data + done) == 0:
                e.shown = min(size, SHOWN, there)


def follow(session: Session) -> None:
    for one in rows(Received, session[received]):
        data = one.data[: one.shown]
        print(f"PID {one.pid} COMM {one.comm}: {one.size} bytes")
        for at in range(0, len(data), 16):
            part = data[at : at + 16]
            print(f"    {part.hex(' ') if session.option(hexdump) else ascii(part)[2:-1]}")


if __name__ == "__main__":
    run(copied, follow=follow, header="Tracing... Hit Ctrl-C to end.")
