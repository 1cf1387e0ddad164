"""Starting values that people use, with who says so: practice, not measured here. Figures are the sources' own."""

from __future__ import annotations

from typing import NamedTuple

from lora_viz.i18n.language import to_say

__all__ = ["PRACTICE", "Advice"]


class Advice(NamedTuple):
    """One thing to choose: where people begin, whose figures these are, and the lessons that show what it does."""

    name: str
    begin: str
    source: str
    seen: tuple[str, ...]


PRACTICE = (
    Advice(
        to_say("rank r"),
        to_say("8 or 16; then double it as long as held-out error falls."),
        to_say("PEFT's default is 8. Hu et al. 2021 saw little difference from 1 to 64 on their tasks; Dettmers et al. "
               "2023 used 64."),
        ("rank", "overfit", "digits"),
    ),
    Advice(
        to_say("alpha α"),
        to_say("r or 2 r; choose it once, then turn only the learning rate."),
        to_say("PEFT's default is 8 at r = 8. Hu et al. 2021 set α to the first r they tried and did not tune it; "
               "Dettmers et al. 2023 used 16 at r = 64."),
        ("alpha", "scaling"),
    ),
    Advice(
        to_say("learning rate"),
        to_say("2·10⁻⁴ with Adam for a language model of 7 B, 1·10⁻⁴ above 30 B; about ten times what full fine-tuning "
               "gets."),
        to_say("2·10⁻⁴ and 1·10⁻⁴: Dettmers et al. 2023. Ten times: Schulman et al. 2025."),
        ("width", "scaling_training", "phase_map"),
    ),
    Advice(
        to_say("target modules"),
        to_say("All linear layers."),
        to_say("Dettmers et al. 2023 needed all of them to match full fine-tuning; in PEFT “all-linear”."),
        ("transformer", "budget"),
    ),
    Advice(
        to_say("scale at a high rank"),
        to_say("α/√r instead of α/r."),
        to_say("Kalajdzievski 2023; in PEFT use_rslora."),
        ("scaling", "scaling_training"),
    ),
    Advice(
        to_say("dropout"),
        to_say("0 to 0.1."),
        to_say("PEFT's default is 0; Dettmers et al. 2023 used 0.1 up to 13 B and 0.05 above."),
        ("config_card",),
    ),
)  # fmt: skip
