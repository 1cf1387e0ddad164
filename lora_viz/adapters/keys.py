"""Which tensors make one module's update? Told by their names, tool by tool; ``naming.py`` holds the ways of naming."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from lora_viz.adapters.naming import FORMS, named
from lora_viz.adapters.stored import AdapterError, short
from lora_viz.adapters.unread import refuse_unread
from lora_viz.i18n.language import say

__all__ = ["Pair", "find_pairs"]

_Found = dict[tuple[str, str, str, str], dict[str, str]]  # scheme, path, adapter, part: names by role
PREFIXES = ("base_model.model.",)


class Pair(NamedTuple):
    """One module's tensors by name. ``path`` is the module's, ``module`` the same without the adapter's own name.

    ``alpha`` and ``magnitude`` (DoRA) may be missing. ``form`` says how ΔW comes of the tensors: "pair" is B·A, the
    others (``naming.FORMS``) have ``more`` tensors by role. ``turned``: A is stored (d_in, r) and B (r, d_out).
    """

    path: str
    scheme: str
    A: str
    B: str
    alpha: str | None
    magnitude: str | None
    module: str = ""
    form: str = "pair"
    more: tuple[tuple[str, str], ...] = ()
    turned: bool = False

    @property
    def tensors(self) -> tuple[str, ...]:
        """Those that hold the update's numbers: no α, no magnitude."""
        return tuple(dict.fromkeys((self.A, self.B, *(name for _, name in self.more))))

    def role(self, name: str) -> str | None:
        """The tensor that plays this further role."""
        return dict(self.more).get(name)


def find_pairs(names: Iterable[str], kind: str = "safetensors") -> tuple[tuple[Pair, ...], tuple[str, ...]]:
    """All modules of a file in its order, and the names that belong to none. Raises AdapterError.

    A factor whose partner is missing is an error, and so is a file without any module.
    """
    names = tuple(names)
    found: _Found = {}
    beside: dict[tuple[str, str], dict[str, str]] = {}
    for name in names:
        hit = named(name, kind, "lora_controlnet" in names)
        if hit is None:
            continue
        if hit.beside:
            beside.setdefault((hit.path, hit.adapter), {}).setdefault(hit.role, name)
        else:
            found.setdefault((hit.scheme, hit.path, hit.adapter, hit.part), {}).setdefault(hit.role, name)
    adapters = {adapter for _, _, adapter, _ in found}
    parts: dict[tuple[str, str, str], int] = {}
    for scheme, path, adapter, part in found:
        parts[scheme, path, adapter] = parts.get((scheme, path, adapter), 0) + bool(part)
    pairs, used = [], set()
    for (scheme, path, adapter, part), roles in found.items():
        if scheme == "VeRA" and not path:
            continue  # the shared factors
        around = _around(beside, path, adapter)
        pair = _pair(scheme, path, roles, around, found)
        told = path
        for prefix in PREFIXES:
            told = told.removeprefix(prefix)
        pair = pair._replace(module=told)
        if len(adapters) > 1:
            told = f"{told} ({adapter})"
        if part and parts[scheme, path, adapter] > 1:
            told = f"{told} (part {int(part) + 1} of {parts[scheme, path, adapter]})"
        pairs.append(pair._replace(path=told))
        used |= {*pair.tensors, *(name for name in (pair.alpha, pair.magnitude) if name is not None)}
    if not pairs:
        refuse_unread(names)
        listed = ", ".join(short(name, 40) for name in names[:2])
        raise AdapterError(
            say("The file holds no LoRA factors: it holds {listed} and more.", listed=listed)
            if len(names) > 2
            else say("The file holds no LoRA factors: it holds {listed}.", listed=listed or say("nothing"))
        )
    return tuple(pairs), tuple(name for name in names if name not in used)


def _around(beside: dict[tuple[str, str], dict[str, str]], path: str, adapter: str) -> dict[str, str]:
    """What stands beside the factors at this path: α, magnitude, a diagonal."""
    around: dict[str, str] = {}
    for at in (path, f"{path}.lora", f"{path}_lora", f"{path}.lora_linear_layer"):
        for who in (adapter, "default"):
            around = {**beside.get((at, who), {}), **around}
    return around


def _pair(scheme: str, path: str, roles: dict[str, str], around: dict[str, str], found: _Found) -> Pair:
    form = next((form for form, needed, *_ in FORMS if needed & {*roles, *around}), "pair")
    more = {role: name for role, name in {**roles, **around}.items() if role not in ("A", "B", "alpha", "magnitude")}
    if form in ("pair", "mid", "ada", "diag"):
        one, other = _both(roles)
        keep = {"mid": "mid", "ada": "E", "diag": "diag"}.get(form)
        more = {role: name for role, name in more.items() if role == keep}
    elif form == "loha":
        one, other = _all_of(roles, path, "hada_w1_b", "hada_w1_a", "hada_w2_b", "hada_w2_a")[:2]
    elif form == "lokr":
        first = _one_of(roles, path, ("lokr_w1",), ("lokr_w1_a", "lokr_w1_b"))
        second = _one_of(roles, path, ("lokr_w2",), ("lokr_w2_a", "lokr_w2_b"))
        one, other = second[-1], first[0]
    else:
        one, other = _all_of(roles, path, "lambda_d", "lambda_b")[:2]
        shared = found.get(("VeRA", "", "default", ""), {})
        if "A" not in shared or "B" not in shared:
            raise AdapterError(say("This is a VeRA file whose shared factors are not in it (save_projection was off): "
                                   "its update cannot be formed. Save it with save_projection=True."))  # fmt: skip
        more |= {"vera_A": shared["A"], "vera_B": shared["B"]}
    return Pair(path, scheme, one, other, around.get("alpha"), around.get("magnitude"), form=form,
                more=tuple(sorted(more.items())))  # fmt: skip


def _both(roles: dict[str, str]) -> tuple[str, str]:
    for one, other in (("A", "B"), ("B", "A")):
        if other not in roles:
            name = roles.get(one) or next(iter(roles.values()))
            raise AdapterError(say("{name} has no partner: a LoRA module has an A and a B.", name=short(name)))
    return roles["A"], roles["B"]


def _all_of(roles: dict[str, str], path: str, *needed: str) -> Sequence[str]:
    for role in needed:
        if role not in roles:
            raise AdapterError(say("{path} lacks {role}: its update cannot be formed.", path=short(path), role=role))
    return [roles[role] for role in needed]


def _one_of(roles: dict[str, str], path: str, *choices: tuple[str, ...]) -> Sequence[str]:
    for choice in choices:
        if all(role in roles for role in choice):
            return [roles[role] for role in choice]
    raise AdapterError(say("{path} lacks {role}: its update cannot be formed.", path=short(path), role=choices[0][0]))
