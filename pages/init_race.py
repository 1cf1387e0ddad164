"""Initialisation: what does the start decide?"""

from dataclasses import replace

from lora_viz.core.experiment import Experiment
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say
from lora_viz.layer.starts import STARTS as LAYER_STARTS
from lora_viz.lessons.training.init_race import STARTS, film, init_race, plot_init_race, race_sweep, table, takeaway
from lora_viz.ui.cache import cached_train
from lora_viz.ui.controls import CONTROLS
from lora_viz.ui.page import close_lesson, open_lesson, show_film

asked, picture = open_lesson(
    say("Initialisation: what does the start decide?"),
    say(
        "Who may move first, and what is disturbed. With SGD a random start's damage is real, but over in a few steps."
    ),
    default=Experiment(
        target_rank=4,
        spectrum="flat",
        samples=128,
        noise=0.1,
        rank=8,
        alpha=16.0,
        optimizer="sgd",
        lr=0.02,
        steps=200,
        init="both_random",
    ),
    first=(
        replace(
            CONTROLS["init"].only(*(name for name in STARTS if name != "B_zero")),
            label=say("Compare LoRA's start with"),
            help=say(
                "LoRA's own start is B = 0 with A Kaiming-uniform. The SVD of the answer needs the answer first: "
                "cheating."
            ),
        ),
        CONTROLS["optimizer"].only("sgd", "adam"),
        CONTROLS["lr"],
    ),
    more=(*(CONTROLS[name] for name in ("spectrum", "rank", "target_rank", "alpha", "noise", "condition")),),
)
e = asked.experiment
run = cached_train(race_sweep(e), asked.device, 61)
record = init_race(run, e.init)
show_film(picture, film(record), takeaway(record))

A, B, W, dW = tint("A", "A"), tint("B", "B"), tint("W", "W"), tint("delta", r"\Delta W")
rival = LAYER_STARTS[record.rival]
close_lesson(
    say(
        r"""
$$
\nabla_{{{A}}} = s\,{B}^\top G, \qquad \nabla_{{{B}}} = s\,G\,{A}^\top, \qquad {dW}_0 = s\,{B}_0{A}_0
$$

What is 0 gives the other no gradient; what is not 0 on both sides disturbs the layer, unless ${B}_0{A}_0 = 0$ all the
same (orthogonal) or ${W}$ gives way to ${W} - s\,{B}_0{A}_0$ (PiSSA, LoRA-GA). Shown against LoRA's own:
**{label}**, ${rule}$ ({source}).

The layer alone has loss {base_loss}. Starting from the SVD of the answer is cheating: it needs the
update that training is to find. These starts meet one small linear task here: who wins is the task's doing (its
spectrum, its rank, the learning rate), which of them may move at step 0 is not.""",
        A=A,
        B=B,
        dW=dW,
        W=W,
        label=say(rival.label),
        rule=rival.rule,
        source=say(rival.source),
        base_loss=number(record.base_loss),
    ),
    lambda theme: plot_init_race(record, theme=theme),
    table(record),
    name="init_race",
    alt=takeaway(record),
    home=run,
)
