"""Transformer block, configuration and literature: what is written, against PEFT where PEFT has it."""

import re
from urllib.parse import unquote

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from lora_viz.content.literature import PAPERS, TOPICS
from lora_viz.costs.models import MODELS
from lora_viz.costs.peft_config import AdapterConfig
from lora_viz.lessons.reference import config_card as config_cards
from lora_viz.lessons.reference import literature as literature_cards
from lora_viz.lessons.reference import transformer as transformer_block

NAMES = ("Rank", "Merge")
LINKS = {"rank": "<a>Rank</a>", "merge": "<a>Merge</a>"}


class Net(nn.Module):
    """Two linear layers: the network that the page takes apart."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(7, 5), nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(torch.relu(self.fc1(x)))


def nodes(net: nn.Module) -> int:
    seen, left = set(), [net(torch.ones(4, 7)).grad_fn]
    while left:
        node = left.pop()
        if node is not None and node not in seen:
            seen.add(node)
            left += [behind for behind, _ in node.next_functions]
    return len(seen)


def names(net: nn.Module) -> tuple[str, ...]:
    return tuple(name for name, _ in net.named_modules())


def test_the_module_tree_is_pefts() -> None:
    torch.manual_seed(0)
    net = Net()
    before = net(torch.ones(4, 7))
    assert (names(net), nodes(net)) == (transformer_block.NET, transformer_block.AUTOGRAD_NODES[0])
    adapted = get_peft_model(net, LoraConfig(r=2, target_modules=["fc1", "fc2"]))
    inner = adapted.base_model.model
    assert names(inner) == transformer_block.with_peft()
    assert len(names(inner)) == 23
    assert len(names(adapted)) == 25, "and two wrappers around the network"
    assert nodes(adapted) == transformer_block.AUTOGRAD_NODES[1]
    assert isinstance(inner.fc1.lora_A["default"], nn.Linear)
    merged = adapted.merge_and_unload().requires_grad_(True)
    assert (names(merged), nodes(merged)) == (transformer_block.NET, transformer_block.AUTOGRAD_NODES[2])
    torch.testing.assert_close(merged(torch.ones(4, 7)), before)


def test_a_block_and_the_model_are_counted() -> None:
    record = transformer_block.transformer_block(MODELS["Llama-3.1-8B"], ("q_proj", "v_proj"), 8)
    assert record.block == 8 * (2 * 4096 + 4096 + 1024)
    assert record.trained == 32 * record.block == 3_407_872
    assert record.outside == ("lm_head",)
    assert "PEFT's own choice is the same." in transformer_block.takeaway(record)
    head = transformer_block.transformer_block(MODELS["Llama-3.1-8B"], ("lm_head",), 2)
    assert (head.block, head.trained) == (0, 2 * (4096 + 128256))
    assert "PEFT's own choice is q_proj and v_proj." in transformer_block.takeaway(head)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("title", [t for t, shape in MODELS.items() if shape.kept])
def test_every_matrix_of_a_block_is_drawn_once(title: str, theme: str) -> None:
    shape = MODELS[title]
    record = transformer_block.transformer_block(shape, shape.names[:2], 4)
    html = transformer_block.block_html(record, theme=theme)
    drawing = unquote(html)
    written = re.sub(r"<[^>]*>", "", drawing[drawing.index("<svg") :])
    for m in record.matrices:
        assert written.count(m.name + f"W {m.d_out}×{m.d_in}") == 1
    inside = [m for m in record.matrices if m.name in record.targets]
    assert drawing.count(">A<") == drawing.count(">B<") == len(inside)
    assert 'alt="A transformer block with its' in html
    heights = [float(y) for y in re.findall(r' y="([\d.]+)"', drawing)]
    tall = float(re.findall(r'height="(\d+)"', drawing)[0])
    assert all(0 <= height <= tall for height in heights)


def test_the_tree_and_the_targets_are_written() -> None:
    record = transformer_block.transformer_block(MODELS["BERT-base"], ("query",), 4)
    tree = transformer_block.tree_html(record)
    assert tree.count(" modules, ") == 3 and "with LoRA: 23 modules" in tree
    targets = transformer_block.targets_html(record)
    assert targets.index("<b>bert</b>") < targets.index("llama")
    assert "query, value" in targets


def test_the_cards_say_what_was_changed() -> None:
    usual = config_cards.config_cards(AdapterConfig(), LINKS)
    assert [p.name for p, _, same in usual.cards if not same] == ["target modules"]
    other = config_cards.config_cards(AdapterConfig(rank=16, alpha=32, use_rslora=True), LINKS)
    assert "s = α/√r = 8. It differs" in config_cards.takeaway(other)
    html = config_cards.cards_html(other)
    assert html.count('class="changed"') == 4
    assert "<a>Merge</a>" in html and html.count("<a>") == html.count("<a>Rank</a>") + html.count("<a>Merge</a>")


@pytest.mark.parametrize("topic", ["all", *TOPICS])
def test_only_pages_that_are_there_are_linked(topic: str) -> None:
    record = literature_cards.literature_cards(topic, LINKS)
    html = literature_cards.papers_html(record) + literature_cards.folklore_html(record)
    assert {link for link in re.findall(r"<a>(\w+)</a>", html)} <= set(NAMES)
    assert html.count("https://arxiv.org/abs/") == sum(bool(p.arxiv) for p in record.papers)
    assert bool(record.folklore) == (topic == "all") == ("Folklore, not measured" in html)


def test_folklore_stands_alone() -> None:
    record = literature_cards.literature_cards("folklore", {})
    assert not record.papers and literature_cards.takeaway(record).startswith("5 rules of thumb")
    assert literature_cards.takeaway(literature_cards.literature_cards("all", {})).startswith(f"{len(PAPERS)} papers")


def test_the_modules_can_be_taken() -> None:
    record = transformer_block.transformer_block(MODELS["Llama-3.1-8B"], ("q_proj", "v_proj"), 8)
    columns = transformer_block.table(record)
    assert columns["A_and_B"].sum() == record.trained == 3_407_872
    assert columns["adapted"].sum() == 2
    down = [path.rpartition(".")[2] for path in columns["module"]].index("down_proj")
    assert [int(columns[name][down]) for name in ("d_out", "d_in", "copies", "A_and_B")] == [4096, 14336, 32, 0]
