"""Two adapters of one model: the directions that they share, per module, and the spectrum of their sum."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.adapters.compare import Comparison, compare
from lora_viz.adapters.merging import WAYS, Merge, advice, merges
from lora_viz.adapters.refusing import AdapterError
from lora_viz.content.questions import Measured, Question, Seen, shown, word
from lora_viz.film.film import Film
from lora_viz.film.panels import Bars, Group, Lines, Readout, Row, Series
from lora_viz.film.style import number, numbers
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.controls import Switch
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.parts import Heading, Notice, Part, Prose, Table
from lora_viz.lessons.real.adapter_files import (
    SHIPPED,
    Source,
    adapter_controls,
    adapter_meant,
    adapter_notices,
    counted_modules,
    opened,
    report_of,
)
from lora_viz.lessons.real.adapter_report import directions_shown
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here, undecided

__all__ = ["PART", "AdapterPair", "adapter_pair", "film", "takeaway"]


class AdapterPair(NamedTuple):
    """M modules that two adapters share. Overlaps are mean cos² between the directions that carry 90 % of each energy,
    ``chance`` what random directions would give; rows of ``overlap`` and ``chance`` are inputs, outputs.

    ``sigma`` (3, M, K), ``effective`` and ``numerical`` (3, M): the first, the second, their sum. ``advice`` says how
    they may be merged, ``merges`` what each way gave where that was asked for.
    """

    names: tuple[str, str]
    paths: tuple[str, ...]
    rank: Int[np.ndarray, "2 M"]
    kept: Int[np.ndarray, "2 M"]
    overlap: Float[np.ndarray, "2 M"]
    chance: Float[np.ndarray, "2 M"]
    cosine: Float[np.ndarray, "M"]
    sigma: Float[np.ndarray, "3 M K"]
    effective: Float[np.ndarray, "3 M"]
    numerical: Int[np.ndarray, "3 M"]
    norm: Float[np.ndarray, "3 M"]
    only: tuple[int, int]
    advice: str = ""
    merges: tuple[Merge, ...] = ()


def adapter_pair(found: Comparison) -> AdapterPair:
    """Lay a comparison out over its modules."""
    m = found.modules
    K = directions_shown(3 * len(m), max(meeting.sigma.shape[1] for meeting in m))
    sigma = np.zeros((3, len(m), K))
    for i, meeting in enumerate(m):
        sigma[:, i, : meeting.sigma.shape[1]] = meeting.sigma[:, :K]
    return AdapterPair(
        names=found.names,
        paths=tuple(x.path for x in m),
        rank=np.array([x.rank for x in m]).T,
        kept=np.array([x.kept for x in m]).T,
        overlap=np.array([(x.overlap_in, x.overlap_out) for x in m]).T,
        chance=np.array([(x.chance_in, x.chance_out) for x in m]).T,
        cosine=np.array([x.cosine for x in m]),
        sigma=sigma,
        effective=np.array([[k.effective for k in x.kinds] for x in m]).T,
        numerical=np.array([[k.numerical for k in x.kinds] for x in m]).T,
        norm=np.array([x.norm for x in m]).T,
        only=found.only,
        advice=advice(found),
    )


def film(record: AdapterPair) -> Film:
    """The playhead runs over the modules that both have."""
    M, K = record.sigma.shape[1:]
    finite = np.isfinite(record.overlap).all(axis=0)
    return Film(
        axis=to_say("module"), values=np.arange(1.0, M + 1),
        start=int(np.argmax(np.where(finite, record.overlap[0], -1))), seconds_per_frame=0.5,
        narration=tuple(_narrate(record, t) for t in range(M)),
        panels=(
            Lines("overlap", say("Shared directions, module by module (drag here)"), y_label=say("mean cos²"),
                  reach=1.0,
                  series=(Series("inputs", say("inputs (rows of A)"), "A", record.overlap[0], dots=True),
                          Series("outputs", say("outputs (columns of B)"), "B", record.overlap[1], dots=True),
                          Series("inputs_by_chance", say("inputs, by chance"), "A", record.chance[0], dash="dot"),
                          Series("outputs_by_chance", say("outputs, by chance"), "B", record.chance[1], dash="dot")),
                  span=12),
            Bars("singular_values", say("Singular values: each alone, and their sum"), y_label="σ",
                 labels=tuple(str(i + 1) for i in range(K)), bar_ids=tuple(f"sigma_{i + 1}" for i in range(K)),
                 groups=(Group("sum", "ΔW₁ + ΔW₂", "delta", record.sigma[2]),
                         Group("first", "ΔW₁", "ink", record.sigma[0], outline=True),
                         Group("second", "ΔW₂", "faint", record.sigma[1], outline=True)), span=7, row=1),
            Readout("sums", say("First + second = sum"), _rows(record), span=5, row=1),
        ),
    )  # fmt: skip


def _rows(record: AdapterPair) -> tuple[Row, ...]:
    def sums(values: np.ndarray) -> tuple[str, ...]:
        return tuple(" + ".join(number(float(v)) for v in c[:2]) + f" → {number(float(c[2]))}" for c in values.T)

    bound = np.vstack([record.rank, record.rank.sum(axis=0)]).astype(float)
    return (
        Row("bound", say("bound r"), sums(bound), colour="W"),
        Row("numerical", say("numerical (σ > 10⁻⁶ σ₁)"), sums(record.numerical.astype(float))),
        Row("effective", say("effective (entropy of σ)"), sums(record.effective)),
        Row("norm", "‖ΔW‖", sums(record.norm), colour="delta"),
        Row("cosine", say("cosine ⟨ΔW₁, ΔW₂⟩/‖·‖‖·‖"), numbers(record.cosine)),
    )


def _narrate(record: AdapterPair, t: int) -> str:
    path = record.paths[t] if len(record.paths[t]) <= 60 else "…" + record.paths[t][-59:]
    if not np.isfinite(record.overlap[:, t]).all():
        return say("{path}: one of the two updates is 0; there is nothing to share.", path=path)
    i, j = record.kept[:, t]
    return say("{path}: directions for 90 % of the energy: {i}, {j}; overlap of inputs {inputs} (chance {chance}), "
               "outputs {outputs}.", path=path, i=i, j=j, inputs=number(float(record.overlap[0, t])),
               chance=number(float(record.chance[0, t])), outputs=number(float(record.overlap[1, t])))  # fmt: skip


def takeaway(record: AdapterPair) -> str:
    """What was seen, in the two files' own numbers."""
    known = np.isfinite(record.overlap).all(axis=0)
    if not known.any():
        return say("In every module one of the two updates is 0: there is nothing to compare.")
    inputs, outputs = (number(float(np.median(row[known]))) for row in record.overlap)
    chance = tuple(number(float(np.median(row[known]))) for row in record.chance)
    return say(
        "The rank of the sum is the sum of the ranks in {full} of {all} modules. Their directions overlap by "
        "{inputs} for "
        "the inputs and {outputs} for the outputs (medians); by chance it would be {chance_inputs} and "
        "{chance_outputs}.",
        full=_added(record), all=int(known.sum()), inputs=inputs, outputs=outputs, chance_inputs=chance[0],
        chance_outputs=chance[1],
    )  # fmt: skip


