"""How does each tool name the tensors of an adapter? One pattern a way, tried in this order, name by name."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["FIRM", "FORMS", "SCHEMES", "Named", "named"]

_OWN = r"(?:\.(?P<adapter>(?!weight$|alpha$)[^.]+))?"  # PEFT's name of the adapter, where the whole model was saved

# (scheme, pattern): the path, the role, and where there are some the adapter's own name and the part's number.
_PATTERNS = tuple(
    (scheme, re.compile(pattern, re.DOTALL))
    for scheme, pattern in (
        ("AdapterHub", r"(?P<path>.+)\.loras\.(?P<adapter>[^.]+)\.lora_(?P<role>A|B)"),
        ("PEFT", rf"(?P<path>.+)\.lora_(?P<role>A|B){_OWN}\.weight"),
        ("PEFT", rf"(?P<path>.+)\.lora_embedding_(?P<role>A|B){_OWN}"),
        ("PEFT", rf"(?P<path>.+)\.lora_(?P<role>magnitude)_vector{_OWN}(?:\.weight)?"),
        ("PEFT", rf"(?P<path>.+)\.lora_(?P<role>E|diag){_OWN}(?:\.weight)?"),
        ("loralib", r"(?P<path>.+)\.lora_(?P<role>A|B)(?:\.(?P<adapter>default))?"),
        ("torchtune", r"(?P<path>.+)\.lora_(?P<role>a|b)\.weight"),
        ("MLX", r"(?P<path>.+)\.lora_(?P<role>a|b)"),
        ("MLX", r"(?P<path>.+)\.(?P<role>m)"),
        ("DeepSpeed-Chat", r"(?P<path>.+)\.lora_(?P<role>right|left)_weight"),
        ("kohya", r"(?P<path>.+)[._]lora_(?P<role>down|up|mid)\.weight"),
        ("kohya", r"(?P<path>.+)[._]lora_(?P<role>down|up)\.(?P<part>\d{1,4})\.weight"),
        ("kohya", r"(?P<path>.+)\.(?:network_|lora_)?(?P<role>alpha)"),
        ("kohya", r"(?P<path>.+)\.dora_(?P<role>scale)"),
        ("XLabs", r"(?P<path>.+_lora\d+)\.(?P<role>down|up)\.weight"),
        ("diffusers", r"(?P<path>.+)(?:_lora|\.lora_linear_layer|\.lora)\.(?P<role>down|up)\.weight"),
        ("cloneofsimo", r"(?P<path>.+):(?P<role>down|up)"),
        ("own layers", r"(?P<path>.+)\.lora\.(?P<role>A|B|a|b)(?:\.weight)?"),
        ("NeMo", r"(?P<path>.*adapter[^.]*)\.linear_(?P<role>in|out)\.weight"),
        ("LyCORIS", rf"(?P<path>.+)\.(?P<role>hada_(?:w[12]_[ab]|t[12])|lokr_(?:w[12](?:_[ab])?|t2)){_OWN}"),
        ("VeRA", rf"(?P<path>.+)\.vera_(?P<role>lambda_[bd]){_OWN}"),
        ("VeRA", rf"(?:.*\.)?(?P<path>)vera_(?P<role>A|B){_OWN}"),
    )
)
_CONTROL = re.compile(r"(?P<path>.+)\.(?P<role>down|up)", re.DOTALL)
_ROLE = {"a": "A", "b": "B", "down": "A", "up": "B", "right": "A", "left": "B", "in": "A", "out": "B", "m": "magnitude",
         "scale": "magnitude"}  # fmt: skip
_BESIDE = {"alpha", "magnitude", "E", "diag"}
SCHEMES = (*dict.fromkeys(scheme for scheme, _ in _PATTERNS), "control-lora", "GGUF")
# Tools that always store A so: False (r, d_in), True (d_in, r). The others' names are used both ways.
FIRM = {
    "PEFT": False, "torchtune": False, "kohya": False, "diffusers": False, "XLabs": False, "NeMo": False,
    "control-lora": False, "AdapterHub": False, "GGUF": False, "cloneofsimo": False, "MLX": True,
    "DeepSpeed-Chat": True,
}  # fmt: skip
# How ΔW comes of a module's tensors, and a role that only this form has.
FORMS = (
    ("loha", {"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"}),
    ("lokr", {"lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b"}),
    ("vera", {"lambda_b", "lambda_d"}),
    ("mid", {"mid"}),
    ("ada", {"E"}),
    ("diag", {"diag"}),
)


class Named(NamedTuple):
    """What a tensor's name says of it. ``beside``: it goes with factors, of whatever tool, at its path."""

    scheme: str
    path: str
    role: str
    adapter: str
    part: str
    beside: bool


def named(name: str, kind: str = "safetensors", control: bool = False) -> Named | None:
    """What this name says; None: nothing that is known. ``control``: the file is marked as a control-lora."""
    for scheme, pattern in _PATTERNS:
        if hit := pattern.fullmatch(name):
            found = hit.groupdict()
            role = _ROLE.get(found["role"], found["role"])
            path = found["path"]
            if scheme == "NeMo":
                path = path.removesuffix(".adapter")
            if kind == "gguf" and scheme == "MLX":
                scheme, path = "GGUF", path.removesuffix(".weight")
            return Named(
                scheme, path, role, found.get("adapter") or "default", found.get("part") or "", role in _BESIDE
            )
    if control and (hit := _CONTROL.fullmatch(name)):
        return Named("control-lora", hit["path"], _ROLE[hit["role"]], "default", "", False)
    return None
