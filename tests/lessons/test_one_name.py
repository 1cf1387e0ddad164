"""One name bends: what is shipped is what the lesson trains, and its words follow the record."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from lora_viz.core.progress import Progress
from lora_viz.film.panels import Passages
from lora_viz.lessons.language.one_name import (
    LESSON,
    RANKS,
    OneName,
    detail,
    experiment,
    extras,
    film,
    one_name,
    read_shipped,
    takeaway,
    verdict,
)
from lora_viz.networks.names import names_of, tokens_of
from lora_viz.networks.names_training import TESTED, NamesRun, adapt_names


def trained(**change: object) -> OneName:
    asked = replace(experiment(LESSON.settings()), **change)  # type: ignore[arg-type]
    found = [item for item in adapt_names(asked) if not isinstance(item, Progress)]
    assert isinstance(found[0], NamesRun)
    return one_name(found[0])


def test_what_is_shipped_begins_as_the_training_that_it_says() -> None:
    """Two of its hundred steps: float32 may differ in its last bits from machine to machine, a letter may not yet."""
    shipped, now = read_shipped(), trained(steps=2)
    assert shipped.said[0] == now.said[0]
    np.testing.assert_allclose([shipped.base_new, shipped.base_old], [now.base_new, now.base_old], rtol=1e-5)
    assert (shipped.language, shipped.seed) == (now.language, now.seed)
    np.testing.assert_array_equal(shipped.parameters, now.parameters)
    assert shipped.steps[-1] == LESSON.settings().experiment.steps


def test_before_the_first_step_every_rank_is_the_base() -> None:
    record = read_shipped()
    assert len(set(record.said[0])) == 1
    np.testing.assert_allclose(record.new[0], record.base_new, rtol=1e-6)
    np.testing.assert_allclose(record.old[0], record.base_old, rtol=1e-6)


def test_the_names_on_the_screen_are_those_of_the_frame() -> None:
    record = read_shipped()
    panel = film(record).panel("names")
    assert isinstance(panel, Passages)
    at = len(record.steps) - 1
    for g, r in enumerate(RANKS):
        assert panel.part(f"r_{r}").text[at].lower().split(", ") == list(record.said[at][g])  # type: ignore[union-attr]


def test_a_rate_that_is_far_too_high_is_said_to_be_no_gain() -> None:
    """The norms keep every number finite: the loss ends at that of a guess, log 27 nats."""
    record = trained(specs=tuple(replace(s, lr=1e6) for s in experiment(LESSON.settings()).specs), steps=3)
    np.testing.assert_allclose(record.new[-1], np.log(27), rtol=0.1)
    assert verdict(record).holds is False


def test_what_diverges_is_said_and_shown_up_to_there() -> None:
    shipped = read_shipped()
    record = shipped._replace(new=np.where(np.arange(len(shipped.steps))[:, None] > 3, np.nan, shipped.new))
    assert takeaway(record).startswith("r = 1, r = 4, r = 16 diverged") and verdict(record).holds is None
    assert len(film(record).narration) == len(record.steps) and detail(record) == ""


@pytest.mark.parametrize(("copied", "told"), [(0.02, "at most 2.0 %"), (0.4, "up to 40.0 %")])
def test_only_what_copies_little_has_learnt_the_style_alone(copied: float, told: str) -> None:
    said = detail(read_shipped()._replace(copied=np.array([0.0, copied, 0.0])))
    assert told in said and ("not the list" in said) == (copied < 0.1)


def test_the_adapters_taken_home_have_the_same_losses_in_peft(tmp_path: Path) -> None:
    record = read_shipped()
    (part,) = extras(record)
    with zipfile.ZipFile(io.BytesIO(part.make())) as file:  # type: ignore[union-attr, arg-type]
        file.extractall(tmp_path)
    names = names_of(record.language)[1][:TESTED]
    longest = max(map(len, names)) + 2
    rows = [[*tokens_of(name), 0] for name in names]
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    labels = torch.tensor([row + [-100] * (longest - len(row)) for row in rows])
    for r, loss in zip(RANKS, record.new[-1], strict=True):
        base = AutoModelForCausalLM.from_pretrained(tmp_path / "base")
        model = PeftModel.from_pretrained(base, tmp_path / f"rank_{r}").eval()
        with torch.no_grad():
            found = float(model(ids, labels=labels).loss)  # padding stands behind every letter that is asked for
        assert found == pytest.approx(float(loss), rel=1e-5)
