"""What a rank costs one layer: its share of parameters, and multiply–adds, computed beside what torch counts."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from lora_viz.content.questions import Measured, Question, Seen, word
from lora_viz.costs.budget import LayerCost, LayerTally, break_even_rank, layer_cost, rank_for_share, share_of_layer
from lora_viz.costs.counting import count_layer
from lora_viz.film.film import Film
from lora_viz.film.panels import Bars, Field, Group, Lines, Mark, Readout, Row, Series
from lora_viz.film.style import number
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.controls import Choice
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here

__all__ = ["PART", "RankCost", "rank_cost", "ranks_for"]

_LAYERS = ("4096×4096", "768×768", "1024×1024", "8192×8192", "11008×4096", "64×64")
_STEPS = (1, 2, 4, 8, 16, 20, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
_SIZES = (64, 128, 256, 512, 768, 1024, 2048, 4096, 8192, 16384)
_MAPPED = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
_REGIONS = (
    to_say("below 1 %: more than 100× fewer"),
    to_say("1 % to 100 %"),
    to_say("more than the layer holds"),
    to_say("no such rank"),
)


class RankCost(NamedTuple):
    """One layer at each rank: shares, multiply–adds, torch's own counts; and the map of square layers × ranks."""

    d_out: int
    d_in: int
    rank: tuple[int, ...]
    share: Float[np.ndarray, "R"]
    costs: tuple[LayerCost, ...]
    counted: tuple[LayerTally, ...]
    map_share: Float[np.ndarray, "M N"]

    @property
    def agrees(self) -> bool:
        """Whether every computed number is the one that torch counted."""
        return all(
            (c.base, c.unmerged, c.full_training, c.lora_training) == (*t.forward, *t.training)
            for c, t in zip(self.costs, self.counted, strict=True)
        )


def ranks_for(d_out: int, d_in: int) -> tuple[int, ...]:
    """The ranks that are gone through: doubling, 20 among them, up to the layer's full rank."""
    most = min(d_out, d_in)
    return tuple(sorted({r for r in _STEPS if r <= most} | {most}))


def rank_cost(counted: tuple[LayerTally, ...]) -> RankCost:
    """Put the formulas beside what torch counted on one layer at several ranks."""
    d_out, d_in = counted[0].d_out, counted[0].d_in
    rank = tuple(t.rank for t in counted)
    mapped = np.array([[share_of_layer(d, d, r) if r <= d else np.nan for d in _SIZES] for r in _MAPPED])
    return RankCost(d_out=d_out, d_in=d_in, rank=rank, share=np.array([share_of_layer(d_out, d_in, r) for r in rank]),
                    costs=tuple(layer_cost(d_out, d_in, r) for r in rank), counted=counted,
                    map_share=mapped)  # fmt: skip


def film(record: RankCost) -> Film:
    """The playhead runs over the rank: its share, where it lies on the map, and the multiply–adds of a token."""
    one, even = _thresholds(record)
    marks = [
        Mark("even", even, say("as many")),
        Mark("full_rank", float(record.rank[-1]), f"{number(float(record.share[-1]))}×"),
    ]
    if one >= 1:
        marks.insert(0, Mark("one_percent", one, "1 %"))
    base = float(record.costs[0].base)

    def stacked(*names: str) -> np.ndarray:
        return np.array([sum(getattr(c, name) for name in names) / base for c in record.costs])

    forward = np.array([[c.base, c.unmerged, c.merged] for c in record.costs]) / base
    training = np.stack(
        [stacked("base", "to_input", "full_to_weights"), stacked("unmerged", "to_input", "adapter_to_input",
                                                                "adapter_to_factors")], axis=1
    )  # fmt: skip
    through_w = np.stack([stacked("base", "to_input"), stacked("base", "to_input")], axis=1)
    regions = 1.0 * np.where(
        np.isnan(record.map_share), 3, np.where(record.map_share < 0.01, 0, np.where(record.map_share <= 1, 1, 2))
    )
    start = record.rank.index(16) if 16 in record.rank else 0
    return Film(
        axis=to_say("rank r"), values=np.array(record.rank, dtype=float), start=start, seconds_per_frame=0.5,
        narration=tuple(_narrate(record, t) for t in range(len(record.rank))),
        panels=(
            Lines("share",
                  say("Share of a {d_out}×{d_in} layer's parameters, in %", d_out=record.d_out, d_in=record.d_in),
                  y_label="%", scale="log", x_scale="log", marks=tuple(marks),
                  series=(Series("trained", "r(1/d_in + 1/d_out)", "delta", 100 * record.share, dots=True),), span=5),
            Field("map", say("The same for square layers, in %"), values=100 * record.map_share,
                  x_labels=tuple(map(str, _SIZES)), y_labels=tuple(map(str, _MAPPED)), x_title=say("width d"),
                  y_title=say("rank r"), colour="delta", scale="log", regions=regions,
                  region_names=tuple(say(name) for name in _REGIONS), span=7),
            Bars("forward", say("A token forward"), labels=(say("base"), say("unmerged"), say("merged")),
                 bar_ids=("base", "unmerged", "merged"),
                 groups=(Group("cost", say("multiply–adds"), "delta", forward),), y_label=say("of base"), row=1,
                 span=4),
            Bars("training", say("A token in training"), labels=(say("full"), "LoRA"), bar_ids=("full", "lora"),
                 groups=(Group("all", say("all"), "delta", training),
                         Group("through_w", say("of it through W"), "W", through_w)), y_label=say("of base"), row=1,
                 span=3),
            Readout("counted", say("Computed; ✓ torch counted the same"), _rows(record), row=1, span=5),
        ),
    )  # fmt: skip


