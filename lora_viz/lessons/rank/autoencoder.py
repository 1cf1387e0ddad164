"""Autoencoder: a linear one against PCA: its subspace, its axes, and what the mean does to both."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, Unanswerable, word
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.core.seeds import spread
from lora_viz.core.spectra import orthonormal_columns, principal_angles
from lora_viz.engine.training import train
from lora_viz.film.film import Film
from lora_viz.film.panels import Cloud, HeatMap, Lines, Points, Readout, Row, Series, Span, band
from lora_viz.film.spreads import spread_columns
from lora_viz.film.style import number, numbers, tint
from lora_viz.i18n.language import listed, say, to_say
from lora_viz.layer.reconstruction import principal_axes, reconstruction_task
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.controls import Choice
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here, undecided

__all__ = ["LESSON", "Autoencoder", "autoencoder"]

SHOWN = 150
NEAR = 1e-2
SAME_AXIS = 0.99  # a |cos| that is an axis found
STARTS, OFF_CENTRE = 8, 2.0
DEFAULT = Experiment(
    d_in=12, d_out=12, target_rank=2, rank=2, alpha=1.0, scaling_rule="constant", init="both_random", optimizer="sgd",
    lr=0.1, steps=500, samples=400,
)  # fmt: skip


class Autoencoder(NamedTuple):
    """Decoder B times encoder A against PCA, at each recorded step and over several random starts.

    ``to_pca`` = ‖B A − U_r U_rᵀ‖_F and ``angle``, the largest principal angle in degrees between col(B) and col(U_r),
    hold (low, median, high) over the starts; U_r are the r axes of most variance about the mean. ``to_moment`` is the
    same as ``to_pca`` for the r axes of most variance about 0. ``loss_over_floor`` is loss/best − 1, median. The
    factors are the first start's; ``cosines`` (r, r) are those of the columns b_j of B with the u_i, ``spread`` the
    range over the starts of |cos(b₁, u₁)|. Clouds and spans are in the coordinates u₁, u₂, u₃, about 0.
    """

    steps: Int[np.ndarray, "T"]
    rank: int
    d: int
    samples: int
    mean: float
    to_pca: Float[np.ndarray, "3 T"]
    to_moment: Float[np.ndarray, "3 T"]
    angle: Float[np.ndarray, "3 T"]
    loss_over_floor: Float[np.ndarray, "T"]
    encoder: Float[np.ndarray, "T r d"]
    decoder: Float[np.ndarray, "T d r"]
    principal: Float[np.ndarray, "r d"]
    product: Float[np.ndarray, "T d d"]
    projector: Float[np.ndarray, "d d"]
    cosines: Float[np.ndarray, "T r r"]
    spread: tuple[float, float]
    cloud: Float[np.ndarray, "n 3"]
    decoded: Float[np.ndarray, "T n 3"]
    columns: Float[np.ndarray, "T r 3"]
    plane: Float[np.ndarray, "T r 3"]
    deviations: Float[np.ndarray, "d"]
    starts: int
    diverged: int


def autoencoder(run: Run) -> Autoencoder:
    """Compare every start of a sweep over init_seed with PCA, up to the last step at which all are finite."""
    x, r = run.task.inputs, run.experiment.rank
    alive = max(1, int(np.isfinite(run.loss).all(axis=1).sum()))
    U, deviations = principal_axes(x)
    values, vectors = np.linalg.eigh(run.task.input_covariance)
    floor = 0.5 * values[:-r].sum()
    projector, moment = (V @ V.T for V in (U[:, :r], vectors[:, -r:]))
    runs = [(run.A[i][:alive], run.B[i][:alive]) for i in range(len(run.sweep))]
    s = run.experiment.scaling
    away = np.stack([[np.linalg.norm(s * b @ a - p, axis=(1, 2)) for a, b in runs] for p in (projector, moment)])
    angle = np.array([[_angle(b, U[:, :r]) for b in B] for _, B in runs])
    A, B = runs[0]
    lengths = np.linalg.norm(B, axis=1)
    cosines = np.divide(U[:, :r].T @ B, lengths[:, None], out=np.zeros((alive, r, r)), where=(lengths > 0)[:, None])
    first = [abs(float(U[:, 0] @ b[-1][:, 0] / (np.linalg.norm(b[-1][:, 0]) or 1.0))) for _, b in runs]
    plane = np.full((alive, r, 3), np.nan)
    for t in range(alive):
        q = orthonormal_columns(B[t])
        plane[t, : q.shape[1]] = q.T @ U[:, :3]  # what of it is seen in the first three principal coordinates
    return Autoencoder(
        steps=run.steps[:alive], rank=r, d=x.shape[1], samples=len(x), mean=float(np.linalg.norm(x.mean(axis=0))),
        to_pca=spread(away[0], axis=0), to_moment=spread(away[1], axis=0), angle=spread(angle, axis=0),
        loss_over_floor=np.median(run.loss[:alive] / floor - 1, axis=1), encoder=A, decoder=B, principal=U[:, :r].T,
        product=s * B @ A, projector=projector, cosines=cosines, spread=(min(first), max(first)),
        cloud=(x @ U)[:SHOWN, :3], decoded=s * x[:SHOWN] @ np.swapaxes(A, 1, 2) @ np.swapaxes(B, 1, 2) @ U[:, :3],
        columns=np.swapaxes(B, 1, 2) @ U[:, :3] / np.maximum(lengths, 1e-300)[:, :, None], plane=plane,
        deviations=deviations, starts=len(run.sweep), diverged=int((run.diverged_at >= 0).sum()),
    )  # fmt: skip


def _angle(decoder: Float[np.ndarray, "d r"], principal: Float[np.ndarray, "d r"]) -> float:
    found = principal_angles(orthonormal_columns(decoder), principal)
    return float(found.max()) if len(found) == principal.shape[1] else 90.0


def film(record: Autoencoder) -> Film:
    """The playhead is the training step: the plane that is decoded to, PCA's distance, and the factors."""
    r, d, T = record.rank, record.d, len(record.steps)
    limit = float(np.quantile(np.abs(record.cloud), 0.96))
    one = float(max(np.abs(record.product).max(), 1.0)) if record.diverged else 1.0
    axes = say("axes? cos of {names} with b", names=", ".join(("u₁", "u₂", "u₃")[:r]))
    matrix = partial(HeatMap, span=3, row=1)
    return Film(
        axis=to_say("step"), training=True, of_last=True, values=record.steps.astype(float), start=T - 1,
        narration=tuple(_narrate(record, t) for t in range(T)),
        panels=(
            Cloud(
                "data", say("data x, and B A x, along u₁ u₂ u₃"), "ink", dimension=3, limit=limit, axes="u",
                view=(-0.9, 0.35), span=5,
                spans=(
                    Span("column_space", "col(B)", "B", record.plane * limit * 0.9),
                    Span("columns", "b", "ink", record.columns * limit, style="axes"),
                ),
                points=(
                    Points("x", "x", "W", record.cloud, style="ring"),
                    Points("decoded", "B A x", "delta", record.decoded),
                ),
                caption=(say("{d} numbers per sample; three coordinates are shown", d=d),),
            ),
            Lines(
                "distance", say("Distance to two projectors ({starts} seeds)", starts=record.starts),
                y_label="‖B A − P‖", scale="log", span=4,
                series=(
                    Series("to_pca", say("to PCA"), "delta", **band(record.to_pca)),
                    Series("to_moment", say("to axes about 0"), "ink", dash="dash", **band(record.to_moment)),
                ),
            ),
            Readout(
                "measured", say("Measured"),
                (
                    Row("angle", say("angle to PCA's subspace"), tuple(map(_degrees, record.angle[1])), colour="B"),
                    Row("loss", say("loss above its minimum"), tuple(_above(v) for v in record.loss_over_floor)),
                    Row("encoder", say("encoder A · Uᵣᵀ"), (f"{r}×{d} · {r}×{d}",), colour="A"),
                    Row("decoder", say("decoder B · Uᵣ"), (f"{d}×{r} · {d}×{r}",), colour="B"),
                    Row("no_encoder", say("Vᵣ (no encoder)"), (f"{record.samples}×{r}",)),
                    Row("mean", say("mean of the data"), (number(record.mean) if record.mean > 1e-9 else "≈ 0",)),
                ),
                span=3,
            ),
            matrix("product", "B A", "delta", record.product, limit=one, caption=(say("decoder times encoder"),)),
            matrix(
                "projector", say("PCA's projector Uᵣ Uᵣᵀ"), "ink", record.projector, limit=1.0,
                caption=(say("onto the axes of largest variance"),),
            ),
            matrix("cosines", axes, "B", record.cosines, limit=1.0, caption=tuple(map(_largest, record.cosines))),
            matrix(
                "encoder", say("encoder A"), "A", record.encoder, limit=float(np.abs(record.encoder).max()) or 1.0,
                caption=(say("{r}×{d}, as Uᵣᵀ is", r=r, d=d),),
            ),
        ),
    )  # fmt: skip


