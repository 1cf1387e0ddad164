"""What does a file of torch.save hold? Its pickle is read as a list of words and never run.

torch.load(weights_only=True) runs a restricted pickle machine, which is safe from foreign code but not from foreign
sizes: 200 bytes may ask it for a bytearray of any length, or for 10¹² rows of one number. Here every size is held
against the file's own, and nothing but tables, numbers and tensors is understood.
"""

from __future__ import annotations

import io
import math
import pickletools
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeVar

from lora_viz.adapters.archive import Members
from lora_viz.adapters.naming import named as naming
from lora_viz.adapters.source import Source
from lora_viz.adapters.stored import SIZES, AdapterError, Stored, Weights, check_names, check_shape, short
from lora_viz.i18n.language import say, to_say

__all__ = ["is_torch_archive", "read_torch"]

T = TypeVar("T")
PICKLE_MOST, WORDS_MOST, NESTED_MOST, TABLES_MOST = 2_000_000, 250_000, 8, 20_000
_ASIDE = {"optimizer", "optimizer_states", "optim", "optimizer_state_dict", "lr_schedulers", "scheduler"}
_STORAGES = {
    "torch DoubleStorage": "F64", "torch FloatStorage": "F32", "torch HalfStorage": "F16",
    "torch BFloat16Storage": "BF16", "torch LongStorage": "I64", "torch IntStorage": "I32",
    "torch ShortStorage": "I16", "torch CharStorage": "I8", "torch ByteStorage": "U8", "torch BoolStorage": "BOOL",
}  # fmt: skip
_WORDS = frozenset((
    "PROTO", "FRAME", "MARK", "EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "NONE", "NEWTRUE", "NEWFALSE", "BININT",
    "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "GLOBAL", "BINPUT", "LONG_BINPUT",
    "MEMOIZE", "BINGET", "LONG_BINGET", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "SETITEM", "SETITEMS", "APPEND",
    "APPENDS", "BINPERSID", "REDUCE", "BUILD", "STOP"
))  # fmt: skip
_OPCODES = {op.code: op for op in pickletools.opcodes}
_CUT = to_say("The torch file is damaged: its list of tensors cannot be read.")


class _Global(NamedTuple):
    """A name that the pickle asks for; it stays a name."""

    name: str


class _Storage(NamedTuple):
    dtype: str
    start: int
    length: int


class _Mark:
    """Where a run of values begins on the pickle machine's stack."""


def is_torch_archive(members: Members) -> bool:
    """Does the archive have what torch.save writes?"""
    return any(name.endswith("/data.pkl") for name in members)


def read_torch(buffer: Source, members: Members) -> Weights:
    """The tensors of a state dict saved by torch.save (torch ≥ 1.6). Raises AdapterError for whatever is more."""
    name = next(name for name in members if name.endswith("/data.pkl"))
    start, size = members[name]
    if size > PICKLE_MOST:
        raise AdapterError(say("The torch file's list of tensors has {size:,} bytes: up to {most:,} are read.",
                               size=size, most=PICKLE_MOST))  # fmt: skip
    at, length = members.get(name.removesuffix("data.pkl") + "byteorder", (0, 0))
    if bytes(buffer[at : at + length]) not in (b"", b"little"):
        raise AdapterError(say("The torch file has its bytes in big-endian order: save it on an ordinary machine."))
    folder = name.removesuffix("data.pkl") + "data/"
    places = {key.removeprefix(folder): place for key, place in members.items()}
    try:
        found = _understand(bytes(buffer[start : start + size]), places)
    except AdapterError:
        raise
    except (ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError, RecursionError):
        raise AdapterError(say(_CUT)) from None
    entries = _named(found)
    held, reached = (sum(n * SIZES[e.dtype] for n, e in zip(ns, entries.values(), strict=True))
                     for ns in ([e.numel for e in entries.values()], [e.reach for e in entries.values()]))  # fmt: skip
    if held > 4 * len(buffer) or reached > 64 * len(buffer):
        raise AdapterError(say("The torch file's tensors share their bytes many times over: it is not read."))
    return Weights("torch", buffer, entries, {})


