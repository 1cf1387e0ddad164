"""Which model, which modules, which rank? Kept in the link; a pasted config.json is read, never executed."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from lora_viz.costs.budget import PRECISIONS, Budget, budget
from lora_viz.costs.model_config import LONGEST, ConfigError, parse_config
from lora_viz.costs.models import DEFAULT_TARGETS, MODELS
from lora_viz.costs.peft_config import AdapterConfig
from lora_viz.costs.shapes import ModelShape
from lora_viz.i18n.language import say, to_say
from lora_viz.ui.choices import choose, choose_some, heed, keep, switch

__all__ = ["AskedBudget", "ask_budget", "ask_shape", "ask_targets"]

OWN = "my config.json"
NAMES = {OWN: to_say("my config.json")}
NUMBERS = {"bf16 mixed": to_say("bf16 mixed"), "bf16 pure": to_say("bf16 pure"), "fp32": "fp32"}
RANKS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_ATTENTION = {"q_proj", "k_proj", "v_proj", "o_proj"}


class AskedBudget(NamedTuple):
    """The budget asked for, and the adapter to ask PEFT for."""

    budget: Budget
    config: AdapterConfig


def ask_shape(default: str = "Llama-2-7B", *, blocks_only: bool = False) -> ModelShape:
    """Which model? A known one, or a pasted config.json; what cannot be read keeps the last good one."""
    titles = [title for title, shape in MODELS.items() if shape.kept or not blocks_only]
    heed("model", (*titles, OWN), default)
    label = say("Model")
    asked = st.selectbox(
        label,
        (*titles, OWN),
        index=titles.index(default),
        key="model",
        format_func=lambda t: say(NAMES[t]) if t in NAMES else str(t),
    )
    title = str(keep("model", asked, default, label))
    if title != OWN:
        return MODELS[title]
    kept: dict[str, ModelShape] = st.session_state.setdefault("own_model", {})
    text = st.text_area(
        "config.json",
        key="own_config",
        max_chars=LONGEST,
        height=120,
        placeholder='{"model_type": "llama", "hidden_size": 4096, …}',
        help=say("Read as text here, nothing of it is executed or kept on disk."),
    )
    if text.strip():
        try:
            kept["shape"] = parse_config(text)
        except ConfigError as error:
            st.error(say("{error} Shown is {title}.", error=error, title=kept.get("shape", MODELS[default]).title))
    return kept.get("shape", MODELS[default])


def ask_targets(shape: ModelShape, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """Which modules get an A and a B? At least one: without any, PEFT's own choice is shown."""
    usual = default or DEFAULT_TARGETS.get(shape.model_type) or shape.names[:1]
    usual = tuple(name for name in usual if name in shape.names) or shape.names[:1]
    key = f"targets_{shape.model_type}_{len(shape.names)}"
    chosen = choose_some(say("Modules with A and B"), shape.names, usual, key=key)
    if not chosen:
        st.caption(say("None was chosen: shown are {names}.", names=", ".join(usual)))
    return chosen or usual


def ask_budget() -> AskedBudget:
    """Draw the controls where we are, and answer with what they mean."""
    shape = ask_shape()
    llama = set(shape.names) >= _ATTENTION
    targets = ask_targets(shape, tuple(n for n in shape.names if n in _ATTENTION) if llama else None)
    rank = int(choose(say("Rank r"), RANKS, 16, key="rank"))
    precision = str(choose(say("Numbers in"), tuple(PRECISIONS), "bf16 mixed", key="precision", names=NUMBERS))
    with st.expander(say("More")):
        tokens = int(choose(say("Tokens a step"), (512, 1024, 2048, 4096, 8192), 2048, key="tokens"))
        checkpointing = switch(say("Gradient checkpointing"), True, key="checkpointing")
        alpha = float(choose("α", (1, 2, 4, 8, 16, 32, 64, 128), 32, key="alpha"))
        use_rslora = switch("α/√r (rsLoRA)", key="use_rslora")
    asked = budget(shape, targets, rank, precision=precision, tokens=tokens, checkpointing=checkpointing)
    return AskedBudget(asked, _config(shape, targets, rank, alpha, use_rslora))


def _config(shape: ModelShape, targets: tuple[str, ...], rank: int, alpha: float, use_rslora: bool) -> AdapterConfig:
    named = shape.target_modules(targets)
    return AdapterConfig(
        rank=rank,
        alpha=alpha,
        target_modules=named if isinstance(named, str) else tuple(named),
        use_rslora=use_rslora,
        fan_in_fan_out=shape.model_type == "gpt2",
        task_type="CAUSAL_LM" if shape.logits else "none",
    )
