"""Every kind of file that people have, against a dense float64 SVD: sizes, spectrum, scale, one cell a module."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save as save_torch

from lora_viz.adapters.config import parse_config
from lora_viz.adapters.folder import choose
from lora_viz.adapters.opening import Given, open_adapter, open_folder
from lora_viz.adapters.patterns import Expression, Patterns
from lora_viz.adapters.places import places
from lora_viz.adapters.report import inspect_adapter, leaves_scale_open
from lora_viz.adapters.source import InMemory
from lora_viz.adapters.stored import AdapterError
from lora_viz.lessons.real.module_map import module_map
from tests.adapters.kinds import KINDS, A, B, torch_bytes

CASES = Path(__file__).parents[1] / "data" / "adapter_cases"
LISTED = json.loads((CASES / "cases.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_is_its_dense_product(name: str) -> None:
    kind = KINDS[name]
    found = inspect_adapter(open_adapter("a", kind.data, kind.config))
    assert len(found.modules) == len(kind.delta) and found.schemes == (kind.scheme,)
    for m, delta in zip(found.modules, kind.delta, strict=True):
        sigma = np.linalg.svd(delta, compute_uv=False)
        assert (m.d_out, m.d_in) == delta.shape
        np.testing.assert_allclose(m.sigma, sigma[: len(m.sigma)], atol=1e-12 * sigma[0])
        assert np.abs(sigma[len(m.sigma) :]).max(initial=0) < 1e-12 * sigma[0]
        assert m.norm_delta == pytest.approx(np.linalg.norm(delta), rel=1e-12)
        assert (m.scaling is not None) == kind.scaled
    if kind.paths:
        assert tuple(m.path for m in found.modules) == kind.paths
    assert found.asks_scale == (not kind.scaled) == leaves_scale_open(open_adapter("a", kind.data, kind.config))


@pytest.mark.parametrize("case", LISTED, ids=lambda case: case["name"])
def test_every_reported_file_is_read_right(case: dict[str, object]) -> None:
    config = None if case["config"] is None else (CASES / str(case["config"])).read_bytes()
    opened = (Path(str(case["file"])).name, (CASES / str(case["file"])).read_bytes(), config)
    expect: dict[str, object] = case["expect"]  # type: ignore[assignment]
    if case["name"] == "gguf_adapter":  # it names two tensors and has none
        with pytest.raises(AdapterError, match="cut off"):
            inspect_adapter(open_adapter(*opened))
        return
    found = inspect_adapter(open_adapter(*opened))
    if expect["outcome"] != "read":  # a clear refusal was enough: both are formed, against the oracle in kinds.py
        assert case["name"] in ("lycoris_locon_mid", "lycoris_loha") and len(found.modules) == 1
        return
    wanted: list[dict[str, object]] = expect["modules"]  # type: ignore[assignment]
    assert len(found.modules) == len(wanted)
    for m, want in zip(sorted(found.modules, key=lambda m: round(m.norm_delta, 6)),
                       sorted(wanted, key=lambda w: round(float(w["norm"]), 6)), strict=True):  # type: ignore[arg-type]  # fmt: skip
        assert str(want["key"]) in m.path
        assert (m.d_out, m.d_in, m.rank) == (want["d_out"], want["d_in"], want["rank"])
        assert m.norm_delta == pytest.approx(want["norm"], rel=1e-9)
        assert m.kinds.effective == pytest.approx(want["effective_rank"], rel=1e-9)
        assert m.scaling == (None if want["scaling"] is None else pytest.approx(want["scaling"], rel=1e-12))
    if "no_others" in expect:
        assert not found.others


def test_expressions_match_as_pefts_do() -> None:
    from peft.utils.other import get_pattern_key

    paths = ("model.layers.0.self_attn.q_proj", "model.layers.11.mlp.down_proj", "q_proj", "layers.3.v_proj", "a-b.c")
    for key in (r"layers\.[01]\..*v_proj", "q_proj", r".*\.(q|v)_proj", r"layers\.\d+\.mlp\.\w+", "proj", "_proj",
                r"layers.1+.mlp.down_proj", "(a|b)*q_proj", r"[^m].*down_proj", r"layers\.\d{1,2}\..*", "^q_proj",
                "^model.*", "q_proj$", r"(?:mlp|attn)\.down_proj", r"layers\.\d?\.v_pro?j", r"a\-b\.c"):  # fmt: skip
        for path in paths:
            assert Expression(key).ends(path) == (get_pattern_key([key], path) == key), (key, path)


@pytest.mark.parametrize("key", ["(?=a)b", r"(a)\1", "(" * 300, "a{100000}", "x" * 501, "(?i)a", "[", "(?<!a)b"])
def test_an_expression_that_needs_more_is_refused(key: str) -> None:
    with pytest.raises(AdapterError, match="is a regular expression that is not read"):
        Expression(key)


def test_hostile_expressions_cost_what_is_known_before() -> None:
    slow = Patterns({"(a+)+$" + "b" * i: 3 for i in range(20)})
    assert slow.value("a" * 400 + "!", 1.0) == 1.0
    many = Patterns({f"(x|y|z|[a-f]+{i})*q": i for i in range(200)})
    with pytest.raises(AdapterError, match="take too long"):
        for i in range(50_000):
            many.value(f"{i % 10}" * 200 + "abcdef" * 40, 1.0)


def packed(members: dict[str, bytes], method: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as found:
        for name, data in members.items():
            found.writestr(name, data)
    return out.getvalue()


def output_folder() -> dict[str, bytes]:
    """What a training leaves: the adapter of the end and of two checkpoints, and much beside it."""

    def weights(k: float) -> bytes:
        return save_torch({"base_model.model.q.lora_A.weight": A, "base_model.model.q.lora_B.weight": k * B})

    config = json.dumps({"peft_type": "LORA", "r": 3, "lora_alpha": 6}).encode()
    return {
        "out/README.md": b"# hello", "out/adapter_config.json": config, "out/adapter_model.safetensors": weights(1),
        "out/checkpoint-500/adapter_model.safetensors": weights(2), "out/checkpoint-500/optimizer.pt": b"no",
        "out/special_tokens_map.json": b'{"a": 1}', "out/tokenizer.json": b'{"lora_alpha": 999}',
        "out/tokenizer_config.json": b'{"model_max_length": 1}', "out/training_args.bin": b"\x80never",
    }  # fmt: skip


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zipped_output_folder_is_read_by_its_names(method: int) -> None:
    found = inspect_adapter(open_adapter("out.zip", packed(output_folder(), method)))
    (m,) = found.modules
    assert m.scaling == 2.0 and m.norm_delta == pytest.approx(float((2 * B @ A).norm()), rel=1e-12)
    assert set(found.left) == {*output_folder()} - {"out/adapter_config.json", "out/adapter_model.safetensors"}


def test_only_the_last_of_equal_checkpoints_is_read_and_said() -> None:
    files = {f"checkpoint-{n}/adapter_model.safetensors": KINDS["peft"].data for n in (500, 1000, 90)}
    found = inspect_adapter(open_adapter("out.zip", packed(files, zipfile.ZIP_STORED)))
    assert "this is checkpoint-1000/adapter_model.safetensors" in found.notes[0]


def test_files_dropped_together_are_told_apart() -> None:
    files = [
        Given(name.rpartition("/")[2], InMemory(data)) for name, data in output_folder().items() if "-500" not in name
    ]
    assert inspect_adapter(open_folder("files", files)).modules[0].scaling == 2.0
    kept = [file for file in files if file.name != "adapter_config.json"]
    assert inspect_adapter(open_folder("files", kept)).modules[0].scaling == 999 / 3  # a JSON that names an α


def test_shards_are_one_adapter_and_a_missing_one_is_named() -> None:
    parts = [save_torch({"l.0.lora_A.weight": A, "l.1.lora_A.weight": A.clone()}), save_torch({"l.0.lora_B.weight": B}),
             save_torch({"l.1.lora_B.weight": B})]  # fmt: skip
    names = [f"adapter_model-0000{i}-of-00003.safetensors" for i in (1, 2, 3)]
    files = [Given("adapter_model.safetensors.index.json", InMemory(b"{}")),
             *(Given(n, InMemory(p)) for n, p in zip(names, parts, strict=True))]  # fmt: skip
    found = inspect_adapter(open_folder("f", files[::-1]))
    assert [m.norm_delta for m in found.modules] == pytest.approx([float((B @ A).norm())] * 2, rel=1e-12)
    with pytest.raises(AdapterError, match="is one of 3 parts: part 2 is not there"):
        open_folder("f", [files[1], files[3]])


@pytest.mark.parametrize(
    ("names", "weights", "config"),
    [
        (["training_args.bin", "pytorch_model.bin", "adapter_model.bin"], "adapter_model.bin", None),
        (["optimizer.pt", "adapters.safetensors", "0000100_adapters.safetensors", "adapter_config.json"],
         "adapters.safetensors", "adapter_config.json"),
        (["model.safetensors", "my_lora.safetensors", "config.json"], "my_lora.safetensors", None),
        (["rng_state_0.pth", "lora.pth", "trainer_state.json"], "lora.pth", None),
        (["README.md", "adapter_config.json"], None, "adapter_config.json"),
    ],
)  # fmt: skip
def test_files_are_chosen_by_name(names: list[str], weights: str | None, config: str | None) -> None:
    found = choose(names)
    assert [names[i] for i in found.weights] == ([weights] if weights else [])
    assert (None if found.config is None else names[found.config]) == config
    assert {names[i] for i in found.left} == {*names} - {weights, config}


@pytest.mark.parametrize(
    ("names", "weights"),
    [
        (["adapter_model.safetensors", "my_lora.safetensors"], 1),  # the last, though the other has the better name
        (["my_lora.safetensors", "adapter_model.safetensors"], 1),
        (["a.safetensors", "b.bin"], 1),
        (["adapter_model.safetensors", "adapter_model.bin"], 0),  # one folder's, twice the same
        (["my_lora.safetensors", "model.safetensors"], 0),  # the base
    ],
)
def test_of_files_given_one_after_the_other_the_last_is_meant(names: list[str], weights: int) -> None:
    assert choose(names, newest=True).weights == (weights,)


def square(*shapes: tuple[int, int], config: bytes | None = None, name: str = "lora_{}") -> object:
    tensors = {}
    for i, (n, m) in enumerate(shapes):
        g = torch.Generator().manual_seed(i)
        tensors |= {f"l.{i}.{name.format('A')}": torch.randn(n, m, generator=g),
                    f"l.{i}.{name.format('B')}": torch.randn(m, n, generator=g)}  # fmt: skip
    return inspect_adapter(open_adapter("a", save_torch(tensors), config))


@pytest.mark.parametrize(
    ("shapes", "config", "name", "rank", "words"),
    [
        (((20, 3),), None, "lora_{}", 3, "else their rank would exceed"),
        (((3, 20),), None, "lora_{}", 3, None),
        (((20, 3),), b'{"peft_type": "LORA", "r": 20}', "lora_{}", 20, None),
        (((5, 7),), b'{"peft_type": "LORA", "r": 7}', "lora_{}.weight", 7, "the configuration's rank says so"),
        (((4, 4), (20, 3)), None, "lora_{}", 4, "as the others of the file"),
        (((4, 4),), None, "lora_{}", 4, "nothing in the file says which"),
        (((4, 4),), None, "lora_{}.weight", 4, None),
    ],
)  # fmt: skip
def test_square_layers_are_told_by_evidence(
    shapes: tuple[tuple[int, int], ...], config: bytes | None, name: str, rank: int, words: str | None
) -> None:
    found = square(*shapes, config=config, name=name)
    assert found.modules[0].rank == rank  # type: ignore[attr-defined]
    notes = " ".join(found.notes)  # type: ignore[attr-defined]
    assert words in notes if words else not notes


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("base_model.model.q.oft_R.default", "an OFT or BOFT file"), ("q.boft_R", "an OFT or BOFT file"),
        ("base_model.model.k.ia3_l", "an (IA)³ file"), ("prompt_embeddings", "a file of prompts"),
        ("q.vblora_logits_A", "a VB-LoRA file"), ("base_model.model.q.fourierft_spectrum", "a FourierFT file"),
        ("q.randlora_lambda", "a RandLoRA file"), ("q.hra_u", "an HRA file"), ("m.diff", "a file of full differences"),
        ("string_to_param.*", "a textual inversion"), ("base_model.model.q.gralora_A", "a GraLoRA file"),
        ("q.glora_C", "a GLoRA file"), ("q.delora_lambda", "a DeLoRA file"), ("q.lily_router", "a Lily file"),
        ("q.poly_lora_A", "a Poly file"), ("internal_xlora_classifier.x.weight", "an X-LoRA file"),
        ("q.adamss_A.0", "an AdaMSS file"), ("q.psoft_R", "a PSOFT file"), ("q.osf_svd_params.U_low", "an OSF file"),
        ("q.tinylora_v", "a TinyLoRA file"), ("q.peanut_encoders.0", "a PEANuT file"),
        ("q.waveft_spectrum", "a WaveFT file"), ("q.road_theta", "a RoAd file"), ("q.beft_bias", "a BEFT file"),
        ("norm.ln_tuning_layers.weight", "an LN tuning file"), ("e.trainable_tokens_delta", "a file of trained tokens"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_named_by_whole_parts_of_a_key(key: str, kind: str) -> None:
    with pytest.raises(AdapterError, match="This is ") as error:
        inspect_adapter(open_adapter("a", save_torch({key: torch.ones(3, 3)})))
    assert kind in str(error.value)


@pytest.mark.parametrize(
    "key", ["mm_soft_emb_norm.weight", "x_oft_R.y", "a.diffuse", "my_prompt_embeddings.w", "ia3_lx"]
)
def test_letters_within_a_word_are_no_kind(key: str) -> None:
    with pytest.raises(AdapterError, match="holds no LoRA factors"):
        inspect_adapter(open_adapter("a", save_torch({key: torch.ones(3, 3)})))


def test_vera_without_its_projections_and_experts_without_a_rank_say_what_helps() -> None:
    with pytest.raises(AdapterError, match="Save it with save_projection=True"):
        inspect_adapter(
            open_adapter("a", save_torch({"q.vera_lambda_b": torch.ones(3), "q.vera_lambda_d": torch.ones(3)}))
        )
    kind = KINDS["target_parameters"]
    with pytest.raises(AdapterError, match=r"Give the adapter_config\.json with its r"):
        inspect_adapter(open_adapter("a", kind.data))


def test_a_large_lokr_is_known_by_its_singular_values() -> None:
    g = torch.Generator().manual_seed(0)
    w1, w2 = torch.randn(7, 11, generator=g).double(), torch.randn(211, 223, generator=g).double()
    (m,) = inspect_adapter(open_adapter("a", save_torch({"m.lokr_w1": w1, "m.lokr_w2": w2}))).modules
    assert (m.d_out, m.d_in) == (7 * 211, 11 * 223) and not m.factored and m.rank == 7 * 211
    assert m.norm_delta == pytest.approx(float(w1.norm() * w2.norm()), rel=1e-12)
    assert m.sigma[0] == pytest.approx(float(torch.linalg.matrix_norm(w1, 2) * torch.linalg.matrix_norm(w2, 2)))


@pytest.mark.parametrize(
    "names",
    [
        [f"lora_unet_{part}_blocks_{i}_{j}_transformer_blocks_{k}_attn{n}_to_{x}" for part in ("input", "output")
         for i in (4, 7) for j in (1, 2) for k in range(3) for n in (1, 2) for x in "qkv"],
        [f"lora_unet_{kind}_blocks_{i}_{m}" for kind in ("double", "single") for i in range(5) for m in
         ("img_attn_proj", "linear1", "img_mlp_0", "img_mlp_2")],
        [f"lora_te{n}_text_model_encoder_layers_{i}_mlp_fc{k}" for n in (1, 2) for i in range(12) for k in (1, 2)],
        [f"transformer.{kind}_blocks.{i}.attn.{m}" for kind in ("transformer", "single_transformer") for i in range(3)
         for m in ("to_q", "to_out.0", "ff.net.0.proj", "ff.net.2")],
    ],
    ids=["SDXL", "Flux, kohya", "text encoders", "Flux, diffusers"],
)  # fmt: skip
def test_a_map_has_one_cell_a_module(names: list[str]) -> None:
    found = module_map(places(names))
    assert len({*zip(found.row.tolist(), found.column.tolist(), strict=True)}) == len(names)
    assert found.cells < 9 * len(names) + 2000


def test_a_configuration_is_read_by_its_own_meaning() -> None:
    early = parse_config(b'{"lora_parameters": {"rank": 8, "alpha": 16, "scale": 10.0}}')
    assert early.scaling("q", 8)[0] == 20.0
    hub = b'{"config": {"architecture": "lora", "r": 4, "alpha": 8, "composition_mode": "scale"}}'
    with pytest.raises(AdapterError, match=r"describes a lora \(scale\) adapter"):
        parse_config(hub)


def test_a_nested_file_of_an_optimizer_is_not_taken_for_weights() -> None:
    state = {"optimizer": {f"lora_{i}": torch.ones(2) for i in range(9)}, "model": {"q.lora_A": A, "q.lora_B": B}}
    assert len(inspect_adapter(open_adapter("a", torch_bytes(state))).modules) == 1


def test_the_table_in_the_docs_is_these_files() -> None:
    from docs.make_adapter_files import OUT, written

    assert OUT.read_text(encoding="utf-8") == written()
