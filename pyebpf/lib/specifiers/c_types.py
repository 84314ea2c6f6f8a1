"""Types and parameters as C declares them, as annotations of probes."""

from __future__ import annotations

import re

from pyebpf.plain import Frozen

#: Numbers, by the names that the kernel and the C library have for them, on 64-bit machines.
_SCALARS = {
    "u8": "u8 __u8 uint8_t unsigned_char",
    "u16": "u16 __u16 uint16_t unsigned_short __be16 __le16 umode_t sa_family_t",
    "u32": "u32 __u32 uint32_t unsigned unsigned_int __be32 __le32 gfp_t dev_t uid_t gid_t mode_t"
    " fmode_t socklen_t uint blk_opf_t",
    "u64": "u64 __u64 uint64_t unsigned_long unsigned_long_long __be64 __le64 size_t uintptr_t"
    " sector_t ulong ino_t dma_addr_t phys_addr_t blkcnt_t",
    "i8": "s8 __s8 i8 int8_t char signed_char",
    "i16": "s16 __s16 i16 int16_t short",
    "i32": "s32 __s32 i32 int32_t int signed signed_int pid_t clockid_t key_t key_serial_t",
    "i64": "s64 __s64 i64 int64_t long signed_long long_long signed_long_long ssize_t off_t loff_t"
    " time_t time64_t ktime_t ptrdiff_t intptr_t clock_t",
    "bool": "bool _Bool",
}  # fmt: skip
_BY_NAME = {name: kind for kind, names in _SCALARS.items() for name in names.split()}
_QUALIFIERS = frozenset({"const", "volatile", "restrict", "__restrict", "register", "__iomem"})
_USER = "__user"
_TAGS = ("struct", "union", "enum")


class CType(Frozen):
    """A type.

    Attributes:
        name: as C writes it, without qualifiers and ``*``: ``"struct file"``.
        stars: how many ``*`` follow.
        is_user: it is marked ``__user``: a pointer into a process.
    """

    name: str
    stars: int = 0
    is_user: bool = False

    @property
    def scalar(self) -> str:
        """The number of probes that it is: ``"u32"``; empty for others."""
        if self.stars:
            return "u64"
        return "u32" if self.name.startswith("enum ") else _BY_NAME.get(_joined(self.name), "")

    @property
    def is_struct(self) -> bool:
        """Whether it is no number and no pointer."""
        return not self.scalar

    @property
    def is_text(self) -> bool:
        """Whether it is ``char *``."""
        return self.stars == 1 and self.name in ("char", "unsigned char", "signed char")

    @property
    def struct(self) -> str:
        """The type that it points to, if that has members: ``"file"``."""
        tag, _, name = self.name.rpartition(" ")
        is_number = bool(_BY_NAME.get(_joined(self.name))) or tag == "enum"
        return "" if self.stars != 1 or is_number or self.name == "void" else name

    def element(self) -> str:
        """The number that it points to; of a pointer to pointers an address; else empty."""
        inner = CType(self.name, max(self.stars - 1, 0))
        return "" if not self.stars or (self.name == "void" and self.stars == 1) else inner.scalar

    def __str__(self) -> str:
        return f"{self.name} {'*' * self.stars}".rstrip()


def _joined(name: str) -> str:
    """Return the words of a number in the order in which the table has them."""
    words = name.split()
    if len(words) > 1:
        words = [word for word in words if word != "int"]
    first = [word for word in words if word in ("signed", "unsigned")]
    return "_".join([*first, *(word for word in words if word not in first)])


def read_type(text: str) -> CType:
    """Read a type. Whether there is one of that name is for others to say."""
    words = re.findall(r"\w+", text)
    name = " ".join(word for word in words if word not in _QUALIFIERS and word != _USER)
    return CType(name, text.count("*"), _USER in words)


def is_type(text: str) -> bool:
    """Tell whether a text can only be a type: a number's, a struct's, a pointer."""
    if not re.fullmatch(r"[A-Za-z_][\w\s]*[\w*\s]*", text):
        return False
    kind = read_type(text)
    return bool(kind.name) and (bool(kind.scalar) or text.split(maxsplit=1)[0] in _TAGS)


def read_parameter(text: str) -> tuple[CType, str] | None:
    """Read a parameter, ``const char *name``; None if it has no type or no name."""
    found = re.fullmatch(r"(.*[\s*])([A-Za-z_]\w*)\s*(\[\s*\w*\s*\])?", text.strip(), re.DOTALL)
    if found is None:
        return None
    kind = read_type(found[1])
    if not kind.name or kind.name in _TAGS:
        return None
    return (kind.replace(stars=kind.stars + 1) if found[3] else kind), found[2]
