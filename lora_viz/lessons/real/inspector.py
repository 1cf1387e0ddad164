"""Adapter inspector: which rank each module of a file needed, its layers as a map, and a smaller one to take along."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from lora_viz.adapters.diagnosis import diagnose
from lora_viz.adapters.opening import Opened
from lora_viz.adapters.report import LEVELS, Report, leaves_scale_open, noise_floor
from lora_viz.adapters.shrink import Plan, Shrunk, cut_name, plan, shrink
from lora_viz.adapters.stored import AdapterError
from lora_viz.content.questions import Measured, Question, Seen, shown, word
from lora_viz.core.spectra import ranks
from lora_viz.film.film import Film
from lora_viz.film.panels import Bars, Curve, Curves, Field, Group, Lines, Mark, Readout, Row, Series
from lora_viz.film.style import number, numbers
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.controls import Choice, Control, Number
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.parts import Download, Folded, Heading, Notice, Part, Prose, Table
from lora_viz.lessons.real.adapter_files import (
    Source,
    adapter_controls,
    adapter_meant,
    adapter_notices,
    meant,
    opened,
    report_of,
    shipped_words,
)
from lora_viz.lessons.real.adapter_findings import BASE, beside_base, findings
from lora_viz.lessons.real.adapter_report import (
    AdapterReport,
    adapter_report,
    dead_directions,
    detail,
    low_to_high,
    percent,
    table,
    takeaway,
    trained,
)
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here, undecided

__all__ = ["LESSON", "MAPS"]

MAPS = {  # what the control calls it, what its panel is called, its scale
    "needed": (to_say("rank needed"), to_say("Rank needed for {level} of the energy"), "linear"),
    "effective": (to_say("effective rank"), to_say("Effective rank of ΔW"), "linear"),
    "norm": (to_say("size of ΔW"), "‖ΔW‖", "log"),
    "balance": (to_say("A against B"), "‖A‖/‖B‖", "log"),
}
OUTLINED = 400_000  # cells times modules up to which the map outlines the module at the playhead
NOISE_MOST = 2_000_000  # parameters up to which every module's rounding noise is measured
CUT_MOST = 1_000_000  # parameters up to which a cut is made, and measured, before it is asked for


def _level(settings: Settings) -> float:
    return float(settings["keep"]) / 100


def film(record: AdapterReport, settings: Settings) -> Film:
    """The playhead runs over the modules; the map stands and outlines the one that is meant."""
    M, K = record.sigma.shape
    level, drawn = _level(settings), str(settings["map"])
    _, title, scale = MAPS[drawn]
    known = np.isfinite(record.noise) & (record.noise > 0)
    groups = [Group("learnt", say("σ of ΔW"), "delta", record.sigma)]
    if known.any():
        level_line = np.repeat(np.where(known, record.noise, 0.0)[:, None], K, axis=1)
        groups.append(Group("rounding", say("rounding alone"), "faint", level_line, outline=True))
    needed = record.needs[:, LEVELS.index(level)]
    return Film(
        axis=to_say("module"), values=np.arange(1.0, M + 1), start=int(np.argmax(needed)), seconds_per_frame=0.5,
        narration=tuple(_narrate(record, t, level) for t in range(M)),
        panels=(
            Field("map", say(title, level=percent(level)), values=_map(record, level, drawn),
                  x_labels=record.map.columns, y_labels=tuple(_short(kind) for kind in record.map.rows),
                  x_title=say("further modules, in the file's order") if record.map.folded else say("layer"),
                  y_title=say("module"),
                  scale="log" if scale == "log" else "linear", regions=_outline(record), region_names=("", ""), span=5),
            Bars("singular_values", say("Singular values of this module"), y_label="σ", scale="log",
                 labels=tuple(str(i + 1) for i in range(K)), bar_ids=tuple(f"sigma_{i + 1}" for i in range(K)),
                 groups=tuple(groups), span=4),
            Readout("module", say("This module"), _rows(record), span=3),
            Lines("ranks", say("Rank given and rank needed, module by module (drag here)"), y_label=say("rank"),
                  reach=1.0,
                  series=(Series("given", say("rank given r"), "W", record.rank.astype(float)),
                          *(Series(f"needed_{100 * x:.0f}", say("for {x}", x=percent(x)),
                                   "delta" if x == level else "faint", record.needs[:, i].astype(float),
                                   dash="solid" if x == level else ("dash" if x == max(LEVELS) else "dot"),
                                   dots=x == level) for i, x in enumerate(LEVELS)),
                          Series("effective", say("effective rank"), "ink", record.effective, dash="dashdot")), span=8,
                  row=1),
            Curves("energy", say("Energy kept by the largest k"), x=np.arange(K + 1.0), x_label="k",
                   y_label=say("fraction of Σσ²"),
                   series=(Curve("kept", say("this module"), "delta", record.energy, dots=K <= 32),
                           Curve("level", percent(level), "faint", np.full(K + 1, level), dash="dash")),
                   marks=() if M > 1 else (Mark("needed", float(needed[0]), f"k = {needed[0]}"),), span=4, row=1),
        ),
    )  # fmt: skip


def _map(record: AdapterReport, level: float, drawn: str) -> Float[np.ndarray, "kinds layers"]:
    with np.errstate(divide="ignore", invalid="ignore"):
        values = {
            "needed": record.needs[:, LEVELS.index(level)].astype(float),
            "effective": record.effective,
            "norm": record.norm_delta,
            "balance": np.where(record.norm_B > 0, record.norm_A / record.norm_B, np.nan),
        }[drawn]
    values = np.where(np.isfinite(values) & (record.not_finite == 0), values, np.nan)
    found = np.full((len(record.map.rows), len(record.map.columns)), np.nan)
    found[record.map.row, record.map.column] = values
    return found


def _outline(record: AdapterReport) -> Float[np.ndarray, "M kinds layers"] | None:
    M = len(record.rank)
    if M * record.map.cells > OUTLINED:
        return None
    found = np.zeros((M, len(record.map.rows), len(record.map.columns)))
    found[np.arange(M), record.map.row, record.map.column] = 1.0
    return found


def _rows(record: AdapterReport) -> tuple[Row, ...]:
    delta = "‖ΔW‖ = ‖s·BA‖" if record.scaled else say("‖BA‖, without s")
    return (
        Row("bound", say("bound r"), tuple(str(r) for r in record.rank), colour="W"),
        Row("numerical", say("numerical (σ > 10⁻⁶ σ₁)"), tuple(str(r) for r in record.numerical)),
        Row("effective", say("effective (entropy of σ)"), numbers(record.effective)),
        Row("stable", say("stable (‖·‖²/σ₁²)"), numbers(record.stable)),
        Row("norm", delta, numbers(record.norm_delta), colour="delta"),
        Row("scale", "s", record.scales),
    )


def _short(kind: str, most: int = 24) -> str:
    return kind if len(kind) <= most else "…" + kind[-(most - 1) :]


def _narrate(record: AdapterReport, t: int, level: float) -> str:
    path, r = _short(record.paths[t], 70), int(record.rank[t])
    if record.not_finite[t]:
        return say("{path}: entries that are not finite: {not_finite}, so there is no spectrum.", path=path,
                   not_finite=record.not_finite[t])  # fmt: skip
    if record.norm_delta[t] == 0:
        return say("{path}: ΔW = 0, because at least one factor is 0.", path=path)
    at = LEVELS.index(level)
    k = int(record.needs[t, at])
    held = percent(float(record.held[t, at]))
    if 0 < k < record.rank.max():
        told = say("{path}: {k} of {r} directions: {energy} of the energy; the next one adds {more} %.", path=path, k=k,
                   r=r, energy=held,
                   more=number(100 * float(record.next[t, at])))  # fmt: skip
    else:
        told = say("{path}: {k} of {r} directions: {energy} of the energy.", path=path, k=k, r=r, energy=held)
    if not record.dead[t]:
        return told
    return say("{told} {dead}.", told=told, dead=dead_directions(int(record.dead[t])))


def verdict(record: AdapterReport, settings: Settings) -> Verdict:
    """One rank for all trained modules, and at least two of them use another number of directions."""
    fine = trained(record)
    if not fine.any():
        return undecided(say("no module has a finite ΔW other than 0"), modules=len(record.paths))
    level = _level(settings)
    k, r = record.needs[fine, LEVELS.index(level)], record.rank[fine]
    evidence = {"rank": sorted(set(r.tolist())), "needed": sorted(set(k.tolist())), "level": level}
    told = say(
        "modules with rank {given} use {used} directions for {level} of the energy",
        given=low_to_high(r), used=low_to_high(k), level=percent(level),
    )  # fmt: skip
    return true_here(told, **evidence) if len(set(r.tolist())) == 1 else false_here(told, **evidence)


def maths(record: AdapterReport) -> str:
    """The spectrum from the factors alone, with this file's largest singular value."""
    return say(
        r"""
$$
\sigma(s\,BA) = s\,\sigma(R_B R_A^\top), \qquad B = Q_B R_B, \quad A^\top = Q_A R_A, \qquad
k(\tau) = \min\Big\{{k : \sum_{{i\le k}}\sigma_i^2 \ge \tau \sum_i \sigma_i^2\Big\}}
$$

The product is never formed: two thin QR decompositions and one SVD of $r\times r$. Of {name} the largest
$\sigma_1$ is {sigma}. The effective rank is $e^{{H(p)}}$ with
$p_i = \sigma_i/\sum\sigma$ (Roy & Vetterli 2007); the energy's rank uses $\sigma^2$: they answer different questions.
Cutting the SVD is the best a rank can do for the weights (Eckart–Young). *Rounding alone* is
$\|\Delta W' - \Delta W\|_2$ after every stored number was moved at random within its own rounding: no $\sigma$ is
known better (Weyl).""",
        name=record.report.name,
        sigma=number(float(record.sigma[:, 0].max())),
    )


