"""Cost: when two thin factors hold fewer numbers than the matrix, for an adapter and for a matrix that is cut."""

from lora_viz.i18n.language import to_say
from lora_viz.lessons.joined import joined
from lora_viz.lessons.real import cost_layer, storage

__all__ = ["LESSON"]

LESSON = joined(
    cost_layer.PART, storage.PART,
    id="cost", menu=to_say("Cost of one layer"), title=to_say("Cost: when do two thin factors save anything?"),
    claim=to_say("Two thin factors save parameters only at a low rank: an adapter below r = d/2, an "
                 "SVD's pieces below mn/(m + n + 1)."),
    place=90,
)  # fmt: skip
