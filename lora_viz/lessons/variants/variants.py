"""All variants raced on one task, and a map, measured before, of what each leaves on every kind of target."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, shown, word
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.core.seeds import spread
from lora_viz.core.spectra import covariance_root, least_squares
from lora_viz.film.film import Film
from lora_viz.film.panels import Bars, Field, Group, HeatMap, Lines, Series
from lora_viz.film.spreads import ranged
from lora_viz.film.style import IDENTITY, number, plotly_layout
from lora_viz.i18n.language import say, to_say
from lora_viz.layer.variants import VARIANTS, card, trained_beside
from lora_viz.lessons.catalogue import CONTROLS, TARGETS
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import share_of_loss
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here, undecided

__all__ = ["LESSON", "VariantRace", "variant_race", "variant_sweep"]

STARTS = 8
# Kind of target: how it is called after "on", and above a column.
KINDS = {
    "low_rank": (to_say("a random target of rank 4"), to_say("rank 4")),
    "full_rank": (to_say("a random target of full rank, σ ∝ 1/i"), to_say("power")),
    "inside_top": (to_say("a target of rank 4 inside W's 8 leading directions"), to_say("top 8")),
    "rotation": (to_say("a rotation of W's outputs"), to_say("rotation")),
    "row_rescale": (to_say("a rescaling of W's rows"), to_say("rows")),
}
FOUND, MOSTLY = 0.02, 0.5  # of the loss: all but that is found; most of it remains
NOTHING = 1e-4  # of the loss: below it, training has found it all
ASKED = {"galore": "GaLore", "dora": "DoRA", "lora": "LoRA", "lora_xs": "LoRA-XS"}  # the question's choices


class VariantRace(NamedTuple):
    """Share of the loss that is left, of what could be taken away at all: (L − L_least)/(L_pretrained − L_least).

    ``left`` holds (low, median, high) over ``starts`` starts for every variant and recorded step; ``floor`` is what the
    first start cannot go below, NaN where no formula is known here. ``field`` (variant, kind, task) is the same share
    at the end, measured before on eight tasks, NaN for a variant that is newer than the measurement. ``delta``,
    ``sigma`` are the chosen variant's first start's.
    """

    steps: Int[np.ndarray, "T"]
    names: tuple[str, ...]
    parameters: Int[np.ndarray, "V"]
    rates: Float[np.ndarray, "V"]
    left: Float[np.ndarray, "3 V T"]
    floor: Float[np.ndarray, "V"]
    chosen: int
    beside: int
    delta: Float[np.ndarray, "T d_out d_in"]
    sigma: Float[np.ndarray, "T k"]
    target: Float[np.ndarray, "d_out d_in"]
    kind: str
    field: Float[np.ndarray, "V K S"]
    field_parameters: Int[np.ndarray, "V"]
    starts: int
    diverged: int


@lru_cache(maxsize=1)
def measured() -> dict[str, Any]:
    """What benchmarks/variant_field.py wrote: the share left and the best learning rate of each variant and kind."""
    return dict(json.loads((Path(__file__).parent / "variant_field.json").read_text()))


def variant_sweep(e: Experiment) -> Sweep:
    """Every variant with every start, at the rate that was best on this kind of target; LoRA's if not yet measured."""
    known, base = measured(), replace(e, variant="lora")
    kind = known["kinds"].index(e.task)
    best = {name: rates[kind] for name, rates in zip(known["variants"], known["rate"], strict=True)}
    return Sweep(
        tuple(
            replace(base, variant=name, rank=v.beside(base), lr=best.get(name, best["lora"]), init_seed=start)
            for name, v in VARIANTS.items()
            for start in range(STARTS)
        )
    )


def at_the_map() -> Experiment:
    """The experiment that the map was measured with."""
    return Experiment(**measured()["experiment"])


def pick(record: VariantRace, row: int, column: int) -> dict[str, str]:
    """The settings that a cell of the map stands for; LoRA is its top row."""
    return {"variant": record.names[::-1][row], "task": measured()["kinds"][column]}


