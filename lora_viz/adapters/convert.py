"""The same adapter in another tool's names: PEFT, kohya, MLX, diffusers. Factors keep their bits, s its value."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import NamedTuple

import numpy as np

from lora_viz.adapters.opening import Opened
from lora_viz.adapters.renaming import component_of, dotted, plain_path, underscored
from lora_viz.adapters.report import Module, Report
from lora_viz.adapters.stored import FLOATS, SIZES, AdapterError, short
from lora_viz.adapters.vouched import vouched_config
from lora_viz.adapters.writing import (
    PREFIX,
    Packed,
    archive,
    pack,
    peft_config,
    peft_folder,
    rounded,
    write_safetensors,
)
from lora_viz.i18n.language import say

__all__ = ["FORMATS", "Converted", "convert"]

FORMATS = ("peft", "kohya", "mlx", "diffusers")
PATHS = "lora_playground_paths"  # in the header of a kohya file that was made here: its names' own paths


class Converted(NamedTuple):
    """An adapter under another tool's names. ``left_out`` are tensors that have no place there."""

    data: bytes
    file_name: str
    left_out: tuple[str, ...]


class _Unit(NamedTuple):
    """One module as it is written: A (r, d_in …), B (d_out, r …), as stored, and s."""

    path: str
    A: Packed
    B: Packed
    rank: int
    scaling: float
    magnitude: Packed | None


def convert(
    opened: Opened, report: Report, to: str, *, known: Collection[str] = (),
    progress: Callable[[float], None] = lambda share: None,
) -> Converted:  # fmt: skip
    """The adapter for another tool. ``known`` are the base model's module names, to undo kohya's underscores.

    Raises AdapterError where the scale is not known, or the format has no place for something that changes ΔW.
    """
    if to not in FORMATS:
        raise AdapterError(say("{format} is not a format that is written. Valid values: {known}.", format=short(to),
                               known=", ".join(FORMATS)))  # fmt: skip
    if report.asks_scale:
        raise AdapterError(say("The file does not say its scale, which the other format writes: say α."))
    if opened.config is not None and opened.config.moves_base:
        raise AdapterError(say("An adapter started as {init} cannot be converted: its base weight was moved by its own "
                               "first factors.", init=short(opened.config.init, 20)))  # fmt: skip
    groups: dict[str, list[Module]] = {}
    for m in report.modules:
        if " (expert " in m.path or not m.factored:
            raise AdapterError(say("{path} cannot be converted: it is not one pair of factors.", path=short(m.path)))
        groups.setdefault(m.pair.module, []).append(m)
    paths = _paths(opened, list(groups), known)
    units = []
    for i, (module, parts) in enumerate(groups.items()):
        units.append(_unit(opened, paths[module], parts))
        progress((i + 1) / len(groups))
    others = {o.name: (o.dtype, o.shape, opened.weights.raw_bytes(o.name)) for o in report.others if o.dtype in SIZES}
    return {"peft": _peft, "kohya": _kohya, "mlx": _mlx, "diffusers": _diffusers}[to](opened, units, others)


def _paths(opened: Opened, names: list[str], known: Collection[str]) -> dict[str, str]:
    """Each module's path in the base model, by the name it has here."""
    try:
        ours = json.loads(opened.weights.metadata.get(PATHS, "{}"))
    except ValueError:
        ours = {}
    found = {}
    for name in names:
        told = ours.get(name) if isinstance(ours, dict) else None
        if isinstance(told, str) and 0 < len(told) < 500 and told.isprintable():
            found[name] = told
        else:
            found[name] = plain_path(name) if "." in name else dotted(name, known)
    if len(set(found.values())) < len(found):
        raise AdapterError(say("Two modules of this file would be written under one name: it cannot be converted."))
    return found


