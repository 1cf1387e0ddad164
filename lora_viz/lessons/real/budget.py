"""Budget: what an adapter costs on a real model, computed from published shapes."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from lora_viz.costs.budget import LOSSES, PRECISIONS, Budget, assumptions, budget
from lora_viz.costs.peft_config import AdapterConfig
from lora_viz.costs.shapes import ModelShape
from lora_viz.film.style import number, percent
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.controls import Choice, Switch
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.model_controls import RANK, model_asked, model_controls, no_targets, targets_asked, usual_targets
from lora_viz.lessons.parts import Code, Columns, Figure, Folded, Heading, Numbers, Part, Prose, Row, Table
from lora_viz.lessons.real import memory_need, parameter_share
from lora_viz.lessons.real.memory_need import MemoryNeed, gb
from lora_viz.lessons.real.parameter_share import ParameterShare
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here

__all__ = ["LESSON", "BudgetRecord"]

MODEL = "Llama-2-7B"
FAR = 2.0  # times: memory falls by far less where the parameters fall by more than that
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")


class BudgetRecord(NamedTuple):
    """What an adapter costs, seen as a share of the parameters and as memory, and how it is asked for in PEFT."""

    budget: Budget
    config: AdapterConfig
    share: ParameterShare
    need: MemoryNeed


def attention(shape: ModelShape) -> tuple[str, ...]:
    """All four matrices of attention where a model has them under Llama's names, else the usual modules."""
    chosen = tuple(name for name in shape.names if name in ATTENTION)
    return chosen if len(chosen) == len(ATTENTION) else usual_targets(shape)


def measure(settings: Settings, lab: Lab) -> BudgetRecord:
    """Count. Raises ConfigError."""
    shape = model_asked(settings, MODEL)
    targets, rank = targets_asked(settings, shape, attention), settings["rank"]
    own = {name: settings[name] for name in ("precision", "tokens", "checkpointing", "loss")}
    found = budget(shape, targets, rank, **own)
    named = shape.target_modules(targets)
    config = AdapterConfig(rank=rank, alpha=settings["alpha"],
                           target_modules=named if isinstance(named, str) else tuple(named),
                           use_rslora=settings["use_rslora"], fan_in_fan_out=shape.model_type == "gpt2",
                           task_type="CAUSAL_LM" if shape.logits else "none")  # fmt: skip
    return BudgetRecord(found, config, parameter_share.parameter_share(found), memory_need.memory_need(found))


def takeaway(record: BudgetRecord) -> str:
    """What was counted, and how much memory that is."""
    b = record.budget
    full, lora, qlora = (gb(x) for x in record.need.need.sum(axis=1))
    counted = say(
        "Rank {rank} trains {trained:,} parameters, {share} of {title}.",
        rank=b.rank, trained=b.trained, share=percent(b.share), title=b.shape.title,
    )  # fmt: skip
    memory = say("Memory: full fine-tuning {full}, LoRA {lora}, QLoRA {qlora}.", full=full, lora=lora, qlora=qlora)
    return f"{counted} {memory}"


def detail(record: BudgetRecord) -> str:
    """The same at more length: what the matrices touched hold, what a token costs, on which cards it would fit."""
    return f"{parameter_share.takeaway(record.share)} {memory_need.takeaway(record.need)}"


def verdict(record: BudgetRecord) -> Verdict:
    """Times fewer parameters against times less memory, and what of LoRA's memory are weights and activations."""
    need = record.need.need
    fewer, less = record.budget.fewer, float(need[0].sum() / need[1].sum())
    still = float((need[1, 0] + need[1, 3]) / need[1].sum())
    evidence = {"fewer": fewer, "less": less, "weights_and_activations": still}
    told = say(
        "{fewer}× fewer trainable parameters take {less}× less memory, and {still} of LoRA's memory are weights and "
        "activations",
        fewer=number(fewer), less=number(less), still=percent(still),
    ) if number(less) != "1" else say(
        "{fewer}× fewer trainable parameters take as much memory, and {still} of LoRA's memory are weights and "
        "activations",
        fewer=number(fewer), still=percent(still),
    )  # fmt: skip
    return true_here(told, **evidence) if fewer > FAR * less else false_here(told, **evidence)


def body(record: BudgetRecord) -> tuple[Part, ...]:
    """The memory of a step, which decides on the card; the parameters to scale on demand."""
    boxes = Figure(
        "parameter_share",
        lambda theme: parameter_share.figure(record.share, theme=theme),
        parameter_share.takeaway(record.share),
    )
    bars = Figure(
        "memory_need", lambda theme: memory_need.figure(record.need, theme=theme), memory_need.takeaway(record.need)
    )
    return (bars, Folded(say("The parameters, areas to scale"), (boxes,)))


def extras(record: BudgetRecord) -> tuple[Part, ...]:
    """The adapter as PEFT is asked for it, the numbers, and what they take for granted."""
    size = say(
        "adapter_config.json; the adapter's file will hold {size} MB in bf16", size=number(record.budget.file / 1e6)
    )
    notes = (*assumptions(), *map(say, record.budget.shape.notes))
    whole = set(record.budget.targets) == set(record.budget.shape.all_linear)
    quantised = Code(record.config.as_qlora(all_linear=whole), "python", say("For QLoRA, in Python"))
    return (Heading(say("Does it fit?")),
            Table(memory_need.cards(record.need), alt=say("One row a card: does each method fit, and by how much")),
            Heading(say("To take away")),
            Columns(((Code(record.config.as_python(), "python", say("For PEFT, in Python")),),
                     (Code(record.config.as_json(), "json", size),))),
            quantised,
            Row((Numbers("parameters", parameter_share.table(record.share), say("Parameters as CSV"),
                         say("Parameters as JSON")),
                 Numbers("memory", memory_need.table(record.need), say("Memory as CSV"), say("Memory as JSON")))),
            Heading(say("What is assumed")),
            Prose("\n".join(f"- {line}" for line in notes)))  # fmt: skip


LESSON = Lesson(
    id="budget", menu=to_say("Budget"), title=to_say("Budget: what does an adapter cost on a real model?"),
    claim=to_say("Memory falls by far less than the number of trainable parameters, because frozen weights and "
                 "activations "
                 "remain. Computed from published shapes, not measured."), place=80,
    controls=(
        *model_controls(MODEL, usual=attention),
        replace(RANK, default=16),
        Choice(id="precision", label=to_say("Numbers in"), options=tuple(PRECISIONS), default="bf16 mixed",
               names={"bf16 mixed": to_say("bf16 mixed"), "bf16 pure": to_say("bf16 pure")}),
    ),
    more=(
        Choice(id="tokens", label=to_say("Tokens per step"), options=(512, 1024, 2048, 4096, 8192), default=2048),
        Choice(id="loss", label=to_say("Loss"), options=LOSSES, default="usual",
               names={"usual": to_say("usual"), "fused": to_say("fused or chunked")}),
        Switch(id="checkpointing", label=to_say("Gradient checkpointing"), default=True),
        Choice(id="alpha", label="α", options=(1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0), default=32.0, own=True),
        Switch(id="use_rslora", label="α/√r (rsLoRA)"),
    ), measure=measure, takeaway=takeaway, verdict=verdict, detail=detail,
    table=lambda record: parameter_share.table(record.share), body=body,
    extras=extras, beside=lambda record, settings: no_targets(settings, record.budget.shape, attention), trains=False,
    seeded=False,
)  # fmt: skip
