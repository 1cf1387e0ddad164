"""Training that goes wrong: five faults that raise no error, each trained live beside its remedy, and what one sees."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float

from lora_viz.adapters.diagnosis import diagnose
from lora_viz.adapters.findings import Diagnosis
from lora_viz.adapters.opening import Given, open_folder, open_weights
from lora_viz.adapters.report import inspect_adapter
from lora_viz.adapters.source import as_source
from lora_viz.adapters.writing import PREFIX, Packed, archive, pack, peft_config, write_safetensors
from lora_viz.content.questions import Measured, Question, Seen, shown, word
from lora_viz.core.experiment import Experiment
from lora_viz.film.film import Film
from lora_viz.film.panels import Lines, Readout, Row, Series
from lora_viz.film.style import LETTERS, number
from lora_viz.i18n.language import say, to_say
from lora_viz.i18n.outside import Ours
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.controls import Choice
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.parts import Code, Columns, Download, Heading, Notice, Part, Prose
from lora_viz.lessons.sentences import exactly, sentences, share_of_loss
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here, undecided
from lora_viz.networks.training_faults import FAULTS, PLACES, TOKENS, Attempt, attempts, base_tensors

__all__ = ["LESSON", "TrainingFaults", "training_faults"]

SMALL, LEARNT = 0.1, 0.8  # of the remedy's ‖ΔW‖ that a fault may leave; of the initial loss that a remedy may leave
HIGHEST = 1e4  # of the initial loss: beyond it a curve has left the picture
_DTYPES = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float8_e4m3fn: "F8_E4M3"}
_FAULTS = {
    "fp16": to_say("fp16 without loss scaling"),
    "checkpointing": to_say("Checkpointing, frozen inputs"),
    "stored": to_say("B too small for an 8-bit file"),
    "optimizer": to_say("Optimiser built too early"),
    "names": to_say("Keys that match nothing"),
}
_REMEDIES = {
    "fp16": to_say("a loss scaler"),
    "checkpointing": to_say("inputs that require a gradient"),
    "stored": to_say("the file stored in bf16"),
    "optimizer": to_say("the optimiser built after the adapters"),
    "names": to_say("the same tensors under plain names"),
}
_LINES = {
    "fp16": "scaler = torch.amp.GradScaler()\n…\nscaler.scale(loss).backward()\nscaler.step(optimizer)\n"
            "scaler.update()",
    "checkpointing": "model.enable_input_require_grads()",
    "stored": "tensors = {name: tensor.to(torch.bfloat16) for name, tensor in tensors.items()}",
    "optimizer": "model = get_peft_model(model, config)\noptimizer = torch.optim.AdamW(model.parameters(), lr=lr)",
    "names": "tensors = {name.replace(\"_orig_mod.\", \"\"): tensor for name, tensor in tensors.items()}",
}  # fmt: skip


class TrainingFaults(NamedTuple):
    """A training with this fault and with its remedy; the two files as safetensors with their configuration, and what
    the doctor finds in each, held against the base.
    """

    fault: str
    attempts: tuple[Attempt, Attempt]
    files: tuple[bytes, bytes]
    configs: tuple[str, str]
    diagnoses: tuple[Diagnosis, Diagnosis]

    @property
    def relative(self) -> tuple[Float[np.ndarray, "T"], Float[np.ndarray, "T"]]:
        """The loss of each file over the initial loss."""
        start = self.attempts[1].loss[0]
        fault, remedy = (attempt.loss / start for attempt in self.attempts)
        return fault, remedy


def training_faults(e: Experiment, fault: str, found: tuple[Attempt, Attempt]) -> TrainingFaults:
    """Write both adapters as files, and have the doctor look at them as at anybody's."""
    weights = {name: pack(values, "F32") for name, values in base_tensors(e, fault).items()}
    base = open_weights("base.safetensors", write_safetensors(weights))
    files, configs, diagnoses = [], [], []
    for attempt in found:
        data = write_safetensors({PREFIX + name: _packed(tensor) for name, tensor in attempt.stored.items()})
        alphas = dict.fromkeys(PLACES, attempt.scaling * e.rank)
        config = json.dumps(peft_config(dict.fromkeys(PLACES, e.rank), alphas=alphas), indent=1)
        given = {"adapter_model.safetensors": data, "adapter_config.json": config.encode()}
        opened = open_folder("adapter", [Given(name, as_source(each)) for name, each in given.items()])
        files.append(data)
        configs.append(config)
        diagnoses.append(diagnose(opened, inspect_adapter(opened), base))
    return TrainingFaults(
        fault, found, (files[0], files[1]), (configs[0], configs[1]), (diagnoses[0], diagnoses[1])
    )  # fmt: skip


