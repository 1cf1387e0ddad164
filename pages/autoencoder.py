"""Rank from the ground: does a linear autoencoder find PCA?"""

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say
from lora_viz.lessons.rank.autoencoder import autoencoder, film, plot_autoencoder, table, takeaway
from lora_viz.ui.cache import cached_autoencoder
from lora_viz.ui.controls import CONTROLS
from lora_viz.ui.page import close_lesson, open_lesson, show_film
from lora_viz.ui.rank_controls import RANK_CONTROLS

OFF_CENTRE = 2.0

asked, picture = open_lesson(
    say("Does a linear autoencoder find PCA?"),
    say(
        "It finds PCA's subspace, not its axes; and only if the data are centred. Trained here from eight random "
        "starts."
    ),
    default=Experiment(
        d_in=12,
        d_out=12,
        target_rank=2,
        rank=2,
        alpha=1.0,
        scaling_rule="constant",
        init="both_random",
        optimizer="sgd",
        lr=0.1,
        steps=500,
        samples=400,
    ),
    first=(RANK_CONTROLS["centred"], CONTROLS["rank"].only(1, 2, 3), CONTROLS["lr"].only(0.02, 0.05, 0.1, 0.2, 0.5)),
    more=(CONTROLS["optimizer"], CONTROLS["steps"]),
)
e = asked.experiment
offset = OFF_CENTRE if asked.options["centred"] == "not centred" else 0.0
run = cached_autoencoder(Sweep.over(e, init_seed=range(8)), asked.device, offset)
record = autoencoder(run)
show_film(picture, film(record), takeaway(record))

encoder, decoder = tint("A", "A"), tint("B", "B")
close_lesson(
    say(
        r"""
$$
L = \tfrac1{{2n}}\sum_j \|{decoder}{encoder}\,x_j - x_j\|^2 \ \text{{is least at}}\
{decoder}{encoder} = U_r U_r^\top, \qquad {decoder} = U_r Q,\quad {encoder} = Q^{{-1}}U_r^\top
$$

for every invertible $Q$ (Baldi & Hornik 1989): with samples as columns the encoder is ${encoder} \cong U_r^\top$
({rank}×12) and the decoder ${decoder} \cong U_r$ (12×{rank}). $V_r$ has one row a sample
({samples}×{rank}) and cannot encode a new one; $\Sigma_r V_r^\top$ is the *code* of PCA. This is LoRA's own
problem: $W = 0$, target $\Delta W^* = I$, the same engine. $U_r$ are axes about the mean; the loss knows only second
moments about 0, so a mean of size {mean} counts as variance along its
direction. Standard deviations along the first axes: {deviations}.""",
        decoder=decoder,
        encoder=encoder,
        rank=e.rank,
        samples=record.samples,
        mean=number(record.mean) if record.mean > 1e-9 else "0",
        deviations=", ".join(number(float(s)) for s in record.deviations[:4]),
    ),
    lambda theme: plot_autoencoder(record, theme=theme),
    table(record),
    name="autoencoder",
    alt=takeaway(record),
    home=run,
)
