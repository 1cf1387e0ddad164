"""Large batches: does LoRA bear them?"""

from lora_viz.core.experiment import Experiment
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say
from lora_viz.lessons.papers.large_batch import film, large_batch, one_pass, plot_large_batch, table, takeaway
from lora_viz.ui.controls import CONTROLS
from lora_viz.ui.page import close_lesson, open_lesson, show_film
from lora_viz.ui.records import cached_view

LR = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32)

asked, picture = open_lesson(
    say("Large batches: does LoRA bear them?"),
    say(
        "Worse than full fine-tuning while the rank is small, and the more so the larger the batch; at full width the "
        "penalty is gone. Play through the batch size."
    ),
    default=Experiment(
        d_in=32,
        d_out=32,
        target_rank=4,
        spectrum="flat",
        alpha=32.0,
        optimizer="adam",
        schedule="linear",
        samples=1024,
        dtype="float32",
    ),
    first=(CONTROLS["target_rank"].only(2, 4, 8), CONTROLS["spectrum"]),
    more=(CONTROLS["noise"].only(0.0, 0.1, 0.3, 1.0),),
)
e = asked.experiment
sweeps = one_pass(e, (32, 64, 128, 256), (4, 8, e.d_in), LR)
record = cached_view(large_batch, sweeps, asked.device, 2)
show_film(picture, film(record), takeaway(record))

A, B, dW, G = tint("A", "A"), tint("B", "B"), tint("delta", r"\Delta W"), tint("W", "G")
close_lesson(
    say(
        r"""
$$
\text{{steps}} = {samples} / \text{{batch}}: \quad {steps} \qquad
\text{{full:}}\ {dW}\ \text{{steps itself}} \qquad \text{{LoRA:}}\ \nabla_{{{B}}} = s\,{G}{A}^\top,\
\nabla_{{{A}}} = s\,{B}^\top {G}
$$

*LoRA Without Regret* (Schulman, Thinking Machines 2025) reports that LoRA bears large batches less well than full
fine-tuning, and that a higher rank does not mend it: a property of the product. Here: one linear layer of
{d_out}×{d_in}, round inputs, a target of rank {true_rank}, Adam with η falling to 0, one pass over
{samples} samples. A larger batch means fewer steps, and a product needs steps in turn: ${B}$ moves only along ${A}$'s
rows until ${A}$ has turned, which needs ${B}$. So the first half of the report is seen here, the second is not: at
$r = {rank}$, where ${A}$ spans every input from the start, the ratio is
{ratio} at batch {batch}. Whether that holds in a deep network is not
tested. Error is to the hidden update, relative; each racer has its best of {rates} learning rates in each seed.""",
        samples=e.samples,
        steps=", ".join(map(str, record.steps)),
        dW=dW,
        B=B,
        G=G,
        A=A,
        d_out=e.d_out,
        d_in=e.d_in,
        true_rank=record.true_rank,
        rank=record.ranks[-1],
        ratio=number(float(record.ratio[1, -1, -1])),
        batch=record.batches[-1],
        rates=len(LR),
    ),
    lambda theme: plot_large_batch(record, theme=theme),
    table(record),
    name="large_batch",
    alt=takeaway(record),
    home=sweeps,
)