def _named(found: Any) -> dict[str, Stored]:
    """The table that holds the weights, wherever it is nested: the one with the most tensors that are named as factors.

    Where modules are tables of their own, all names are joined with dots.
    """
    if not isinstance(found, dict):
        raise AdapterError(say("The torch file does not hold names with tensors: save the adapter's state dict."))
    tables: list[tuple[str, dict[str, Stored]]] = []
    _gather(found, "", 0, tables)
    tables = [(path, table) for path, table in tables if not _ASIDE & {*path.split(".")}] or tables
    if not tables:
        raise AdapterError(say("The torch file holds no named tensors: save the adapter's state dict."))
    named = [sum(map(named_as_factor, table)) for _, table in tables]
    whole = {f"{path}.{key}" if path else key: value for path, table in tables for key, value in table.items()}
    apart = 2 * max(named) < sum(map(named_as_factor, whole))
    entries = whole if apart else max(zip(named, tables, strict=True), key=lambda t: (t[0], len(t[1][1])))[1][1]
    check_names(entries)
    return entries


def named_as_factor(key: str) -> bool:
    """Does any tool name a factor so?"""
    hit = naming(key)
    return hit is not None and not hit.beside


def _gather(table: dict[Any, Any], path: str, depth: int, tables: list[tuple[str, dict[str, Stored]]]) -> None:
    """Every table that holds tensors, with the names that lead to it."""
    own = {key: value for key, value in table.items() if isinstance(key, str) and isinstance(value, Stored)}
    if own:
        tables.append((path, own))
    if depth < NESTED_MOST:
        for key, value in table.items():
            if isinstance(value, dict) and len(tables) < TABLES_MOST and type(key) in (str, int):
                _gather(value, f"{path}.{key}" if path else str(key), depth + 1, tables)


def _understand(data: bytes, places: dict[str, tuple[int, int]]) -> Any:
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    for words, (name, arg) in enumerate(_words(data)):
        if words > WORDS_MOST:
            raise AdapterError(say("The torch file's list of tensors is too long: it is not read."))
        match name:
            case "PROTO" | "FRAME":
                pass
            case "MARK":
                stack.append(_Mark)
            case "EMPTY_DICT" | "EMPTY_LIST" | "EMPTY_TUPLE":
                stack.append({"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}[name]())
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[name])
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT" | "BINUNICODE" | "SHORT_BINUNICODE":
                stack.append(arg)
            case "GLOBAL":
                stack.append(_Global(str(arg)))
            case "BINPUT" | "LONG_BINPUT":
                memo[int(arg)] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[int(arg)])
            case "TUPLE":
                stack.append(tuple(_since_mark(stack)))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                few = tuple(_pop(stack) for _ in range(int(name[-1])))
                stack.append(few[::-1])
            case "SETITEM":
                value, key = _pop(stack), _pop(stack)
                _set(_top(stack, dict), (key, value))
            case "SETITEMS":
                values = _since_mark(stack)
                _set(_top(stack, dict), *zip(values[::2], values[1::2], strict=True))
            case "APPEND":
                value = _pop(stack)
                _top(stack, list).append(value)
            case "APPENDS":
                values = _since_mark(stack)
                _top(stack, list).extend(values)
            case "BINPERSID":
                stack.append(_storage(_pop(stack), places))
            case "REDUCE":
                given, wanted = _pop(stack), _pop(stack)
                stack.append(_call(wanted, given))
            case "BUILD":  # a state dict's own _metadata: versions of layers, not needed
                _pop(stack)
                _top(stack, dict)
            case "STOP":
                return _pop(stack)
    raise AdapterError(say(_CUT))


