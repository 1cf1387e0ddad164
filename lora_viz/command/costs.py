"""What an adapter costs on a model, on the command line: counts and bytes, from shapes alone."""

from __future__ import annotations

from pathlib import Path

import click

from lora_viz.command.options import language_option, print_json
from lora_viz.i18n.language import say

__all__ = ["budget"]


@click.command(epilog="Example: lora-playground budget config.json --targets q_proj,v_proj --rank 16")
@click.argument("model", metavar="CONFIG")
@click.option("--targets", help="Modules, with commas between them. [default: PEFT's for this kind of model]")
@click.option("--rank", type=click.IntRange(1, 4096), default=8, show_default=True, help="Rank of every module.")
@click.option("--precision", type=click.Choice(("bf16 mixed", "bf16 pure", "fp32")), default="bf16 mixed",
              show_default=True, help="In which numbers is trained.")  # fmt: skip
@click.option("--tokens", type=click.IntRange(1, 1_000_000), default=2048, show_default=True, help="Tokens a step.")
@click.option("--checkpointing/--no-checkpointing", default=True, show_default=True, help="Recompute activations.")
@click.option("--loss", type=click.Choice(("usual", "fused")), default="usual", show_default=True,
              help="How the loss is computed: fused or chunked holds no table of logits.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object in place of lines.")
@language_option
def budget(
    model: str,
    targets: str | None,
    rank: int,
    precision: str,
    tokens: int,
    checkpointing: bool,
    loss: str,
    as_json: bool,
) -> None:
    """Count what an adapter costs: parameters, multiply–adds, memory of a training step.

    CONFIG is the path of a Hugging Face config.json, or the name of a known model such as Llama-3.1-8B.
    """
    from lora_viz.core.refusals import Refusal
    from lora_viz.costs.budget import METHODS, fit
    from lora_viz.costs.budget import budget as counted
    from lora_viz.costs.model_config import parse_config
    from lora_viz.costs.models import DEFAULT_TARGETS, MODELS

    if model in MODELS:
        shape = MODELS[model]
    elif Path(model).is_file():
        shape = parse_config(Path(model).read_text(encoding="utf-8", errors="replace"))
    else:
        raise Refusal(say("{model} is neither a file nor a known model. Known models: {known}.", model=model[:80],
                          known=", ".join(MODELS)))  # fmt: skip
    usual = DEFAULT_TARGETS.get(shape.model_type, ()) or shape.names
    asked = tuple(name.strip() for name in targets.split(",")) if targets else usual
    if unknown := [name for name in asked if name not in shape.names]:
        raise Refusal(say("{name} is not a module of {model}. Valid values: {known}.", name=unknown[0][:60],
                          model=shape.title, known=", ".join(shape.names)))  # fmt: skip
    found = counted(shape, asked, rank, precision=precision, tokens=tokens, checkpointing=checkpointing, loss=loss)
    if as_json:
        print_json("budget", {
            "model": shape.title, "targets": list(found.targets), "rank": rank, "precision": precision,
            "tokens": tokens, "parameters": shape.total, "trained": found.trained, "adapter_bytes": found.file,
            "multiply_adds_per_token": dict(zip(("full", "LoRA"), found.training, strict=True)),
            "training_bytes": {name: m.total for name, m in zip(METHODS, found.memory, strict=True)},
            "peak_at": {name: m.moment for name, m in zip(METHODS, found.memory, strict=True)},
            "cards": {name: {f.card: {"answer": f.answer, "margin_bytes": f.margin} for f in fit(m)}
                      for name, m in zip(METHODS, found.memory, strict=True)},
        })  # fmt: skip
        return
    click.echo(f"{shape.title}, rank {rank} on {', '.join(found.targets)}")
    click.echo(f"{found.trained:,} of {shape.total:,} parameters trained, {100 * found.share:.3g} %")
    click.echo(f"adapter file {found.file / 1e6:.1f} MB (bf16)")
    for name, m in zip(METHODS, found.memory, strict=True):
        click.echo(f"{name:>6}: {m.total / 1e9:8.2f} GB a training step, {m.state / 1e9:.2f} of it without activations")
