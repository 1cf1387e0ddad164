"""Base and fine-tuned weights: the spectrum of their difference, and the LoRA that stands for it best."""

import streamlit as st

from lora_viz.film.style import number
from lora_viz.i18n.language import say
from lora_viz.lessons.real.extract import film, plot_weight_change, table, takeaway, weight_change
from lora_viz.ui.adapter_files import ask_source, load_changes, shipped_weights
from lora_viz.ui.inspecting import ask_choice, offer_extracted
from lora_viz.ui.page import close_lesson, open_worked, show_film

RANKS = ("1", "2", "4", "8", "16", "32", "64")

left, right = open_worked(
    say("Extract: how much of a fine-tuning fits into a LoRA?"),
    say(
        "The singular values of W′ − W fall, with a long tail: a small rank keeps much of what fine-tuning did, not "
        "all."
    ),
)
with left:
    rank = int(ask_choice(say("Rank r"), RANKS, key="extract_rank", default="8"))
    st.caption(
        say("Shown at first: a network of ours that reads digits, before and after learning them turned by 90°.")
    )
    base = ask_source(say("Base weights"), "base_file", help=say("A safetensors file, or a file of torch.save."))
    tuned = ask_source(say("Fine-tuned weights"), "tuned_file", help=say("The same tensors after fine-tuning."))
st.session_state["link"] = {"extract_rank": str(rank)}
with right:
    loaded = load_changes(base, tuned, (shipped_weights("base"), shipped_weights("turned")))
record = weight_change(loaded.changes)
show_film(right, film(record, rank=rank), takeaway(record, rank=rank))
with right:
    offer_extracted(loaded, rank)

close_lesson(
    say(
        r"""
$$
\Delta W = W' - W = U\Sigma V^\top, \qquad B = U_r\Sigma_r^{{1/2}}, \quad A = \Sigma_r^{{1/2}}V_r^\top, \qquad
\min_{{\mathrm{{rank}} \le r}}\|\Delta W - X\|_F^2 = \sum_{{i>r}}\sigma_i^2
$$

Eckart & Young (1936): no other factors of rank $r$ come nearer to these weights. The largest change is
$\|\Delta W\|/\|W\| = {relative}$. Above 1,024 rows and columns only the largest 64 singular
values are computed (Halko et al. 2011); the energy is exact all the same, since
$\sum_i\sigma_i^2 = \|\Delta W\|_F^2$. Nearest in weights need not mean nearest in answers.""",
        relative=number(float(record.relative.max())),
    ),
    lambda theme: plot_weight_change(record, theme=theme),
    table(record),
    name="extract",
    alt=takeaway(record, rank=rank),
)