def _packed(tensor: torch.Tensor) -> Packed:
    return _DTYPES[tensor.dtype], tuple(tensor.shape), tensor.contiguous().view(torch.uint8).numpy().tobytes()


def film(record: TrainingFaults) -> Film:
    """The playhead runs over the steps: the loss of the file saved then, ‖ΔW‖, the gradient, and what tells."""
    fault, remedy = record.attempts
    T = len(fault.loss)
    relative = record.relative
    trained = fault.training_loss / fault.training_loss[0]
    return Film(
        axis=to_say("step"), training=True, of_last=True, values=np.arange(float(T)), start=T - 1,
        seconds_per_frame=1 / 15, narration=tuple(_narrate(record, t) for t in range(T)),
        panels=(
            Lines("loss", say("Loss of the file saved at this step and loaded again"), scale="log",
                  y_label=say("loss / initial loss, log"), span=7,
                  series=(Series("remedy", say("with the remedy:"), "delta", _drawn(relative[1])),
                          Series("training", say("with the fault, in training:"), "faint", _drawn(trained), dash="dot"),
                          Series("fault", say("with the fault:"), "ink", _drawn(relative[0]), dash="dash"))),
            Lines("delta", say("Norm of ΔW in that file"), y_label=say("‖ΔW‖, log; strip: exactly 0"), scale="log",
                  span=5,
                  series=(Series("remedy", say("with the remedy:"), "delta", _drawn(remedy.delta)),
                          Series("fault", say("with the fault:"), "ink", _drawn(fault.delta), dash="dash"))),
            Lines("gradient", say("Gradient of B, as the optimiser gets it"), scale="log", row=1, span=5,
                  y_label=say("‖∇B‖, log; strip: exactly 0"),
                  series=(Series("remedy", say("with the remedy:"), "B", _drawn(remedy.grad_B)),
                          Series("fault", say("with the fault:"), "ink", _drawn(fault.grad_B), dash="dash"))),
            Readout("signs", say("Fault and remedy, at this step"), _rows(record), row=1, span=7),
        ),
    )  # fmt: skip


def _drawn(values: Float[np.ndarray, "T"]) -> Float[np.ndarray, "T"]:
    return np.where(values < HIGHEST, values, np.nan)


def _exactly(value: float) -> str:
    return exactly(value) if np.isfinite(value) else "–"


def _rows(record: TrainingFaults) -> tuple[Row, ...]:
    def both(name: str) -> tuple[str, ...]:
        pairs = zip(*(getattr(attempt, name) for attempt in record.attempts), strict=True)
        return tuple(f"{_exactly(a)} | {_exactly(b)}" for a, b in pairs)

    share = tuple(f"{number(100 * a)} % | {number(100 * b)} %"
                  for a, b in zip(*(attempt.filled for attempt in record.attempts), strict=True))  # fmt: skip
    found = say("{one} of {all} | {two} of {all}", one=record.attempts[0].taken, two=record.attempts[1].taken,
                all=record.attempts[0].asked)  # fmt: skip
    return (
        Row("gradient", "‖∇B‖", both("grad_B"), colour="B"),
        Row("delta", say("‖ΔW‖ of the file"), both("delta"), colour="delta"),
        Row("filled", say("entries of B that are not 0, in the file"), share, colour="B"),
        Row("taken", say("tensors that the loader found"), (found,)),
        Row("loss", say("loss in training"), both("training_loss")),
    )


def _narrate(record: TrainingFaults, t: int) -> str:
    one, two = (_exactly(float(attempt.delta[t])) for attempt in record.attempts)
    return say("Step {step}: ‖ΔW‖ of the file is {one} with the fault and {two} with the remedy.", step=t, one=one,
               two=two)  # fmt: skip


def _ended(record: TrainingFaults) -> dict[str, float]:
    fault, remedy = record.attempts
    left = record.relative
    return {"fault": float(fault.delta[-1]), "remedy": float(remedy.delta[-1]), "loss_fault": float(left[0][-1]),
            "loss_remedy": float(left[1][-1])}  # fmt: skip


