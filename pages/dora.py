"""Lab: longer, or turned?"""

from lora_viz.core.experiment import Experiment
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say
from lora_viz.layer.variants import VARIANTS
from lora_viz.lessons.variants.dora import film, plot_row_parts, row_parts, row_sweep, table, takeaway
from lora_viz.ui.cache import cached_train
from lora_viz.ui.controls import CONTROLS, TARGETS
from lora_viz.ui.page import close_lesson, open_lesson, show_film

asked, picture = open_lesson(
    say("DoRA: should a row grow, or turn?"),
    say(
        "DoRA learns a length for every row of the weight beside a low-rank change of direction. Where only lengths "
        "are to change, it turns no row; LoRA of the same rank must turn rows that should stay."
    ),
    default=Experiment(
        task="row_rescale", rank=4, target_rank=4, alpha=8.0, lr=0.12, steps=200, schedule="linear", noise=0.0
    ),
    first=(TARGETS, *(CONTROLS[name] for name in ("rank", "steps"))),
    more=(*(CONTROLS[name] for name in ("optimizer", "lr", "alpha", "noise", "condition")),),
)
e = asked.experiment
run = cached_train(row_sweep(e), asked.device, 61)
record = row_parts(run)
show_film(picture, film(record), takeaway(record))

A, B, v = tint("A", "A"), tint("B", "B"), VARIANTS["dora"]
close_lesson(
    say(
        r"""
$$
W' = \operatorname{{diag}}\!\Big(\frac{{m}}{{\|V\|_\text{{row}}}}\Big)\,V, \qquad V = W + s\,{B}{A}, \qquad
m_0 = \|W\|_\text{{row}}
$$

$m$ has one number for each of the {d_out} rows, so DoRA of rank {rank} trains {dora} numbers here, LoRA
{lora}. Its gradient is $\nabla m_i = \langle G_i, V_i/\|V_i\|\rangle$; that of $V$ is
$(m_i/\|V_i\|)\,G_i$, because the norm is held out of the gradient, as the paper suggests (§4.3) and PEFT does; with it
the part of $G_i$ along $V_i$ would be taken out. Row lengths of the whole weight are $|m|$ at every step: the longest
row ended at {length} times its length in $W$, the target's longest is at
{target_length}. $\Delta W = W' - W$ may have full rank, whatever $r$ is.

**{title}**: {authors} {year}, [arXiv:{arxiv}](https://arxiv.org/abs/{arxiv}). The paper calls the norms
column-wise, of a weight written the other way round: one for each output.""",
        B=B,
        A=A,
        d_out=e.d_out,
        rank=e.rank,
        dora=v.parameters(e),
        lora=VARIANTS["lora"].parameters(e),
        length=number(float(record.length[0, -1].max())),
        target_length=number(float(record.target_length.max())),
        title=v.title,
        authors=v.authors,
        year=v.year,
        arxiv=v.arxiv,
    ),
    lambda theme: plot_row_parts(record, theme=theme),
    table(record),
    name="dora",
    alt=takeaway(record),
    home=run,
)
