"""The pages that open files: at once with the app's own, then with any file, good or bad; nothing good is lost."""

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from lora_viz.adapters.held import LEAST, HeldFiles
from lora_viz.lessons.joined import Joined
from lora_viz.lessons.walk import lesson, measured
from tests.lessons.adapters import adapter

ROOT = Path(__file__).parent.parent
PAGES = ("inspector", "many_adapters", "extract")


def opened(name: str, **query: str) -> AppTest:
    at = AppTest.from_file(str(ROOT / "pages" / f"{name}.py"), default_timeout=60)
    for key, value in query.items():
        at.query_params[key] = value
    at.run()
    assert not at.exception, at.exception[0].value
    return at


def words(at: AppTest) -> str:
    """All text, without the links into the glossary."""
    return re.sub(r"\[([^]]*)\]\(glossary#[a-z0-9-]*\)", r"\1", " ".join(element.value for element in at.markdown))


def give(at: AppTest, key: str, *files: tuple[str, bytes]) -> AppTest:
    at.file_uploader(key=key).set_value([(name, data, "application/octet-stream") for name, data in files]).run()
    assert not at.exception, at.exception[0].value
    return at


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_with_a_file_of_the_apps_own(name: str) -> None:
    at = opened(name)
    assert at.title[0].value.endswith("?")
    assert "What you saw." in words(at)
    assert "nan" not in words(at)
    assert len(at.get("bidi_component")) == 1
    assert not at.warning and not at.error and not at.info


@pytest.mark.parametrize(
    ("name", "query", "sentence"),
    [
        (
            "inspector",
            {"keep": "50"},
            "keep=50 is not possible in this lesson. Valid values: 90, 95, 99. Showing 90 instead.",
        ),
        (
            "inspector",
            {"adapter": "../secret"},
            "adapter=../secret is not possible in this lesson. Valid values: MiniLM-",
        ),
        ("many_adapters", {"part": "two_adapters", "first": "x"}, "first=x is not possible"),
        (
            "extract",
            {"extract_rank": "3"},
            "extract_rank=3 is not possible in this lesson. Valid values: 1, 2, 4, 8, 16,",
        ),
        ("inspector", {"at": "nan"}, "at=nan is not a place on the axis. Valid values: 1 to 36."),
    ],
)
def test_a_bad_link_opens_with_one_sentence(name: str, query: dict[str, str], sentence: str) -> None:
    at = opened(name, **query)
    assert len(at.warning) == 1
    assert at.warning[0].value.startswith(sentence)
    assert "What you saw." in words(at)


def test_a_bad_file_is_said_and_the_good_one_before_it_stays() -> None:
    at = give(opened("inspector"), "adapter_file", ("mine.safetensors", adapter()))
    good = words(at)
    assert "Of rank 3, the 2 modules" in good
    assert "The file does not give its scale s" in good
    for name, data, sentence in (
        ("bad.safetensors", adapter()[:-20], "The file is cut off"),
        ("empty.bin", b"", "empty.bin is empty: 0 bytes."),
        ("model.pkl", b"\x80\x04\x95" + bytes(40), "model.pkl is a bare pickle"),
    ):
        give(at, "adapter_file", (name, data))
        assert at.error[0].value.startswith(sentence)
        assert at.error[0].value.endswith("Showing what fitted last instead.")
        assert words(at) == good
    give(at, "adapter_file", ("other.safetensors", adapter(5)))
    assert not at.error
    assert "Of rank 5, the 2 modules" in words(at)


def test_after_a_bad_first_file_nothing_of_ours_is_offered_as_theirs() -> None:
    at = give(opened("inspector"), "adapter_file", ("empty.bin", b""))
    for _ in range(2):
        assert at.error[0].value.startswith("empty.bin is empty: 0 bytes. Nothing is shown in its place")
        assert "MiniLM" not in words(at) and not at.get("download_button")
        at.run()


def test_a_configuration_alone_is_said_and_an_alpha_counts() -> None:
    alone = give(opened("inspector"), "adapter_file", ("adapter_config.json", b'{"lora_alpha": 6, "r": 3}'))
    assert alone.warning[0].value.startswith("adapter_config.json has no weights")
    spoken = give(opened("inspector"), "adapter_file", ("a.safetensors", adapter()))
    assert "does not give its scale" in words(spoken)
    spoken.number_input(key="alpha_given").set_value(6.0).run()
    assert "does not give its scale" not in words(spoken)


def test_a_path_opens_only_what_the_server_shows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert not [w for w in opened("inspector").text_input if w.key.endswith("_path")]
    shown = tmp_path / "shown"
    shown.mkdir()
    (shown / "a.safetensors").write_bytes(adapter())
    (shown / "adapter_config.json").write_text('{"lora_alpha": 6}')
    (tmp_path / "secret").write_bytes(adapter(5))
    monkeypatch.setenv("LORA_PLAYGROUND_FILES", str(shown))
    at = opened("inspector")
    at.text_input(key="adapter_file_path").set_value("a.safetensors").run()
    assert "Of rank 3, the 2 modules" in words(at) and "does not give its scale" not in words(at)
    at.text_input(key="adapter_file_path").set_value("../secret").run()
    assert at.error[0].value.startswith("../secret is not a file under")
    assert "given rank 5" not in words(at)


