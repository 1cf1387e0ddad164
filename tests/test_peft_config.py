"""What is written for PEFT is executed with PEFT, and its values compared."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest
from peft import LoraConfig, get_peft_model
from torch import nn

from lora_viz.costs.models import MODELS
from lora_viz.costs.peft_config import BIASES, INITS, TASK_TYPES, AdapterConfig, AdapterConfigError

VARIED = [
    AdapterConfig(),
    AdapterConfig(rank=16, alpha=32, target_modules=MODELS["Llama-2-7B"].all_linear, dropout=0.05, use_rslora=True),
    AdapterConfig(rank=3, alpha=4.5, target_modules=("c_attn",), fan_in_fan_out=True, task_type="none"),
    AdapterConfig(target_modules=str(MODELS["BERT-base"].target_modules(("output.dense",))), use_dora=True),
    *(
        AdapterConfig(rank=4, init=init, bias=bias, task_type=task)
        for init, bias, task in itertools.zip_longest(INITS, BIASES, TASK_TYPES, fillvalue="none")
        if init in INITS
    ),
]


def same(made: LoraConfig, asked: AdapterConfig) -> None:
    for name, value in asked.fields().items():
        given = getattr(made, name)
        assert (sorted(given) if isinstance(given, set) else given) == (
            sorted(value) if isinstance(value, list) else value
        ), name


@pytest.mark.parametrize("asked", VARIED, ids=str)
def test_the_python_text_makes_that_config(asked: AdapterConfig) -> None:
    names: dict[str, LoraConfig] = {}
    exec(asked.as_python(), names)
    same(names["config"], asked)


@pytest.mark.parametrize("asked", VARIED, ids=str)
def test_the_json_is_read_by_peft(asked: AdapterConfig, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(asked.as_json(), encoding="utf-8")
    made = LoraConfig.from_pretrained(str(tmp_path))
    same(made, asked)
    assert json.loads(asked.as_json())["peft_type"] == "LORA"


@pytest.mark.parametrize("asked", [a for a in VARIED if a.target_modules == ("q_proj", "v_proj")], ids=str)
def test_the_scaling_is_pefts(asked: AdapterConfig) -> None:
    net = nn.Sequential()
    net.add_module("q_proj", nn.Linear(12, 12))
    names: dict[str, LoraConfig] = {}
    exec(replace(asked, task_type="none").as_python(), names)
    made = get_peft_model(net, names["config"])
    assert made.base_model.model.q_proj.scaling["default"] == asked.scaling


@pytest.mark.parametrize("name", ["bias", "task_type", "init"])
def test_defaults_are_pefts(name: str) -> None:
    default = LoraConfig()
    assert AdapterConfig().fields()["r"] == default.r == 8
    assert AdapterConfig().fields()["lora_alpha"] == default.lora_alpha == 8
    field = {"init": "init_lora_weights"}.get(name, name)
    assert name == "task_type" or AdapterConfig().fields()[field] == getattr(default, field)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"rank": 0}, "rank=0 is not possible. Valid values: 1 and more."),
        ({"target_modules": ()}, "target_modules is empty: name at least one module."),
        ({"dropout": 1.0}, "dropout=1.0 is not possible. Valid values: 0 or more, and less than 1."),
        ({"alpha": float("nan")}, "alpha=nan is not a number."),
        ({"rank": 3, "init": "orthogonal"}, "rank=3 does not go with init=orthogonal: it needs an even rank."),
        ({"init": "magic"}, "init=magic is not known. Valid values: default, gaussian, orthogonal, pissa, olora."),
        ({"bias": "some"}, "bias=some is not known. Valid values: none, lora_only, all."),
    ],
)
def test_what_is_not_possible_is_named(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(AdapterConfigError) as caught:
        AdapterConfig(**change)  # type: ignore[arg-type]
    assert str(caught.value) == sentence
