"""Two adapters of one model: which directions do they share, and what would adding them do to the rank?"""

import streamlit as st

from lora_viz.film.style import number
from lora_viz.i18n.language import say
from lora_viz.lessons.real.two_adapters import adapter_pair, film, plot_adapter_pair, table, takeaway
from lora_viz.ui.adapter_files import SHIPPED, comparing, load_adapter, shipped_adapter
from lora_viz.ui.inspecting import ask_adapter
from lora_viz.ui.page import close_lesson, open_worked, show_film

left, right = open_worked(
    say("Two adapters: do they share directions?"),
    say(
        "Adding two adapters adds their ranks, r + r = 2r. How many directions they share is measured, beside what "
        "chance would give."
    ),
)
with left:
    one, given_one = ask_adapter(
        say("First"),
        "first",
        own=say("or your own"),
        own_key="first_file",
        help=say("An adapter; adapter_config.json beside it for its scale."),
    )
    other, given_other = ask_adapter(
        say("Second"),
        "second",
        default=list(SHIPPED)[1],
        own=say("or your own"),
        own_key="second_file",
        help=say("Another adapter for the same model."),
    )
st.session_state["link"] = {"first": one, "second": other}
with right:
    a = load_adapter("first", given_one or shipped_adapter(one), shipped_adapter(one), None)
    b = load_adapter("second", given_other or shipped_adapter(other), shipped_adapter(other), None)
    record = adapter_pair(comparing(a, b))
show_film(right, film(record), takeaway(record))

close_lesson(
    say(
        r"""
$$
\Delta W_1 + \Delta W_2 = \begin{{bmatrix}} s_1B_1 & s_2B_2\end{{bmatrix}}\begin{{bmatrix}} A_1\\ A_2\end{{bmatrix}},
\qquad \varphi = \frac{{\|V_1^\top V_2\|_F^2}}{{\min(i, j)}} = \frac{{1}}{{\min(i,j)}}\sum_k \cos^2\theta_k
$$

$V_1$ and $V_2$ hold the $i$ and $j$ right singular vectors of the two updates that carry 90 % of each one's energy
(left ones for the outputs), $\theta_k$ their principal angles: the similarity of Hu et al. (2021), eq. 4. Subspaces
drawn at random have $\varphi = \max(i,j)/d$. Where singular values are nearly equal single directions are arbitrary,
only the block means something. Here the cosine between the two updates is
{cosine} at most.""",
        cosine=number(float(record.cosine.max())),
    ),
    lambda theme: plot_adapter_pair(record, theme=theme),
    table(record),
    name="two_adapters",
    alt=takeaway(record),
)