def verdict(record: TrainingFaults) -> Verdict:
    """The fault's file changes the model by less than a tenth of what the remedy's does, and the remedy learnt."""
    at = _ended(record)
    if not np.isfinite(list(at.values())).all():
        return undecided(say("a training diverged"), steps=len(record.attempts[0].loss) - 1)
    told = {name: _exactly(value) for name, value in at.items()}
    if at["loss_remedy"] > LEARNT:
        return undecided(
            say("even with the remedy {left} of the initial loss remain", left=share_of_loss(at["loss_remedy"])), **at
        )  # fmt: skip
    why = say("‖ΔW‖ of the file is {fault} with the fault and {remedy} with the remedy", **told)
    return (true_here if at["fault"] <= SMALL * at["remedy"] else false_here)(why, **at)


@sentences
def takeaway(record: TrainingFaults) -> Iterator[str]:
    """What both files hold, in the run's own numbers."""
    at = _ended(record)
    if not np.isfinite(list(at.values())).all():
        yield say("A training diverged: lower the learning rate.")
        return
    steps = len(record.attempts[0].loss) - 1
    yield say("After {steps} steps with the fault, ‖ΔW‖ of the file was {delta} and its loss {left} of the initial "
              "loss.", steps=steps, delta=_exactly(at["fault"]), left=share_of_loss(at["loss_fault"]))  # fmt: skip
    yield say("With one change, {remedy}, they were {delta} and {left}.", remedy=say(_REMEDIES[record.fault]),
              delta=_exactly(at["remedy"]), left=share_of_loss(at["loss_remedy"]))  # fmt: skip


@sentences
def detail(record: TrainingFaults) -> Iterator[str]:
    """Which number told the fault, and what torch said of it."""
    fault, remedy = record.attempts
    first = {"fault": _exactly(float(fault.grad_B[0])), "remedy": _exactly(float(remedy.grad_B[0]))}
    if len(fault.loss) < 2:
        return
    if record.fault == "fp16":
        yield say("‖∇B‖ at step 0 was {fault} with the fault and {remedy} with the remedy.", **first)
        yield say("A number below 3·10⁻⁸ is 0 in fp16; the scaler multiplies the loss before the backward pass and "
                  "divides the gradients afterwards.")  # fmt: skip
    elif record.fault == "checkpointing":
        yield say("The loss in training fell to {left} of the initial loss all the same, because the new head learnt.",
                  left=share_of_loss(float(fault.training_loss[-1] / fault.training_loss[0])))  # fmt: skip
        if fault.said:
            yield say("torch warned once that no input requires a gradient, and went on.")
    elif record.fault == "stored":
        yield say("In 8 bits (E4M3) {fault} % of B's entries are not 0 in the file, in bf16 {remedy} %.",
                  fault=number(100 * fault.filled[-1]), remedy=number(100 * remedy.filled[-1]))  # fmt: skip
        yield say("In training both were one run: the fault lies in the file alone.")
    elif record.fault == "optimizer":
        yield say("B had a gradient at every step, {grad} at the last, but the optimiser did not hold B. Nobody "
                  "cleared its gradient either, so the gradients added up.",
                  grad=_exactly(float(fault.grad_B[-1])))  # fmt: skip
    else:
        yield say("The loader found {taken} of {asked} tensors and raised no error (strict=False, as in PEFT).",
                  taken=fault.taken, asked=fault.asked)  # fmt: skip


def maths(record: TrainingFaults, settings: Settings) -> str:
    """The network, what is measured, and why the fault leaves nothing."""
    e = settings.experiment
    why = {
        "fp16": r"\nabla_{{{B}}} = s\,{G}\,({A}x)^\top, \qquad |{G}| < 2^{{-25}} \Rightarrow \mathrm{{fp16}}({G}) = 0",
        "checkpointing": r"{B}_0 = 0, \qquad \nabla_{{{B}}} = 0 \Rightarrow {B}_t = 0",
        "stored": r"|b| < 2^{{-10}} \Rightarrow \mathrm{{E4M3}}(b) = 0, \qquad {dW} = s\,\mathrm{{E4M3}}({B}){A}",
        "optimizer": r"{B}_0 = 0, \qquad \nabla_{{{B}}} \neq 0, \qquad {B}_{{t+1}} = {B}_t",
        "names": r"{B} = 0 \Rightarrow W + s\,{B}{A} = W",
    }[record.fault]  # fmt: skip
    formula = Ours(why.format(**LETTERS))
    return say(
        r"""
$$
{formula}
$$

Two blocks $\tanh(W x)$ of width {d} and a head learn the outputs of a teacher, which is the same network with an update
of rank {true} in each block: {tokens} tokens, {optimizer}. Both blocks have an adapter of rank {rank}, with s = {s}.
Fault and remedy share seed, data, start and steps. After each step the adapter is stored as its file would be and
loaded by name into a fresh copy of the base. The loss of that copy is drawn.

With fp16 the products and the gradients of activations really are fp16 (torch's autocast), with outputs of 0.002 to
bring gradients to where deep networks have them. Checkpointing runs each block through
`torch.utils.checkpoint` (use_reentrant=True), with a head that trains. For the 8-bit file the update to be learnt is
1/128 as large and α 8 times as large, as where α is set high and B stays small.""",
        formula=formula, d=e.d_in, true=e.target_rank, tokens=TOKENS, rank=e.rank, s=number(record.attempts[0].scaling),
        optimizer={"sgd": "SGD"}.get(e.optimizer, "Adam"),
    )  # fmt: skip


