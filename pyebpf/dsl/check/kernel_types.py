"""The target's types as a probe sees them: what a field is, what a pointer points to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.btf import layout
from pyebpf.btf import types as btf
from pyebpf.btf.types import Kind, Param
from pyebpf.dsl.types import BOOL, Chars, Int, KernelRef, Place, Pointer, Space, ValueType
from pyebpf.errors import NotSupportedError
from pyebpf.ir.nodes import MemberStep
from pyebpf.plain import Frozen

if TYPE_CHECKING:
    from pyebpf.btf import Btf
    from pyebpf.spec.target import Target

_NAMED = (Kind.STRUCT, Kind.UNION, Kind.TYPEDEF, Kind.ENUM, Kind.ENUM64)


_WORD = 8


class Argument(Frozen):
    """An argument of a hook: its type, its C spelling for messages, and in which word it is."""

    type: ValueType | None
    spelling: str
    word: int = 0


class Prototype(Frozen):
    """What a hook passes, and the result that a traced function gives; None if it gives none."""

    arguments: tuple[Argument, ...]
    result: Argument | None = None


class Signature(Frozen):
    """A function of the kernel: its prototype's id in BTF, parameters and result."""

    prototype: int
    params: tuple[btf.Param, ...]
    result: int


class Kernel:
    """Looks up types of one target."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._safe: dict[str, frozenset[str]] = {}
        #: What hooks pass: each round of checking asks for it again.
        self._prototypes: dict[tuple[str, ...], Prototype | None] = {}

    @property
    def btf(self) -> Btf:
        """The target's BTF.

        Raises:
            NotSupportedError: the target has none.
        """
        if self._target.btf is None:
            raise NotSupportedError(
                "the target kernel has no BTF (CONFIG_DEBUG_INFO_BTF), so its types are unknown: "
                "name a file with them (load(btf=…), PYEBPF_BTF), or use tracepoints with their "
                "fields",
                feature="kernel_btf",
                since="5.2",
            )
        return self._target.btf

    def find(self, name: str) -> KernelRef | None:
        """Return the type of that name, structs first; None if there is none."""
        for kind in _NAMED:
            found = self.btf.find_all(name, kind)
            if found:
                return self._ref(found[0])
        return None

    def number(self, name: str) -> Int | None:
        """Return the type of numbers of that name; None if there is none, or nobody knows."""
        ref = self.find(name) if self._target.btf is not None else None
        kind = self.value(ref.id, Space.KERNEL) if ref is not None else None
        return kind if isinstance(kind, Int) else None

    def similar(self, name: str) -> list[str]:
        """Return names of types that are nearly ``name``."""
        return self.btf.similar(name, (Kind.STRUCT, Kind.UNION, Kind.TYPEDEF))

    def member(self, ref: KernelRef, name: str) -> MemberStep | None:
        """Return the step to a member of a struct or union, through anonymous ones."""
        where = self.btf.skip(ref.id)
        if not self.has_members(ref):
            return None
        found = layout.find_member(self.btf, where, name)
        if found is None:
            return None
        owner = self._ref(where)
        kind = KernelRef(found.type, layout.c_name(self.btf, found.type))
        return MemberStep(owner, name, found.bit_offset, kind, found.bitfield_size)

    def has_members(self, ref: KernelRef) -> bool:
        """Tell whether a type is a struct or a union."""
        return isinstance(self.btf.type(self.btf.skip(ref.id)), (btf.Struct, btf.Union))

    def member_names(self, ref: KernelRef) -> list[str]:
        """Return the names of the members, including those of anonymous members."""
        out: list[str] = []
        todo = [self.btf.skip(ref.id)]
        while todo:
            node = self.btf.type(todo.pop())
            for member in getattr(node, "members", ()):
                if member.name:
                    out.append(member.name)
                else:
                    todo.append(self.btf.skip(member.type))
        return out

    def value(  # noqa: PLR0911 - one return for each kind of type
        self, type_id: int, space: Space
    ) -> ValueType | None:
        """Say what reading a value of a type gives; ``space`` is where a pointer in it would lead.

        None if a probe cannot hold it.
        """
        node = self.btf.type(self.btf.skip(type_id))
        if isinstance(node, btf.Int):
            if node.encoding & btf.BOOL:
                return BOOL
            return Int(node.size * 8, node.signed) if node.size in (1, 2, 4, 8) else None
        if isinstance(node, (btf.Enum, btf.Enum64)):
            return Int(node.size * 8, node.signed)
        if isinstance(node, btf.Ptr):
            return self.pointer(node.type, space)
        if isinstance(node, btf.Array) and self._is_char(node.element) and node.count:
            return Chars(node.count)
        if isinstance(node, (btf.Struct, btf.Union, btf.Array)):
            return Place(KernelRef(type_id, layout.c_name(self.btf, type_id)))
        return None

    def pointer(self, target_id: int, space: Space) -> Pointer:
        """Return the type of a pointer to a type, as the verifier will see it.

        Only pointers to complete structs keep the verifier's trust; the rest are bare addresses.
        """
        if self._has_tag(target_id, "user") or space is Space.COPY:
            space = Space.USER
        inner = self.btf.skip(target_id)
        if isinstance(self.btf.type(inner), btf.Fwd):
            inner, space = self._defined(inner), Space.USER if space is Space.USER else Space.KERNEL
        node = self.btf.type(inner)
        if isinstance(node, (btf.Struct, btf.Union)):
            keeps = space is Space.BTF and isinstance(node, btf.Struct)
            keeps = keeps and not self._has_tag(target_id, "percpu")
            # A struct without a name of its own is found in other kernels by its typedef's.
            inner = inner if node.name else target_id
            ref = KernelRef(inner, layout.c_name(self.btf, inner))
            return Pointer(space if keeps or space is Space.USER else Space.KERNEL, ref)
        ref = KernelRef(target_id, layout.c_name(self.btf, target_id))
        return Pointer(Space.USER if space is Space.USER else Space.KERNEL, ref)

    def _defined(self, declared: int) -> int:
        """Return the struct or union that a declaration is of, which a module may have.

        To the verifier a pointer to it stays a number.
        """
        node = self.btf.type(declared)
        assert isinstance(node, btf.Fwd)
        kind = Kind.UNION if node.is_union else Kind.STRUCT
        return next(iter(self.btf.find_all(node.name, kind)), declared)

    def element(self, ref: KernelRef) -> tuple[KernelRef, int] | None:
        """Return the element type and the length of an array type."""
        node = self.btf.type(self.btf.skip(ref.id))
        if not isinstance(node, btf.Array):
            return None
        return KernelRef(node.element, layout.c_name(self.btf, node.element)), node.count

    def enumerators(self, ref: KernelRef) -> dict[str, int]:
        """Return the enumerators of an enum type; none if it is another type."""
        node = self.btf.type(self.btf.skip(ref.id))
        if not isinstance(node, (btf.Enum, btf.Enum64)):
            return {}
        return {item.name: item.value for item in node.values}

    def safe_members(self, struct: str, kind: str) -> frozenset[str]:
        """Return the members that the verifier lists for a struct, as ``trusted_or_null``."""
        key = f"{struct}__safe_{kind}"
        if key not in self._safe:
            found = self.btf.beside(0, key, Kind.STRUCT)
            self._safe[key] = frozenset(layout.field_names(self.btf, found[0]) if found else ())
        return self._safe[key]

    def is_rcu(self, ref: KernelRef) -> bool:
        """Tell whether a type is a pointer that kernel code marks ``__rcu``, as far as BTF says."""
        node = self.btf.type(self.btf.skip(ref.id))
        return isinstance(node, btf.Ptr) and self._has_tag(node.type, "rcu")

    def spelling(self, type_id: int) -> str:
        """Return how C spells a type."""
        return layout.c_name(self.btf, type_id)

    def struct(self, type_id: int) -> KernelRef:
        """Return a struct, union or array by its id, without modifiers."""
        return self._ref(self.btf.skip(type_id))

    def size(self, ref: KernelRef) -> int:
        """Return the size of a type in the target, in bytes."""
        return layout.size_of(self.btf, ref.id)

    def tracepoint(self, name: str) -> Prototype | None:
        """Return what the kernel passes at a tracepoint; None if there is none of that name."""
        if (name,) not in self._prototypes:
            self._prototypes[name,] = self._tracepoint(name)
        return self._prototypes[name,]

    def _tracepoint(self, name: str) -> Prototype | None:
        found = self._named(name, "btf_trace_", Kind.TYPEDEF)
        if not found:
            return None
        pointer = self.btf.type(self.btf.skip(found[0]))
        proto = self.btf.type(self.btf.skip(pointer.type)) if isinstance(pointer, btf.Ptr) else None
        if not isinstance(proto, btf.FuncProto):
            return None
        # The first argument is the registered data, which is not the program's business.
        return Prototype(self._arguments(proto.params[1:], Space.BTF))

    def function(self, name: str, space: Space, prefix: str = "") -> Prototype | None:
        """Return what a function takes and gives; None if BTF describes none of that name.

        Args:
            name: of the function, also with its module, ``xfs:xfs_file_open``.
            space: where the pointers among its arguments lead: ``BTF`` if the verifier knows them.
            prefix: of the function's name in the kernel.
        """
        key = (name, space.value, prefix)
        if key not in self._prototypes:
            self._prototypes[key] = self._function(name, space, prefix)
        return self._prototypes[key]

    def _function(self, name: str, space: Space, prefix: str) -> Prototype | None:
        found = self._named(name, prefix, Kind.FUNC)
        node = self.btf.type(found[0]) if found else None
        proto = self.btf.type(node.type) if isinstance(node, btf.Func) else None
        if not isinstance(proto, btf.FuncProto):
            return None
        arguments = self._arguments(proto.params, space)
        result = None
        if not isinstance(self.btf.type(self.btf.skip(proto.result)), btf.Void):
            last = arguments[-1] if arguments else None
            word = last.word + self._words(proto.params[-1].type) if last else 0
            # What a function gives is not vouched for: it may be an error number.
            kind = self.value(proto.result, Space.KERNEL)
            result = Argument(kind, layout.c_name(self.btf, proto.result), word)
        return Prototype(arguments, result)

    def _named(self, name: str, prefix: str, kind: Kind) -> list[int]:
        module, _, own = name.rpartition(":")
        if not module:
            return self.btf.find_all(prefix + own, kind)
        try:
            return self.btf.within(module, prefix + own, kind)
        except KeyError:
            return []

    def without_module(self, name: str) -> str:
        """Say why a name with a module in front is not there, and what to do; empty without."""
        module = name.rpartition(":")[0]
        try:
            if module:
                self.btf.within(module, "")
        except KeyError:
            return self.btf.without(module)
        return ""

    def _arguments(self, params: tuple[Param, ...], space: Space) -> tuple[Argument, ...]:
        out, word = [], 0
        for param in params:
            kind = self.value(param.type, space)
            out.append(Argument(kind, layout.c_name(self.btf, param.type), word))
            word += self._words(param.type)
        return tuple(out)

    def _words(self, type_id: int) -> int:
        if isinstance(self.btf.type(self.btf.skip(type_id)), btf.Void):
            return 1  # the `...` of a function like printk
        return max(1, -(-layout.size_of(self.btf, type_id) // _WORD))

    def similar_functions(self, name: str) -> list[str]:
        """Return functions with nearly that name."""
        return self.btf.similar(name, (Kind.FUNC,))

    def similar_tracepoints(self, name: str) -> list[str]:
        """Return tracepoints with nearly that name."""
        near = self.btf.similar(f"btf_trace_{name}", (Kind.TYPEDEF,))
        return [n.removeprefix("btf_trace_") for n in near if n.startswith("btf_trace_")]

    def kfunc(self, name: str) -> Signature | None:
        """Return the signature of a function for programs; None if there is none of that name."""
        found = self.btf.find_all(name, Kind.FUNC)
        marked = self._kfuncs(found[0]) if found else set()
        if marked:
            found = [number for number in found if number in marked]
        if not found:
            return None
        node = self.btf.type(found[0])
        assert isinstance(node, btf.Func)
        proto = self.btf.type(node.type)
        assert isinstance(proto, btf.FuncProto)
        return Signature(node.type, proto.params, proto.result)

    def kfunc_names(self) -> list[str]:
        """Return the functions for programs, sorted; none of a kernel that does not mark them."""
        return sorted({self.btf.name(number) for number in self._kfuncs(0)})

    def _kfuncs(self, beside: int) -> set[int]:
        # Since Linux 6.10 the kernel says which functions are for programs; modules say it of
        # theirs.
        found = self.btf.beside(beside, "bpf_kfunc", Kind.DECL_TAG)
        tags = (self.btf.type(tag) for tag in found)
        return {tag.type for tag in tags if isinstance(tag, btf.DeclTag)}

    def _ref(self, type_id: int) -> KernelRef:
        return KernelRef(type_id, layout.c_name(self.btf, type_id))

    def _is_char(self, type_id: int) -> bool:
        node = self.btf.type(self.btf.skip(type_id))
        return isinstance(node, btf.Int) and node.size == 1 and not node.encoding & btf.BOOL

    def _has_tag(self, type_id: int, tag: str) -> bool:
        node = self.btf.type(type_id)
        while isinstance(node, (btf.TypeTag, btf.Const, btf.Volatile, btf.Restrict, btf.Typedef)):
            if isinstance(node, btf.TypeTag) and node.name == tag:
                return True
            node = self.btf.type(node.type)
        return False
