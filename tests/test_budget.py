"""Shapes, counts, multiply–adds and bytes: against PEFT, transformers, torch's counters and a small real training."""

import math

import peft
import pytest
import torch
import torch.nn.functional as F
import transformers as tf
from peft import LoraConfig, get_peft_model
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lora_viz.costs.budget import (
    METHODS,
    NF4_BITS,
    PRECISIONS,
    Memory,
    break_even_rank,
    budget,
    fit,
    layer_cost,
    memory,
    numbers_kept,
    rank_for_share,
    share_of_layer,
)
from lora_viz.costs.counting import count_layer, numbers_saved
from lora_viz.costs.models import DEFAULT_TARGETS, MODELS
from lora_viz.costs.shapes import ModelShape, bert, gpt2, llama, vit
from lora_viz.layer.lora import LoRALinear
from tests.peaks import OTHER_PEAKS, PEAKS

TOTALS = {
    "Llama-2-7B": 6_738_415_616,
    "Llama-2-13B": 13_015_864_320,
    "Llama-2-70B": 68_976_648_192,
    "Llama-3.2-1B": 1_235_814_400,
    "Llama-3.1-8B": 8_030_261_248,
    "Llama-3.1-70B": 70_553_706_496,
    "Mistral-7B": 7_241_732_096,
    "Qwen2.5-0.5B": 494_032_768,
    "Qwen2.5-1.5B": 1_543_714_304,
    "Qwen2.5-7B": 7_615_616_512,
    "Qwen2.5-72B": 72_706_203_648,
    "Gemma-2B": 2_506_172_416,
    "Gemma-7B": 8_537_680_896,
    "Gemma-2-9B": 9_241_705_984,
    "GPT-2": 124_439_808,
    "GPT-2 M": 354_823_168,
    "GPT-2 L": 774_030_080,
    "GPT-2 XL": 1_557_611_200,
    "GPT-3 175B": 175_255_800_000,
    "BERT-base": 109_482_240,
    "RoBERTa-base": 124_645_632,
    "RoBERTa-large": 355_359_744,
    "ViT-B/16": 86_567_656,
    "SDXL UNet": 2_567_463_684,
    "SD1.5 UNet": 859_520_964,
}
QV, QKVO, MLP = (("q_proj", "v_proj"), ("q_proj", "k_proj", "v_proj", "o_proj"), ("gate_proj", "up_proj", "down_proj"))
PER_RANK = {
    "Llama-2-7B": (524_288, 1_048_576, 1_449_984, 2_498_560),
    "Llama-2-13B": (819_200, 1_638_400, 2_273_280, 3_911_680),
    "Llama-3.1-8B": (425_984, 851_968, 1_769_472, 2_621_440),
    "Mistral-7B": (425_984, 851_968, 1_769_472, 2_621_440),
    "Llama-2-70B": (2_048_000, 4_096_000, 8_847_360, 12_943_360),
    "Llama-3.1-70B": (2_048_000, 4_096_000, 8_847_360, 12_943_360),
    "Llama-3.2-1B": (106_496, 212_992, 491_520, 704_512),
}
ALL_LINEAR = {
    "GPT-2": 147_456,
    "GPT-2 M": 393_216,
    "GPT-2 L": 737_280,
    "GPT-2 XL": 1_228_800,
    "BERT-base": 167_424,
    "RoBERTa-base": 167_424,
    "RoBERTa-large": 444_416,
    "ViT-B/16": 167_656,
    "SDXL UNet": 1_451_520,
    "SD1.5 UNet": 199_296,
}


def test_every_total_is_the_models_own() -> None:
    assert {title: shape.total for title, shape in MODELS.items()} == TOTALS


@pytest.mark.parametrize("title", PER_RANK)
def test_published_counts_of_the_llama_family(title: str) -> None:
    shape = MODELS[title]
    counts = tuple(budget(shape, names, 1).trained for names in (QV, QKVO, MLP, shape.all_linear))
    assert counts == PER_RANK[title]


@pytest.mark.parametrize("title", ALL_LINEAR)
def test_published_counts_of_the_others(title: str) -> None:
    assert budget(MODELS[title], MODELS[title].all_linear, 1).trained == ALL_LINEAR[title]