def _degrees(angle: float) -> str:
    return "< 10⁻⁶°" if angle < 1e-6 else f"{number(float(angle))}°"


def _above(value: float) -> str:
    return "≈ 0" if abs(value) < 1e-12 else f"+{number(100 * float(value))} %"


def _largest(cosines: Float[np.ndarray, "r r"]) -> str:
    """Axes would be ones and zeros: one 1 in every column."""
    return say("largest: {cosines}", cosines=listed(numbers(np.abs(cosines).max(axis=0).round(3))))


def _narrate(record: Autoencoder, t: int) -> str:
    step = int(record.steps[t])
    if record.diverged and t + 1 == len(record.steps):
        return say("Step {step}: training diverged after this one; lower the learning rate.", step=step)
    return say(
        "Step {step}: the decoder's subspace is {angle} from PCA's, and B A {distance} from its projector (medians).",
        step=step, angle=_degrees(float(record.angle[1, t])), distance=number(float(record.to_pca[1, t])),
    )  # fmt: skip


def takeaway(record: Autoencoder) -> str:
    """What was seen, over all starts."""
    low, middle, high = numbers(record.to_pca[:, -1])
    told = {"starts": record.starts, "low": low, "middle": middle, "high": high}
    if record.diverged:
        return say(
            "{diverged} of {starts} initialisations diverged: lower the learning rate.", diverged=record.diverged,
            **told,
        )  # fmt: skip
    if float(record.to_pca[2, -1]) >= NEAR:
        if record.mean > 1e-9:
            found = float(record.to_moment[2, -1]) < NEAR
            return say(
                "The data are not centred, and the subspace found is {angle} away from that of PCA (median of {starts} "
                "initialisations).",
                angle=_degrees(float(record.angle[1, -1])), **told,
            ) + " " + (
                say("It is the subspace with the largest mean square about 0, to within {moment}.",
                    moment=number(float(record.to_moment[2, -1])))
                if found else
                say("The minimum, the subspace with the largest mean square about 0, is not reached: B A is {moment} "
                    "away.", moment=number(float(record.to_moment[1, -1])))
            )  # fmt: skip
        return say(
            "Not all {starts} initialisations converged: B A ends between {low} and {high} away from PCA's projector "
            "(median {middle}).",
            **told,
        )
    if record.rank == 1:
        return say(
            "In all {starts} initialisations B A became PCA's projector, to within {high}. With r = 1 the subspace is "
            "the axis.",
            **told,
        )
    least, most = numbers(round(v, 3) for v in record.spread)
    return say(
        "In all {starts} initialisations B A became PCA's projector, to within {high}. The axes are not found: "
        "|cos(b₁, u₁)| ends between {least} and {most}.",
        least=least, most=most, **told,
    )  # fmt: skip