def _rows(record: RankCost) -> tuple[Row, ...]:
    pairs = tuple(zip(record.costs, record.counted, strict=True))

    def both(computed: int, counted: int) -> str:
        return (
            f"{computed:,} ✓"
            if computed == counted
            else say("{computed:,}, counted {counted:,}", computed=computed, counted=counted)
        )

    return (Row("parameters", say("parameters"),
                tuple(both(r * (record.d_in + record.d_out), t.gradients[1])
                      for r, (_, t) in zip(record.rank, pairs, strict=True)), colour="delta"),
            Row("forward", say("forward, unmerged"), tuple(both(c.unmerged, t.forward[1]) for c, t in pairs)),
            Row("training_lora", say("training, LoRA"), tuple(both(c.lora_training, t.training[1]) for c, t in pairs)),
            Row("training_full", say("training, full fine-tuning"),
                tuple(both(c.full_training, t.training[0]) for c, t in pairs)))  # fmt: skip


def _thresholds(record: RankCost) -> tuple[float, float]:
    return rank_for_share(record.d_out, record.d_in, 0.01), break_even_rank(record.d_out, record.d_in)


def _narrate(record: RankCost, t: int) -> str:
    cost, share = record.costs[t], record.share[t]
    parameters = (
        say("{times}× fewer parameters", times=number(1 / share))
        if share < 1
        else say("as many parameters")
        if share == 1
        else say("{times}× as many parameters", times=number(share))
    )
    return say(
        "Rank {rank}: {share} %, {parameters}; unmerged +{unmerged} %; training {training} % of full fine-tuning.",
        rank=record.rank[t], share=number(100 * share), parameters=parameters,
        unmerged=number(100 * (cost.unmerged / cost.base - 1)),
        training=number(100 * cost.lora_training / cost.full_training),
    )  # fmt: skip


def takeaway(record: RankCost) -> str:
    """What was computed and counted, in the record's own numbers."""
    one, even = _thresholds(record)
    least = record.costs[0]
    below = say("below rank {rank}", rank=number(one)) if one > 1 else say("at no rank")
    return say(
        "“Less than 1 %” of the parameters holds {below} here; at rank {even} the factors hold as many as the layer. "
        "Training with LoRA takes {training} % of the multiply–adds of full fine-tuning at rank {least}.",
        below=below, even=number(even), training=number(100 * least.lora_training / least.full_training),
        least=record.rank[0],
    )  # fmt: skip


def detail(record: RankCost) -> str:
    """What torch counted, and what full rank costs."""
    agree = say("all of them equal to the formulas") if record.agrees else say("NOT all of them equal to the formulas")
    return say(
        "At full rank, {most}, the factors hold {share} times the parameters of the layer. An unmerged adapter makes "
        "inference more expensive. Torch counted {counted} ranks: {agree}.",
        most=record.rank[-1], share=number(float(record.share[-1])), counted=len(record.counted), agree=agree,
    )  # fmt: skip


def verdict(record: RankCost) -> Verdict:
    """A square layer: every rank shown is below 1 % exactly where it is below d/200, and none saves over a third."""
    one, _ = _thresholds(record)
    training = [c.lora_training / c.full_training for c in record.costs]
    evidence = {"rank_of_1_percent": one, "training": min(training), "shape": (record.d_out, record.d_in)}
    if record.d_out != record.d_in:
        return false_here(
            say("the layer is {d_out}×{d_in}, and 1 % holds below rank {rank}", d_out=record.d_out, d_in=record.d_in,
                rank=number(one)),
            **evidence,
        )  # fmt: skip
    right = all((s < 0.01) == (r < record.d_in / 200) for r, s in zip(record.rank, record.share, strict=True))
    told = {"rank": number(one), "d": record.d_in, "training": number(100 * min(training))}
    why = say("d/200 is {rank}, and training takes at least {training} % of full fine-tuning", **told)
    return (true_here if right and min(training) >= 2 / 3 else false_here)(why, **evidence)