@pytest.mark.parametrize(
    ("title", "targets", "rank", "trained"),
    [
        ("Llama-2-7B", QV, 8, 4_194_304),
        ("Llama-2-7B", QKVO, 8, 8_388_608),
        ("Llama-2-7B", (*QKVO, *MLP), 8, 19_988_480),
        ("Llama-2-7B", QKVO, 16, 16_777_216),
        ("RoBERTa-base", ("query", "value"), 8, 294_912),  # "0.3M" in Hu et al. 2021, Table 2
        ("RoBERTa-large", ("query", "value"), 8, 786_432),  # "0.8M"
        ("GPT-3 175B", QV, 1, 4_718_592),  # "4.7M", Table 4
        ("GPT-3 175B", QV, 8, 37_748_736),  # "37.7M"
        ("GPT-3 175B", QV, 64, 301_989_888),  # "301.9M"
        ("GPT-2 M", ("c_attn",), 4, 393_216),  # printed there as 0.35M
        ("SDXL UNet", ("to_q", "to_k", "to_v", "to_out.0"), 4, 5_806_080),
        ("SD1.5 UNet", ("to_q", "to_k", "to_v", "to_out.0"), 16, 3_188_736),
    ],
)
def test_published_adapters(title: str, targets: tuple[str, ...], rank: int, trained: int) -> None:
    assert budget(MODELS[title], targets, rank).trained == trained


def test_the_llama_7b_shares() -> None:
    shape = MODELS["Llama-2-7B"]
    b = budget(shape, QKVO, 16)
    assert (b.touched, b.touched / b.trained) == (2_147_483_648, 128)
    assert round(100 * b.share, 6) == 0.248979
    assert sum(m.weights for m in shape.chosen((*QKVO, *MLP))) == 6_476_005_376
    assert sum(m.copies for m in shape.chosen((*QKVO, *MLP))) == 224
    everything = budget(shape, (*QKVO, *MLP), 8)
    assert round(100 * everything.trained / everything.touched, 6) == 0.308654
    assert round(100 * everything.share, 6) == 0.296635


@pytest.mark.parametrize(
    ("d", "rank", "percent"),
    [
        (4096, 1, 0.048828),
        (4096, 4, 0.195312),
        (4096, 8, 0.390625),
        (4096, 16, 0.78125),
        (4096, 20, 0.976562),
        (4096, 32, 1.5625),
        (4096, 64, 3.125),
        (4096, 2048, 100),
        (4096, 4096, 200),
        (768, 8, 2.083333),
        (1024, 8, 1.5625),
    ],
)
def test_the_share_of_a_square_layer(d: int, rank: int, percent: float) -> None:
    assert 100 * share_of_layer(d, d, rank) == pytest.approx(percent, abs=1e-6)
    assert layer_cost(d, d, rank).unmerged - d * d == rank * 2 * d


def test_where_one_percent_and_a_hundredfold_end() -> None:
    assert [rank_for_share(d, d, 0.01) for d in (768, 4096, 8192)] == pytest.approx([3.84, 20.48, 40.96])
    assert break_even_rank(4096, 4096) == 2048
    assert break_even_rank(4096, 11008) == pytest.approx(2985.22, abs=0.005)


