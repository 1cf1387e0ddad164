"""The package: what a wheel holds, where the app is found, which torch is installed, which licences come along."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from hatchling.build import build_wheel
from packaging.requirements import Requirement

from docs.make_licences import locked, page
from hatch_build import dependencies

ROOT = Path(__file__).parent.parent
LOCKS = ("torch.lock", "requirements.lock", "tests/requirements.lock")
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TORCH = CONFIG["tool"]["hatch"]["metadata"]["hooks"]["custom"]


def entries(lock: str) -> dict[str, str]:
    """Every entry of a lock by what it begins with: "numpy==2.4.6 ; marker" -> its hashes."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    return dict(re.findall(r"^([^\s#-][^\\\n]*?) \\\n((?:    --hash=.*\n?)+)", text, re.M))


def pins(file: str) -> set[str]:
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return {line.lower() for line in lines if line and not line.startswith(("#", "-"))}


@pytest.mark.parametrize("lock", LOCKS)
def test_no_platform_takes_cuda(lock: str) -> None:
    names = {Requirement(entry).name for entry in entries(lock)}
    assert "torch" in names
    assert not [name for name in names if name.startswith(("nvidia-", "cuda-", "triton", "pytorch-triton"))]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_of_a_lock_has_its_hashes(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    begun = [line for line in text.splitlines() if re.match(r"[a-z]", line)]
    assert len(begun) == len(entries(lock)), "a package without a hash"


@pytest.mark.parametrize(
    ("lock", "files"),
    [
        ("requirements.lock", ("requirements.txt",)),
        ("tests/requirements.lock", ("requirements.txt", "tests/requirements.txt")),
    ],
)
def test_the_locks_are_of_these_pins(lock: str, files: tuple[str, ...]) -> None:
    locked_pins = {entry.partition(" ;")[0] for entry in entries(lock)}
    asked = set().union(*map(pins, files))
    assert asked <= locked_pins, "run `python docs/make_lock.py`"


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
@pytest.mark.parametrize(
    ("system", "machine"), [("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"), ("win32", "AMD64")]
)
def test_each_platform_has_one_torch_and_it_is_the_cpu_build(python: str, system: str, machine: str) -> None:
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    asked = [Requirement(line) for line in dependencies(text, TORCH["torch"], TORCH["sha256"], "")]
    here = {"python_version": python, "sys_platform": system, "platform_machine": machine}
    (torch,) = (r for r in asked if r.name == "torch" and (r.marker is None or r.marker.evaluate(here)))
    if system == "linux":
        tag = f"cp{python.replace('.', '')}"
        assert torch.url is not None
        assert f"/whl/cpu/torch-{TORCH['torch']}%2Bcpu-{tag}-{tag}-manylinux_2_28_{machine}.whl#sha256=" in torch.url
        assert (
            torch.url.rpartition("=")[2] in entries("torch.lock")[f"torch=={TORCH['torch']}+cpu ; {torch_on_linux()}"]
        )
    else:
        assert str(torch.specifier) == f"=={TORCH['torch']}"


def torch_on_linux() -> str:
    return "sys_platform == 'linux'"


def test_another_torch_is_taken_where_it_is_asked_for() -> None:
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    asked = dependencies(text, TORCH["torch"], TORCH["sha256"], "index")
    assert [line for line in asked if line.startswith("torch")] == [f"torch=={TORCH['torch']}"]
    with pytest.raises(ValueError, match="LORA_PLAYGROUND_TORCH=gpu"):
        dependencies(text, TORCH["torch"], TORCH["sha256"], "gpu")


def test_a_wheel_holds_all_that_the_app_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("LORA_PLAYGROUND_TORCH", "index")
    with zipfile.ZipFile(tmp_path / build_wheel(str(tmp_path))) as wheel:
        held = set(wheel.namelist())
        wheel.extractall(tmp_path / "installed")
    listed = subprocess.run(["git", "ls-files", "lora_viz", "pages"], capture_output=True, text=True, check=True)
    moved = {name.replace("pages/", "lora_viz/served/pages/") for name in listed.stdout.split()}
    assert moved <= held
    assert {"lora_viz/served/app.py", "lora_viz/served/.streamlit/config.toml"} <= held
    assert not [name for name in held if not name.startswith(("lora_viz/", "lora_playground-"))]
    # From there, in another folder and without a home, it finds its own pages, not somebody's folder of that name.
    (tmp_path / "installed" / "pages").mkdir()
    code = "from lora_viz.ui.served import TOP; print(TOP, (TOP / 'pages' / 'rank.py').exists())"
    found = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path / "installed")},
                           capture_output=True, text=True, check=True)  # fmt: skip
    assert found.stdout.split() == [str(tmp_path / "installed" / "lora_viz" / "served"), "True"]


def test_every_package_has_its_licence_in_the_list() -> None:
    written = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| ([a-z0-9.-]+) \| (.+) \|$", written, re.M))
    assert set(listed) >= set(locked()), "run `python docs/make_licences.py`"
    assert written == page(), "run `python docs/make_licences.py`"
    for name, licence in listed.items():
        assert "GPL" not in licence, f"{name}: its licence asks more of whoever passes it on"
