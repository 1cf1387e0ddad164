"""Which questions do the pages on rank ask? View options, and fields of an experiment under another label."""

from __future__ import annotations

from lora_viz.i18n.language import to_say
from lora_viz.layer.matrices import SPECTRA
from lora_viz.lessons.rank.gauge import WAYS
from lora_viz.lessons.rank.matrix import PRESETS
from lora_viz.lessons.rank.storage import SHAPES
from lora_viz.ui.controls import Control

__all__ = ["RANK_CONTROLS"]

_ALL = (
    Control(
        name="matrix",
        label=to_say("Matrix M"),
        options=(*PRESETS, "own"),
        help=to_say("Rank 1 is [[1, 2, 3], [2, 4, 6]]. My own: type your numbers below."),
        default="rank_1",
        names={
            "rank_1": to_say("rank 1"),
            "rank_2": to_say("rank 2"),
            "rank_3": to_say("rank 3"),
            "shear": to_say("shear"),
            "turn": to_say("quarter turn"),
            "projection": to_say("projection"),
            "own": to_say("my own"),
        },
    ),
    Control(
        name="own_matrix",
        label=to_say("Your own M, at most 3×3"),
        options=(),
        help=to_say("Rows of numbers split by semicolons, or a Python or NumPy list. Drawn when “my own” is chosen."),
        default="2 1; 1 2",
    ),
    Control(
        name="entry_noise",
        label=to_say("Noise on every entry"),
        options=("0", "0.001", "0.1"),
        help=to_say("Standard deviation of what is added to each entry."),
        default="0",
    ),
    Control(
        name="shape_of_spectrum",
        label=to_say("Singular values of M"),
        options=SPECTRA,
        help=to_say(
            "Flat: all equal. Power law: the i-th is 1/i. Exponential: 0.7 to the power i. "
            "Random: independent normal entries."
        ),
        default="power",
    ),
    Control(
        name="rivals",
        label=to_say("Draw of the rivals"),
        options=tuple(range(10)),
        help=to_say("Other random column spaces against the same matrix."),
        default=0,
    ),
    Control(
        name="layer_shape",
        label=to_say("Shape of W"),
        options=tuple(SHAPES),
        help=to_say("41×31 is really decomposed; for the others the numbers are counted."),
        default="41×31",
    ),
    Control(
        name="noise",
        label=to_say("Noise on every entry"),
        options=(0.0, 0.1, 0.3, 1.0, 2.0),
        help=to_say("Standard deviation; the clean entries have variance about 1."),
    ),
    Control(
        name="target_rank",
        label=to_say("Rank of the clean matrix"),
        options=(1, 2, 3, 4, 6, 8),
        help=to_say("How many layers are signal."),
    ),
    Control(
        name="gauge_path",
        label=to_say("What Q does"),
        options=WAYS,
        help=to_say(
            "Turn: a rotation. Stretch: longer in one direction, shorter in another. Both: one after the other."
        ),
        default="both",
        names={"both": to_say("both"), "turn": to_say("turn"), "stretch": to_say("stretch")},
    ),
    Control(
        name="filled",
        label=to_say("Non-zeros of the sparse one"),
        options=("1 %", "5 %", "20 %"),
        help=to_say("The share of its entries that are not 0."),
        default="5 %",
    ),
    Control(
        name="centred",
        label=to_say("Data"),
        options=("centred", "not centred"),
        help=to_say("Is the mean taken away before training?"),
        default="centred",
        names={"centred": to_say("centred"), "not centred": to_say("not centred")},
    ),
)
RANK_CONTROLS: dict[str, Control] = {control.name: control for control in _ALL}
