"""What low rank is often taken for: a subspace, and few parameters."""

from lora_viz.i18n.language import to_say
from lora_viz.lessons.joined import joined
from lora_viz.lessons.rank import few_numbers, subspace

__all__ = ["LESSON"]

LESSON = joined(
    subspace.PART, few_numbers.PART,
    id="what_low_rank_is_not", menu=to_say("What low rank is not"),
    title=to_say("Is low rank a subspace, or few parameters?"),
    claim=to_say("Neither. Two updates of rank r sum, in general, to rank 2r. c·I has one free parameter and full "
                 "rank."),
    place=60,
)  # fmt: skip