def _added(record: AdapterPair) -> int:
    """In how many modules, where both updates are something, the ranks add up."""
    known = np.isfinite(record.overlap).all(axis=0)
    return int((record.numerical[2] == record.numerical[:2].sum(axis=0))[known].sum())


def detail(record: AdapterPair) -> str:
    """The effective ranks, and the modules that only one of the two has."""
    known, said = np.isfinite(record.overlap).all(axis=0), []
    if known.any():
        first, second, both = (number(float(np.median(row[known]))) for row in record.effective)
        said.append(
            say("The median effective rank is {first} and {second} alone, and {both} for the sum.", first=first,
                second=second, both=both)
        )  # fmt: skip
    if sum(record.only):
        said.append(
            say("Without counterpart: {first} of the first, {second} of the second.",
                first=counted_modules(record.only[0]), second=record.only[1])
        )  # fmt: skip
    return " ".join(said)


def verdict(record: AdapterPair) -> Verdict:
    """In no module the rank of the sum exceeds the sum of the ranks; where it is less, directions are shared."""
    known = np.isfinite(record.overlap).all(axis=0)
    evidence = {"modules": int(known.sum()), "added": _added(record), "cosine": float(np.nanmax(record.cosine))}
    if not known.any():
        return undecided(say("in every module one of the two updates is 0"), **evidence)
    over = (record.numerical[2] > record.numerical[:2].sum(axis=0))[known]
    told = {"added": _added(record), "modules": int(known.sum()), "over": int(over.sum())}
    if over.any():
        return false_here(say("in {over} of {modules} modules the rank of the sum is larger", **told), **evidence)
    return true_here(
        say("the rank of the sum is the sum of the ranks in {added} of {modules} modules and larger in none", **told),
        **evidence,
    )


def table(record: AdapterPair) -> dict[str, np.ndarray]:
    """One row a module."""
    return {
        "module": np.array(record.paths),
        "rank_1": record.rank[0],
        "rank_2": record.rank[1],
        "overlap_inputs": record.overlap[0],
        "chance_inputs": record.chance[0],
        "overlap_outputs": record.overlap[1],
        "chance_outputs": record.chance[1],
        "cosine": record.cosine,
        "numerical_rank_of_sum": record.numerical[2],
        "effective_rank_1": record.effective[0],
        "effective_rank_2": record.effective[1],
        "effective_rank_of_sum": record.effective[2],
        "norm_1": record.norm[0],
        "norm_2": record.norm[1],
        "norm_of_sum": record.norm[2],
    }


