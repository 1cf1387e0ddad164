"""Adapter inspector: what is in a file, which rank it needed, and a smaller one to take away."""

import streamlit as st

from lora_viz.film.style import number
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.real.inspector import MAPS, adapter_report, film, plot_adapter_report, table, takeaway
from lora_viz.ui.adapter_files import load_adapter, shipped_adapter, shipped_words
from lora_viz.ui.inspecting import ask_adapter, ask_alpha, ask_choice, offer_shrunk, show_modules
from lora_viz.ui.page import close_lesson, open_worked, show_film

NAMES = {
    "needed": to_say("rank needed"),
    "effective": to_say("effective rank"),
    "norm": to_say("size of ΔW"),
    "balance": to_say("A against B"),
}

left, right = open_worked(
    say("Adapter inspector: which rank did it need?"),
    say(
        "An adapter is given one rank for all its modules. Its singular values say how many directions each module "
        "used."
    ),
)
with left:
    shipped, given = ask_adapter(
        say("Adapter"), "adapter", own=say("or your own file"), own_key="adapter_file", help=say("safetensors, or a "
        "file of torch.save; with adapter_config.json beside it for the scale. It stays in this server's memory.")
    )  # fmt: skip
    level = ask_choice(say("Energy to keep, %"), ("90", "95", "99"), key="keep")
    shown = ask_choice(say("Map"), MAPS, key="map", names=NAMES)
    alpha = ask_alpha()
    if given is None:
        st.caption(shipped_words(shipped))
st.session_state["link"] = {"adapter": shipped, "keep": level, "map": shown}
default = shipped_adapter(shipped)
with right:
    loaded = load_adapter("inspector", given or default, default, alpha)
record, keep = adapter_report(loaded.report, loaded.noise), int(level) / 100
show_film(right, film(record, level=keep, shown=shown), takeaway(record, level=keep))
with right:
    for note in loaded.report.notes:
        st.info(note)
    offer_shrunk(loaded, keep)
    show_modules(table(record), loaded.report)

close_lesson(
    say(
        r"""
$$
\sigma(s\,BA) = s\,\sigma(R_B R_A^\top), \qquad B = Q_B R_B, \quad A^\top = Q_A R_A, \qquad
k(\tau) = \min\Big\{{k : \sum_{{i\le k}}\sigma_i^2 \ge \tau \sum_i \sigma_i^2\Big\}}
$$

The product is never formed: two thin QR decompositions and one SVD of $r\times r$. Of {name} the largest
$\sigma_1$ is {sigma}. The effective rank is $e^{{H(p)}}$ with
$p_i = \sigma_i/\sum\sigma$ (Roy & Vetterli 2007); the energy's rank uses $\sigma^2$: they answer different questions.
Cutting the SVD is the best a rank can do for the weights (Eckart–Young). *Rounding alone* is
$\|\Delta W' - \Delta W\|_2$ after every stored number was moved at random within its own rounding: no $\sigma$ is
known better (Weyl).""",
        name=record.name,
        sigma=number(float(record.sigma[:, 0].max())),
    ),
    lambda theme: plot_adapter_report(record, level=keep, theme=theme),
    table(record),
    name="inspector",
    alt=takeaway(record, level=keep),
)
