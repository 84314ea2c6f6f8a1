"""Give each client of a trunk of VLANs one of several workers, and send the answers back.

$ sudo python examples/networking/vlan_learning.py eth0 worker0,worker1    # Ctrl-C ends it
CLIENT             VLAN WORKER    ARRIVED ANSWERED
02:00:00:00:00:0a     5 worker0        23       23
02:00:00:00:00:0b     6 worker1        17       16

A client is known by its hardware address. The first frame assigns it the next worker, and each says
in which VLAN it is. The tag is taken off, and the frame goes to the device of the worker; what that
sends to the client gets the tag again. Workers know nothing of VLANs, so all may have the same
address. After BCC's vlan_learning.
"""

import socket

from pyebpf import (
    Array,
    Bytes,
    Const,
    Global,
    LruHash,
    Session,
    SkBuffContext,
    helpers,
    htons,
    i32,
    octets,
    record,
    tc,
    u16,
    u32,
    u64,
)
from pyebpf.cli import run
from pyebpf.net import ETH_P_8021Q, TC_ACT_UNSPEC, Ethernet

trunk = Const("eth0", "trunk", help="the device with frames of many VLANs")
workers = Const("worker0", "workers", help="the devices that lead to workers: worker0,worker1")


@record
class Mac:
    octets: Bytes = octets(6)


@record
class Client:
    worker: u32  # the index of the device that leads there
    trunk: u32  # the index of the device that leads to the client
    tag: u16
    arrived: u64
    answered: u64


clients = LruHash[Mac, Client](max_entries=10_240)
devices = Array[u32](max_entries=64)  # of the workers
number_of_workers = Global[u32](1)
assigned = Global[u32](0)


@tc("ingress")
def from_client(ctx: SkBuffContext) -> i32:
    frame = ctx.packet(Ethernet)
    if frame is None or not ctx.vlan_present:
        return TC_ACT_UNSPEC
    mac = Mac(octets=frame.source)
    if mac not in clients:
        worker = devices[assigned.value % number_of_workers.value]
        clients[mac] = Client(worker=worker, trunk=0, tag=0, arrived=0, answered=0)
        assigned.value += 1
    client = clients.get(mac)
    if client is None:
        return TC_ACT_UNSPEC
    client.trunk, client.tag = ctx.ifindex, ctx.vlan_tci & 0xFFF
    client.arrived += 1
    helpers.skb_vlan_pop(ctx)
    return helpers.redirect(client.worker)


@tc("ingress")
def from_worker(ctx: SkBuffContext) -> i32:
    frame = ctx.packet(Ethernet)
    client = clients.get(Mac(octets=frame.target)) if frame is not None else None
    if client is None:
        return TC_ACT_UNSPEC
    client.answered += 1
    helpers.skb_vlan_push(ctx, htons(ETH_P_8021Q), client.tag)
    return helpers.redirect(client.trunk)


def show(session: Session) -> None:
    names = session.option(workers).split(",")
    for number, name in enumerate(names):
        session.attach(from_worker, device=name)
        session[devices][number] = socket.if_nametoindex(name)
    session[number_of_workers].value = len(names)
    session.attach(from_client, device=session.option(trunk))
    try:
        print("Learning... Hit Ctrl-C to end.")
        session.sleep(float("inf"))
    finally:
        print(table(session))


def table(session: Session) -> str:
    rows = [f"{'CLIENT':17} {'VLAN':>4} {'WORKER':10} {'ARRIVED':>8} {'ANSWERED':>8}"]
    for mac, client in session[clients].items():
        worker = socket.if_indextoname(client.worker)
        rows.append(
            f"{mac.octets.hex(':')} {client.tag:>4} {worker:10} "
            f"{client.arrived:>8} {client.answered:>8}"
        )
    return "\n".join(rows)


if __name__ == "__main__":
    run(from_client, from_worker, follow=show)