def verdict(record: Autoencoder) -> Verdict:
    """Centred: the projector is PCA's and the axes are not. Not centred: the subspace found is another one."""
    pca, moment = float(record.to_pca[2, -1]), float(record.to_moment[2, -1])
    evidence = {"to_pca": pca, "to_axes_about_0": moment, "mean": record.mean, "first_axis": record.spread}
    if record.diverged:
        return undecided(say("training diverged"), **evidence)
    if record.mean > 1e-9:
        if pca < NEAR:
            return false_here(say("the data are not centred, and yet the subspace is that of PCA"), **evidence)
        if moment >= NEAR:
            return undecided(say("training has not converged"), **evidence)
        return true_here(
            say("the data are not centred, and the subspace found is {angle} away from that of PCA",
                angle=_degrees(float(record.angle[1, -1]))),
            **evidence,
        )  # fmt: skip
    if pca >= NEAR:
        return undecided(say("training has not converged"), **evidence)
    if record.rank == 1:
        return false_here(say("with r = 1 the subspace is the axis, so the axis is found too"), **evidence)
    least, most = (number(round(v, 3)) for v in record.spread)
    if record.spread[0] > SAME_AXIS:
        return false_here(say("in every initialisation b₁ is the first axis"), **evidence)
    return true_here(
        say("the subspace is found to within {high}, but |cos(b₁, u₁)| ends between {least} and {most}",
            high=number(pca), least=least, most=most),
        **evidence,
    )  # fmt: skip


def table(record: Autoencoder) -> dict[str, np.ndarray]:
    """The curves, as columns."""
    return {
        "step": record.steps,
        **spread_columns("to_pca", record.to_pca),
        **spread_columns("to_axes_about_0", record.to_moment),
        **spread_columns("angle_degrees", record.angle),
        "loss_over_floor": record.loss_over_floor,
    }


