"""Adapter files that lessons look into: the playground's own, the visitor's, and which of several is meant."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lora_viz.adapters.config import CONFIG_MOST, config_of
from lora_viz.adapters.folder import Chosen, choose, is_weights
from lora_viz.adapters.opening import Given, Opened, open_adapter, open_folder
from lora_viz.adapters.refusing import AdapterError
from lora_viz.adapters.report import Report, inspect_adapter
from lora_viz.adapters.source import as_source
from lora_viz.i18n.language import say
from lora_viz.lessons.controls import Choice, Control, File, Upload
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Dependent
from lora_viz.lessons.parts import Notice, Part, Prose
from lora_viz.lessons.settings import Settings

__all__ = [
    "DATA", "SHIPPED", "Source", "adapter_controls", "adapter_meant", "adapter_notices", "counted_modules",
    "file_notices", "meant", "opened", "report_of", "shipped", "shipped_words",
]  # fmt: skip

DATA = Path(__file__).parents[2] / "networks" / "data"
SHIPPED = {"MiniLM-seed-0": "minilm_words_0", "MiniLM-seed-1": "minilm_words_1"}


class Source(NamedTuple):
    """A file with weights, the configuration beside it, and all files that were given together."""

    weights: Upload
    config: Upload | None = None
    files: tuple[Upload, ...] = ()


def adapter_controls(
    choice: str, file: str, label: str, own: str, help: str, default: str | None = None
) -> tuple[Dependent, File]:
    """One of the playground's own adapters, or the visitor's: while there is a file, none of ours looks chosen."""
    ours = Choice(id=choice, label=label, options=tuple(SHIPPED), default=default or next(iter(SHIPPED)))

    def unless_given(answers: Mapping[str, Any]) -> tuple[Control, ...]:
        return () if meant(answers.get(file, ())) else (ours,)

    return unless_given, File(id=file, label=own, help=help, folder=True)


def meant(given: tuple[Upload, ...]) -> Source | None:
    """Which of these files are the adapter, by their names; None: none has weights."""
    found = _chosen(given)
    if found is None or not found.weights:
        return None
    config = None if found.config is None else given[found.config]
    return Source(given[found.weights[0]], config, given if len(given) > 1 else ())


def _chosen(given: tuple[Upload, ...]) -> Chosen | None:
    """What is chosen by name, the last given first. A part that is missing is said when the file is opened."""
    try:
        return choose([one.name for one in given], lambda at: _describes(given[at]), newest=True)
    except AdapterError:
        one = next((i for i, file in reversed([*enumerate(given)]) if is_weights(file.name)), None)
        return None if one is None else Chosen((one,), None, (), False)


def _describes(file: Upload) -> bool:
    """Is this JSON an adapter's configuration?"""
    try:
        return config_of(file.read(CONFIG_MOST + 1)) is not None
    except AdapterError:
        return False


def adapter_meant(settings: Settings, choice: str, file: str) -> Source:
    """The visitor's adapter where there is one, else the chosen one of the playground's own."""
    return meant(settings[file]) or shipped(settings[choice])


def shipped(name: str) -> Source:
    """One of the playground's own adapters."""
    place = DATA / SHIPPED[name]
    files = {name: "adapter_model.safetensors", "adapter_config.json": "adapter_config.json"}
    weights, config = (Upload(named, (place / file).read_bytes(), f"ours {name}") for named, file in files.items())
    return Source(weights, config)


def shipped_words(name: str) -> str:
    """What one of the playground's own adapters is, and how it did when it was trained."""
    found = json.loads((DATA / "adapters_measured.json").read_text(encoding="utf-8"))["minilm"]
    accuracy = next(row["test_accuracy"] for row in found if SHIPPED[name].endswith(str(row["seed"])))
    return say("{name}: trained by this project. MiniLM's 36 linear layers learnt liked from disliked words, "
               "{accuracy:.1f} % of 1,200 unseen words right. Stored in bfloat16.", name=name,
               accuracy=100 * accuracy)  # fmt: skip


def file_notices(given: tuple[Upload, ...]) -> tuple[Part, ...]:
    """Which of several files is shown, or why none is."""
    found = _chosen(given)
    if found is None or not given:
        return ()
    left = [given[at].name for at in found.left]
    weights = [name for name in left if is_weights(name)]
    if not found.weights:
        said = say(
            "{names} has no weights. Give the adapter's file as well.", names=", ".join(x.name for x in given[:3])
        )
    elif weights:
        said = say("{count} weight files were given. Showing {name} instead.", count=len(weights) + len(found.weights),
                   name=given[found.weights[0]].name)  # fmt: skip
    elif left:
        return (Prose(say("Left alone: {names}.", names=", ".join(left[:12])), small=True),)
    else:
        return ()
    return (Notice(said, "warning", ":material/warning:"),)


def adapter_notices(given: tuple[Upload, ...], label: str) -> tuple[Part, ...]:
    """The same, and that the visitor's own file is shown in place of what ``label`` asks for."""
    own = say("{label}: your own file. Take it away to choose one of ours.", label=say(label))
    return (*((Prose(own, small=True),) if meant(given) else ()), *file_notices(given))


def opened(source: Source) -> Opened:
    """The adapter, nothing of it read yet. Raises AdapterError."""
    if source.files and not source.weights.name.endswith(".zip"):
        given = [Given(one.name, as_source(one.data)) for one in source.files]
        return open_folder(source.weights.name, given, newest=True)
    config = None if source.config is None else source.config.read(CONFIG_MOST + 1)
    return open_adapter(source.weights.name, source.weights.data, config)


def report_of(source: Source, alpha: float | None, lab: Lab) -> Report:
    """What an adapter's modules hold, measured once. Raises AdapterError."""
    return lab.measure(_measured, (source, alpha))


def _measured(given: tuple[Source, float | None], lab: Lab) -> Report:
    source, alpha = given
    said = say("Reading {name}", name=source.weights.name[:60])
    return inspect_adapter(opened(source), alpha=alpha, progress=lambda share: lab.report(share, said))


def counted_modules(count: int) -> str:
    """So many modules, in words."""
    return say("1 module") if count == 1 else say("{count:,} modules", count=count)