def variant_race(run: Run, *, chosen: str, beside: str) -> VariantRace:
    """Read a trained ``variant_sweep``."""
    members, names = run.sweep.experiments, tuple(VARIANTS)
    cells = dict(zip(measured()["variants"], measured()["left"], strict=True))
    nothing = np.full_like(cells["lora"], np.nan)
    least = least_squares(run.task)[1]
    whole = 0.5 * run.task.residual_energy - least or 1.0
    left = ((run.loss - least) / whole).clip(min=0).T.reshape(len(names), STARTS, -1)
    first = [next(i for i, e in enumerate(members) if e.variant == name) for name in names]
    plain = members[first[names.index("lora")]]
    at, other = names.index(chosen), names.index(beside)
    delta = run.delta_weight(first[at]).astype(float)
    return VariantRace(
        steps=run.steps, names=names, parameters=np.array([trained_beside(name, plain) for name in names]),
        rates=np.array([members[i].lr for i in first]), left=spread(left, axis=1),
        floor=np.array([_floor(run, i) / whole for i in first]), chosen=at, beside=other, delta=delta,
        sigma=np.linalg.svd(delta, compute_uv=False), target=run.task.target_delta, kind=plain.task,
        field=np.array([cells.get(name, nothing) for name in names]),
        field_parameters=np.array([trained_beside(name, at_the_map()) for name in names]), starts=STARTS,
        diverged=int((run.diverged_at >= 0).sum()),
    )  # fmt: skip


def _floor(run: Run, i: int) -> float:
    """½Σ_{j>r} σ_j((M − rest)C^½)² where ΔW = s·B A + a constant rest; with A frozen, what lies outside its rows."""
    rest, e = run.rest[i], run.sweep[i]
    known = not run.parameters[i] and (rest is None or len(rest) == 1)
    if not known:
        return float("nan")
    root = covariance_root(run.task)
    wanted = (least_squares(run.task)[0] - (0.0 if rest is None else rest[0])) @ root
    if e.frozen == "A":
        q = np.linalg.qr(root @ run.A[i][0].astype(float).T)[0]
        return 0.5 * float(np.sum((wanted - wanted @ q @ q.T) ** 2))
    return 0.5 * float(np.sum(np.linalg.svd(wanted, compute_uv=False)[e.rank :] ** 2))


def film(record: VariantRace) -> Film:
    """Two variants over the steps, the chosen one's update and spectrum, and the map."""
    c, b = record.chosen, record.beside
    k = min(12, record.sigma.shape[1])
    # a rising share can leave any scale behind: what is past ten times the start is off the picture
    low, middle, high = (np.where(x > 10, np.nan, x) for x in record.left)
    high = np.where(np.isnan(high), middle, high)
    series = [
        Series(name, _title(record, i), colour, middle[i], low=low[i], high=high[i])
        for name, i, colour in (("chosen", c, "delta"), ("beside", b, "ink"))[: 1 if c == b else 2]
    ]
    if record.floor[c] > NOTHING:
        floor = np.full(len(record.steps), record.floor[c])
        series.append(Series("floor", say("floor of {name}", name=_name(record, c)), "faint", floor, dash="dash"))
    limit = float(np.abs(record.target).max()) or 1.0
    map_panel = Field(
        id="map", title=say("Remaining loss at the end, 8 tasks (click a cell)"),
        values=np.median(record.field, axis=2)[::-1], limits=(NOTHING, 1.0), scale="log",
        x_labels=tuple(say(KINDS[name][1]) for name in measured()["kinds"]),
        y_labels=tuple(
            f"{VARIANTS[name].title.split(' (')[0]} {n}"  # the name alone
            for name, n in zip(record.names, record.field_parameters, strict=True)
        )[::-1],
        x_title=say("kind of target"), y_title=say("variant and its trainable parameters"),
        chosen=(len(record.names) - 1 - c, list(KINDS).index(record.kind)), picks=True, span=5, tall=2,
    )  # fmt: skip
    loss_left = Lines(
        "loss_left", say("Remaining loss on {kind}", kind=say(KINDS[record.kind][0])),
        y_label=say("fraction (median and range of {starts} seeds)", starts=record.starts), scale="log",
        series=tuple(series), span=7,
    )  # fmt: skip
    target = HeatMap("target", say("target M"), "ink", record.target, limit=limit, span=2, row=1)
    delta = HeatMap(
        "delta", say("ΔW of {name}", name=_name(record, c)), "delta",
        np.where(np.abs(record.delta) > 1e6, np.nan, record.delta), limit=limit, span=2, row=1,
    )  # fmt: skip
    singular_values = Bars(
        "singular_values", say("Singular values"), y_label="σ", labels=tuple(str(i + 1) for i in range(k)),
        bar_ids=tuple(f"sigma_{i + 1}" for i in range(k)),
        groups=(
            Group("delta", "ΔW", "delta", record.sigma[:, :k].clip(max=1e6)),
            Group("target", say("target"), "ink", np.linalg.svd(record.target, compute_uv=False)[:k], outline=True),
        ),
        span=3, row=1,
    )  # fmt: skip
    return Film(
        axis=to_say("step"), training=True, of_last=True, values=record.steps.astype(float),
        start=len(record.steps) - 1, seconds_per_frame=1 / 10,
        narration=tuple(_narrate(record, t) for t in range(len(record.steps))),
        panels=(map_panel, loss_left, target, delta, singular_values),
    )  # fmt: skip