TINY = {
    "llama": (
        tf.LlamaForCausalLM,
        tf.LlamaConfig(
            hidden_size=24,
            num_hidden_layers=3,
            num_attention_heads=6,
            num_key_value_heads=2,
            intermediate_size=44,
            vocab_size=53,
        ),
        llama("tiny", 24, 3, 6, 2, 44, 53),
    ),
    "mistral, own head size, tied": (
        tf.MistralForCausalLM,
        tf.MistralConfig(
            hidden_size=20,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=4,
            head_dim=6,
            intermediate_size=34,
            vocab_size=37,
            tie_word_embeddings=True,
        ),
        llama("tiny", 20, 2, 4, 4, 34, 37, head=6, tied=True),
    ),
    "qwen2": (
        tf.Qwen2ForCausalLM,
        tf.Qwen2Config(
            hidden_size=28,
            num_hidden_layers=2,
            num_attention_heads=7,
            num_key_value_heads=1,
            intermediate_size=38,
            vocab_size=41,
            tie_word_embeddings=False,
        ),
        llama("tiny", 28, 2, 7, 1, 38, 41, qkv_bias=True),
    ),
    "qwen3": (
        tf.Qwen3ForCausalLM,
        tf.Qwen3Config(
            hidden_size=28,
            num_hidden_layers=2,
            num_attention_heads=7,
            num_key_value_heads=1,
            head_dim=10,
            intermediate_size=38,
            vocab_size=41,
            tie_word_embeddings=False,
        ),
        llama("tiny", 28, 2, 7, 1, 38, 41, head=10, qk_norm=True),
    ),
    "gemma2": (
        tf.Gemma2ForCausalLM,
        tf.Gemma2Config(
            hidden_size=28,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=6,
            intermediate_size=38,
            vocab_size=41,
        ),
        llama("tiny", 28, 2, 4, 2, 38, 41, head=6, tied=True, norms=4),
    ),
    "gpt2": (
        tf.GPT2LMHeadModel,
        tf.GPT2Config(n_embd=20, n_layer=3, n_head=4, vocab_size=47, n_positions=19),
        gpt2("tiny", 20, 3, 47, 19),
    ),
    "bert": (
        tf.BertModel,
        tf.BertConfig(
            hidden_size=20,
            num_hidden_layers=3,
            num_attention_heads=4,
            vocab_size=47,
            max_position_embeddings=19,
            type_vocab_size=3,
            intermediate_size=34,
        ),
        bert("tiny", 20, 3, 47, 19, 3, 34),
    ),
    "vit": (
        tf.ViTForImageClassification,
        tf.ViTConfig(
            hidden_size=20,
            num_hidden_layers=3,
            num_attention_heads=4,
            intermediate_size=34,
            image_size=21,
            patch_size=7,
            num_labels=11,
        ),
        vit("tiny", 20, 3, 34, 9, 147, 11),
    ),
}


def built(name: str) -> tuple[nn.Module, ModelShape]:
    kind, config, shape = TINY[name]
    with torch.device("meta"):
        return kind(config), shape


@pytest.mark.parametrize("name", TINY)
def test_totals_equal_the_built_models(name: str) -> None:
    model, shape = built(name)
    assert shape.total == sum(p.numel() for p in model.parameters())


@pytest.mark.filterwarnings("ignore:fan_in_fan_out is set to False")
@pytest.mark.parametrize("name", TINY)
def test_counts_equal_pefts(name: str) -> None:
    shape = TINY[name][2]
    asked = [(one,) for one in shape.names] + [shape.all_linear, shape.names[:2], shape.names[-2:]]
    for targets in asked:
        model, _ = built(name)
        with torch.device("meta"):
            made = get_peft_model(model, LoraConfig(r=3, target_modules=shape.target_modules(targets)))
        assert made.get_nb_trainable_parameters()[0] == budget(shape, targets, 3).trained, targets


@pytest.mark.filterwarnings("ignore:fan_in_fan_out is set to False")
@pytest.mark.parametrize("name", TINY)
def test_all_linear_is_pefts(name: str) -> None:
    model, shape = built(name)
    with torch.device("meta"):
        made = get_peft_model(model, LoraConfig(r=3, target_modules="all-linear"))
    assert made.get_nb_trainable_parameters()[0] == budget(shape, shape.all_linear, 3).trained


def test_default_targets_are_pefts() -> None:
    theirs = peft.utils.constants.TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
    assert {kind: list(names) for kind, names in DEFAULT_TARGETS.items()} == {k: theirs[k] for k in DEFAULT_TARGETS}


def test_bad_questions_are_answered_in_one_sentence() -> None:
    shape = MODELS["GPT-2"]
    for targets, rank, precision, said in (
        (("c_attn",), 0, "fp32", "rank=0 is not possible. Valid values: 1 and more."),
        ((), 1, "fp32", "No target module was given. Valid values: c_attn, attn.c_proj, c_fc, mlp.c_proj."),
        (("q_proj",), 1, "fp32", "GPT-2 has no q_proj: it has c_attn, attn.c_proj, c_fc, mlp.c_proj."),
        (("c_attn",), 1, "fp8", "precision=fp8 is not known. Valid values: bf16 mixed, bf16 pure, fp32."),
    ):
        with pytest.raises(ValueError) as caught:
            budget(shape, targets, rank, precision=precision)
        assert str(caught.value) == said


