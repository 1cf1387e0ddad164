"""Shapes of further architectures, each equal to transformers' own: fused layers, experts, two stacks.

What a layer keeps for its backward pass is modelled for one stack of equal layers alone; elsewhere ``kept`` is empty.
"""

from __future__ import annotations

from lora_viz.costs.shapes import BIASES, EMBEDDINGS, NORMS, Kept, Matrix, ModelShape, llama
from lora_viz.i18n.language import to_say

__all__ = ["clip_text", "mixture", "modernbert", "phi3", "t5", "whisper"]

EXPERTS = to_say("experts and routers")
_EXPERTS_NOTE = to_say(
    "The experts are stacks of three dimensions: target_modules does not reach them, target_parameters does. "
    "Activations are not modelled."
)
CONVOLUTIONS = to_say("convolutions")


def phi3(
    title: str, hidden: int, layers: int, heads: int, kv_heads: int, mlp: int, vocab: int, *, tied: bool = False
) -> ModelShape:
    """Phi-3: queries, keys and values in one matrix, gate and up in another."""
    plain = llama(title, hidden, layers, heads, kv_heads, mlp, vocab, model_type="phi3", tied=tied)
    head = hidden // heads
    q, kv, at = heads * head, kv_heads * head, "model.layers.{}."
    matrices = (
        Matrix(at + "self_attn.qkv_proj", q + 2 * kv, hidden, layers, "attention", "attention input"),
        Matrix(at + "self_attn.o_proj", hidden, q, layers, "attention", "attention output"),
        Matrix(at + "mlp.gate_up_proj", 2 * mlp, hidden, layers, "mlp", "MLP input"),
        Matrix(at + "mlp.down_proj", hidden, mlp, layers, "mlp", "gated product"),
        *(m for m in plain.matrices if m.part == "head"),
    )
    readers = {"attention input": ("qkv_proj",), "MLP input": ("gate_up_proj",)}
    kept = tuple(Kept(k.what, k.width, readers.get(k.what, k.needed_by), k.bytes) for k in plain.kept)
    return plain._replace(matrices=matrices, kept=kept)


def mixture(
    title: str, hidden: int, layers: int, heads: int, kv_heads: int, mlp: int, vocab: int, experts: int, *,
    model_type: str, head: int | None = None, tied: bool = False, qk_norm: bool = False,
) -> ModelShape:  # fmt: skip
    """Mixtral, Qwen3-MoE: the Llama family's attention, and a router with experts in place of the MLP."""
    plain = llama(title, hidden, layers, heads, kv_heads, mlp, vocab, model_type=model_type, head=head, tied=tied,
                  qk_norm=qk_norm)  # fmt: skip
    stacks = layers * experts * (3 * mlp * hidden + hidden)
    return plain._replace(
        matrices=tuple(m for m in plain.matrices if m.part != "mlp"), rest={**plain.rest, EXPERTS: stacks}, kept=(),
        notes=(*plain.notes, _EXPERTS_NOTE),
    )  # fmt: skip


def t5(
    title: str, hidden: int, layers: int, decoders: int, heads: int, head: int, mlp: int, vocab: int, *, gated: bool,
    tied: bool, buckets: int = 32,
) -> ModelShape:  # fmt: skip
    """T5: an encoder and a decoder, the decoder with attention to the encoder; heads of any width."""
    wide, matrices = heads * head, []
    for stack, count, kinds in (
        ("encoder", layers, ("SelfAttention",)), ("decoder", decoders, ("SelfAttention", "EncDecAttention"))
    ):  # fmt: skip
        for at, kind in enumerate(kinds):
            path = f"{stack}.block.{{}}.layer.{at}.{kind}."
            matrices += [Matrix(path + x, wide, hidden, count, "attention", f"{stack} {kind} input") for x in "qkv"]
            matrices.append(Matrix(path + "o", hidden, wide, count, "attention", f"{stack} {kind} output"))
        path = f"{stack}.block.{{}}.layer.{len(kinds)}.DenseReluDense."
        matrices += [
            Matrix(path + up, mlp, hidden, count, "mlp", f"{stack} MLP input")
            for up in (("wi_0", "wi_1") if gated else ("wi",))
        ]
        matrices.append(Matrix(path + "wo", hidden, mlp, count, "mlp", f"{stack} MLP activation"))
    if not tied:
        matrices.append(Matrix("lm_head", vocab, hidden, 1, "head", "last hidden"))
    rest = {EMBEDDINGS: vocab * hidden + 2 * buckets * heads, NORMS: (2 * layers + 3 * decoders + 2) * hidden}
    return ModelShape(title, "t5", layers + decoders, hidden, tuple(matrices), rest, (), vocab)


