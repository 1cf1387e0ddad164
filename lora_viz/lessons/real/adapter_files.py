"""Adapter files that lessons look into: the playground's own, the visitor's, and which of several is meant."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lora_viz.adapters.config import CONFIG_MOST
from lora_viz.adapters.opening import Opened, open_adapter
from lora_viz.adapters.report import Report, inspect_adapter
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
    """A file with weights, and the adapter_config.json beside it."""

    weights: Upload
    config: Upload | None = None


def adapter_controls(
    choice: str, file: str, label: str, own: str, help: str, default: str | None = None
) -> tuple[Dependent, File]:
    """One of the playground's own adapters, or the visitor's: while there is a file, none of ours looks chosen."""
    ours = Choice(id=choice, label=label, options=tuple(SHIPPED), default=default or next(iter(SHIPPED)))

    def unless_given(answers: Mapping[str, Any]) -> tuple[Control, ...]:
        return () if meant(answers.get(file, ())) else (ours,)

    return unless_given, File(id=file, label=own, help=help, folder=True)


def meant(given: tuple[Upload, ...]) -> Source | None:
    """The last file with weights and the last configuration among those given; None: none has weights."""
    weights, configs = _split(given)
    return Source(weights[-1], configs[-1] if configs else None) if weights else None


def _split(given: tuple[Upload, ...]) -> tuple[list[Upload], list[Upload]]:
    configs = [one for one in given if one.name.endswith(".json")]
    return [one for one in given if one not in configs], configs


def adapter_meant(settings: Settings, choice: str, file: str) -> Source:
    """The visitor's adapter where there is one, else the chosen one of the playground's own."""
    return meant(settings[file]) or shipped(settings[choice])


def shipped(name: str) -> Source:
    """One of the playground's own adapters."""
    place = DATA / SHIPPED[name]
    files = {name: "adapter_model.safetensors", "adapter_config.json": "adapter_config.json"}
    return Source(*(Upload(named, (place / file).read_bytes(), f"ours {name}") for named, file in files.items()))


def shipped_words(name: str) -> str:
    """What one of the playground's own adapters is, and how it did when it was trained."""
    found = json.loads((DATA / "adapters_measured.json").read_text(encoding="utf-8"))["minilm"]
    accuracy = next(row["test_accuracy"] for row in found if SHIPPED[name].endswith(str(row["seed"])))
    return say("{name}: trained by this project. MiniLM's 36 linear layers learnt liked from disliked words, "
               "{accuracy:.1f} % of 1,200 unseen words right. Stored in bfloat16.", name=name,
               accuracy=100 * accuracy)  # fmt: skip


def file_notices(given: tuple[Upload, ...]) -> tuple[Part, ...]:
    """Which of several files is shown, or why none is."""
    weights, configs = _split(given)
    if len(weights) > 1:
        said = say(
            "{count} weight files were given. Showing {name} instead.", count=len(weights), name=weights[-1].name
        )
    elif configs and not weights:
        said = say("adapter_config.json alone has no weights: give the adapter's file too.")
    else:
        return ()
    return (Notice(said, "warning", ":material/warning:"),)


def adapter_notices(given: tuple[Upload, ...], label: str) -> tuple[Part, ...]:
    """The same, and that the visitor's own file is shown in place of what ``label`` asks for."""
    own = say("{label}: your own file. Take it away to choose one of ours.", label=say(label))
    return (*((Prose(own, small=True),) if meant(given) else ()), *file_notices(given))


def opened(source: Source) -> Opened:
    """The adapter, nothing of it read yet. Raises AdapterError."""
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
