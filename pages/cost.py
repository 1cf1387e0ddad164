"""Real: what does a rank cost one layer?"""

import streamlit as st

from lora_viz.film.style import number
from lora_viz.i18n.language import say
from lora_viz.lessons.real.cost import film, plot_rank_cost, rank_cost, ranks_for, table, takeaway
from lora_viz.ui.choices import choose
from lora_viz.ui.counted import cached_tallies
from lora_viz.ui.page import close_lesson, open_worked, show_film

LAYERS = {
    "4096×4096": (4096, 4096),
    "768×768": (768, 768),
    "1024×1024": (1024, 1024),
    "8192×8192": (8192, 8192),
    "11008×4096": (11008, 4096),
    "64×64": (64, 64),
}

left, right = open_worked(
    say("Cost: what does a rank cost one layer?"),
    say(
        "“Less than 1 %” and “over 100× fewer” end at r = d/200, at r = d/2 nothing is saved, and compute falls by a "
        "third at most."
    ),
)
with left:
    layer = str(choose(say("Layer, d_out×d_in"), tuple(LAYERS), "4096×4096", key="layer"))
d_out, d_in = LAYERS[layer]
record = rank_cost(cached_tallies(d_out, d_in, ranks_for(d_out, d_in)))
st.session_state["link"] = {"layer": layer}
show_film(right, film(record), takeaway(record))

at = record.rank.index(16)
deep, tally = record.costs[at], record.counted[at]
backward = deep.to_input + deep.adapter_to_input + deep.adapter_to_factors
close_lesson(
    say(
        r"""
$$
\frac{{r(d_{{in}} + d_{{out}})}}{{d_{{in}}\,d_{{out}}}} = r\Big(\frac1{{d_{{in}}}} + \frac1{{d_{{out}}}}\Big),
\qquad \frac{{\text{{training with LoRA}}}}{{\text{{full}}}}
= \frac23 + r\Big(\frac1{{d_{{in}}}} + \frac1{{d_{{out}}}}\Big)
$$

**Computed** are multiply–adds of one token, without bias. Forward: $d_{{out}}d_{{in}}$, unmerged
$r(d_{{in}} + d_{{out}})$ more, merged none. Backward, full fine-tuning pays $d_{{out}}d_{{in}}$ for the gradient of
$x$ and as much for that of $W$. LoRA leaves out only the last: the gradient of $x$ still goes through the frozen $W$
(which stands in neither $\nabla_A = s\,B^\top G$ nor $\nabla_B = s\,G A^\top$; but $G$ depends on it, unless the loss
is linear in $y$).
At $r = 16$ the factors' own gradients are {factors} % of its backward pass.
Forming $BA$ anew for every token would cost {formed}× as much as $W x + B(A x)$.

**Counted** are the same by torch's own counter (`FlopCounterMode`) while a step of AdamW ran on this layer's shapes,
{tokens} tokens, no numbers stored. At $r = 16$ autograd keeps {saved:,} numbers for the backward pass,
{more:,} more than in full fine-tuning: x stays, h comes on top. Gradients are
{gradients:,} in place of {gradients_full:,}, Adam's two moments {states:,} in place of
{states_full:,}: there LoRA saves. A count says nothing about how well the adapter learns.""",
        factors=number(100 * deep.adapter_to_factors / backward),
        formed=number(deep.formed / deep.unmerged),
        tokens=tally.tokens,
        saved=tally.saved[1],
        more=tally.saved[1] - tally.saved[0],
        gradients=tally.gradients[1],
        gradients_full=tally.gradients[0],
        states=tally.states[1],
        states_full=tally.states[0],
    ),
    lambda theme: plot_rank_cost(record, theme=theme),
    table(record),
    name="cost",
    alt=takeaway(record),
)
