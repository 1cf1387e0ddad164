"""Lab: what do 4 bits take?"""

import streamlit as st

from lora_viz.core.experiment import Experiment
from lora_viz.film.style import number
from lora_viz.i18n.language import say
from lora_viz.layer.quantise import NF4
from lora_viz.lessons.variants.quantised import film, plot_quantised_base, scripts, table, takeaway
from lora_viz.ui.cache import cached_quantised
from lora_viz.ui.controls import CONTROLS
from lora_viz.ui.page import close_lesson, open_lesson, show_film

asked, picture = open_lesson(
    say("4-bit base: what is lost, and what gives it back?"),
    say(
        "QLoRA freezes W in 4 bits: sixteen levels a block. A start that keeps W's large directions in B A helps much "
        "where W's spectrum decays, and less than LoftQ where it does not."
    ),
    default=Experiment(),
    first=(CONTROLS["weight_kind"],),
    more=(),
)
with picture, st.spinner(say("Quantising sixteen weights …")):
    record = cached_quantised(asked.experiment, str(asked.options["weight_kind"]))
show_film(picture, film(record), takeaway(record))

close_lesson(
    say(
        r"""
$$
Q = \mathrm{{NF4}}(W): \quad q_{{ij}} = c\,\ell\Big(\frac{{w_{{ij}}}}{{c}}\Big), \quad
c = \max_\text{{block of 64}}|w|, \qquad
\text{{LoftQ: }} Q \leftarrow \mathrm{{NF4}}(W - BA), \; BA \leftarrow [W - Q]_r \text{{ by turns}}
$$

The sixteen levels $\ell$ are quantiles of a normal distribution, scaled to ±1, with an exact zero, eight above it and
seven below: {levels}. With one scale in 32 bits for 64 weights
that makes 4.5 bits a weight; QLoRA's double quantisation of the scales, 4.127, is left out here.

Plain **QLoRA** (Dettmers et al. 2023, [arXiv:2305.14314](https://arxiv.org/abs/2305.14314)) starts with $BA = 0$ and
so with all of the error. **LoftQ** (Li et al. 2023, [arXiv:2310.08659](https://arxiv.org/abs/2310.08659)) lets $BA$
make up for it: always a little. **PiSSA** (Meng, Wang & Zhang 2024,
[arXiv:2404.02948](https://arxiv.org/abs/2404.02948)) puts $W$'s largest triplets into $BA$ and quantises the rest: what
is rounded is then smaller, if the rest is. The first eight singular values hold
{gaussian} % of the Gaussian weight's energy
and {decaying} % of the decaying one's. What
training makes of these starts is on the page of all variants.""",
        levels=", ".join(f"{level:.3f}".replace("-", "−") for level in NF4),
        gaussian=number(float(100 * (record.sigma[0, :8] ** 2).sum() / (record.sigma[0] ** 2).sum())),
        decaying=number(float(100 * (record.sigma[1, :8] ** 2).sum() / (record.sigma[1] ** 2).sum())),
    ),
    lambda theme: plot_quantised_base(record, theme=theme),
    table(record),
    name="quantised",
    alt=takeaway(record),
    home=scripts(record, asked.experiment),
)
