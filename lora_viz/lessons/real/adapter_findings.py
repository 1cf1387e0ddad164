"""What the doctor says of an adapter file on its page: findings, and the base model's weights to hold it against."""

from __future__ import annotations

from typing import Literal

import numpy as np

from lora_viz.adapters.diagnosis import diagnose
from lora_viz.adapters.findings import Diagnosis
from lora_viz.adapters.opening import Given, open_folder, open_weights
from lora_viz.adapters.source import as_source
from lora_viz.adapters.stored import AdapterError, Weights
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.controls import File, Upload
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.parts import Folded, Notice, Numbers, Part, Prose
from lora_viz.lessons.real.adapter_files import Source, opened, report_of

__all__ = ["BASE", "beside_base", "findings"]

SHOWN_FIRST = 3  # findings that are seen at once
BASE = File(
    id="base_file", label=to_say("Weights of the base model"), folder=True,
    help=to_say("safetensors, one file or all parts: the norm against the base's, names that it lacks, what a merge in "
                "bf16 or 4 bits would keep. More than 2 GB: lora-playground inspect adapter --base model.safetensors."),
)  # fmt: skip
_KINDS: dict[str, Literal["error", "warning", "info", "success"]] = {
    "broken": "error", "doubtful": "warning", "note": "info", "healthy": "success",
}  # fmt: skip


def findings(diagnosis: Diagnosis, refused: str = "") -> tuple[Part, ...]:
    """The findings, the gravest first; their causes and remedies on demand. ``refused``: why the base was not read."""
    found = diagnosis.findings
    without = (Notice(refused, "warning", ":material/warning:"),) if refused else ()
    shown = tuple(Notice(f"{f.title}. {f.evidence}", _KINDS[f.gravity]) for f in found[:SHOWN_FIRST])
    told = "\n".join(f"- **{f.title}.** {f.evidence} {f.cause} {f.remedy} *{f.sure}*" for f in found)
    asked = ("id", "gravity", "title", "evidence", "cause", "remedy", "certainty")
    columns = {key: np.array([str(getattr(f, key)) for f in found]) for key in asked}
    rows = Numbers("diagnosis", columns, say("Findings as CSV"), say("Findings as JSON"))
    one = len(found) == 1
    if one and found[0].gravity == "healthy":  # one line: the picture is what is looked at
        return (*without, Folded(f"{found[0].title}. {found[0].evidence}", (Prose(told), rows)))
    label = say("Cause and remedy") if one else say("{count} findings: causes and remedies", count=len(found))
    return (*without, *shown, Folded(label, (Prose(told), rows)))


def beside_base(
    source: Source, alpha: float | None, base: tuple[Upload, ...], lab: Lab
) -> tuple[Diagnosis | None, str]:
    """The findings with the base at hand; or none, and why its file was not read."""
    try:
        return lab.measure(_diagnosed, (source, alpha, base)), ""
    except AdapterError as error:
        told = say("The base model was left out: {why}", why=error.said)
        return None, told


def _diagnosed(given: tuple[Source, float | None, tuple[Upload, ...]], lab: Lab) -> Diagnosis:
    source, alpha, base = given
    return diagnose(opened(source), report_of(source, alpha, lab), _weights(base))


def _weights(base: tuple[Upload, ...]) -> Weights:
    """The tensors of one file, or of all its parts. Raises AdapterError."""
    if len(base) == 1 and not base[0].name.endswith(".zip"):
        return open_weights(base[0].name, base[0].data)
    return open_folder(base[0].name, [Given(one.name, as_source(one.data)) for one in base]).weights
