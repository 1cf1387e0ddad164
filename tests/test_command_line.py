"""The command line: every example of its page is run again; errors are one sentence; what JSON says is what is so."""

import io
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from docs.make_command_line import EXAMPLES, KEYS, PAGE, files, page, run
from lora_viz.command import main
from lora_viz.command.group import lora_playground

NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?")


def test_the_page_says_what_the_commands_print() -> None:
    written, now = PAGE.read_text(encoding="utf-8"), page()
    assert NUMBER.sub("#", written) == NUMBER.sub("#", now), "run `python docs/make_command_line.py`"
    # Numbers of a training may differ in their last digits from processor to processor.
    as_numbers = [np.array([float(n.replace(",", "")) for n in NUMBER.findall(text)]) for text in (written, now)]
    np.testing.assert_allclose(*as_numbers, rtol=0.02, atol=1e-9)  # what is rounding stays so


def test_every_command_has_an_example_in_its_help() -> None:
    for name, command in lora_playground.commands.items():
        assert f"lora-playground {name}" in (command.epilog or "")
        assert [line for line, _ in EXAMPLES if line.split()[0] == name], name


def objects() -> dict[str, dict]:
    lines = (
        "lessons --json",
        "play gauge --json",
        "inspect words_0/adapter_model.safetensors --json",
        "shrink words_0/adapter_model.safetensors -o smaller --json",
        "convert words_0/adapter_model.safetensors --to mlx -o converted --json",
        "compare words_0/adapter_model.safetensors words_1/adapter_model.safetensors --json",
        "extract base.safetensors turned.safetensors -o adapter --json",
        "budget Llama-3.1-8B --json",
        "show run.lora --json",
    )
    with files():
        found = [json.loads(re.sub(r"^(?!\{).*\n", "", run(line).output, flags=re.M)) for line in lines]
    return {one["kind"]: one for one in found}


def test_json_has_the_keys_that_the_page_lists_and_the_numbers_of_the_record() -> None:
    found = objects()
    assert set(found) == set(KEYS)
    for kind, one in found.items():
        names = set(re.findall(r"\w+", KEYS[kind]))
        assert set(one) - {"kind", "format"} <= names, kind
        for row in one.get("modules", []):
            assert isinstance(row, str) or set(row) <= names, kind
    module = found["adapter"]["modules"][0]
    energy = np.cumsum(np.square(module["singular_values"]))
    assert int(np.searchsorted(energy, 0.95 * energy[-1])) + 1 == module["needed"]["95"]
    assert np.isclose(module["norm_delta"], np.sqrt(energy[-1]))
    assert found["shrunk"]["ranks"][module["path"]] == module["needed"]["95"]
    assert found["budget"]["trained"] == 32 * 8 * ((4096 + 4096) + (4096 + 1024))


@pytest.mark.parametrize(("asked", "written"), [("", "Δ"), ("cp1252", "\\u0394")])
def test_what_a_locale_cannot_write_is_written_all_the_same(
    asked: str, written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", asked)
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding="cp1252"))  # a pipe on Windows
    with pytest.raises(SystemExit) as left:
        main(["inspect", "--help"])
    sys.stdout.flush()
    assert left.value.code == 0 and written in out.getvalue().decode(asked or "utf-8")


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["play", "nope"], 2, "nope is not a lesson"),
        (["play", "rank", "--set", "noise=99"], 2, "noise=99"),
        (["play", "rank", "--json", "--csv"], 2, "--json and --csv"),
        (["play", "inspector", "--set", "adapter_file=missing"], 2, "no such file"),
        (["inspect", "missing"], 2, "does not exist"),
        (["budget", "nope"], 2, "neither a file nor a known model"),
        (["budget", "GPT-2", "--targets", "q_proj"], 2, "q_proj is not a module of GPT-2"),
        (["deck", "nope", "-o", "x.html"], 2, "nope is not a deck"),
        (["deck", "tour", "-o", "nowhere/x.html", "--language", "xx"], 2, "--language"),
        (["--bogus"], 2, "--bogus"),
        (["lessons"], 0, ""),
    ],
)
def test_errors_are_one_sentence_and_exit_codes_are_kept(
    arguments: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == code
    said = capsys.readouterr().err
    assert told in said and said.count("\n") == (1 if code else 0)


def test_what_is_wrong_in_an_adapter_is_a_finding(tmp_path: Path) -> None:
    from lora_viz.adapters.writing import pack, write_safetensors

    A, B = np.ones((2, 5)), np.zeros((3, 2))  # never trained
    names = (("lora_A", A), ("lora_B", B))
    data = write_safetensors({f"base_model.model.q.{name}.weight": pack(m, "F32") for name, m in names})
    path = tmp_path / "untrained.safetensors"
    path.write_bytes(data)
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "snapshot" / "link").symlink_to(path)  # as in a model hub's cache
    for given in (path, tmp_path / "snapshot" / "link"):
        ran = run(f"inspect {given} --alpha 4 --json")
        assert ran.code == 1 and json.loads(ran.output)["findings"] == ["q"]


def test_a_file_is_a_setting_by_its_path() -> None:
    with files() as place:
        ran = run(f"play inspector --set adapter_file={place}/words_1/adapter_model.safetensors --set "
                  f"adapter_file={place}/words_1/adapter_config.json --json")  # fmt: skip
    assert ran.code == 0
    assert json.loads(ran.output)["takeaway"].startswith("Of rank 8, the 36 modules")


def test_a_full_disk_is_one_sentence_and_what_stood_there_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    resource = pytest.importorskip("resource")  # Windows limits no file
    there = tmp_path / "x.html"
    there.write_text("as it was", encoding="utf-8")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # a file that grows beyond it ends as on a full disk
    try:
        with pytest.raises(SystemExit) as left:
            main(["play", "gauge", "--html", str(there)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    told = capsys.readouterr().err
    assert left.value.code == 2 and "x.html was not written: File too large. What stood there before stays." in told
    assert [path.name for path in tmp_path.iterdir()] == ["x.html"]
    assert there.read_text(encoding="utf-8") == "as it was"
