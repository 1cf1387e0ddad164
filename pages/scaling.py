"""Scaling: does the first step depend on the rank?"""

from functools import partial

from lora_viz.core.experiment import Experiment
from lora_viz.export.scripts.script import Scripts
from lora_viz.export.scripts.starts import first_update_script
from lora_viz.film.style import tint
from lora_viz.i18n.language import say
from lora_viz.lessons.training.scaling import STARTS, film, first_update, plot_first_update, signed, table, takeaway
from lora_viz.ui.cache import cached_first_updates
from lora_viz.ui.controls import CONTROLS
from lora_viz.ui.page import close_lesson, open_lesson, show_film
from lora_viz.ui.training_controls import TRAINING_CONTROLS

RANKS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)

asked, picture = open_lesson(
    say("Scaling: does the first step depend on the rank?"),
    say("Whether s frees the first step from the rank depends on the rule, the optimiser and how A starts: all three."),
    default=Experiment(
        task="full_rank",
        spectrum="flat",
        d_in=128,
        d_out=128,
        samples=64,
        rank=1,
        alpha=16.0,
        optimizer="sgd",
        lr=0.001,
    ),
    first=(
        CONTROLS["optimizer"].only("sgd", "adam"),
        TRAINING_CONTROLS["how_A_starts"],
    ),
    more=(
        TRAINING_CONTROLS["rank_goes_to"],
        *(CONTROLS[name] for name in ("alpha", "spectrum", "noise")),
    ),
)
e = asked.experiment
ranks = tuple(r for r in RANKS if r <= e.d_in)
found = cached_first_updates(e, ranks, tuple(STARTS))
record = first_update(found, e)
show_film(picture, film(record), takeaway(record))

A, B, G, dW = tint("A", "A"), tint("B", "B"), tint("W", "G"), tint("delta", r"\Delta W")
lora = record.progress_slope[1, 0, 0, 0]
close_lesson(
    say(
        r"""
$$
{B}_1 = -\eta\,s\,{G}{A}^\top \ \text{{(SGD)}}, \qquad
{B}_1 = -\eta\,\mathrm{{sign}}({G}{A}^\top) \ \text{{(Adam)}}, \qquad {dW}_1 = s\,{B}_1{A}
$$

$$
-\langle {dW}_1, {G}\rangle \propto \eta\,s^2\,r\,\mathrm{{Var}}({A}) \ \text{{(SGD)}}, \qquad
\propto \eta\,s\,r\,\mathrm{{Var}}({A})^{{1/2}} \ \text{{(Adam)}}
$$

The libraries draw $A$ with variance $1/(3d)$, whatever $r$: under $\alpha/r$ SGD's first step then falls as
$r^{{-1}}$ (here {lora}), and $\alpha/\sqrt r$ makes it level (Kalajdzievski 2023, rsLoRA). For Adam the
useful part is level under $\alpha/r$, though $\|{dW}_1\|$ is not. A textbook's $N(0, 1/r)$ *and* $\alpha/r$ count the
same thing twice. With ${B} = 0$ the output at step 0 is that of $W$ for any $r$: there is nothing to normalise before
the first step. SGD's $\|{dW}_1\|$ bends: $\mathbb E\|{G}{A}^\top{A}\|^2 = \mathrm{{Var}}({A})^2\,r\,(r+d+1)\,\|{G}\|^2$
for Gaussian ${A}$, so its slope is half a power above the useful part's while $r \ll d$.""",
        B=B,
        G=G,
        A=A,
        dW=dW,
        lora=signed(float(lora)),
    ),
    lambda theme: plot_first_update(record, theme=theme),
    table(record),
    name="scaling",
    alt=takeaway(record),
    home=Scripts(partial(first_update_script, found, e), {say("How A starts"): found.inits, say("Rule"): found.rules}),
)
