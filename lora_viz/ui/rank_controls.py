"""Which questions do the pages on rank ask? View options, and fields of an experiment under another label."""

from __future__ import annotations

from lora_viz.matrices import SPECTRA
from lora_viz.ui.controls import Control
from lora_viz.views.gauge import WAYS
from lora_viz.views.shape_rank import PRESETS
from lora_viz.views.storage import SHAPES

__all__ = ["RANK_CONTROLS"]

_ALL = (
    Control(
        name="matrix",
        label="Matrix M",
        options=(*PRESETS, "own"),
        help="rank_1 is [[1, 2, 3], [2, 4, 6]]. own: type your numbers below.",
        default="rank_1",
    ),
    Control(
        name="own_matrix",
        label="Your own M, at most 3×3",
        options=(),
        help="Rows of numbers split by semicolons, or a Python or NumPy list. Drawn when own is chosen.",
        default="2 1; 1 2",
    ),
    Control(
        name="entry_noise",
        label="Noise on every entry",
        options=("0", "0.001", "0.1"),
        help="Standard deviation of what is added to each entry.",
        default="0",
    ),
    Control(
        name="shape_of_spectrum",
        label="Singular values of M",
        options=SPECTRA,
        help="flat: all equal. power: 1/i. exponential: 0.7 to the power i. random: independent normal entries.",
        default="power",
    ),
    Control(
        name="rivals",
        label="Draw of the rivals",
        options=tuple(range(10)),
        help="Other random column spaces against the same matrix.",
        default=0,
    ),
    Control(
        name="layer_shape",
        label="Shape of W",
        options=tuple(SHAPES),
        help="41×31 is really decomposed; for the others the numbers are counted.",
        default="41×31",
    ),
    Control(
        name="noise",
        label="Noise on every entry",
        options=(0.0, 0.1, 0.3, 1.0, 2.0),
        help="Standard deviation; the clean entries have variance about 1.",
    ),
    Control(
        name="target_rank",
        label="Rank of the clean matrix",
        options=(1, 2, 3, 4, 6, 8),
        help="How many layers are signal.",
    ),
    Control(
        name="gauge_path",
        label="What Q does",
        options=WAYS,
        help="turn: a rotation. stretch: longer in one direction, shorter in another. both: one after the other.",
        default="both",
    ),
    Control(
        name="filled",
        label="Non-zeros of the sparse one",
        options=("1 %", "5 %", "20 %"),
        help="The share of its entries that are not 0.",
        default="5 %",
    ),
    Control(
        name="centred",
        label="Data",
        options=("centred", "not centred"),
        help="Is the mean taken away before training?",
        default="centred",
    ),
)
RANK_CONTROLS: dict[str, Control] = {control.name: control for control in _ALL}
