from pyebpf import Array, Hash, Timer, record, tp_btf, tracepoint, u32, u64


@record
class Later:
    timer: Timer
    value: u64


@record
class Alone:
    timer: Timer


first = Array[Later](max_entries=1)
second = Hash[u32, Later](max_entries=1)
alone = Array[Alone](max_entries=1)


def expired(key: u32, entry: Later) -> None:
    pass


def of_one(key: u32) -> None:
    pass


def gives(key: u32, entry: Alone) -> u32:
    return key


@tp_btf("sys_enter")
def which() -> None:
    del second[1]
    first[0].timer.start(1, expired)


@tp_btf("sys_enter")
def wrong() -> None:
    alone[0].timer.start(1)


@tp_btf("sys_enter")
def fewer() -> None:
    alone[0].timer.start(1, of_one)


@tp_btf("sys_enter")
def result() -> None:
    alone[0].timer.start(1, gives)


@tp_btf("sys_enter")
def stops() -> None:
    alone[0].timer.stop()


@tracepoint("sched:sched_switch")
def anywhere() -> None:
    alone[0].timer.cancel()