def maths(record: Autoencoder) -> str:
    """Where the loss is least, and what that is here."""
    return say(
        r"""
$$
L = \tfrac1{{2n}}\sum_j \|{decoder}{encoder}\,x_j - x_j\|^2 \ \text{{is least at}}\
{decoder}{encoder} = U_r U_r^\top, \qquad {decoder} = U_r Q,\quad {encoder} = Q^{{-1}}U_r^\top
$$

for every invertible $Q$ (Baldi & Hornik 1989): with samples as columns the encoder is ${encoder} \cong U_r^\top$
({rank}×12) and the decoder ${decoder} \cong U_r$ (12×{rank}). $V_r$ has one row per sample
({samples}×{rank}) and cannot encode a new one; $\Sigma_r V_r^\top$ is the *code* of PCA. This is LoRA's own
problem: $W = 0$, target $\Delta W^* = I$, the same engine. $U_r$ are axes about the mean; the loss knows only second
moments about 0, so a mean of size {mean} counts as variance along its
direction. Standard deviations along the first axes: {deviations}.""",
        decoder=tint("B", "B"), encoder=tint("A", "A"), rank=record.rank, samples=record.samples,
        mean=number(record.mean) if record.mean > 1e-9 else "0", deviations=listed(numbers(record.deviations[:4])),
    )  # fmt: skip


def _trained(e: Experiment, device: str, centred: str, records: int) -> Run:
    """The engine on samples that are their own labels, from every start."""
    offset = OFF_CENTRE if centred == "not centred" else 0.0
    return train(Sweep.over(e, init_seed=range(STARTS)), device, records=records, task=reconstruction_task(e, offset))


def _run(settings: Settings, lab: Lab) -> Run:
    return lab.compute(_trained, settings.experiment, settings.device, settings["centred"], 121)


def measure(settings: Settings, lab: Lab) -> Autoencoder:
    """Train from every start, and compare with PCA."""
    return autoencoder(_run(settings, lab))


def _recentred(e: Experiment, settings: tuple[tuple[str, str], ...]) -> tuple[str, float, float]:
    """The other data, and how far B A ends from both projectors on them."""
    other = "centred" if ("centred", "not centred") in settings else "not centred"
    record = autoencoder(_trained(e, "cpu", other, 2))
    return other, float(record.to_pca[1, -1]), float(record.to_moment[1, -1])


def _ask(_: Seen, found: Any) -> Measured:
    other, pca, moment = found
    if not np.isfinite((pca, moment)).all():
        raise Unanswerable(say("It diverged: lower the learning rate, and the question will appear."))
    about_mean, about_0 = say("the axes about the mean: PCA's"), say("the axes about 0")
    both, neither = say("both: they are the same"), say("neither of them")
    found_0 = moment < 0.05
    value = (both if found_0 else about_mean) if pca < 0.05 else (about_0 if found_0 else neither)
    told = say("‖B A − P‖ came to {pca} for PCA's axes and {moment} for those about 0, median of 8 starts.",
               pca=word(pca), moment=word(moment))  # fmt: skip
    return Measured(value, (about_mean, about_0, both, neither), told, {"other": say(other)})


LESSON = Lesson(
    hero="distance",
    id="autoencoder", menu=to_say("Linear autoencoder and PCA"),
    title=to_say("Linear autoencoder and PCA: does it find PCA?"),
    claim=to_say(
        "It finds the subspace of PCA but not its axes, and only if the data are centred. Here it is trained from "
        "eight random initialisations."
    ),
    place=80, default=DEFAULT,
    controls=(
        Choice(
            id="centred", label=to_say("Centring of the data"), options=("centred", "not centred"),
            help=to_say("Centred: the mean is subtracted before training."), default="centred",
            names={"centred": to_say("centred"), "not centred": to_say("not centred")},
        ),
        CONTROLS["rank"].only(1, 2, 3),
        CONTROLS["lr"].only(0.02, 0.05, 0.1, 0.2, 0.5),
    ),
    more=(CONTROLS["optimizer"], CONTROLS["steps"]), measure=measure, film=film, takeaway=takeaway,
    verdict=verdict, maths=maths, on_paper="distance", table=table, exports=lambda record, settings,
    lab: _run(settings, lab),
    question=Question(
        to_say("Now the data are {other}. Onto which axes does B A become the projector?"),
        to_say("It reproduces x including its mean, so what counts is the mean square about 0. Centred, that is "
            "variance."),
        _ask, _recentred,
    ),
)  # fmt: skip
