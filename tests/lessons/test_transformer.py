"""Transformer: what is drawn and counted, against PEFT where PEFT has it."""

import re
from urllib.parse import unquote

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from lora_viz.costs.models import MODELS
from lora_viz.lessons.controls import SettingError
from lora_viz.lessons.parts import Heading, Html, Prose
from lora_viz.lessons.reference.transformer import (
    AUTOGRAD_NODES,
    LESSON,
    NET,
    block_html,
    table,
    takeaway,
    targets_html,
    transformer_block,
    tree_html,
    with_peft,
)


class Net(nn.Module):
    """Two linear layers: the network that the lesson takes apart."""

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
    assert (names(net), nodes(net)) == (NET, AUTOGRAD_NODES[0])
    adapted = get_peft_model(net, LoraConfig(r=2, target_modules=["fc1", "fc2"]))
    inner = adapted.base_model.model
    assert names(inner) == with_peft()
    assert len(names(inner)) == 23
    assert len(names(adapted)) == 25, "and two wrappers around the network"
    assert nodes(adapted) == AUTOGRAD_NODES[1]
    assert isinstance(inner.fc1.lora_A["default"], nn.Linear)
    merged = adapted.merge_and_unload().requires_grad_(True)
    assert (names(merged), nodes(merged)) == (NET, AUTOGRAD_NODES[2])
    torch.testing.assert_close(merged(torch.ones(4, 7)), before)


def test_a_block_and_the_model_are_counted() -> None:
    record = transformer_block(MODELS["Llama-3.1-8B"], ("q_proj", "v_proj"), 8)
    assert record.block == 8 * (2 * 4096 + 4096 + 1024)
    assert record.trained == 32 * record.block == 3_407_872
    assert record.outside == ("lm_head",)
    assert "This is PEFT's default." in takeaway(record)
    head = transformer_block(MODELS["Llama-3.1-8B"], ("lm_head",), 2)
    assert (head.block, head.trained) == (0, 2 * (4096 + 128256))
    assert "PEFT's default is q_proj and v_proj." in takeaway(head)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("title", [t for t, shape in MODELS.items() if shape.kept])
def test_every_matrix_of_a_block_is_drawn_once(title: str, theme: str) -> None:
    shape = MODELS[title]
    record = transformer_block(shape, shape.names[:2], 4)
    html = block_html(record, theme=theme)
    assert html.count('alt="A transformer block with its') == 2
    inside = [m for m in record.matrices if m.name in record.targets]
    across, slim = (f"<svg{drawing}" for drawing in unquote(html).split("<svg")[1:])
    for drawing in (across, slim):
        written = re.sub(r"<[^>]*>", "", drawing)
        for m in record.matrices:
            assert written.count(m.name + f"W {m.d_out}×{m.d_in}") == 1
        assert drawing.count(">A<") == drawing.count(">B<") == len(inside)
        heights = [float(y) for y in re.findall(r' y="([-\d.]+)"', drawing)]
        wide, tall = (float(x) for x in re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', drawing)[0])
        assert all(0 <= height <= tall for height in heights)
        ends = [float(x) + float(w) for x, w in re.findall(r'<rect x="([-\d.]+)" y="[\d.]+" width="([\d.]+)"', drawing)]
        assert 0 < max(ends) <= wide
    assert min(int(size) for size in re.findall(r'font-size="(\d+)"', slim)) >= 12, "a pixel each in a hand"


def test_the_tree_and_the_targets_are_written() -> None:
    record = transformer_block(MODELS["BERT-base"], ("query",), 4)
    tree = tree_html(record)
    assert tree.count(" modules, ") == 3 and "with LoRA: 23 modules" in tree
    targets = targets_html(record)
    assert targets.index("<b>bert</b>") < targets.index("llama")
    assert "query, value" in targets


def test_the_modules_can_be_taken() -> None:
    record = transformer_block(MODELS["Llama-3.1-8B"], ("q_proj", "v_proj"), 8)
    columns = table(record)
    assert columns["A_and_B"].sum() == record.trained == 3_407_872
    assert columns["adapted"].sum() == 2
    down = [path.rpartition(".")[2] for path in columns["module"]].index("down_proj")
    assert [int(columns[name][down]) for name in ("d_out", "d_in", "copies", "A_and_B")] == [4096, 14336, 32, 0]


def test_the_lesson_shows_the_chosen_block() -> None:
    shown = LESSON.play(targets_llama_8=("k_proj",), rank=2)
    assert shown.takeaway.startswith("Rank 2 on k_proj adds 10,240 parameters per block and 327,680 to Llama-3.1-8B")
    (drawing,) = shown.parts("body")
    assert isinstance(drawing, Html) and drawing.draw("dark") == block_html(shown.record, theme="dark")
    kinds = [type(part) for part in shown.parts("extras")]
    assert kinds.count(Html) == kinds.count(Heading) == 2
    assert shown.parts("extras")[0] == Prose("Outside the blocks: lm_head.", small=True)
    (none,) = LESSON.play(targets_llama_8=()).parts("beside")
    assert isinstance(none, Prose) and none.text == "No module was chosen. Showing q_proj, v_proj instead."
    with pytest.raises(SettingError, match="model=SDXL UNet is not possible in this lesson"):
        LESSON.play(model="SDXL UNet")
