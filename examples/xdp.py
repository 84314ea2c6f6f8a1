"""Print the packets that a network device receives, before the kernel does anything with them.

$ sudo python examples/xdp.py lo                # Ctrl-C ends it
127.0.0.1 -> 127.0.0.1, 84 bytes
"""

from pyebpf import Const, XdpContext, i32, xdp
from pyebpf.cli import run
from pyebpf.net import ETH_P_IP, ETHERNET_LENGTH, XDP_PASS, Ethernet, IPv4

device = Const("lo", "device", help="the network device")


@xdp(device=device)
def arrived(ctx: XdpContext) -> i32:
    frame = ctx.packet(Ethernet)
    ip = ctx.packet(IPv4, at=ETHERNET_LENGTH)
    if frame and ip and frame.kind == ETH_P_IP:
        print(f"{ip.source} -> {ip.target}, {ip.length} bytes")
    return XDP_PASS


if __name__ == "__main__":
    run(arrived, header="Tracing... Hit Ctrl-C to end.")