@pytest.mark.parametrize(("d_out", "d_in", "rank"), [(13, 7, 3), (31, 64, 5), (96, 96, 32), (64, 64, 64)])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_multiply_adds_are_what_torch_counts(d_out: int, d_in: int, rank: int, device: str) -> None:
    if rank > min(d_out, d_in):
        raise AssertionError
    cost, counted = layer_cost(d_out, d_in, rank), count_layer(d_out, d_in, rank, 11, device=device)
    assert (cost.base, cost.unmerged) == counted.forward
    assert (cost.full_training, cost.lora_training) == counted.training
    assert counted.stored == (device == "cpu")
    ratio = cost.lora_training / cost.full_training
    assert ratio == pytest.approx(2 / 3 + share_of_layer(d_out, d_in, rank))


@pytest.mark.parametrize("targets", [(), QV, (*QKVO, *MLP)])
def test_a_models_multiply_adds_are_what_torch_counts(targets: tuple[str, ...]) -> None:
    """Matrix products of a small Llama; attention's own products are batched ones and apart."""
    _, config, shape = TINY["llama"]
    torch.manual_seed(0)
    model = tf.LlamaForCausalLM._from_config(config, attn_implementation="eager")
    if targets:
        model = get_peft_model(model, LoraConfig(r=3, target_modules=list(targets)))
        model.enable_input_require_grads()  # else nothing goes back through the first layer
    tokens = 13
    with FlopCounterMode(display=False) as counter:
        out = model(torch.arange(tokens)[None]).logits
        forward = counter.get_flop_counts()["Global"][torch.ops.aten.mm]
        out.sum().backward()
    training = counter.get_flop_counts()["Global"][torch.ops.aten.mm]
    expected = budget(shape, targets or QV, 3, checkpointing=False)
    assert forward == 2 * tokens * expected.forward[1 if targets else 0]
    assert training == 2 * tokens * expected.training[1 if targets else 0]


def test_the_published_ratios_of_a_wide_layer() -> None:
    cost = layer_cost(4096, 4096, 16)
    assert cost.unmerged / cost.base - 1 == 0.0078125
    assert (cost.unmerged - cost.base) / (cost.formed - cost.base) == pytest.approx(0.00045956, rel=1e-4)
    assert cost.lora_training / cost.full_training == pytest.approx(0.674479, abs=1e-6)
    assert layer_cost(1024, 1024, 256).lora_training / layer_cost(1024, 1024, 256).full_training > 1


def test_lora_keeps_more_for_the_backward_pass_of_a_layer() -> None:
    counted = count_layer(256, 256, 8, 512)
    assert counted.saved == (196_608, 204_800)
    assert counted.gradients == (65_536, 4_096)
    assert counted.states == (131_072, 8_192)


