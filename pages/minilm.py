"""A real transformer: is its update low-rank?"""

import numpy as np
import streamlit as st

from lora_viz.film.style import number
from lora_viz.i18n.language import say
from lora_viz.lessons.real.minilm import film, minilm_spectrum, plot_minilm_spectrum, table, takeaway
from lora_viz.networks.encoder import find_minilm
from lora_viz.networks.minilm_evidence import minilm_evidence
from lora_viz.networks.word_polarity import read_lexicon
from lora_viz.ui.live_words import offer_live
from lora_viz.ui.page import close_lesson, open_worked, show_film

left, picture = open_worked(
    say("Is the update of a real transformer low-rank?"),
    say("No: it is steep with a long tail. But one or two of its 384 directions carry most of what was learnt."),
)
record = minilm_spectrum(minilm_evidence())
with left:
    st.markdown(
        say(
            "**MiniLM**, 6 layers of 6 matrices, fine-tuned as a whole to tell friendly words from hostile ones: 3,000 "
            "rated words, 3 epochs, {seeds} seeds. Then each ΔW is cut to its top k.\n\nMeasured beforehand, on "
            "the CPU, by `docs/make_minilm.py`.",
            seeds=record.seeds,
        )
    )
show_film(picture, film(record), takeaway(record))

low, middle, high = (number(float(x)) for x in record.effective)
used = ", ".join(
    say("{rank} at r={r}", rank=number(float(x)), r=r) for r, x in zip(record.rank, record.lora_effective, strict=True)
)
gains = ", ".join(
    say("{way} {gain:+.1f} ({low:+.1f} to {high:+.1f})", way=way, gain=np.round(g, 1), low=a, high=b)
    for way, a, g, b in zip([f"r={r}" for r in record.rank] + [say("full")], *record.gain, strict=True)
)
close_lesson(
    say(
        r"""
The 36 updates have effective rank {middle} ({low} to {high}; exp of the entropy of $\sigma/\sum\sigma$) and stable rank
{stable} ($\|\Delta W\|_F^2/\sigma_1^2$; the weights themselves:
{base_stable}): two kinds of rank, two answers, and neither is the rank LoRA needs. They are small,
$\|\Delta W\|/\|W\|$ = {relative_change:.1f} % (median). LoRA's own updates use few of their ranks: median
effective rank {used}. On [digits](digits) the same question has another answer: about 8.

**Read with care.** Lead over the probe of the same seed, in points: {gains}. {test:,} test words, a standard
error of about 1 point: no ranking of ranks can be read from this. Frozen features nearly solve this task; on harder
ones a higher rank may be needed. k = 0 is not the base model: head, biases and layer norms stay as trained for moved
features, which is why the dotted curve, a probe fitted anew at each k, is nearly flat. Test and training words share no
first four letters; which ones they are differs by seed, and so does the level of all curves.

Weights: all-MiniLM-L6-v2, Apache-2.0, SHA-256 pinned. Words: VADER, Hutto & Gilbert 2014, MIT.""",
        middle=middle,
        low=low,
        high=high,
        stable=number(float(record.stable[1])),
        base_stable=number(record.base_stable),
        relative_change=100 * record.relative_change,
        used=used,
        gains=gains,
        test=record.test,
    ),
    lambda theme: plot_minilm_spectrum(record, theme=theme),
    table(record),
    name="minilm",
    alt=takeaway(record),
)
offer_live(find_minilm(), read_lexicon())