def _words(data: bytes) -> Iterator[tuple[str, Any]]:
    """Name and argument of every word of a pickle; one that no table of tensors needs is refused before it is read.

    As ``pickletools.genops``, which decodes the argument of any word first, whatever stands in it.
    """
    given = io.BytesIO(data)
    while code := given.read(1):
        op = _OPCODES.get(code.decode("latin-1"))
        if op is None:
            raise AdapterError(say(_CUT))
        if op.name not in _WORDS:
            raise AdapterError(
                say("The torch file's pickle uses {name}, which a table of tensors does not need.", name=op.name)
            )
        yield op.name, _name(given) if op.name == "GLOBAL" else None if op.arg is None else op.arg.reader(given)


def _name(given: io.BytesIO) -> str:
    """Module and name of a global, a line each, as they stand: the library's reader would decode escapes in them."""
    lines = [given.readline() for _ in range(2)]
    if not all(line.endswith(b"\n") for line in lines):
        raise AdapterError(say(_CUT))
    return " ".join(line[:-1].decode("ascii") for line in lines)


def _pop(stack: list[Any]) -> Any:
    value = stack.pop()
    if value is _Mark:
        raise AdapterError(say(_CUT))
    return value


def _since_mark(stack: list[Any]) -> list[Any]:
    values: list[Any] = []
    while (value := stack.pop()) is not _Mark:
        values.append(value)
    return values[::-1]


def _top(stack: list[Any], kind: type[T]) -> T:
    """What lies on top of the stack, where it is of this kind."""
    if not isinstance(stack[-1], kind):
        raise AdapterError(say(_CUT))
    return stack[-1]


def _set(table: dict[Any, Any], *items: tuple[Any, Any]) -> None:
    """Only texts and numbers are keys: hashing a tuple nested half a million deep breaks the interpreter's stack."""
    if not all(type(key) in (str, int) for key, _ in items):
        raise AdapterError(say(_CUT))
    table.update(items)


def _storage(given: Any, places: dict[str, tuple[int, int]]) -> _Storage:
    word, kind, key, _, count = given
    dtype = _STORAGES.get(kind.name) if isinstance(kind, _Global) else None
    if word != "storage" or dtype is None or type(key) is not str or type(count) is not int:
        what = short(kind.name) if isinstance(kind, _Global) else say("something else than a torch storage")
        raise AdapterError(say("The torch file stores numbers as {what}: they are not read.", what=what))
    start, size = places[key]
    if not 0 <= count * SIZES[dtype] <= size:
        raise AdapterError(say("The torch file says that storage {key} has {count} numbers: it has not.",
                               key=short(key), count=short(count)))  # fmt: skip
    return _Storage(dtype, start, count)


def _call(wanted: Any, given: Any) -> Any:
    name = wanted.name if isinstance(wanted, _Global) else say("something")
    if name == "collections OrderedDict" and given == ():
        return {}
    if name == "torch._utils _rebuild_parameter" and isinstance(given[0], Stored):
        return given[0]
    if name == "torch._utils _rebuild_tensor_v2":
        return _tensor(*given[:4])
    raise AdapterError(say("The torch file's pickle asks for {name}, which weights do not need: it is not opened.",
                           name=short(name.replace(" ", "."))))  # fmt: skip


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any) -> Stored:
    whole = all(type(n) is int and 0 <= n < 2**48 for n in (offset, *shape, *strides))
    if not isinstance(storage, _Storage) or not whole or len(shape) != len(strides) or len(shape) > 8:
        raise AdapterError(say(_CUT))
    check_shape(say("A tensor"), shape)
    reach = offset + 1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    if math.prod(shape) and (reach > storage.length or math.prod(shape) > storage.length):
        raise AdapterError(say("A tensor of shape {shape} does not fit into its {length:,} stored numbers.",
                               shape=short(shape), length=storage.length))  # fmt: skip
    dense = tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))
    start = storage.start + offset * SIZES[storage.dtype]
    return Stored(storage.dtype, tuple(shape), start, None if strides == dense else tuple(strides))
