"""Tables, as the libraries of data frames read them; and read here, without one."""

from __future__ import annotations

import ctypes
import gc
from ipaddress import IPv4Address
from typing import Any

import numpy as np
import pytest

from pyebpf import (
    Bytes,
    Char,
    FixedArray,
    Table,
    array,
    bits,
    chars,
    i32,
    octets,
    record,
    u8,
    u16,
    u64,
)
from pyebpf.present import arrow
from pyebpf.spec.dtype import decoded, numpy_dtype
from pyebpf.spec.types import IPV4, U32, U64, Record
from pyebpf.spec.types import record as laid_out


@record
class Flow:
    to: IPv4Address
    port: u16
    low: u8 = bits(3)
    high: u8 = bits(5)


@record
class Sent:
    number: i32
    whole: u64
    truth: bool
    flow: Flow
    text: Char = chars(8)
    stack: FixedArray[u64] = array(3)
    words: FixedArray[Flow] = array(2)
    raw: Bytes = octets(2)


TEXTS = [b"sh\0old", b"12345678", b"", "ä".encode(), b"a\xffb", b"\xe4\0"]
SHOWN = ["sh", "12345678", "", "ä", "a\\xffb", "\\xe4"]
N = len(TEXTS)


def sent() -> np.ndarray:
    kind: Record = Sent.__pyebpf_record__  # type: ignore[attr-defined]
    made = np.zeros(N, numpy_dtype(kind))
    made["number"] = -np.arange(N)
    made["whole"] = (1 << 64) - 1
    made["truth"] = [True, False] * (N // 2)
    made["flow"]["to"] = list(IPv4Address("10.0.0.7").packed)
    made["flow"]["port"] = np.arange(N)
    made["flow"]["low"] = made["flow"]["high"] = 0b10101_011
    made["text"] = TEXTS
    made["stack"] = np.arange(3 * N).reshape(N, 3)
    made["words"]["port"] = np.arange(2 * N).reshape(N, 2)
    made["raw"] = [0, 255]
    return decoded(kind, made)


def flow(port: int, to: Any = "0.0.0.0", low: int = 0, high: int = 0) -> dict[str, Any]:
    return {"to": to, "port": port, "low": low, "high": high}


ROWS = [
    {
        "number": -i,
        "whole": (1 << 64) - 1,
        "truth": i % 2 == 0,
        "flow": flow(i, "10.0.0.7", 3, 21),
        "text": SHOWN[i],
        "stack": [3 * i, 3 * i + 1, 3 * i + 2],
        "words": [flow(2 * i), flow(2 * i + 1)],
        "raw": b"\0\xff",
    }
    for i in range(N)
]


def test_a_table_names_its_columns_and_is_a_copy() -> None:
    batch = sent()
    table = Table(batch, Sent)
    batch["number"] = 7
    assert table.names == tuple(ROWS[0])
    assert len(table) == N
    column = table.__dataframe__().get_column_by_name("number")
    data = column.get_buffers()["data"]
    assert data is not None
    assert data[0].array.tolist() == [row["number"] for row in ROWS]
    assert "6 rows: number, whole" in repr(table)


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(TypeError, match="give others a name"):
        Table(np.arange(3))
    with pytest.raises(TypeError, match="'when': no table has values"):
        Table({"when": np.zeros(2, "M8[s]")})
    with pytest.raises(ValueError, match="different lengths"):
        Table({"a": np.zeros(2), "b": np.zeros(3)})


def test_entries_of_maps_have_columns_of_their_fields() -> None:
    pair = laid_out("pair", [("_0", U32), ("_1", IPV4)], is_tuple=True)
    keys = np.zeros(2, numpy_dtype(pair))
    table = Table.of_entries(keys, np.zeros((2, 4), np.uint64), pair, U64)
    assert table.names == ("key_0", "key_1", "value")
    same = laid_out("same", [("x", U32)])
    values = np.zeros(2, numpy_dtype(same))
    assert Table.of_entries(values, values, same, same).names == ("key_x", "value_x")


def test_what_nobody_takes_is_given_up() -> None:
    before = dict(arrow._kept)
    table = Table(sent(), Sent)
    capsules = table.__arrow_c_array__(), table.__arrow_c_stream__(), table.__arrow_c_schema__()
    assert len(arrow._kept) > len(before)
    del capsules
    gc.collect()
    assert arrow._kept.keys() == before.keys()


def taken(capsule: Any, kind: type[ctypes.Structure], name: bytes) -> Any:
    """Move a structure out of its capsule, as a consumer does."""
    get = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
        ("PyCapsule_GetPointer", ctypes.pythonapi)
    )
    there: Any = kind.from_address(get(capsule, name))
    moved = kind.from_buffer_copy(there)
    there.release = None
    return moved


