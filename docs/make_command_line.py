"""Writes docs/command-line.md: every command's help, an example with what it prints, and the keys of its JSON.

`python docs/make_command_line.py`; a test runs every example again and compares.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from click.testing import CliRunner

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from lora_viz.command.group import lora_playground  # noqa: E402
from lora_viz.core.refusals import Refusal  # noqa: E402
from lora_viz.i18n.outside import plain  # noqa: E402
from lora_viz.watched.record import Watched, write  # noqa: E402

PAGE = ROOT / "docs" / "command-line.md"
DATA = ROOT / "lora_viz" / "networks" / "data"
# Run one after the other in one folder, which has `files`; what is long is cut after so many lines.
EXAMPLES: tuple[tuple[str, int], ...] = (
    ("lessons", 4),
    ("play rank --set target_rank=2 --set noise=0", 0),
    ("play gauge --csv", 3),
    ("play rank --set rank=nine", 0),
    ("inspect words_0/adapter_model.safetensors", 6),
    ("shrink words_0/adapter_model.safetensors --energy 0.9 -o smaller", 0),
    ("convert words_0/adapter_model.safetensors --to kohya -o converted", 0),
    ("compare words_0/adapter_model.safetensors words_1/adapter_model.safetensors", 4),
    ("extract base.safetensors turned.safetensors --rank 4 -o adapter", 0),
    ("budget Llama-3.1-8B --targets q_proj,v_proj --rank 16", 0),
    ("deck own.toml -o talk.html", 0),
    ("site --only gauge -o site", 0),
    ("show run.lora --html run.html", 0),
)
DECK = """title = "One scene"
about = "An example."
[[scene]]
page = "gauge"
caption = "Two factors, one product"
"""
# By the command that prints it: the keys of its object, beside "kind" and "format".
KEYS = {
    "lessons": "lessons: a list of id, section, title, claim, settings",
    "played": "lesson, settings: as a link writes them, takeaway, table: a list a column",
    "adapter": "file, found_in, schemes, bytes, notes, findings: paths, healthy, diagnosis: a list of id, gravity "
    "(broken, doubtful, note, healthy), title, evidence, cause, remedy, certainty (measured, likely, possible), "
    "modules: paths, values; left_alone: names of files, modules: a list of path, d_out, d_in, rank, "
    "stored_as, scaling, norm_A, norm_B, norm_delta, needed, effective_rank, not_finite, zero_directions, "
    "singular_values",
    "converted": "file, to, written, count: of modules, left_out: names of tensors",
    "shrunk": "file, written, energy, error: ‖ΔW − ΔW′‖/‖ΔW‖, bytes: before and after, ranks: by path",
    "compared": "files, only_in: how many modules each has alone, advice, merges: a list of way, kept: of each, "
    "apart_from_sum, rank_for_95, modules; modules: a list of path, rank, overlap_in, "
    "overlap_out, chance_in, chance_out, cosine",
    "extracted": "files, written, rank, matrices, left_out: of ‖ΔW‖², changed_vectors",
    "watched": "file, modules, overhead: share of the time, takeaway, step, grad_A, grad_B, delta: a row a record, a "
    "column a module, loss_step, loss",
    "budget": "model, targets, rank, precision, tokens, parameters, trained, adapter_bytes, multiply_adds_per_token, "
    "training_bytes, peak_at, cards: by method and card answer (yes, tight, no) and margin_bytes",
}


def _record() -> Watched:
    """A training as lora_viz.watch leaves it: gradient descent on one adapter, B from 0."""
    rng = np.random.default_rng(0)
    A, B, target = rng.standard_normal((2, 7)), np.zeros((5, 2)), rng.standard_normal((5, 7))
    rows = []
    for _ in range(6):
        left = B @ A - target
        grads = [np.linalg.norm(B.T @ left), np.linalg.norm(left @ A.T)]
        A, B = A - 0.05 * B.T @ left, B - 0.05 * left @ A.T
        sigma = np.linalg.svd(B @ A, compute_uv=False)[:2]
        rows.append((grads, float(np.linalg.norm(sigma)), sigma))
    grad = np.array([row[0] for row in rows])
    return Watched(("layer.q_proj",), np.arange(1.0, 7.0), grad[:, :1], grad[:, 1:],
                   np.array([[row[1]] for row in rows]), np.array([[row[2]] for row in rows]), np.zeros(0),
                   np.zeros(0), 0.02)  # fmt: skip


class Ran(NamedTuple):
    """What a command printed, all of it, and how it left."""

    output: str
    code: int


def run(line: str) -> Ran:
    """Run ``lora-playground`` with these arguments in this process."""
    found = CliRunner().invoke(lora_playground, shlex.split(line), prog_name="lora-playground", terminal_width=100)
    if isinstance(found.exception, Refusal):
        return Ran(f"lora-playground: {plain(str(found.exception))}\n", 2)
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return Ran(found.output, found.exit_code)


@contextmanager
def files() -> Iterator[Path]:
    """A folder with the files of the examples, for as long as they run."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for seed in (0, 1):
            shutil.copytree(DATA / f"minilm_words_{seed}", place / f"words_{seed}")
        for name in ("base", "turned"):
            shutil.copy(DATA / "digits" / f"{name}.safetensors", place)
        (place / "own.toml").write_text(DECK, encoding="utf-8")
        write(_record(), place / "run.lora")
        os.chdir(place)
        try:
            yield place
        finally:
            os.chdir(before)


def shown(ran: Ran, lines: int) -> str:
    """What the page shows of it."""
    every = ran.output.rstrip("\n").split("\n")
    cut = [*every[:lines], "…"] if lines and len(every) > lines else every
    return "\n".join(cut) + (f"\n[exit code {ran.code}]" if ran.code else "")


def page() -> str:
    """The whole page."""
    said = [
        "# The command line",
        "Written by `docs/make_command_line.py`; a test runs every example.\n",
        "`lora-playground` is there once the package is installed; `python -m lora_viz` is the same. Exit codes: 0 "
        "done, 1 something was found, 2 misused or a file that cannot be used. Errors are one sentence on the error "
        "output. Progress is drawn on a terminal, never in a pipe.\n",
    ]
    said += ["```text", run("--help").output.rstrip("\n"), "```\n"]
    with files():
        for name in sorted(lora_playground.commands):
            said += [f"## {name}\n", "```text", run(f"{name} --help").output.rstrip("\n"), "```\n"]
            for line, lines in EXAMPLES:
                if line.split()[0] == name:
                    said += ["```console", f"$ lora-playground {line}", shown(run(line), lines), "```\n"]
    said += [
        "## JSON\n",
        "With `--json` a command prints one object on one line. `kind` says which, `format` is 1 and grows when a key "
        "changes its meaning or goes; keys may be added. Where there is no number stands `null`; infinite ones are the "
        'texts `"inf"` and `"-inf"`.\n',
        "| kind | keys |",
        "|---|---|",
        *(f"| `{kind}` | {keys} |" for kind, keys in KEYS.items()),
    ]
    return "\n".join(said) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
