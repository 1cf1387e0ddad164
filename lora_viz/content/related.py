"""Which lessons belong together, and why: pairs of neighbours with the reason, which holds from either side."""

from __future__ import annotations

from typing import NamedTuple

from lora_viz.i18n.language import to_say

__all__ = ["NEIGHBOURS", "Neighbours"]


class Neighbours(NamedTuple):
    """Two lessons, and what connects them."""

    one: str
    other: str
    why: str


def _all(why: str, *pairs: str) -> tuple[Neighbours, ...]:
    return tuple(Neighbours(one, other, why) for one, _, other in (pair.partition(" ") for pair in pairs))


NEIGHBOURS = (
    *_all(to_say("the same step, in other numbers"), "machine follow", "follow mistake", "machine mistake"),
    *_all(to_say("where A and B push"), "machine bottleneck", "bottleneck matrix"),
    *_all(to_say("which factor moves first"), "machine gradient_flow", "gradient_flow wake_up", "follow gradient_flow",
          "gradient_flow initialisation", "wake_up saddles"),
    *_all(to_say("what a rank can reach"), "rank bottleneck", "rank truncated_svd", "rank digits", "rank energy_rule"),
    *_all(to_say("which rank to choose"), "choosing rank", "choosing overfit", "choosing digits", "energy_rule overfit",
          "capacity rank"),
    *_all(to_say("what α, s and the rate do to a step"), "choosing scaling", "scaling config_card", "scaling phase_map",
          "width scaling", "choosing width", "wake_up scaling", "lora_or_full width"),
    *_all(to_say("what it costs"), "choosing budget", "budget cost", "config_card budget", "cost what_low_rank_is_not",
          "transformer budget", "capacity cost"),
    *_all(to_say("what is lost to rounding"), "merge quantised", "quantised budget", "merge inspector"),
    *_all(to_say("adapters as files"), "inspector extract", "inspector many_adapters", "extract minilm",
          "many_adapters merge", "inspector minilm"),
    *_all(to_say("the singular values of ΔW"), "minilm energy_rule", "rank_over_time truncated_svd", "inspector rank",
          "rank_over_time saddles", "overlap minilm"),
    *_all(to_say("signal and noise"), "truncated_svd overfit", "learns_forgets overfit",
          "truncated_svd energy_rule"),
    *_all(to_say("what a factorisation leaves open"), "gauge balance", "gauge conditioning", "gauge autoencoder",
          "balance saddles", "balance conditioning"),
    *_all(to_say("what low rank is, and what it is not"), "matrix what_low_rank_is_not",
          "what_low_rank_is_not many_adapters", "matrix rank_over_time"),
    *_all(to_say("the best subspace"), "autoencoder truncated_svd", "autoencoder overlap"),
    *_all(to_say("how A and B begin"), "initialisation asymmetry", "quantised initialisation"),
    *_all(to_say("the same task for other methods"), "variants dora", "variants adalora", "variants phase_map",
          "dora adalora", "variants quantised"),
    *_all(to_say("one factor, or one layer, gets more than the other"), "asymmetry phase_map", "adalora digits",
          "asymmetry adalora"),
    *_all(to_say("LoRA compared with full fine-tuning"), "lora_or_full conditioning",
          "lora_or_full learns_forgets", "intruders learns_forgets", "lora_or_full capacity",
          "lora_or_full rate_and_rank",
          "learns_forgets rate_and_rank"),
    *_all(to_say("which directions are found"), "overlap intruders", "intruders extract", "initialisation overlap",
          "conditioning phase_map"),
    *_all(to_say("where adapters sit in a network"), "transformer config_card", "transformer minilm"),
    *_all(to_say("adapters of a chat model"), "ten_sentences adapter_strength", "ten_sentences one_rank",
          "ten_sentences rate_and_rank", "adapter_strength two_at_once", "where_to_adapt one_rank",
          "where_to_adapt rate_and_rank", "ten_sentences quantised"),
    *_all(to_say("adapters of a model that writes names"), "one_name dropout_or_decay", "one_name two_at_once",
          "one_name one_rank", "overfit dropout_or_decay"),
    *_all(to_say("what a training step takes"), "cost step_time", "step_time budget", "step_time variants"),
    *_all(to_say("why an adapter does nothing"), "inspector training_faults", "training_faults gradient_flow",
          "training_faults config_card"),
    *_all(to_say("look it up"), "literature glossary", "literature quiz", "glossary start", "config_card glossary",
          "literature paths"),
    *_all(to_say("try it yourself"), "quiz challenges", "challenges machine", "quiz mistake", "challenges phase_map"),
    *_all(to_say("a way through the lessons"), "start paths", "start machine", "present paths", "present quiz",
          "present start"),
)  # fmt: skip