def first(record: AdapterReport) -> tuple[Part, ...]:
    """The doctor's findings."""
    return findings(record.diagnosis, record.refused)


def extras(record: AdapterReport, settings: Settings, lab: Lab) -> tuple[Part, ...]:
    """What is to be known of the file, the adapter cut to the advised ranks, and every module."""
    notes = (Notice(note) for note in record.report.notes)
    return (*notes, Heading(say("Take it home, smaller")), *_smaller(record, settings, lab), *_modules_table(record))


def _smaller(record: AdapterReport, settings: Settings, lab: Lab) -> tuple[Part, ...]:
    """How much smaller, how far from the original, and the file on demand."""
    level, report, cut = _level(settings), record.report, record.cut
    found = record.plans[LEVELS.index(level)]
    if isinstance(found, str):
        return (Notice(found),)
    before, after = found.parameters
    told = say("Every module truncated to the smallest rank that keeps {level:.0f} % of its energy (ranks: {ranks}): "
               "{before:,} → {after:,} parameters. The error ‖ΔW − ΔW′‖/‖ΔW‖ is {whole} over all updates "
               "together and at most {error} in one module.", level=100 * level,
               ranks=low_to_high(np.array(found.ranks)), before=before, after=after, whole=number(found.whole),
               error=number(float(found.error.max())))  # fmt: skip
    measured: tuple[Part, ...] = ()
    if cut is not None:
        written = say("Measured on the factors as they are written, rounding included: {whole} and {error}; "
                      "{before:.2f} → {after:.2f} MB.", whole=number(cut.whole), error=number(float(cut.error.max())),
                      before=cut.size[0] / 1e6, after=cut.size[1] / 1e6)  # fmt: skip
        measured = (Prose(written, small=True),)
    label = say("Adapter for {level:.0f} % of the energy", level=100 * level)

    def make() -> bytes:
        return (cut or lab.measure(_cut, _cut_asked(settings))).data

    file = Download("shrunk", label, make, cut_name(report, level))
    return (Prose(f"{told} {found.note}"), *measured, file)


