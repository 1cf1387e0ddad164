"""What the README says is so."""

import re
from pathlib import Path

import pytest

from docs.make_pages import page, readme
from lora_viz.lessons.walk import lesson, lessons, links, now_at
from lora_viz.ui.contents import link_to, linked

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_pages_and_table_follow_from_the_lessons() -> None:
    assert readme(README) == README, "run `python docs/make_pages.py`"
    assert {path.stem: path.read_text(encoding="utf-8") for path in ROOT.glob("pages/*.py")} == {
        each.id: page(each.id) for each in lessons()
    }


@pytest.mark.parametrize("name", [each.id for each in lessons()])
def test_every_lesson_has_its_picture(name: str) -> None:
    assert (ROOT / "docs" / f"{name}.png").stat().st_size > 20_000


@pytest.mark.parametrize("told", ["README.md", "SECURITY.md", "docs/outside.md", "deploy/README.md"])
def test_every_file_that_is_named_is_there(told: str) -> None:
    text, beside = (ROOT / told).read_text(encoding="utf-8"), (ROOT / told).parent
    links = re.findall(r"\]\(([\w./]+)\)", text)
    named = re.findall(r"`((?:tests|lora_viz|pages|benchmarks|\.ci)/[\w./]*)`", text)
    assert len(links) + len(named) >= 4
    for path in (*(beside / link for link in links), *(ROOT / name for name in named)):
        assert path.exists(), path


def test_every_command_is_a_target() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    assert set(re.findall(r"make (run|dev|test|quick|check|fix|bench)\b", README)) <= targets


def test_the_examples_run() -> None:
    names: dict[str, object] = {}
    for code in re.findall(r"```python\n(.*?)```", README, re.S):
        exec(code, names)
    assert names["run"].loss.shape[1] == 20  # type: ignore[attr-defined]
    assert names["played"].record.noise == 0  # type: ignore[attr-defined]


def test_the_first_command_stands_on_the_first_screen() -> None:
    assert README[: README.index("make run")].count("\n") < 20


def test_the_page_that_opens_is_linked_without_a_name() -> None:
    """Streamlit gives the first page no address of its own: /start only leads there, over one more run."""
    assert linked(links()["start"]) == '<a href="./" target="_self">Start page</a>'
    assert linked("[Start](start?level=expert#top)") == "[Start](./?level=expert#top)"
    assert all(f'href="{now_at(name)}"' in linked(link) for name, link in links().items() if name != "start")
    assert link_to("machine?rank=1") == "[Inside a LoRA layer](machine?rank=1)"
    assert link_to("rank") == f"[{lesson('rank').menu}](rank)"


def test_a_lesson_that_moved_is_linked_where_it_is() -> None:
    assert now_at("alpha?alpha=4") == "scaling?part=alpha&alpha=4"
    assert linked("[α](alpha?alpha=4)") == "[α](scaling?part=alpha&alpha=4)"
    assert link_to("storage") == "[A matrix, cut](cost?part=storage)"
    assert now_at("scaling") == "scaling", "what stands alone stays"