def whisper(
    title: str, hidden: int, layers: int, decoders: int, mlp: int, mlp_decoder: int, vocab: int, bins: int,
    sources: int, targets: int,
) -> ModelShape:  # fmt: skip
    """Whisper: two convolutions, an encoder, a decoder that attends to it; the head tied to the embeddings."""
    matrices, biases = [], 0
    for stack, count, inner, kinds in (
        ("encoder", layers, mlp, ("self_attn",)), ("decoder", decoders, mlp_decoder, ("self_attn", "encoder_attn"))
    ):  # fmt: skip
        at = f"model.{stack}.layers.{{}}."
        for kind in kinds:
            matrices += [
                Matrix(f"{at}{kind}.{name}", hidden, hidden, count, "attention", f"{stack} {kind}")
                for name in ("k_proj", "v_proj", "q_proj", "out_proj")
            ]
        matrices += [
            Matrix(at + "fc1", inner, hidden, count, "mlp", f"{stack} MLP input"),
            Matrix(at + "fc2", hidden, inner, count, "mlp", f"{stack} MLP activation"),
        ]
        biases += count * (3 * hidden * len(kinds) + inner + hidden)
    rest = {
        EMBEDDINGS: (vocab + sources + targets) * hidden, NORMS: (2 * layers + 3 * decoders + 2) * 2 * hidden,
        BIASES: biases, CONVOLUTIONS: 3 * hidden * (bins + hidden) + 2 * hidden,
    }  # fmt: skip
    return ModelShape(title, "whisper", layers + decoders, hidden, tuple(matrices), rest, (), vocab)


def modernbert(title: str, hidden: int, layers: int, mlp: int, vocab: int) -> ModelShape:
    """ModernBERT without a head: queries, keys, values in one matrix, a gated MLP, no norm before the first layer."""
    at = "layers.{}."
    matrices = (
        Matrix(at + "attn.Wqkv", 3 * hidden, hidden, layers, "attention", "attention input"),
        Matrix(at + "attn.Wo", hidden, hidden, layers, "attention", "attention output"),
        Matrix(at + "mlp.Wi", 2 * mlp, hidden, layers, "mlp", "MLP input"),
        Matrix(at + "mlp.Wo", hidden, mlp, layers, "mlp", "gated product"),
    )
    rest = {EMBEDDINGS: vocab * hidden, NORMS: (2 * layers + 1) * hidden}
    return ModelShape(title, "modernbert", layers, hidden, matrices, rest)


def clip_text(title: str, hidden: int, layers: int, mlp: int, vocab: int, positions: int) -> ModelShape:
    """CLIP's text encoder, the one that Stable Diffusion reads."""
    at = "encoder.layers.{}."
    matrices = (
        *(Matrix(f"{at}self_attn.{name}", hidden, hidden, layers, "attention", "attention input")
          for name in ("k_proj", "v_proj", "q_proj")),
        Matrix(at + "self_attn.out_proj", hidden, hidden, layers, "attention", "attention output"),
        Matrix(at + "mlp.fc1", mlp, hidden, layers, "mlp", "MLP input"),
        Matrix(at + "mlp.fc2", hidden, mlp, layers, "mlp", "MLP activation"),
    )  # fmt: skip
    rest = {EMBEDDINGS: (vocab + positions) * hidden, NORMS: (2 * layers + 1) * 2 * hidden,
            BIASES: layers * (5 * hidden + mlp)}  # fmt: skip
    return ModelShape(title, "clip_text_model", layers, hidden, matrices, rest)
