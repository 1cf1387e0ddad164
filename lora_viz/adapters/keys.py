"""Which tensors are a LoRA pair, and of which module? Five ways of naming them, told apart name by name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from lora_viz.adapters.stored import AdapterError, short
from lora_viz.i18n.language import say, to_say

__all__ = ["SCHEMES", "Pair", "Place", "find_pairs", "places"]

# (scheme, pattern): the path, the role, and for PEFT the adapter's own name, in named groups.
_PATTERNS = tuple(
    (scheme, re.compile(pattern, re.DOTALL))
    for scheme, pattern in (
        ("PEFT", r"(?P<path>.+)\.lora_(?P<role>A|B)(?:\.(?P<adapter>[^.]+))?\.weight"),
        ("PEFT", r"(?P<path>.+)\.lora_embedding_(?P<role>A|B)(?:\.(?P<adapter>[^.]+))?"),
        ("PEFT", r"(?P<path>.+)\.lora_(?P<role>magnitude)_vector(?:\.(?P<adapter>[^.]+))?(?:\.weight)?"),
        ("loralib", r"(?P<path>.+)\.lora_(?P<role>A|B)"),
        ("kohya", r"(?P<path>.+)[._]lora_(?P<role>down|up)\.weight"),
        ("kohya", r"(?P<path>.+)\.(?P<role>alpha)"),
        ("kohya", r"(?P<path>.+)\.dora_(?P<role>scale)"),
        ("diffusers", r"(?P<path>.+)(?:_lora|\.lora_linear_layer|\.lora)\.(?P<role>down|up)\.weight"),
        ("cloneofsimo", r"(?P<path>.+):(?P<role>down|up)"),
    )
)
SCHEMES = ("PEFT", "loralib", "kohya", "diffusers", "cloneofsimo")
_ROLE = {"A": "A", "down": "A", "B": "B", "up": "B", "alpha": "alpha", "magnitude": "magnitude", "scale": "magnitude"}
_OTHER_KINDS = (
    ("hada_", to_say("a LoHa file: its update is an entrywise product of two low-rank matrices")),
    ("lokr_", to_say("a LoKr file: its update is a Kronecker product")),
    ("oft_", to_say("an OFT file: its update rotates the weight")),
    ("vera_lambda", to_say("a VeRA file: its factors are shared and not in it")),
    ("lora_E", to_say("an AdaLoRA file: its update has a third factor")),
    ("lora_mid", to_say("a LoCon file with a third factor")),
)


class Pair(NamedTuple):
    """One module's tensors by name. ``path`` is the module's; ``alpha`` and ``magnitude`` (DoRA) may be missing."""

    path: str
    scheme: str
    A: str
    B: str
    alpha: str | None
    magnitude: str | None


def find_pairs(names: Iterable[str]) -> tuple[tuple[Pair, ...], tuple[str, ...]]:
    """All LoRA pairs in the order of the file, and the names that belong to none. Raises AdapterError.

    A factor whose partner is missing is an error, and so is a file without any pair.
    """
    names = tuple(names)
    for part, what in _OTHER_KINDS:
        if any(part in name for name in names):
            raise AdapterError(say("This is {what}. Read are files whose update is B·A.", what=say(what)))
    found: dict[tuple[str, str, str], dict[str, str]] = {}
    for name in names:
        for scheme, pattern in _PATTERNS:
            if hit := pattern.fullmatch(name):
                key = (scheme, hit["path"], hit.groupdict().get("adapter") or "default")
                found.setdefault(key, {})[_ROLE[hit["role"]]] = name
                break
    pairs, used = [], set()
    adapters = {adapter for _, _, adapter in found}
    for (scheme, path, adapter), roles in found.items():
        if "A" not in roles and "B" not in roles:
            continue  # something else's alpha
        for one, other in (("A", "B"), ("B", "A")):
            if other not in roles:
                raise AdapterError(
                    say("{name} has no partner: a LoRA module has an A and a B.", name=short(roles[one]))
                )
        path = path.removeprefix("base_model.model.") if scheme == "PEFT" else path
        path = path if len(adapters) == 1 else f"{path} ({adapter})"
        pairs.append(Pair(path, scheme, roles["A"], roles["B"], roles.get("alpha"), roles.get("magnitude")))
        used |= set(roles.values())
    if not pairs:
        listed = ", ".join(short(name, 40) for name in names[:2])
        raise AdapterError(
            say("The file holds no LoRA factors: it holds {listed} and more.", listed=listed)
            if len(names) > 2
            else say("The file holds no LoRA factors: it holds {listed}.", listed=listed or say("nothing"))
        )
    return tuple(pairs), tuple(name for name in names if name not in used)


class Place(NamedTuple):
    """Where does a module stand in the network? A layer's label and the kind of matrix within the layer."""

    layer: str
    kind: str


def places(paths: Iterable[str]) -> tuple[Place, ...]:
    """Layer and kind of each path: what leads to its last number, and what follows."""
    cut = [_cut(path) for path in paths]
    words = {skeleton: re.split(r"[._:]+", skeleton) for skeleton, _, _ in cut}
    common = set.intersection(*map(set, words.values())) if words else set()
    return tuple(
        Place(f"{_own(words[skeleton], common)}{layer}" if len(words) > 1 else layer, kind)
        for skeleton, layer, kind in cut
    )


def _own(words: list[str], common: set[str]) -> str:
    own = next((word for word in words if word not in common and word != "#"), "")
    return f"{own[:5]} " if own else ""


def _cut(path: str) -> tuple[str, str, str]:
    body = path
    while body.endswith((".0", "_0", ".default")):  # to_out.0: the 0 numbers no layer
        body = body[: max(body.rfind("."), body.rfind("_"))]
    numbers = [*re.finditer(r"(?<=[._:])\d+(?=[._:]|$)", body)]
    if not numbers:
        return "", "", body
    last = numbers[-1].end()
    skeleton = re.sub(r"\d+", "#", body[:last])
    return (
        skeleton,
        ".".join(n.group() for n in numbers),
        body[last:].lstrip("._:") or body[: numbers[0].start()].rstrip("._:"),
    )