def extras(record: TrainingFaults) -> tuple[Part, ...]:
    """The one change as code, what the doctor says of both files, and the files."""
    sides = (say("With the fault"), say("With the remedy"))
    columns = tuple(
        (Prose(f"**{side}**"), *(Notice(f"{f.title}. {f.evidence}", "success" if f.gravity == "healthy" else "info")
                               for f in diagnosis.findings),
         Download(id, label, _folder(data, config), f"{id}_{record.fault}.zip"))
        for side, id, label, diagnosis, data, config in zip(
            sides, ("faulty_file", "mended_file"), (say("File with the fault"), say("File with the remedy")),
            record.diagnoses, record.files, record.configs, strict=True)
    )  # fmt: skip
    return (
        Code(_LINES[record.fault], "python", say("The remedy: {remedy}", remedy=say(_REMEDIES[record.fault]))),
        Heading(say("What the adapter inspector says of the two files")),
        Columns(columns),
    )


def _folder(data: bytes, config: str) -> Any:
    return lambda: archive({"adapter/adapter_config.json": config, "adapter/adapter_model.safetensors": data})


def table(record: TrainingFaults) -> dict[str, np.ndarray]:
    """Every step of both, as columns."""
    columns: dict[str, np.ndarray] = {"step": np.arange(len(record.attempts[0].loss))}
    for side, attempt in zip(("fault", "remedy"), record.attempts, strict=True):
        for name in ("loss", "training_loss", "delta", "filled", "grad_B"):
            columns[f"{name}_{side}"] = getattr(attempt, name)
    return columns


def measure(settings: Settings, lab: Lab) -> TrainingFaults:
    """Train it both ways."""
    e, fault = settings.experiment, settings["fault"]
    found = lab.follow(attempts, e, fault, settings.device)
    return training_faults(e, fault, (found.fault, found.remedy))


def _ask(seen: Seen, _: Any) -> Measured:
    fault, remedy = (float(shown(seen.film, "delta", name)[-1]) for name in ("fault", "remedy"))
    told = say("‖ΔW‖ of the file is {fault} with the fault, {remedy} with the remedy.", fault=word(fault),
               remedy=word(remedy))  # fmt: skip
    return Measured(fault, (remedy, remedy / 2, 2 * remedy), told, {"remedy": word(remedy)})


LESSON = Lesson(
    id="training_faults", menu=to_say("Training that goes wrong"),
    title=to_say("Training that goes wrong: why does my adapter do nothing?"),
    claim=to_say("The chosen fault raises no error, yet the file that it leaves changes the model by almost nothing. "
                 "One change fixes it."),
    place=55,
    default=Experiment(d_in=19, d_out=13, target_rank=3, rank=4, alpha=4.0, optimizer="adam", lr=0.02, steps=50),
    controls=(
        Choice(id="fault", label=to_say("Fault"), options=FAULTS, default="checkpointing", names=_FAULTS),
        CONTROLS["rank"].only(2, 4, 8), CONTROLS["lr"].only(0.001, 0.005, 0.01, 0.02, 0.05),
    ),
    more=(CONTROLS["alpha"].only(1.0, 4.0, 8.0, 16.0), CONTROLS["steps"].only(50, 80, 200)),
    measure=measure, film=film, hero="loss", takeaway=takeaway, verdict=verdict, detail=detail, maths=maths,
    on_paper="loss", table=table, extras=extras, worded=True,
    question=Question(
        to_say("With the remedy ‖ΔW‖ of the file ends at {remedy}. Where does it end with the fault?"),
        to_say("The loss in training may fall all the same. The norm of ΔW in the file tells, so look at it after the "
               "first steps."), _ask,
    ),
)  # fmt: skip