def _unit(opened: Opened, path: str, parts: list[Module]) -> _Unit:
    first = parts[0]
    if len({m.pair.path.partition(" (part ")[0] for m in parts}) > 1:
        raise AdapterError(say("The file holds several adapters of {path}: give one alone.", path=short(path)))
    magnitude = None
    if first.pair.magnitude is not None:
        entry = opened.weights.entries[first.pair.magnitude]
        if entry.numel != sum(m.d_out for m in parts):
            raise AdapterError(say("{path} has a DoRA magnitude per input, which other tools do not have.",
                                   path=short(path)))  # fmt: skip
        magnitude = entry.dtype, (entry.numel,), opened.weights.raw_bytes(first.pair.magnitude)
    if len(parts) == 1:
        A, B = _as_stored(opened, first)
        return _Unit(path, A, B, first.rank, first.scale, magnitude)
    # A fused layer's parts, each with inputs' directions of its own: B block by block, the rank their sum.
    products = [m.factors(opened.weights).product(m.scale) for m in parts]
    rank = sum(m.rank for m in parts)
    rows = np.concatenate([p.A for p in products])
    whole, row, column = np.zeros((sum(m.d_out for m in parts), rank)), 0, 0
    for p in products:
        whole[row : row + p.shape[0], column : column + p.rank] = p.scaling / first.scale * p.B if first.scale else 0.0
        row, column = row + p.shape[0], column + p.rank
    kind = first.dtype if first.dtype in FLOATS else "F32"
    return _Unit(path, pack(rows, kind), pack(whole, kind), rank, first.scale, magnitude)


def _as_stored(opened: Opened, m: Module) -> tuple[Packed, Packed]:
    """A and B the usual way round; bit for bit where the file holds them as a pair."""
    factors = m.factors(opened.weights)
    shapes = [opened.weights.entries[name].shape for name in (m.pair.A, m.pair.B)]
    if m.pair.form in ("loha", "lokr") and any(role in ("hada_t1", "lokr_t2") for role, _ in m.pair.more):
        raise AdapterError(say("{path} cannot be converted: it is not one pair of factors.", path=short(m.path)))
    if m.pair.form == "mid":
        kernel = opened.weights.entries[m.pair.role("mid") or ""].shape[2:]
        shapes[0] = (m.rank, shapes[0][1], *kernel)
    found = []
    for factor, shape, across in ((factors.A, shapes[0], True), (factors.B, shapes[1], False)):
        kind = factor.dtype if factor.dtype in FLOATS else "BF16"
        if m.pair.form != "pair":
            kind = "F32"
        raw = factor.raw if kind == factor.dtype else rounded(factor.whole(), kind)
        raw = raw.T if across else raw
        wide = shape if len(shape) > 2 and m.pair.form in ("pair", "mid", "ada", "diag") else raw.shape
        found.append((kind, tuple(wide), np.ascontiguousarray(raw).tobytes()))
    return found[0], found[1]


def _peft(opened: Opened, units: list[_Unit], others: dict[str, Packed]) -> Converted:
    tensors: dict[str, Packed] = {}
    for u in units:
        tensors |= {f"{PREFIX}{u.path}.lora_A.weight": u.A, f"{PREFIX}{u.path}.lora_B.weight": u.B}
        if u.magnitude is not None:
            tensors[f"{PREFIX}{u.path}.lora_magnitude_vector"] = u.magnitude
    ours = opened.config.raw if opened.config is not None and opened.config.tool == "PEFT" else {}
    kept = {n if n.startswith(PREFIX) else PREFIX + n: p for n, p in others.items()} if ours else {}
    given = vouched_config(ours) | {"use_dora": any(u.magnitude is not None for u in units)}
    given["target_modules"] = [u.path for u in units]
    config = peft_config({u.path: u.rank for u in units}, alphas={u.path: _alpha(u) for u in units}, given=given)
    return Converted(peft_folder(config, tensors | kept, {}), "adapter_peft.zip", () if ours else tuple(others))


def _alpha(u: _Unit) -> float:
    """The α that gives s = α/r again."""
    return u.scaling * u.rank


