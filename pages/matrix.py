"""Rank from the ground: what is it, on a matrix small enough to draw?"""

import streamlit as st

from lora_viz.core.experiment import Experiment
from lora_viz.film.style import number
from lora_viz.i18n.language import say
from lora_viz.layer.worked import parse_matrix
from lora_viz.lessons.rank.matrix import PRESETS, film, plot_shape_rank, shape_rank, table, takeaway
from lora_viz.ui.page import close_lesson, open_lesson, show_film
from lora_viz.ui.rank_controls import RANK_CONTROLS

asked, picture = open_lesson(
    say("What is rank?"),
    say(
        "The shape of a matrix says how many numbers go in and come out; its rank, how many directions arrive. "
        "Walk x through the null space (drag or play): M x stays where it is."
    ),
    default=Experiment(),
    first=(RANK_CONTROLS["matrix"], RANK_CONTROLS["entry_noise"], RANK_CONTROLS["own_matrix"]),
    more=(),
    trains=False,
)
text = PRESETS.get(asked.options["matrix"], asked.options["own_matrix"])
noise, seed = float(asked.options["entry_noise"]), asked.experiment.seed
kept = st.session_state.setdefault("last_matrix", "1 2 3; 2 4 6")
try:
    record = shape_rank(parse_matrix(text, "M"), noise=noise, seed=seed)
    st.session_state["last_matrix"] = text
except ValueError as error:
    picture.error(say("{error} The last matrix that fitted is shown.", error=error))
    record = shape_rank(parse_matrix(kept, "M"), noise=noise, seed=seed)
show_film(picture, film(record), takeaway(record))

(m, n), r = record.matrix.shape, record.fine.numerical
lengths = ", ".join(number(float(s)) for s in record.sigma)
point = ", ".join(number(float(v)) for v in record.walked[len(record.walk) // 2])
close_lesson(
    say(
        r"""
$$
M = U\,\Sigma\,V^\top = \sum_i \sigma_i\,u_i v_i^\top, \qquad
\mathrm{{rank}}\,M = \dim \mathrm{{col}}(M) = \#\{{\sigma_i > 0\}} \le \min(m, n), \qquad
\dim \ker M = n - \mathrm{{rank}}\,M
$$

Here $\sigma = ({lengths})$, rank {r} of at most {most}, null space of dimension ${n} - {r} = {null}$. The walk
starts at $x = ({point})$. Rank is the number of directions in the *column space*, not the number of coordinates,
$m = {m}$. With noise no $\sigma$ is exactly 0 any more: a rank read off numbers needs a tolerance. $M$ sends $v_i$ to
$\sigma_i u_i$; only an eigenvector, $M v = \lambda v$, keeps its line. A matrix of low rank is no projection
either: that would need $M M = M$.""",
        lengths=lengths,
        r=r,
        most=min(m, n),
        n=n,
        null=n - r,
        point=point,
        m=m,
    ),
    lambda theme: plot_shape_rank(record, theme=theme),
    table(record),
    name="matrix",
    alt=takeaway(record),
)