def test_a_file_that_is_written_anew_is_read_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LORA_PLAYGROUND_FILES", str(tmp_path))
    (tmp_path / "a.safetensors").write_bytes(adapter())
    at = opened("inspector")
    at.text_input(key="adapter_file_path").set_value("a.safetensors").run()
    assert "Of rank 3, the 2 modules" in words(at)
    (tmp_path / "new").write_bytes(adapter(5))
    (tmp_path / "new").replace(tmp_path / "a.safetensors")
    assert "Of rank 5, the 2 modules" in words(at.run())


def test_the_files_of_all_visitors_stay_under_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lora_viz.ui.uploads.HELD", HeldFiles(2 * LEAST + 100))
    first = give(opened("inspector"), "adapter_file", ("mine.safetensors", adapter()))
    assert "Of rank 3, the 2 modules" in words(first) and not any("let go" in each.value for each in first.warning)
    give(
        opened("many_adapters", part="two_adapters"),
        "first_file",
        ("a.safetensors", adapter(4)),
        ("b.safetensors", adapter(5)),
    )
    first.run()
    assert not first.exception
    assert first.warning[0].value.startswith("mine.safetensors was let go: the files of all visitors together")
    assert "MiniLM-seed-0" in words(first), "as if it had never been given"
    give(first, "adapter_file", ("mine.safetensors", adapter()))
    assert "Of rank 3, the 2 modules" in words(first) and not any("let go" in each.value for each in first.warning)


def test_a_file_that_is_cut_between_two_runs_of_a_page_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LORA_PLAYGROUND_FILES", str(tmp_path))
    (tmp_path / "a.safetensors").write_bytes(adapter())
    at = opened("inspector")
    at.text_input(key="adapter_file_path").set_value("a.safetensors").run()
    with (tmp_path / "a.safetensors").open("r+b") as file:
        file.truncate(len(adapter()) - 20)
    at.run()
    assert not at.exception and at.error[0].value.startswith("The file is cut off")
    assert "What you saw." in words(at)


def test_two_adapters_of_different_models_end_in_one_sentence() -> None:
    at = give(opened("many_adapters", part="two_adapters"), "second_file", ("a.safetensors", adapter()))
    assert "they are for different models." in at.error[0].value
    give(at, "first_file", ("b.safetensors", adapter(4, seed=1)))
    assert not at.error
    assert "the rank of the sum is the sum of the ranks in 2 of 2 modules" in words(at)


def test_one_file_of_two_asks_for_the_other() -> None:
    at = give(opened("extract", extract_rank="2"), "base_file", ("base.safetensors", adapter()))
    assert at.info[0].value == "One file is there: give the other one too."
    give(at, "tuned_file", ("tuned.safetensors", adapter(seed=1)))
    assert not at.info and "A LoRA of rank 2 keeps" in words(at)
    give(at, "tuned_file", ("tuned.safetensors", adapter(5)))
    assert "have no tensor of one name and shape" in at.error[0].value


def test_with_a_file_of_ones_own_none_of_ours_looks_chosen() -> None:
    at = opened("inspector", adapter="MiniLM-seed-1")
    assert "adapter" in [group.key for group in at.button_group]
    give(at, "adapter_file", ("mine.safetensors", adapter()))
    assert "adapter" not in [group.key for group in at.button_group]
    assert any(caption.value.startswith("Adapter: your own file.") for caption in at.caption)
    at.run()
    at.file_uploader(key="adapter_file").set_value([]).run()
    assert "MiniLM-seed-1" in words(at), "what was chosen before is chosen again"
    assert next(group for group in at.button_group if group.key == "adapter").value == "MiniLM-seed-1"


def test_what_a_hidden_control_was_set_to_comes_back() -> None:
    at = opened("inspector", adapter="MiniLM-seed-1")
    next(group for group in at.button_group if group.key == "adapter").set_value("MiniLM-seed-0").run()
    give(at, "adapter_file", ("mine.safetensors", adapter())).run()
    at.file_uploader(key="adapter_file").set_value([]).run()
    assert "MiniLM-seed-0" in words(at), "the click counts, not the link"


# Finished runs, sweeps whose chosen adapter is trained again, and scripts of other kinds.
HOMES = {
    "machine": 0, "merge": 0, "autoencoder": 1, "phase_map": 0, "variants": 2, "overlap": 2, "lora_or_full": 3,
    "energy_rule": 1, "challenges": 0, "adalora": 1, "scaling": 2, "initialisation": 2, "asymmetry": 1,
}  # fmt: skip