def test_what_is_moved_lives_until_it_is_released() -> None:
    before = dict(arrow._kept)
    stream: Any = taken(
        Table({"n": np.arange(5)}).__arrow_c_stream__(),
        arrow.ArrowArrayStream,
        b"arrow_array_stream",
    )
    call = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    schema, batch, end = arrow.ArrowSchema(), arrow.ArrowArray(), arrow.ArrowArray()
    at = ctypes.addressof(stream)
    assert call(stream.get_schema)(at, ctypes.addressof(schema)) == 0
    assert ctypes.string_at(schema.format) == b"+s"
    for out in (batch, end):
        assert call(stream.get_next)(at, ctypes.addressof(out)) == 0
    assert not end.release
    release = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
    release(stream.release)(at)
    child_at = ctypes.cast(batch.children, ctypes.POINTER(ctypes.c_void_p))[0]
    assert child_at
    child = arrow.ArrowArray.from_buffer_copy(arrow.ArrowArray.from_address(child_at))
    arrow.ArrowArray.from_address(child_at).release = None  # a child is moved on its own
    release(batch.release)(ctypes.addressof(batch))
    gc.collect()
    values = ctypes.cast(child.buffers, ctypes.POINTER(ctypes.c_void_p))[1]
    assert values
    assert (ctypes.c_int64 * 5).from_address(values)[:] == [0, 1, 2, 3, 4]
    release(child.release)(ctypes.addressof(child))
    release(schema.release)(ctypes.addressof(schema))
    assert arrow._kept.keys() == before.keys()


def test_pyarrow_reads_a_table() -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed: make setup has it")
    table = Table(sent(), Sent)
    assert pyarrow.table(table).to_pylist() == ROWS
    batch = pyarrow.record_batch(table)
    batch.validate(full=True)
    assert batch.to_pylist() == ROWS
    assert str(batch.schema.field("text").type) == "string"
    assert str(batch.schema.field("stack").type).startswith("fixed_size_list<item: uint64")
    assert pyarrow.schema(table) == batch.schema
    empty = Table(sent()[:0], Sent)
    assert pyarrow.table(empty).to_pylist() == []
    del table
    gc.collect()
    assert batch.to_pylist() == ROWS  # it has its own hold on the memory


def test_polars_reads_a_table() -> None:
    polars = pytest.importorskip("polars", reason="polars is not installed: make setup has it")
    frame = polars.DataFrame(Table(sent(), Sent))
    assert frame.to_dicts() == ROWS
    parts = polars.concat([frame] * 50).filter(polars.col("number") < -1)  # in its own threads
    assert len(parts) == 50 * (N - 2)
    assert polars.DataFrame(Table(sent()[:0], Sent)).columns == list(ROWS[0])
    series = polars.DataFrame(Table({"n": np.arange(4, dtype=np.int8)}))["n"]
    assert (series.dtype, series.to_list()) == (polars.Int8, [0, 1, 2, 3])


FLAT = {
    "number": [-i for i in range(N)],
    "truth": [i % 2 == 0 for i in range(N)],
    "flow.to": ["10.0.0.7"] * N,
    "flow.high": [21] * N,
    "text": SHOWN,
    "stack[1]": [3 * i + 1 for i in range(N)],
    "words[1].port": [2 * i + 1 for i in range(N)],
    "words[0].to": ["0.0.0.0"] * N,
    "raw[1]": [255] * N,
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_pandas_reads_a_table() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed: make setup has it")
    read = pandas.api.interchange.from_dataframe
    # With pyarrow beside it, pandas would rather take the way of Arrow.
    frame = read(Table(sent(), Sent).__dataframe__())
    assert {name: frame[name].tolist() for name in FLAT} == FLAT
    assert frame["number"].dtype == np.int32
    assert frame["truth"].dtype == np.bool_
    assert len(read(Table(sent()[:0], Sent).__dataframe__())) == 0
    assert read(Table(sent(), Sent))["text"].tolist() == SHOWN
    if hasattr(pandas.DataFrame, "from_arrow"):  # since pandas 3
        pytest.importorskip("pyarrow", reason="pyarrow is not installed: make setup has it")
        assert pandas.DataFrame.from_arrow(Table(sent(), Sent))["text"].tolist() == SHOWN


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_pyarrow_reads_the_data_frame_protocol() -> None:
    interchange = pytest.importorskip("pyarrow.interchange", reason="pyarrow is not installed")
    table = interchange.from_dataframe(Table(sent(), Sent))
    assert {name: table.column(name).to_pylist() for name in FLAT} == FLAT
    assert table.select(["whole"]).to_pylist()[0] == {"whole": (1 << 64) - 1}
