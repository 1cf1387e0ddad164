"""Which files of a folder are the adapter? Chosen by name as tools write them; all others are left alone and listed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from lora_viz.adapters.refusing import AdapterError, short
from lora_viz.i18n.language import say

__all__ = ["Chosen", "choose", "is_weights"]

_ENDINGS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".lora", ".zip")
# What a training leaves beside its adapter, by the whole name.
_ASIDE = re.compile(
    r"training_args\.bin|optimi[sz]er.*|scheduler.*|scaler\.pt|rng_state.*|random_states.*|.*_optim_states\.pt"
    r"|.*_model_states\.pt|events\.out.*|trainer_state\.json|.*\.md|\..*|latest|zero_to_fp32\.py",
    re.DOTALL | re.IGNORECASE,
)
_SHARD = re.compile(r"(?P<stem>.+)-(?P<at>\d{5})-of-(?P<of>\d{5})(?P<ending>\.\w+)", re.DOTALL)
# The better the name, the earlier: what PEFT, MLX, diffusers, AdapterHub and PaddleNLP call their file.
_RANK = (
    re.compile(r"adapter_model.*\.safetensors"), re.compile(r"adapter_model.*\.bin"),
    re.compile(r"adapters\.safetensors"), re.compile(r"pytorch_lora_weights\.(safetensors|bin)"),
    re.compile(r"(pytorch_adapter|adapter)\.(bin|safetensors)|peft_model.*\.safetensors|adapter_\d+\.pt"),
    re.compile(r".*lora.*", re.IGNORECASE | re.DOTALL), re.compile(r".*\.safetensors", re.DOTALL),
)  # fmt: skip
_TELLING = len(_RANK) - 1  # so many names say that they are an adapter's
_CONFIGS = ("adapter_config.json", "lora_config.json")


class Chosen(NamedTuple):
    """By their place in the list: the weights (several are shards of one), the configuration, what is left alone."""

    weights: tuple[int, ...]
    config: int | None
    left: tuple[int, ...]
    several: bool


def is_weights(name: str) -> bool:
    """Might a file of this name hold an adapter's weights? Any that is no text and nothing of a training's own."""
    last = _last(name)
    return not _ASIDE.fullmatch(last) and not last.endswith((".json", ".txt", ".py", ".yaml", ".yml", ".model"))


def choose(
    names: Sequence[str], describes: Callable[[int], bool] = lambda at: False, *, newest: bool = False
) -> Chosen:
    """Which of these files are the adapter; no weights: none is. Raises AdapterError: a shard is missing.

    ``describes`` looks into a JSON that has no telling name: is it an adapter's configuration? Where several folders
    have weights, the outermost counts among those of a telling name, and of equal ones the last in the order of their
    numbers (checkpoint-1000). With ``newest`` the names stand in the order in which somebody gave them, one after the
    other: of all telling names the last one is meant, be it better or not.
    """
    found = [i for i, name in enumerate(names) if is_weights(name)]
    if not found:
        config = _config(names, describes, None)
        return Chosen((), config, tuple(i for i in range(len(names)) if i != config), False)
    # A telling name in a folder comes before any other at the top: what stands there may be the base.
    best = min(found, key=lambda i: (_placed(names[i]) >= _TELLING, _depth(names[i]),
                                     _has_twin(names[i], names) if newest else _placed(names[i]),
                                     *_late(names[i]), -i))  # fmt: skip
    same = [i for i in found if _placed(names[i]) == _placed(names[best]) and not _SHARD.fullmatch(names[i])]
    weights: tuple[int, ...] = (best,)
    if (shard := _SHARD.fullmatch(names[best])) is not None:
        of = {
            int(hit["at"]): i
            for i in found
            if (hit := _SHARD.fullmatch(names[i])) is not None
            and (hit["stem"], hit["of"], hit["ending"]) == (shard["stem"], shard["of"], shard["ending"])
        }
        count = int(shard["of"])
        missing = next((k for k in range(1, min(count, 10_000) + 1) if k not in of), None)
        if missing is not None or count > 10_000:
            raise AdapterError(say("{name} is one of {count} parts: part {missing} is not there. Give all of them.",
                                   name=short(_last(names[best])), count=count, missing=missing or count))  # fmt: skip
        weights = tuple(of[k] for k in range(1, count + 1))
    config = _config(names, describes, names[best].rpartition("/")[0])
    used = {*weights, config}
    return Chosen(weights, config, tuple(i for i in range(len(names)) if i not in used), len(same) > 1)


def _config(names: Sequence[str], describes: Callable[[int], bool], folder: str | None) -> int | None:
    """The configuration: by name in the weights' own folder, by name anywhere above it, by what is in it."""
    texts = [i for i, name in enumerate(names) if name.endswith(".json")]
    own = [i for i in texts if folder is None or names[i].rpartition("/")[0] == folder]
    for among in (own, texts):
        for called in _CONFIGS:
            if hits := [i for i in among if _last(names[i]) == called and (describes(i) or called == _CONFIGS[0])]:
                return hits[-1]
        if hits := [i for i in among if describes(i)]:
            return hits[-1]
        if folder:
            break
    return None


def _last(name: str) -> str:
    return re.split(r"[/\\]", name)[-1]


def _depth(name: str) -> int:
    return name.count("/")


def _placed(name: str) -> int:
    last = _last(name)
    return next((i for i, pattern in enumerate(_RANK) if pattern.fullmatch(last)), len(_RANK))


def _has_twin(name: str, names: Sequence[str]) -> bool:
    """Does the same adapter lie beside this file as safetensors, too? Some tools write both."""
    stem, _, ending = name.rpartition(".")
    return ending != "safetensors" and f"{stem}.safetensors" in names


def _late(name: str) -> tuple[float, ...]:
    """Smaller the later: the numbers in the folder's name, turned."""
    numbers = [-float(n[:15]) for n in re.findall(r"\d+", name.rpartition("/")[0])]
    return (numbers[-1] if numbers else 0.0,)