def _modules_table(record: AdapterReport) -> tuple[Part, ...]:
    """Every module as a row, sortable, and the tensors that are no LoRA factors."""
    report = record.report
    kind = {"safetensors": say("a safetensors file"), "torch": say("a file of torch.save"), "gguf": say("a GGUF file")}[
        report.kind
    ]
    about = say("{name}: {kind}, {size:.2f} MB of numbers, keys as in {schemes}, {modules} modules, {others} other "
                "tensors.", name=report.name, kind=kind, size=report.size / 1e6, schemes=", ".join(report.schemes),
                modules=len(report.modules), others=len(report.others))  # fmt: skip
    others = {
        say("name"): [o.name for o in report.others],
        say("shape"): ["×".join(map(str, o.shape)) or say("one number") for o in report.others],
        say("stored as"): [o.dtype for o in report.others],
    }
    label = say("Tensors that are not LoRA factors: {others}", others=len(report.others))
    return (
        Heading(say("Every module")),
        Table(table(record), alt=say("One row a module: shapes, ranks, norms, scale"), height=320),
        Prose(about, small=True),
        *((Folded(label, (Table(others),)),) if report.others else ()),
    )


def beside(record: AdapterReport, settings: Settings) -> tuple[Part, ...]:
    """What our own adapter is, or which of the visitor's files is shown."""
    given = settings["adapter_file"]
    ours = () if meant(given) else (Prose(shipped_words(settings["adapter"]), small=True),)
    return (*adapter_notices(given, ASKED), *ours)


def _source(settings: Settings) -> Source:
    return adapter_meant(settings, "adapter", "adapter_file")