def _kohya(opened: Opened, units: list[_Unit], others: dict[str, Packed]) -> Converted:
    tensors: dict[str, Packed] = {}
    named = {underscored(u.path): u for u in units}
    if len(named) < len(units):
        raise AdapterError(say("Two modules of this file would be written under one name: it cannot be converted."))
    for name, u in named.items():
        tensors |= {f"{name}.alpha": pack(np.array(_alpha(u)), "F32"), f"{name}.lora_down.weight": u.A,
                    f"{name}.lora_up.weight": u.B}  # fmt: skip
        if u.magnitude is not None:
            kind, (rows,), data = u.magnitude
            tensors[f"{name}.dora_scale"] = kind, (rows, 1), data
    r = max(u.rank for u in units)
    alpha = next(_alpha(u) for u in units if u.rank == r)
    paths = json.dumps({name: u.path for name, u in named.items()})
    metadata = {"format": "pt", "ss_network_module": "networks.lora", "ss_network_dim": str(r),
                "ss_network_alpha": f"{alpha:g}", PATHS: paths}  # fmt: skip
    return Converted(write_safetensors(tensors, metadata), "adapter_kohya.safetensors", tuple(others))


def _mlx(opened: Opened, units: list[_Unit], others: dict[str, Packed]) -> Converted:
    tensors: dict[str, Packed] = {}
    scale = units[0].scaling or 1.0
    for u in units:
        B = u.B
        if u.scaling != scale:  # MLX has one s for all: the difference goes into B
            B = pack(_numbers(B) * (u.scaling / scale), B[0])
        if len(u.A[1]) != 2:
            raise AdapterError(say("{path} is a convolution, which MLX's adapters do not have.", path=short(u.path)))
        tensors |= {f"{u.path}.lora_a": _turned(u.A), f"{u.path}.lora_b": _turned(B)}
        if u.magnitude is not None:
            tensors[f"{u.path}.m"] = u.magnitude
    dora = any(u.magnitude is not None for u in units)
    config = {"fine_tune_type": "dora" if dora else "lora", "num_layers": -1,
              "lora_parameters": {"rank": max(u.rank for u in units), "scale": scale, "dropout": 0.0}}  # fmt: skip
    members: dict[str, bytes | str] = {"adapters/adapter_config.json": json.dumps(config, indent=1) + "\n",
               "adapters/adapters.safetensors": write_safetensors(tensors, {"format": "mlx"})}  # fmt: skip
    return Converted(archive(members), "adapter_mlx.zip", tuple(others))


def _diffusers(opened: Opened, units: list[_Unit], others: dict[str, Packed]) -> Converted:
    tensors: dict[str, Packed] = {}
    parts: dict[str, list[_Unit]] = {}
    for u in units:
        component = component_of(u.path)
        path = u.path if component else f"transformer.{u.path}"
        parts.setdefault(component or "transformer", []).append(u._replace(path=path.partition(".")[2]))
        tensors |= {f"{path}.lora_A.weight": u.A, f"{path}.lora_B.weight": u.B}
        if u.magnitude is not None:
            tensors[f"{path}.lora_magnitude_vector"] = u.magnitude
    said: dict[str, object] = {}
    for component, own in parts.items():
        config = peft_config({u.path: u.rank for u in own}, alphas={u.path: _alpha(u) for u in own})
        wanted = ("r", "lora_alpha", "rank_pattern", "alpha_pattern", "target_modules", "use_rslora")
        said |= {f"{component}.{key}": config[key] for key in wanted}
    metadata = {"format": "pt", "lora_adapter_metadata": json.dumps(said)}
    return Converted(write_safetensors(tensors, metadata), "pytorch_lora_weights.safetensors", tuple(others))


def _array(packed: Packed) -> np.ndarray:
    kind, shape, data = packed
    return np.frombuffer(data, FLOATS[kind]).reshape(shape)


def _numbers(packed: Packed) -> np.ndarray:
    raw = _array(packed)
    return (raw.astype("<u4") << 16).view("<f4").astype(np.float64) if packed[0] == "BF16" else raw.astype(np.float64)


def _turned(packed: Packed) -> Packed:
    raw = np.ascontiguousarray(_array(packed).T)
    return packed[0], raw.shape, raw.tobytes()
