"""The stage that bench_player measures: one film of 500 frames, three panels that all move, nothing to compute."""

import numpy as np

from lora_viz.film.film import Film
from lora_viz.film.panels import Cloud, HeatMap, Lines, Points, Series
from lora_viz.ui.player import play

FRAMES = 500
at = np.linspace(0, 1, FRAMES)
matrices = np.cos(np.arange(32)[:, None] / 5 + 12 * at[:, None, None]) * np.sin(
    np.arange(32) / 4 + 9 * at[:, None, None]
)
angle, radius = np.random.default_rng(0).uniform(0, 2 * np.pi, 500), np.linspace(0.05, 1, 500)
turned = angle + 3 * at[:, None] * (1.2 - radius)
cloud = np.stack([radius * np.cos(turned), radius * np.sin(turned)], axis=2)

# No training: over its steps the player dwells on the first frames, and that is not what is measured.
play(
    Film(
        axis="frame",
        values=np.arange(FRAMES, dtype=float),
        start=0,
        panels=(
            Lines(
                "a_line_of_500_points",
                "A line of 500 points",
                series=(Series("loss", "loss", "A", np.exp(-4 * at) * (1.2 + np.cos(40 * at))),),
                y_label="loss",
                span=4,
            ),
            HeatMap("a_matrix_of_32_32", "A matrix of 32×32", "B", matrices, limit=1.0, span=4),
            Cloud(
                "points",
                "500 points",
                "delta",
                dimension=2,
                limit=1.1,
                points=(Points("x", "x", "delta", cloud),),
                span=4,
            ),
        ),
    )
)
