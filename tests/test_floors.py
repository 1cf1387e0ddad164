"""Imports only go down: who may import whom."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = {
    "lora_viz.language": -1,  # even the ground floor says why it refuses
    "lora_viz.experiment": 0,
    "lora_viz.progress": 0,
    "lora_viz.run": 1,
    "lora_viz.digits": 1,
    "lora_viz.evidence": 1,
    "lora_viz.bits": 1,
    "lora_viz.memorise": 3,
    "lora_viz.spectra": 1,
    "lora_viz.seeds": 1,
    "lora_viz.style": 1,
    "lora_viz.trials": 1,
    "lora_viz.still": 1,
    "lora_viz.film": 1,
    "lora_viz.notation": 1,
    "lora_viz.worked": 1,
    "lora_viz.shapes": 1,
    "lora_viz.models": 1,
    "lora_viz.budget": 1,
    "lora_viz.model_config": 1,
    "lora_viz.peft_config": 1,
    "lora_viz.literature": 1,
    "lora_viz.glossary": 1,
    "lora_viz.parameters": 1,
    "lora_viz.adapters": 1,
    "lora_viz.quantise": 1,
    "lora_viz.inits": 2,
    "lora_viz.lora": 2,
    "lora_viz.tasks": 2,
    "lora_viz.matrices": 2,
    "lora_viz.reconstruction": 2,
    "lora_viz.optim": 2,
    "lora_viz.parametrisation": 2,
    "lora_viz.variants": 2,
    "lora_viz.stack": 2,
    "lora_viz.kernels": 2,
    "lora_viz.stepping": 2,
    "lora_viz.readout": 3,
    "lora_viz.exact": 3,
    "lora_viz.counting": 2,
    "lora_viz.mlp": 2,
    "lora_viz.encoder": 2,
    "lora_viz.networks": 3,
    "lora_viz.together": 3,
    "lora_viz.requantise": 3,
    "lora_viz.words": 3,
    "lora_viz.dense": 3,
    "lora_viz.allocation": 3,
    "lora_viz.regression": 2,
    "lora_viz.training": 3,
    "lora_viz.merging": 3,
    "lora_viz.first_step": 3,
    "lora_viz.start_sizes": 3,
    "lora_viz.scripts": 3,
    "lora_viz.quiz": 3,
    "lora_viz.challenges": 3,
    "lora_viz.views": 4,
    "lora_viz.after.asked": 4,
    "lora_viz.after": 5,
    "lora_viz.export": 5,
    "lora_viz.network_files": 5,
    "lora_viz.player": 4,
    "lora_viz.scenes": 4,
    "lora_viz.predicting": 5,
    "lora_viz.standalone": 5,
    "lora_viz.ui": 6,
    "pages": 7,
    "app": 7,
}
FILES = sorted([*ROOT.glob("lora_viz/**/*.py"), *ROOT.glob("pages/*.py"), ROOT / "app.py"])


def module(path: Path) -> str:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def floor(name: str) -> int | None:
    found = [floor for known, floor in FLOORS.items() if name == known or name.startswith(known + ".")]
    return found[0] if found else None


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the floor"
            assert node.module is not None
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name for name in inner if floor(name) is not None} or {node.module}
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_down(path: Path) -> None:
    me = module(path)
    if me == "lora_viz":
        assert not imports(path)
        return
    here = floor(me)
    assert here is not None, f"{me} has no floor"
    for name in imports(path):
        there = floor(name)
        if there is not None and name != me:
            same_floor_ok = here in (1, 2, 3, 6) and there == here
            assert there < here or same_floor_ok, f"{me} (floor {here}) imports {name} (floor {there})"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_each_floor_keeps_its_libraries(path: Path) -> None:
    me, tops = module(path), {name.split(".")[0] for name in imports(path)}
    if not me.startswith(("lora_viz.ui", "pages", "app")):
        assert "streamlit" not in tops, "only the upper floors know the screen"
    if me.startswith(
        ("lora_viz.views", "lora_viz.ui", "pages", "app", "lora_viz.run", "lora_viz.spectra", "lora_viz.film")
    ):
        assert "torch" not in tops, "torch stops at training"
    if me == "lora_viz.experiment":
        assert not tops & {"numpy", "torch", "plotly", "jaxtyping"}, "the ground floor is the standard library"


def test_views_do_not_know_each_other() -> None:
    for path in ROOT.glob("lora_viz/views/*.py"):
        assert not {name for name in imports(path) if name.startswith("lora_viz.views")}, path


def test_sizes() -> None:
    assert not [p for p in ROOT.glob("pages/*.py") if len(p.read_text().splitlines()) > 80], "pages are thin"
    names = [p.stem for p in FILES]
    assert not [n for n in names if any(word in n for word in ("util", "helper", "common", "manager"))]