def _name(record: VariantRace, i: int) -> str:
    return say(VARIANTS[record.names[i]].title)


def _title(record: VariantRace, i: int) -> str:
    return f"{_name(record, i)} ({record.parameters[i]})"


def _narrate(record: VariantRace, t: int) -> str:
    step, (name, beside) = record.steps[t], (_title(record, i) for i in (record.chosen, record.beside))
    left, left_beside = (share_of_loss(float(record.left[1, i, t])) for i in (record.chosen, record.beside))
    if record.chosen == record.beside:
        return say("Step {step}: {name} leaves {left} of the loss.", step=step, name=name, left=left)
    return say(
        "Step {step}: remaining loss: {name} {left}, {beside} {left_beside}.",
        step=step, name=name, left=left, beside=beside, left_beside=left_beside,
    )  # fmt: skip


def _ended(record: VariantRace, i: int) -> str:
    low, middle, high = end = record.left[:, i, -1]
    one = np.isnan(middle) or high - low <= 0.002
    return share_of_loss(float(middle)) if one else ranged(end, share_of_loss)


def _floor_told(record: VariantRace) -> str:
    """The share below which no training takes the chosen variant, if a formula for it is known."""
    floor = float(record.floor[record.chosen])
    if np.isnan(floor):
        return say("Its floor here is not known in closed form.")
    return say("Its floor from the first initialisation is {floor}.", floor=number(floor))


def takeaway(record: VariantRace) -> str:
    """What was seen: the two at the end, and where the chosen one does best and worst against LoRA."""
    c, b, kind = record.chosen, record.beside, say(KINDS[record.kind][0])
    left, left_beside = (share_of_loss(float(record.left[1, i, -1])) for i in (c, b))
    if c == b:
        return say(
            "On {kind}, {name} with {parameters} trainable parameters left {left} of the loss.",
            kind=kind, name=_name(record, c), parameters=record.parameters[c], left=left,
        )  # fmt: skip
    return say(
        "On {kind}, {name} with {parameters} trainable parameters left {left} of the loss; {beside} with "
        "{parameters_beside} left {left_beside} (medians).",
        kind=kind, name=_name(record, c), parameters=record.parameters[c], left=left, beside=_name(record, b),
        parameters_beside=record.parameters[b], left_beside=left_beside,
    )  # fmt: skip


def detail(record: VariantRace) -> str:
    """The ranges, the floor, and where the chosen variant does best and worst compared with LoRA."""
    c = record.chosen
    told = [
        say("Over {starts} initialisations {name} left {left}.", starts=record.starts, name=_name(record, c),
            left=_ended(record, c))
    ]  # fmt: skip
    if record.floor[c] > NOTHING:
        told.append(
            say(
                "From the first initialisation no training can take {name} below {floor}.",
                name=_name(record, c), floor=share_of_loss(float(record.floor[c])),
            )
        )  # fmt: skip
    told.append(_where(record))
    if record.diverged:
        told.append(
            say("{diverged} of {adapters} adapters diverged.", diverged=record.diverged,
                adapters=len(record.names) * record.starts)
        )  # fmt: skip
    return " ".join(told)