class Block(nn.Module):
    """A Llama block, written with torch's own fused functions."""

    def __init__(self, h: int, heads: int, kv: int, mlp: int, rank: int, targets: tuple[str, ...]) -> None:
        super().__init__()
        head = h // heads
        self.head = head
        sizes = {
            "q_proj": (h, h),
            "k_proj": (kv * head, h),
            "v_proj": (kv * head, h),
            "o_proj": (h, h),
            "gate_proj": (mlp, h),
            "up_proj": (mlp, h),
            "down_proj": (h, mlp),
        }
        for name, (d_out, d_in) in sizes.items():
            linear = nn.Linear(d_in, d_out, bias=False)
            if rank:
                linear.requires_grad_(False)
            made = LoRALinear(linear, rank=rank, alpha=float(rank)) if rank and name in targets else linear
            self.add_module(name, made)
        self.norms = nn.ParameterList([nn.Parameter(torch.ones(h), requires_grad=not rank) for _ in range(2)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n = len(x)
        a = F.layer_norm(x, x.shape[-1:], self.norms[0])
        q, k, v = (getattr(self, f"{c}_proj")(a).view(n, -1, self.head).transpose(0, 1)[None] for c in ("q", "k", "v"))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        x = x + self.o_proj(y[0].transpose(0, 1).reshape(n, -1))
        m = F.layer_norm(x, x.shape[-1:], self.norms[1])
        return x + self.down_proj(F.silu(self.gate_proj(m)) * self.up_proj(m))


@pytest.mark.parametrize("targets", [(), QV, QKVO, MLP, (*QKVO, *MLP)])
def test_activations_are_what_autograd_saves(targets: tuple[str, ...]) -> None:
    """Weights and the few numbers a token that the assumptions leave out are taken off what was measured."""
    h, heads, kv, mlp, rank, tokens = 24, 4, 4, 46, (3 if targets else 0), 31
    shape = llama("block", h, 1, heads, kv, mlp, 53)
    torch.manual_seed(0)
    block = Block(h, heads, kv, mlp, rank, targets)
    sizes: dict[int, int] = {}
    alive: list[torch.Tensor] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        alive.append(tensor)
        sizes[storage.data_ptr()] = storage.nbytes() // tensor.element_size()
        return tensor

    own = {p.untyped_storage().data_ptr() for p in block.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        block(torch.randn(tokens, h, requires_grad=True))
    measured = [size for at, size in sizes.items() if at not in own]
    small = [size for size in measured if size <= tokens * heads and size != tokens * rank]
    assert len(small) <= 6, "means and deviations of two norms, log-sum-exps, a seed"
    expected = numbers_kept(shape, targets or shape.names, rank) * tokens
    assert sum(measured) - sum(small) == expected


@pytest.mark.parametrize(("rank", "method"), [(0, "full"), (5, "LoRA")])
def test_bytes_are_those_of_a_small_training(rank: int, method: str) -> None:
    """One fp32 AdamW step of two linear layers and an embedding: weights, gradients and states, byte for byte."""
    shape = gpt2("two", 1, 1)._replace(
        matrices=llama("two", 14, 1, 2, 2, 22, 9).chosen(("gate_proj", "down_proj")), rest={"embeddings": 9 * 14}
    )
    torch.manual_seed(0)
    up, down, table = nn.Linear(14, 22, bias=False), nn.Linear(22, 14, bias=False), nn.Embedding(9, 14)
    if rank:
        table.requires_grad_(False)
        up, down = (LoRALinear(one, rank=rank, alpha=1.0) for one in (up, down))  # type: ignore[assignment]
    net = nn.Sequential(table, up, down)
    trained = [p for p in net.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained)
    net(torch.arange(9)).square().sum().backward()
    optimizer.step()
    count = 5 * (14 + 22) * 2
    expected = memory(shape, shape.names, count, method, "fp32")
    assert expected.weights == sum(p.nbytes for p in net.parameters())
    assert expected.gradients == sum(p.grad.nbytes for p in trained if p.grad is not None)
    states = [s for p in trained for name, s in optimizer.state[p].items() if name != "step"]
    assert expected.optimizer == sum(s.nbytes for s in states)


GB = {
    "Llama-2-7B": (107.8, 14.1, 4.5),
    "Mistral-7B": (115.9, 15.2, 4.8),
    "Llama-3.1-8B": (128.5, 16.7, 6.4),
    "Llama-3.1-70B": (1128.9, 144.4, 42.8),
}


@pytest.mark.parametrize("title", GB)
def test_memory_of_known_models(title: str) -> None:
    b = budget(MODELS[title], MODELS[title].all_linear, 16)
    assert tuple(m.state / 1e9 for m in b.memory) == pytest.approx(GB[title], abs=0.06)
    assert b.file == 2 * b.trained


def test_fewer_parameters_is_not_as_much_less_memory() -> None:
    b = budget(MODELS["Llama-2-7B"], QKVO, 16)
    full, lora, qlora = b.memory
    assert full.state / 1e9 == pytest.approx(107.8, abs=0.05)
    assert lora.state / 1e9 == pytest.approx(13.75, abs=0.01)
    attention_only = b.touched * PRECISIONS["bf16 mixed"].trained + (b.shape.total - b.touched) * 2
    assert attention_only / lora.state == pytest.approx(3.2, abs=0.05)
    assert full.state / lora.state == pytest.approx(7.8, abs=0.05)
    assert 0.9 < lora.held / full.held < 1, "activations hardly shrink"
    assert qlora.state < lora.state


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("title", MODELS)
def test_more_rank_never_costs_less(title: str, precision: str) -> None:
    shape = MODELS[title]
    small, large = (budget(shape, shape.names[:1], r, precision=precision, tokens=7) for r in (2, 8))
    assert large.trained == 4 * small.trained
    for method, few, many in zip(METHODS, small.memory, large.memory, strict=True):
        assert all(math.isfinite(v) and v >= 0 for v in few[:5])
        assert few.total == many.total if method == "full" else few.total < many.total
    assert small.memory[2].weights < small.memory[1].weights
    bare = budget(shape, shape.names[:1], 2, precision=precision, tokens=0)
    assert all(m.activations == 0 for m in bare.memory)
    without = budget(shape, shape.names[:1], 2, precision=precision, tokens=7, checkpointing=False)
    assert without.memory[1].activations >= small.memory[1].activations


@pytest.mark.parametrize(("title", "method", "tokens", "checkpointing", "measured"), PEAKS)
def test_peaks_are_those_of_a_gpu(title: str, method: int, tokens: int, checkpointing: bool, measured: float) -> None:
    shape = MODELS[title]
    b = budget(shape, shape.all_linear, 16, precision="bf16 pure", tokens=tokens, checkpointing=checkpointing)
    assert b.memory[method].total / 1e9 == pytest.approx(measured, rel=0.02)


@pytest.mark.parametrize(("title", "method", "tokens", "checkpointing", "measured"), OTHER_PEAKS)
def test_peaks_that_were_measured_afterwards_are_foretold(
    title: str, method: int, tokens: int, checkpointing: bool, measured: float
) -> None:
    shape = MODELS[title]
    b = budget(shape, shape.all_linear, 16, precision="bf16 pure", tokens=tokens, checkpointing=checkpointing)
    assert b.memory[method].total / 1e9 == pytest.approx(measured, rel=0.1)


def test_a_fused_loss_holds_no_table_of_logits() -> None:
    shape = MODELS["Llama-3.1-8B"]
    usual, fused = (budget(shape, QV, 8, tokens=8192, loss=loss).memory[1] for loss in ("usual", "fused"))
    assert usual.total - fused.total > 11e9 and usual.moment == "loss"


def test_every_card_has_an_answer_and_its_margin() -> None:
    for need, answers in (
        (Memory(0, 0, 0, 7.5e9), "tight yes"),
        (Memory(0, 0, 0, 9e9), "no yes"),
        (Memory(0, 0, 0, 141e9), "no"),
    ):
        found = fit(need)
        assert [f.answer for f in found[: len(answers.split())]] == answers.split()
        assert all((f.margin >= 0) == (f.answer != "no") for f in found)


def test_sdxls_feed_forward_is_quantised_too() -> None:
    shape = MODELS["SDXL UNet"]
    assert shape.unlisted_linear == 12 * (10 * 640**2 + 60 * 1280**2)
    _, lora, qlora = budget(shape, shape.names[:1], 4, tokens=0).memory
    listed = sum(m.weights for m in shape.matrices)
    assert lora.weights - qlora.weights == pytest.approx((listed + shape.unlisted_linear) * (2 - NF4_BITS / 8))


def test_checkpointing_computes_the_forward_pass_twice() -> None:
    shape = MODELS["Llama-2-7B"]
    b = budget(shape, QKVO, 16)
    assert b.training[1] / b.training[0] == pytest.approx(0.753, abs=0.0005)
    assert budget(shape, QKVO, 16, checkpointing=False).training == (3 * b.linear, 2 * b.linear + 3 * b.trained)


def test_nf4_costs_a_little_more_than_four_bits() -> None:
    assert round(NF4_BITS, 3) == 4.127


def test_saved_tensors_are_counted_once() -> None:
    layer = nn.Linear(5, 3, bias=False)
    assert numbers_saved(layer, torch.zeros(7, 5, requires_grad=True)) == 15 + 35
