"""Which kinds of adapters are known by name but not read? Told by whole parts of a key, never by letters within one."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lora_viz.adapters.stored import AdapterError
from lora_viz.i18n.language import say, to_say

__all__ = ["UNREAD", "refuse_unread", "unread_kind"]

# (what it is, parts of a key that only it has, as one pattern for a whole part between dots)
UNREAD = (
    (to_say("an OFT or BOFT file: its update rotates the weight"), r"b?oft_(blocks|diag|[rRs])"),
    (to_say("an (IA)³ file: it scales activations and has no ΔW"), r"ia3_l|lora_ia3"),
    (to_say("a file of prompts or prefixes: it has vectors of its own and no ΔW"),
     r"prompt_(embeddings|encoder)|prefix_tunings?|prefix_encoder"),
    (to_say("a textual inversion: an embedding of a word and no ΔW"), r"emb_params|string_to_param|clip_[lg]"),
    (to_say("a FourierFT file: its update is a sparse spectrum"), r"fourierft_spectrum"),
    (to_say("a VB-LoRA file: its factors come from a shared bank of vectors"), r"vblora_.*"),
    (to_say("a RandLoRA file: its random factors are not in it"), r"randlora_(lambda|gamma|[AB])"),
    (to_say("an HRA file: its update is a chain of reflections"), r"hra_u"),
    (to_say("a Bone or MiSS file: its update is a table of blocks"), r"bone_.*|miss_.*"),
    (to_say("a C3A file: its update is a circular convolution"), r"c3a_kernel"),
    (to_say("a SHiRA file: its update is sparse"), r"shira_weight"),
    (to_say("a LoRA-XS file: its outer factors are not in it"), r"default_lora_latent_mapping|lora_latent.*"),
    (to_say("a GraLoRA file: its update is a grid of blocks, each with factors of its own"),
     r"gralora_[AB](_general)?"),
    (to_say("a GLoRA file: it scales the weight and the bias beside what it adds"), r"glora_[A-E]"),
    (to_say("a DeLoRA file: its factors are normalised, and their product bounded"), r"delora_(A|B|lambda)"),
    (to_say("a Lily file: its factors are shared between layers and mixed by a router"), r"lily_(A|B|router)"),
    (to_say("a Poly file: its factors are mixed by a router"), r"poly_(lora_[AB]|router)"),
    (to_say("an X-LoRA file: a classifier that mixes other adapters"), r"internal_xlora_classifier|xlora_.*"),
    (to_say("an AdaMSS file: its update lies in subspaces of the base's weight"), r"adamss_[AB]"),
    (to_say("a PSOFT file: it rotates within the base's main directions"), r"psoft_.*"),
    (to_say("an OSF file: it trains a part of the base's own SVD"), r"osf_.*"),
    (to_say("a TinyLoRA file: its outer factors are not in it"), r"tinylora_v"),
    (to_say("a PEANuT file: its update is what small networks make of the weight"), r"peanut_.*"),
    (to_say("a WaveFT file: its update is a sparse spectrum of wavelets"), r"waveft_spectrum"),
    (to_say("a RoAd file: it rotates and scales activations and has no ΔW"), r"road_(theta|alpha)"),
    (to_say("a BEFT file: it trains biases and has no ΔW"), r"beft_bias"),
    (to_say("an LN tuning file: whole norms and no ΔW"), r"ln_tuning_layers"),
    (to_say("a file of trained tokens: rows of an embedding and no factors"), r"trainable_tokens_delta"),
    (to_say("a file of bottleneck adapters (Houlsby, Pfeiffer): layers with an activation and no ΔW"),
     r"adapter_down|adapter_up|non_linear_.*"),
    (to_say("a file of full differences: its ΔW is stored whole, not as factors"), r"diff|diff_b"),
)  # fmt: skip
_PARTS = tuple((what, re.compile(pattern, re.DOTALL)) for what, pattern in UNREAD)


def unread_kind(names: Iterable[str]) -> str | None:
    """What a file with these names is, where it is of a kind that is known but not read; else None."""
    parts = {part for name in names for part in name.split(".")}
    return next((what for what, pattern in _PARTS if any(pattern.fullmatch(part) for part in parts)), None)


def refuse_unread(names: Iterable[str]) -> None:
    """Raise AdapterError where these names are of a kind that is not read."""
    if (what := unread_kind(names)) is not None:
        raise AdapterError(say("This is {what}. Read are files whose update is made of factors: convert it with its "
                               "own tool to a LoRA first.", what=say(what)))  # fmt: skip