def maths(record: AdapterPair) -> str:
    """The sum's factors and the overlap, with the largest cosine between two updates."""
    return say(
        r"""
$$
\Delta W_1 + \Delta W_2 = \begin{{bmatrix}} s_1B_1 & s_2B_2\end{{bmatrix}}\begin{{bmatrix}} A_1\\ A_2\end{{bmatrix}},
\qquad \varphi = \frac{{\|V_1^\top V_2\|_F^2}}{{\min(i, j)}} = \frac{{1}}{{\min(i,j)}}\sum_k \cos^2\theta_k
$$

$V_1$ and $V_2$ hold the $i$ and $j$ right singular vectors of the two updates that carry 90 % of each one's energy
(left ones for the outputs), $\theta_k$ their principal angles: the similarity of Hu et al. (2021), eq. 4. Subspaces
drawn at random have $\varphi = \max(i,j)/d$. Where singular values are nearly equal single directions are arbitrary,
only the block means something. Here the cosine between the two updates is
{cosine} at most.""",
        cosine=number(float(record.cosine.max())),
    )


def measure(settings: Settings, lab: Lab) -> AdapterPair:
    """Measure both files, and compare the modules that both have."""
    sources = tuple(adapter_meant(settings, id, f"{id}_file") for id in ASKED)
    record = lab.measure(_compared, sources)
    if settings["merge_ways"]:
        record = record._replace(merges=lab.measure(_merged, sources))
    return record


def _merged(sources: tuple[Source, ...], lab: Lab) -> tuple[Merge, ...]:
    """Every way of merging; none where no module can be formed to try it."""
    one, other = ((opened(source), report_of(source, None, lab)) for source in sources)
    lab.report(0.0, say("Trying ways of merging"))
    try:
        return merges(one, other)
    except AdapterError:
        return ()


def _compared(sources: tuple[Source, ...], lab: Lab) -> AdapterPair:
    one, other = ((opened(source), report_of(source, None, lab)) for source in sources)
    said = say("Comparing the adapters")
    return adapter_pair(compare(one, other, progress=lambda share: lab.report(share, said)))


def extras(record: AdapterPair, settings: Settings) -> tuple[Part, ...]:
    """How the two may be merged: what their angles suggest, and where it was asked for what each way gave."""
    head = (Heading(say("Merging the two")), Prose(record.advice))
    if not settings["merge_ways"]:
        return (*head, Prose(say("“Try ways of merging”, under “More”, measures what each of them gives."), small=True))
    if not record.merges:
        return (*head, Notice(say("No module that both have is small enough to try it.")))
    rows = record.merges
    columns = {
        say("way"): [say(WAYS[m.way]) for m in rows],
        say("of the first, kept"): [f"{number(100 * m.kept[0])} %" for m in rows],
        say("of the second, kept"): [f"{number(100 * m.kept[1])} %" for m in rows],
        say("distance from the sum"): [f"{number(100 * m.apart)} %" for m in rows],
        say("rank for 95 %"): [number(m.rank) for m in rows],
    }
    told = say("Medians of {modules}, formed and measured. TIES keeps the largest half of the entries, DARE a random "
               "half. What this does to answers, only your data can tell.",
               modules=counted_modules(rows[0].modules))  # fmt: skip
    return (*head, Table(columns, alt=say("One row a way of merging")), Prose(told, small=True))


def beside(record: AdapterPair, settings: Settings) -> tuple[Part, ...]:
    """Which of the visitor's files are shown."""
    return tuple(part for id, label in ASKED.items() for part in adapter_notices(settings[f"{id}_file"], label))


def _ask(seen: Seen, _: object) -> Measured:
    sigma = (shown(seen.film, "singular_values", group)[0] for group in ("sum", "first", "second"))
    total, one, two = (float(np.linalg.norm(each)) for each in sigma)
    told = say("‖ΔW₁ + ΔW₂‖ is {total}; √({one}² + {two}²) = {law}.", total=word(total), one=word(one), two=word(two),
               law=word(np.hypot(one, two)))  # fmt: skip
    return Measured(
        total, (one + two, abs(one - two), (one + two) / 2), told, {"one": word(one), "two": word(two)}
    )  # fmt: skip


ASKED = {"first": to_say("First"), "second": to_say("Second")}
OWN = to_say("or your own")
PART = Lesson(
    id="two_adapters", menu=to_say("Shared directions"),
    title=to_say("Compare two adapter files: do they share directions?"),
    claim=to_say(
        "The sum of two adapters has at most the sum of their ranks. How many directions they share is measured and "
        "compared with chance."
    ), place=60,
    controls=(*adapter_controls("first", "first_file", ASKED["first"], OWN,
                                to_say("An adapter; adapter_config.json beside it for its scale.")),
              *adapter_controls("second", "second_file", ASKED["second"], OWN,
                                to_say("Another adapter for the same model."), default=list(SHIPPED)[1])),
    more=(Switch(id="merge_ways", label=to_say("Try ways of merging"),
                 help=to_say("Forms up to 8 modules of both and merges them in every way: some seconds.")),),
    measure=measure, film=film, hero="overlap",
    takeaway=takeaway, verdict=verdict, detail=detail, maths=maths, on_paper="overlap",
    table=table, beside=beside, extras=extras,
    question=Question(to_say("In the first module ‖ΔW₁‖ is {one} and ‖ΔW₂‖ {two}. How large is their sum?"),
                      to_say("If two updates are nearly orthogonal, the squares of their norms add up, not the "
                          "norms."), _ask),
    trains=False, seeded=False, worded=True,
)  # fmt: skip