def verdict(record: VariantRace) -> Verdict:
    """On rows DoRA finds all and LoRA does not; LoRA-XS finds what lies inside the top, and else leaves most of it."""
    ended = dict(zip(record.names, record.left[1, :, -1].tolist(), strict=True))
    dora, lora, xs = ended["dora"], ended["lora"], ended["lora_xs"]
    middle = np.median(record.field[~np.isnan(record.field).any(axis=(1, 2))], axis=2)  # those that were measured
    everywhere = bool((middle <= middle.min(axis=0)).all(axis=1).any())
    evidence = {"dora": dora, "lora": lora, "lora_xs": xs, "one_wins_everywhere": everywhere}
    told = {"dora": share_of_loss(dora), "lora": share_of_loss(lora), "xs": share_of_loss(xs)}
    if not np.isfinite((dora, lora, xs)).all():
        return undecided(say("one of them diverged"), **evidence)
    if everywhere:
        return false_here(say("on the map one variant is best on every kind of target"), **evidence)
    if record.kind == "row_rescale":
        why = say("on rescaled rows DoRA left {dora} of the loss and LoRA {lora}", **told)
        return (true_here if dora <= FOUND and lora > 10 * dora else false_here)(why, **evidence)
    why = say("on this kind of target LoRA-XS left {xs} of the loss", **told)
    if record.kind == "inside_top":
        return (true_here if xs <= FOUND else false_here)(why, **evidence)
    return (true_here if xs >= MOSTLY else false_here)(why, **evidence)


def _where(record: VariantRace) -> str:
    """The best and the worst kind of target, by the ratio of its median to LoRA's over the eight tasks."""
    own, plain = record.field[record.chosen], record.field[record.names.index("lora")]
    if np.isnan(own).all():
        return say("On eight tasks of each kind it has not been measured yet.")
    called = [say(after_on) for after_on, _ in KINDS.values()]
    if record.names[record.chosen] == "lora":
        middle = np.median(own, axis=1)
        best, worst = int(middle.argmin()), int(middle.argmax())
        return say(
            "Over 8 tasks of each kind LoRA leaves least on {best} ({least}) and most on {worst} ({most}): its floor "
            "is the tail of the target's singular values.",
            best=called[best], least=share_of_loss(middle[best]),
            worst=called[worst], most=share_of_loss(middle[worst]),
        )  # fmt: skip
    ratio = np.median(np.maximum(own, NOTHING), axis=1) / np.median(np.maximum(plain, NOTHING), axis=1)
    best, worst = int(ratio.argmin()), int(ratio.argmax())

    def one(k: int) -> str:
        a, lora = own[k], share_of_loss(float(np.median(plain[k])))
        left = share_of_loss(float(np.median(a)))
        if np.ptp(a) <= 0.002:
            return say("{kind} ({left}; LoRA {lora})", kind=called[k], left=left, lora=lora)
        low, high = share_of_loss(float(a.min())), share_of_loss(float(a.max()))
        return say(
            "{kind} ({left}, {low} to {high}; LoRA {lora})", kind=called[k], left=left, low=low, high=high, lora=lora
        )

    equal = to_say("does as well on {kind}") if ratio[best] < 1.03 else to_say("comes closest on {kind}")
    better = say(to_say("wins on {kind}") if ratio[best] < 0.97 else equal, kind=one(best))
    worse = say(to_say("loses on {kind}") if ratio[worst] > 1.03 else to_say("gains least on {kind}"), kind=one(worst))
    return say("Against LoRA, over 8 tasks of each kind, it {better} and {worse}.", better=better, worse=worse)


def table(record: VariantRace) -> dict[str, np.ndarray]:
    """All variants on this task at the end, and the medians of the map."""
    low, middle, high = record.left[:, :, -1]
    medians = np.median(record.field, axis=2)
    return {
        "variant": np.array(record.names),
        "trained_numbers": record.parameters,
        "learning_rate": record.rates,
        "left_low": low,
        "left_median": middle,
        "left_high": high,
        "floor": record.floor,
        **{f"map_{kind}": medians[:, k] for k, kind in enumerate(KINDS)},
    }


