"""Initialisation: how large is the start?"""

from dataclasses import replace
from functools import partial

from lora_viz.core.experiment import Experiment
from lora_viz.export.scripts.script import Scripts
from lora_viz.export.scripts.starts import start_sizes_script
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say
from lora_viz.lessons.training.init_variance import STARTS, film, init_variance, plot_init_variance, table, takeaway
from lora_viz.ui.cache import cached_start_sizes
from lora_viz.ui.controls import CONTROLS
from lora_viz.ui.page import close_lesson, open_lesson, show_film

RANKS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)

asked, picture = open_lesson(
    say("Initialisation: how large is the start?"),
    say(
        "With both factors random the entries of BA have variance r·σ⁴: over √r the growth is gone, over r they shrink."
    ),
    default=Experiment(d_in=64, d_out=64, samples=128, rank=1),
    first=(
        CONTROLS["sigma"],
        replace(CONTROLS["d_in"].only(64, 128), help=say("Rank goes up to 64.")),
        CONTROLS["condition"],
    ),
    more=(),
)
e = asked.experiment
sizes = cached_start_sizes(e, RANKS, tuple(STARTS), float(asked.options["sigma"]))
record = init_variance(sizes, e.d_in)
show_film(picture, film(record), takeaway(record))

A, B = tint("A", "A"), tint("B", "B")
used = record.inits.index("B_zero")
close_lesson(
    say(
        r"""
$$
\mathbb E\,({B}{A})_{{ij}}^2 = \sum_{{l=1}}^r \mathbb E\,{B}_{{il}}^2\;\mathbb E\,{A}_{{lj}}^2 = r\,\sigma^4, \qquad
\mathbb E\,\|{A}x\|^2 = r\,\mathrm{{Var}}({A})\,\|x\|^2
$$

$\mathrm{{Var}}({A}) = 1/r$ would keep $\|{A}x\|^2$ at $\|x\|^2$ whatever the rank; textbooks call it the standard
start, and no library draws it. PEFT and loralib draw kaiming_uniform(a=√5), which is $\mathcal U(\pm 1/\sqrt{{d}})$ of
variance $1/(3d)$ (here {variance}, $1/(3d) = {law}$): a row
keeps {kept} of the mean square, not 1, at any rank. PEFT's "gaussian"
has standard deviation $1/r$, so variance $1/r^2$. A gain of 2, $\mathcal N(0, 2/d)$, is what He et al. (2015) derived
for ReLU: {relu} here. The standard LoRA start has ${B} = 0$: the product
is 0 for any variance, and what the variance decides is the first gradient.""",
        B=B,
        A=A,
        variance=number(float(record.variance[1, used, -1])),
        law=number(1 / (3 * e.d_in)),
        kept=number(e.d_in * float(record.variance[1, used, -1])),
        relu=number(e.d_in * float(record.variance[1, -1, -1])),
    ),
    lambda theme: plot_init_variance(record, theme=theme),
    table(record),
    name="init_variance",
    alt=takeaway(record),
    home=Scripts(partial(start_sizes_script, sizes, e), {say("How A starts"): sizes.inits}),
)