@pytest.mark.parametrize("name", HOMES)
def test_a_page_lets_what_it_computed_be_taken_home(name: str) -> None:
    at = opened(name)
    assert [e.label for e in at.expander].count("Take it home") == 1
    assert not at.get("download_button"), "made when asked for, not before"
    own = lesson(name)
    shown = own.parts[0].id if isinstance(own, Joined) else name
    at.session_state[f"home_{shown}"] = True
    at.run()
    assert not at.exception
    boxes = [box for box in at.selectbox if str(box.key).startswith("home_")]
    assert len(boxes) == HOMES[name] and all(len(box.options) <= 24 for box in boxes)
    assert len(at.get("download_button")) in (1, 3)
    assert "python train.py, beside its data.npz" in at.code[0].value
    for box in boxes:
        box.set_value(box.options[-1])
    at.run()
    assert not at.exception
    assert "python train.py, beside its data.npz" in at.code[0].value


# No published model has the shapes of the names model: nothing outside could load its adapters. What goes wrong gives
# its two files beside what is said of them.
KEPT = {"one_name", "one_rank_names", "training_faults"}
TRAINED = [each.id for each in measured() if each.trains and each.seeded and each.film is not None]


@pytest.mark.parametrize("name", sorted({*TRAINED} - KEPT))
def test_no_lesson_keeps_its_runs_for_itself(name: str) -> None:
    assert lesson(name).exports is not None


OFFER = """
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.engine.training import train
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.statements import Undecidable
import streamlit as st
from lora_viz.ui.exporting import offer_exports

def offer(home):
    st.session_state["home_x"] = True
    offer_exports(Lesson(
        id="x", menu="", title="", claim="", place=0, measure=lambda settings, lab: None,
        takeaway=lambda record: "", verdict=Undecidable("It is a test."), exports=lambda record, settings, lab: home,
    ).play())
"""


@pytest.mark.parametrize("train_again", [False, True], ids=["run", "sweeps"])
def test_an_adapter_of_a_sweep_is_chosen_by_what_it_differs_in(train_again: bool) -> None:
    at = AppTest.from_string(
        OFFER
        + f"""
base = Experiment(d_in=7, d_out=5, steps=3)
sweep = Sweep.over(base, rank=(1, 2), init_seed=(0, 1))
other = Sweep.over(base, variant=("dora",), init_seed=(5, 6, 7))
offer((sweep, other) if {train_again} else train(sweep, records=2))
""",
        default_timeout=60,
    ).run()
    assert not at.exception
    if train_again:
        at.selectbox(key="home_variant_x").set_value("dora").run()
        assert at.selectbox(key="home_init_seed_x").options == ["5", "6", "7"]
        assert "DoRA: one layer trained in plain PyTorch" in at.code[0].value and "init_seed=5" in at.code[0].value
        at.selectbox(key="home_variant_x").set_value("lora").run()
    assert [(box.label, box.options) for box in at.selectbox[-2:]] == [
        ("Rank r", ["1", "2"]),
        ("Seed of the initialisation", ["0", "1"]),
    ]
    at.selectbox(key="home_rank_x").set_value("2")
    at.selectbox(key="home_init_seed_x").set_value("1").run()
    assert not at.exception
    assert len(at.get("download_button")) == 3
    assert "LoRA: one layer trained in plain PyTorch" in at.code[0].value
    assert "init_seed=1" in at.code[0].value and "rank=2" in at.code[0].value


def test_the_choice_to_take_home_begins_at_what_the_page_shows() -> None:
    at = opened("initialisation", init="pissa")
    at.session_state["home_init_race"] = True
    at.run()
    box = at.selectbox(key="home_init_init_race")
    assert box.value == "pissa"
    box.set_value("B_zero").run()
    assert at.selectbox(key="home_init_init_race").value == "B_zero", "until another is chosen"
    at.session_state["init"] = "lora_ga"
    at.run()
    assert at.selectbox(key="home_init_init_race").value == "lora_ga"
    race = opened("lora_or_full")
    race.session_state["home_race"] = True
    race.run()
    assert race.selectbox(key="home_init_race").options[0] == "full fine-tuning (A = I)"
    assert race.selectbox(key="home_init_race").value == "identity", "the page asks for none: the first"


@pytest.mark.parametrize("rounds", [True, False])
def test_a_loss_that_ends_in_rounding_is_said_beside_the_button(rounds: bool) -> None:
    at = AppTest.from_string(
        OFFER
        + f"""
e = Experiment(d_in=7, d_out=5, rank=5, target_rank=1, optimizer="scaled_gd", lr=0.5,
               alpha=1.0, scaling_rule="constant", steps={400 if rounds else 3})
offer(train(Sweep((e,)), records=9))
""",
        default_timeout=60,
    ).run()
    assert not at.exception
    assert any("down there it is rounding" in caption.value for caption in at.caption) == rounds
