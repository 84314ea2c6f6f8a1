from pyebpf import *


@record
class Arguments:
    n: u64


@syscall
def two(args: Arguments, more: u64) -> int:
    return 1


@syscall
def number(n: u64) -> int:
    return 1


@syscall
def wrong_field(args: Arguments) -> int:
    return args.m
