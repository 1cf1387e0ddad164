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
          "gradient_flow init_race", "wake_up saddles"),
    *_all(to_say("what a rank can reach"), "rank bottleneck", "rank truncation", "rank digits", "rank energy_rule"),
    *_all(to_say("which rank to choose"), "choosing rank", "choosing overfit", "choosing digits", "energy_rule overfit",
          "capacity rank"),
    *_all(to_say("what α, s and the rate do to a step"), "choosing scaling", "scaling config_card", "scaling phase_map",
          "width scaling", "choosing width", "wake_up scaling", "large_batch width"),
    *_all(to_say("what it costs"), "choosing budget", "budget cost", "config_card budget", "cost few_numbers",
          "transformer budget", "capacity cost"),
    *_all(to_say("what is lost to rounding"), "merge quantised", "quantised budget", "merge inspector"),
    *_all(to_say("adapters as files"), "inspector extract", "inspector many_adapters", "extract minilm",
          "many_adapters merge", "inspector minilm"),
    *_all(to_say("the singular values of ΔW"), "minilm energy_rule", "rank_over_time truncation", "inspector rank",
          "rank_over_time saddles", "overlap minilm"),
    *_all(to_say("signal and noise"), "denoise overfit", "denoise truncation", "learns_forgets overfit",
          "denoise energy_rule"),
    *_all(to_say("what a factorisation leaves open"), "gauge balance", "gauge conditioning", "gauge autoencoder",
          "balance saddles", "balance conditioning"),
    *_all(to_say("what low rank is, and what it is not"), "matrix few_numbers", "matrix subspace",
          "subspace few_numbers", "subspace many_adapters", "matrix rank_over_time"),
    *_all(to_say("the best subspace"), "autoencoder truncation", "autoencoder overlap"),
    *_all(to_say("how A and B begin"), "init_race init_variance", "init_race init_alignment",
          "init_variance init_alignment", "init_variance asymmetry", "quantised init_race"),
    *_all(to_say("the same task for other methods"), "variants dora", "variants adalora", "variants phase_map",
          "dora adalora", "variants quantised"),
    *_all(to_say("one factor, or one layer, gets more than the other"), "asymmetry phase_map", "adalora digits",
          "asymmetry adalora"),
    *_all(to_say("LoRA compared with full fine-tuning"), "race large_batch", "race width", "race conditioning",
          "race learns_forgets", "intruders learns_forgets", "large_batch capacity", "race which_learning_rate",
          "learns_forgets which_learning_rate"),
    *_all(to_say("which directions are found"), "overlap intruders", "intruders extract", "init_alignment overlap",
          "conditioning phase_map"),
    *_all(to_say("where adapters sit in a network"), "transformer config_card", "transformer minilm"),
    *_all(to_say("adapters of a chat model"), "ten_sentences adapter_strength", "ten_sentences one_rank",
          "ten_sentences which_learning_rate", "adapter_strength two_at_once",
          "where_to_adapt one_rank", "where_to_adapt which_learning_rate", "ten_sentences quantised"),
    *_all(to_say("adapters of a model that writes names"), "one_name dropout_or_decay", "one_name two_at_once",
          "overfit dropout_or_decay"),
    *_all(to_say("look it up"), "literature glossary", "literature quiz", "glossary start", "config_card glossary",
          "literature paths"),
    *_all(to_say("try it yourself"), "quiz challenges", "challenges machine", "quiz mistake", "challenges phase_map"),
    *_all(to_say("a way through the lessons"), "start paths", "start machine", "present paths", "present quiz",
          "present start"),
)  # fmt: skip