def figure(record: VariantRace, *, theme: str = "light") -> go.Figure:
    """What every variant left at the end, over how many numbers it trained, as a still figure."""
    tones = [IDENTITY[theme]["delta" if i == record.chosen else "W"] for i in range(len(record.names))]
    low, middle, high = np.maximum(record.left[:, :, -1], 1e-5)
    drawn = go.Figure(
        go.Scatter(
            x=record.parameters,
            y=middle,
            error_y={"type": "data", "symmetric": False, "array": high - middle, "arrayminus": middle - low},
            text=[_name(record, i) for i in range(len(record.names))],
            mode="markers+text",
            textposition="top center",
            marker={"size": 13, "color": tones},
            showlegend=False,
        )
    )
    drawn.update_layout(
        **plotly_layout(
            title=say("Remaining loss on {kind} (10⁻⁵: that or less)", kind=say(KINDS[record.kind][0])),
            xaxis={"title": say("trainable parameters"), "type": "log"},
            yaxis={"title": say("fraction of the loss"), "type": "log"},
        )
    )
    return drawn


def maths(record: VariantRace, settings: Settings) -> str:
    """The chosen variant's rule and paper, what it trains here, and the floors."""
    e, known = settings.experiment, measured()
    return say(
        r"""{card} It trains
{own} parameters here, at learning rate {rate:g}; LoRA of rank
{rank} trains {lora}, all of W would be {all}. {remark}

{floor}
Where $\Delta W = s\,BA + R$ with a fixed $R$, nothing goes below
$\tfrac12\sum_{{i>r}}\sigma_i\big((M - R)\,C^{{1/2}}\big)^2$: for LoRA $R = 0$; for PiSSA, MiLoRA, OLoRA and LoRA-GA
$R = -s\,B_0A_0$; for QLoRA and LoftQ what 4 bits did to $W$. PiSSA's update may have rank $2r$ and not reach what LoRA
reaches. Learning rates: the best of {rates} by the median of eight tasks, for each variant and kind
of target. The map is at rank 4 and {steps} steps, made by `{script}`. These targets explain
mechanisms; they do not rank methods for language models.""",
        card=card(e.variant), own=record.parameters[record.chosen], rate=record.rates[record.chosen], rank=e.rank,
        lora=record.parameters[record.names.index("lora")], all=e.d_in * e.d_out,
        remark=say(VARIANTS[e.variant].remark), floor=_floor_told(record), rates=len(known["rates"]),
        steps=at_the_map().steps, script=known["made_by"],
    )  # fmt: skip


def trained(settings: Settings, lab: Lab) -> Run:
    """Every variant on this task, from eight starts each."""
    return lab.train(variant_sweep(settings.experiment), settings.device, records=41)


def measure(settings: Settings, lab: Lab) -> VariantRace:
    """Train all variants; the chosen one stands in front of the one beside it."""
    return variant_race(trained(settings, lab), chosen=settings["variant"], beside=settings["versus"])


def _ask(seen: Seen, _: Any) -> Measured:
    left, rows = shown(seen.film, "map")[::-1], list(VARIANTS)
    turn = measured()["kinds"].index("rotation")
    found = {name: float(left[rows.index(key), turn]) for key, name in ASKED.items()}
    told = ", ".join(say("{name} left {left} %", name=name, left=word(100 * v)) for name, v in found.items())
    best = min(found, key=found.__getitem__)
    return Measured(best, tuple(ASKED.values()), say("Medians of 8 tasks: {told}.", told=told))


LESSON = Lesson(
    hero="map",
    id="variants", menu=to_say("Variants compared"),
    title=to_say("Variants compared: which one for which kind of change?"),
    claim=to_say(
        "No variant wins everywhere. DoRA rescales the rows of W exactly, which LoRA cannot. LoRA-XS, with few "
        "parameters, "
        "finds only updates within W's leading directions."
    ),
    place=10,
    default=Experiment(
        variant="dora", task="row_rescale", rank=4, target_rank=4, alpha=8.0, steps=200, schedule="linear"
    ),
    controls=(TARGETS, CONTROLS["variant"]),
    more=tuple(CONTROLS[name] for name in ("versus", "rank", "steps", "noise", "condition")), measure=measure,
    film=film, takeaway=takeaway, verdict=verdict, detail=detail, maths=maths, figure=figure, table=table, on_pick=pick,
    exports=lambda record, settings, lab: trained(settings, lab),
    question=Question(
        to_say("The target rotates W's outputs, a change of full rank. Which of these leaves the least of the loss?"),
        to_say("A change of full rank takes an update of full rank: GaLore trains all of W, the others a few "
            "directions."),
        _ask,
    ),
)  # fmt: skip