def measure(settings: Settings, lab: Lab) -> AdapterReport:
    """Measure every module of the file, and a small one's cut too; held against the base where that was given."""
    record = lab.measure(_inspected, (_source(settings), settings["alpha_given"]))
    if base := settings["base_file"]:
        told, refused = beside_base(_source(settings), settings["alpha_given"], base, lab)
        record = record._replace(diagnosis=told or record.diagnosis, refused=refused)
    found = record.plans[LEVELS.index(_level(settings))]
    if isinstance(found, str) or found.parameters[0] > CUT_MOST:
        return record
    return record._replace(cut=lab.measure(_cut, _cut_asked(settings)))


def _cut_asked(settings: Settings) -> tuple[Source, float | None, float]:
    return _source(settings), settings["alpha_given"], _level(settings)


def _cut(given: tuple[Source, float | None, float], lab: Lab) -> Shrunk:
    source, alpha, level = given
    said = say("Cutting {name}", name=source.weights.name)
    report = report_of(source, alpha, lab)
    return shrink(opened(source), report, level, progress=lambda share: lab.report(share, said))


def _planned(adapter: Opened, report: Report, level: float) -> Plan | str:
    try:
        return plan(adapter, report, level)
    except AdapterError as error:
        return error.said


def _inspected(given: tuple[Source, float | None], lab: Lab) -> AdapterReport:
    source, alpha = given
    report, adapter = report_of(source, alpha, lab), opened(source)
    small = sum(m.parameters for m in report.modules) <= NOISE_MOST
    said = say("Measuring the rounding of {name}", name=source.weights.name)
    noise = []
    for i, m in enumerate(report.modules):
        fine = small and not m.not_finite and m.alone
        noise.append(noise_floor(adapter.weights, m) if fine else float("nan"))
        lab.report((i + 1) / len(report.modules), said)
    plans = tuple(_planned(adapter, report, level) for level in LEVELS)
    found = adapter_report(report, tuple(noise))
    return found._replace(plans=plans, diagnosis=diagnose(adapter, report))


def _effective(sigma: np.ndarray) -> float:
    known = sigma[np.isfinite(sigma)]
    return ranks(known, bound=len(known)).effective


def _ask(seen: Seen, _: object) -> Measured:
    sigma = shown(seen.film, "singular_values", "learnt")[0]
    now, then = _effective(sigma), _effective(2 * sigma)
    told = say("Every σ doubles; the effective rank was {now} before and {then} after.", now=word(now),
               then=word(then))  # fmt: skip
    return Measured(then, (2 * now, 2**0.5 * now, now / 2), told, {"now": word(now)})


ASKED = to_say("Adapter")
ALPHA = Number(id="alpha_given", label=to_say("α, where the file has none"),
               help=to_say("loralib, diffusers and others do not keep α in the file. s = α/r."), low=0.0, high=4096.0,
               optional=True, placeholder=to_say("not known"))  # fmt: skip


def _scale_unknown(answers: Mapping[str, Any]) -> bool:
    """Does the visitor's file leave its scale open?"""
    source = meant(answers.get("adapter_file", ()))
    try:
        return source is not None and leaves_scale_open(opened(source))
    except AdapterError:
        return False


def _alpha_asked(answers: Mapping[str, Any]) -> tuple[Control, ...]:
    """α, in the first row where it matters."""
    return (ALPHA,) if _scale_unknown(answers) else ()


def _alpha_known(answers: Mapping[str, Any]) -> tuple[Control, ...]:
    """The same among the further settings, where it does not."""
    return () if _scale_unknown(answers) else (ALPHA,)


LESSON = Lesson(
    hero="map",
    id="inspector", menu=to_say("Adapter inspector"), title=to_say("Adapter inspector: which rank did it need?"),
    claim=to_say("An adapter is given one rank for all its modules. Its singular values show how many directions each "
                 "of them uses."), place=50,
    controls=(
        *adapter_controls("adapter", "adapter_file", ASKED, to_say("or your own file"),
                          to_say("safetensors, or a file of torch.save; with adapter_config.json for the "
                                 "scale. It stays in this server's memory.")),
        _alpha_asked,
        Choice(id="keep", label=to_say("Energy to keep, %"), options=(90, 95, 99), default=90),
        Choice(id="map", label=to_say("Map"), options=tuple(MAPS), default="needed",
               names={name: called for name, (called, _, _) in MAPS.items()}),
    ),
    more=(_alpha_known, BASE), measure=measure, film=film,
    takeaway=lambda record, settings: takeaway(record, _level(settings)),
    verdict=verdict, detail=detail, maths=maths,
    on_paper="ranks", table=table, first=first, extras=extras, beside=beside,
    question=Question(to_say("The first module's update has effective rank {now}. What is it when α is doubled?"),
                      to_say("α scales every singular value alike. It makes an update larger, but its rank stays the "
                             "same."), _ask),
    trains=False, seeded=False, worded=True,
)  # fmt: skip