def table(record: RankCost) -> dict[str, np.ndarray]:
    """One row a rank: computed, and counted by torch."""
    names = ("base", "unmerged", "merged", "full_training", "lora_training")
    columns = {"rank": np.array(record.rank), "share": record.share}
    columns |= {name: np.array([getattr(c, name) for c in record.costs]) for name in names}
    for name in ("forward", "training", "saved", "gradients", "states"):
        for i, method in enumerate(("full", "lora")):
            columns[f"counted_{name}_{method}"] = np.array([getattr(t, name)[i] for t in record.counted])
    return columns


def maths(record: RankCost) -> str:
    """Where the multiply–adds and the stored numbers of a training step come from."""
    at = record.rank.index(16)
    deep, tally = record.costs[at], record.counted[at]
    backward = deep.to_input + deep.adapter_to_input + deep.adapter_to_factors
    return say(
        r"""
$$
\frac{{r(d_{{in}} + d_{{out}})}}{{d_{{in}}\,d_{{out}}}} = r\Big(\frac1{{d_{{in}}}} + \frac1{{d_{{out}}}}\Big),
\qquad \frac{{\text{{training with LoRA}}}}{{\text{{full}}}}
= \frac23 + r\Big(\frac1{{d_{{in}}}} + \frac1{{d_{{out}}}}\Big)
$$

**Computed** are multiply–adds of one token, without bias. Forward: $d_{{out}}d_{{in}}$, unmerged
$r(d_{{in}} + d_{{out}})$ more, merged none. Backward, full fine-tuning pays $d_{{out}}d_{{in}}$ for the gradient of
$x$ and as much for that of $W$. LoRA leaves out only the last: the gradient of $x$ still goes through the frozen $W$
(which stands in neither $\nabla_A = s\,B^\top G$ nor $\nabla_B = s\,G A^\top$; but $G$ depends on it, unless the loss
is linear in $y$).
At $r = 16$ the factors' own gradients are {factors} % of its backward pass.
Forming $BA$ anew for every token would cost {formed}× as much as $W x + B(A x)$.

**Counted** are the same by torch's own counter (`FlopCounterMode`) while a step of AdamW ran on this layer's shapes,
{tokens} tokens, no numbers stored. At $r = 16$ autograd keeps {saved:,} numbers for the backward pass,
{more:,} more than in full fine-tuning: x stays, h comes on top. Gradients are
{gradients:,} in place of {gradients_full:,}, Adam's two moments {states:,} in place of
{states_full:,}: there LoRA saves. A count says nothing about how well the adapter learns.""",
        factors=number(100 * deep.adapter_to_factors / backward), formed=number(deep.formed / deep.unmerged),
        tokens=tally.tokens, saved=tally.saved[1], more=tally.saved[1] - tally.saved[0],
        gradients=tally.gradients[1], gradients_full=tally.gradients[0], states=tally.states[1],
        states_full=tally.states[0],
    )  # fmt: skip


def _sides(layer: str) -> tuple[int, int]:
    d_out, d_in = map(int, layer.split("×"))
    return d_out, d_in


def measure(settings: Settings, lab: Lab) -> RankCost:
    """Let torch count on a layer of this shape at each rank, no number stored."""
    sides = _sides(settings["layer"])
    return rank_cost(tuple(count_layer(*sides, rank, device="meta") for rank in ranks_for(*sides)))


def _ask(seen: Seen, _: Any) -> Measured:
    d_out, d_in = _sides(seen.setting("layer"))
    now, wide = (100 * share_of_layer(k * d_out, k * d_in, 16) for k in (1, 2))
    told = say("16·(1/{d_in} + 1/{d_out}) = {wide} %.", d_in=2 * d_in, d_out=2 * d_out, wide=word(wide))
    return Measured(wide, (now, 2 * now, now / 4), told, {"now": word(now)}, unit=" %")


PART = Lesson(
    id="cost_layer", menu=to_say("An adapter"),
    title=to_say("Parameters and compute per layer: what does one more rank cost?"),
    claim=to_say(
        "In a square layer of width d, “less than 1 %” holds only below r = d/200, and training compute falls by at "
        "most a third."
    ), place=90,
    controls=(Choice(id="layer", label=to_say("Layer, d_out×d_in"), options=_LAYERS, default="4096×4096"),),
    measure=measure, film=film, hero="share", takeaway=takeaway, verdict=verdict, detail=detail, maths=maths,
    on_paper="share", table=table,
    question=Question(to_say("Rank 16 trains {now} % of this layer. What percentage is it in a layer twice as wide and "
                             "twice as high?"),
                      to_say("The layer grows fourfold and the factors twofold, so a percentage needs a width."),
                      _ask), trains=False, seeded=False,
)  # fmt: skip
