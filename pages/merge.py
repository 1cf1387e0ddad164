"""Lesson 4: is the merged layer the same?"""

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say
from lora_viz.lessons.basics.merge import film, merge_check, plot_merge_check, table, takeaway
from lora_viz.ui.cache import cached_merge
from lora_viz.ui.controls import CONTROLS
from lora_viz.ui.page import close_lesson, open_lesson, show_film

asked, picture = open_lesson(
    say("Merge: is it the same?"),
    say("W + s·BA gives the same outputs to rounding, and rounding can eat the update: drag its size."),
    default=Experiment(d_in=48, d_out=48, target_rank=4, rank=4, alpha=8.0, lr=0.02, steps=200),
    first=(CONTROLS["weights_dtype"], CONTROLS["rank"], CONTROLS["alpha"]),
    more=(*(CONTROLS[name] for name in ("scaling_rule", "target_rank", "lr", "steps")),),
)
e = asked.experiment
report = cached_merge(Sweep((e,)), asked.device, asked.options["weights_dtype"])
record = merge_check(report, e)
show_film(picture, film(record), takeaway(record))

W, A, B = tint("W", "W"), tint("A", "A"), tint("B", "B")
close_lesson(
    say(
        r"""
$$
{W}' = {W} + s\,{B}{A}, \qquad {W}'x = {W}x + s\,{B}({A}x), \qquad s = {scaling:.3g}
$$

The two sides are equal in exact arithmetic. A number format keeps a fixed count of digits: bfloat16 has 8 significant
bits, so adding less than about $2^{{-9}}$ of a weight to it gives the same weight back. The adapter here was trained
(its own size was {trained_size} of $\|{W}\|$) and then rescaled through ${B}$ to each size on the axis;
at every size the merge was really made in all four formats.

Per token the base layer costs $d_{{out}}\,d_{{in}} = {cost_base}$ multiplications, the unmerged path
$r(d_{{in}} + d_{{out}}) = {cost_unmerged}$ more, the merged layer none. The mistakes, lower
right: merging twice adds $s{B}{A}$ once too often; without $s$ the update enters with 1 in place of {scaling:.3g};
dropout left on (p = 0.1) blurs the input of ${A}$; a transposed ${B}{A}$ fits a square layer and is simply wrong (a
layer that is not square would have refused it).""",
        W=W,
        B=B,
        A=A,
        scaling=e.scaling,
        trained_size=number(report.trained_size),
        cost_base=record.cost_base,
        cost_unmerged=record.cost_unmerged - record.cost_base,
    ),
    lambda theme: plot_merge_check(record, theme=theme),
    table(record),
    name="merge",
    alt=takeaway(record),
    home=(Sweep((e,)),),
)
