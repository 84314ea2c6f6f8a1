"""Locks in map values: several threads at one entry, whose fields belong together."""

from __future__ import annotations

import os
import threading

import pytest

from pyebpf import (
    Array,
    Hash,
    SpinLock,
    i64,
    load,
    record,
    tgid,
    tp_btf,
    u32,
    u64,
)
from pyebpf.errors import CompileError, PyebpfError
from pyebpf.runtime.features import KernelFeatures

pytestmark = pytest.mark.kernel

OWN = os.getpid()
THREADS, TURNS = 4, 3_000


@record
class Account:
    owner: u32
    lock: SpinLock
    turns: u64
    balance: i64
    odd: u64
    stopped: u64


accounts = Hash[u32, Account](max_entries=8)
first = Array[Account](max_entries=1)
entered = Array[u64](max_entries=4)
GETPPID = 110


@tp_btf("sys_enter")
def book(regs: u64, number: i64) -> None:
    """Two fields that belong together, changed in several steps; every way out of the block."""
    if tgid() != OWN or number != GETPPID:
        return
    entered[0] += 1
    account = accounts.get(7)
    if account is None:
        return
    with account.lock:
        account.turns = account.turns + 1
        account.balance = account.balance * 2 - account.turns * 2
        account.balance = account.balance // 2 + 1
        if account.turns % 2:
            account.odd = account.odd + 1
    for turn in range(3):
        with account.lock:
            if turn == 1:
                account.stopped = account.stopped + 1
                break
    other = first[0]
    with other.lock:
        if account.owner == 8:
            return
        other.turns = other.turns + 1
    entered[1] += 1


def test_fields_that_belong_together_change_together() -> None:
    if not KernelFeatures().has("helper:spin_lock@raw_tp"):
        with pytest.raises(CompileError, match="no SpinLock for tracing programs"):
            load(book)
        return
    with load(book) as session:
        session[accounts][7] = {"owner": 9, "turns": 0, "balance": 0, "odd": 0, "stopped": 0}

        def run() -> None:
            for _ in range(TURNS):
                os.getppid()

        threads = [threading.Thread(target=run) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            account = session[accounts][7]  # copied under the lock
            assert account.odd == (account.turns + 1) // 2
        for thread in threads:
            thread.join()
        everything = THREADS * TURNS
        account = session[accounts][7]
        assert (account.owner, account.turns, account.odd) == (9, everything, everything // 2)
        assert account.stopped == everything
        assert session[first][0].turns == everything
        expected = 0
        for turn in range(1, everything + 1):
            expected = (expected * 2 - turn * 2) // 2 + 1
        assert account.balance == expected
        assert session[entered].view()[:2].tolist() == [everything, everything]
        session[accounts][7] = {"owner": 8, "turns": 0, "balance": 0, "odd": 0, "stopped": 0}
        os.getppid()
        assert session[entered].view()[:2].tolist() == [everything + 1, everything]
        assert session.lost() == {}


def test_a_lock_is_for_probes() -> None:
    with pytest.raises(PyebpfError), SpinLock():
        pass
