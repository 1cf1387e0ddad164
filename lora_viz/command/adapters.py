"""Adapter files on the command line: what they hold, cut, compared, made from two states of a model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lora_viz.command.options import existing, language_option, print_json, told, write
from lora_viz.core.progress import Progress
from lora_viz.i18n import outside
from lora_viz.i18n.language import say

if TYPE_CHECKING:
    from lora_viz.adapters.opening import Opened
    from lora_viz.adapters.report import Report
    from lora_viz.adapters.source import FromDisk
    from lora_viz.adapters.stored import Weights

__all__ = ["compare", "convert", "extract", "inspect", "shrink"]

FILES_MOST = 5000  # of a folder
_ALPHA = click.option("--alpha", type=click.FloatRange(0, 4096), help="α, where the file has none: s = α/r.")


@click.command(epilog="Example: lora-playground inspect adapter_model.safetensors --json")
@click.argument("file", type=click.Path(exists=True, readable=True, path_type=Path))
@_ALPHA
@click.option("--base", type=existing(), help="A file of the base model's weights, to hold the adapter against.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object in place of lines.")
@language_option
def inspect(file: Path, alpha: float | None, base: Path | None, as_json: bool) -> None:
    """Say what is wrong with an adapter FILE, and which rank each module needed.

    A safetensors, torch (never unpickled) or GGUF file, or the folder or zip archive it lies in; adapter_config.json is
    read where it lies beside the file. Leaves with 1 where a module holds numbers that are not finite, was never
    trained (ΔW = 0), or has directions that are zero in A or B.
    """
    from lora_viz.adapters.diagnosis import diagnose
    from lora_viz.export.columns_json import plain
    from lora_viz.film.style import number
    from lora_viz.lessons.real.adapter_report import adapter_report, takeaway

    opened, report = _read(file, alpha)
    found = diagnose(opened, report, None if base is None else _weights(base))
    wrong = [m for m in report.modules if m.not_finite or m.norm_delta == 0 or m.dead]
    if as_json:
        print_json("adapter", {
            "file": file.name, "found_in": report.kind, "schemes": list(report.schemes), "bytes": report.size,
            "notes": list(map(outside.plain, report.notes)), "findings": [m.path for m in wrong],
            "healthy": found.healthy, "diagnosis": [f.plain() for f in found.findings], "left_alone": list(report.left),
            "modules": [
                {"path": m.path, "d_out": m.d_out, "d_in": m.d_in, "rank": m.rank, "stored_as": m.dtype,
                 "scaling": m.scaling, "norm_A": plain(m.norm_A), "norm_B": plain(m.norm_B),
                 "norm_delta": plain(m.norm_delta), "needed": dict(zip(("90", "95", "99"), m.needs, strict=True)),
                 "effective_rank": plain(float(m.kinds.effective)), "not_finite": m.not_finite,
                 "zero_directions": m.dead, "singular_values": [plain(float(s)) for s in m.sigma]}
                for m in report.modules
            ],
        })  # fmt: skip
    else:
        for f in found.findings:
            click.echo(outside.plain(f"{f.title}. {f.evidence} {f.cause} {f.remedy} {f.sure}"))
        click.echo()
        none = tuple(float("nan") for _ in report.modules)
        click.echo(outside.plain(takeaway(adapter_report(report, none), 0.95)))
        for note in report.notes:
            click.echo(outside.plain(note))
        click.echo(f"\n{'rank':>5} {'90 %':>5} {'95 %':>5} {'99 %':>5} {'‖ΔW‖':>12}  module")
        for m in report.modules:
            needed = " ".join(f"{k:5d}" for k in m.needs)
            click.echo(f"{m.rank:5d} {needed} {number(m.norm_delta):>12}  {m.path}")
    click.get_current_context().exit(1 if wrong else 0)


@click.command(epilog="Example: lora-playground shrink adapter_model.safetensors --energy 0.95 -o smaller")
@click.argument("file", type=existing())
@click.option("--energy", type=click.Choice(("0.9", "0.95", "0.99")), default="0.95", show_default=True,
              help="Share of Σσ² that every module keeps.")  # fmt: skip
@click.option("--rank", type=click.IntRange(1, 1024), help="A rank for every module, in place of --energy.")
@click.option("-o", "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="The folder that is "
              "written.")  # fmt: skip
@_ALPHA
@click.option("--json", "as_json", is_flag=True, help="One JSON object in place of a line.")
@language_option
def shrink(file: Path, energy: str, rank: int | None, out: Path, alpha: float | None, as_json: bool) -> None:
    """Cut every module of an adapter FILE to the smallest rank that keeps its energy, or to a rank.

    A PEFT adapter becomes a folder that PeftModel.from_pretrained loads; others keep their own names. The cut is the
    best for the weights at its rank; whether the answers stay the same, only your data can say.
    """
    from lora_viz.adapters.shrink import shrink as cut
    from lora_viz.film.style import number

    opened, report = _read(file, alpha)
    found = cut(opened, report, float(energy) if rank is None else rank)
    written = _unpacked(out, found.file_name, found.data)
    if as_json:
        ranks = {m.path: int(r) for m, r in zip(report.modules, found.ranks, strict=True)}
        print_json("shrunk", {"file": file.name, "written": written, "energy": None if rank else float(energy),
                              "error": found.whole,
                              "bytes": list(found.size), "ranks": ranks})  # fmt: skip
        return
    before, after = (size / 1e6 for size in found.size)
    click.echo(
        f"{before:.2f} → {after:.2f} MB, ranks {found.ranks.min()} to {found.ranks.max()}, "
        f"‖ΔW − ΔW′‖/‖ΔW‖ = {number(found.whole)}: {out}"
    )


@click.command(epilog="Example: lora-playground compare seed0.safetensors seed1.safetensors")
@click.argument("first", type=existing())
@click.argument("second", type=existing())
@click.option("--json", "as_json", is_flag=True, help="One JSON object in place of lines.")
@language_option
def compare(first: Path, second: Path, as_json: bool) -> None:
    """Say which directions two adapters share, module by module, and what each way of merging them would give.

    Overlap is the mean cos² between the directions that carry 90 % of each update; random directions would have
    "chance". Leaves with 1 where one of the files has modules that the other has not.
    """
    from lora_viz.adapters.compare import compare as meet
    from lora_viz.adapters.merging import WAYS, advice, merges
    from lora_viz.export.columns_json import plain
    from lora_viz.film.style import number

    pair = _read(first, None), _read(second, None)
    found, ways = meet(*pair), merges(*pair)
    if as_json:
        print_json("compared", {
            "files": [first.name, second.name], "only_in": list(found.only), "advice": outside.plain(advice(found)),
            "merges": [{"way": w.way, "kept": [plain(x) for x in w.kept], "apart_from_sum": plain(w.apart),
                        "rank_for_95": plain(w.rank), "modules": w.modules} for w in ways],
            "modules": [
                {"path": m.path, "rank": list(m.rank), "overlap_in": plain(m.overlap_in),
                 "overlap_out": plain(m.overlap_out), "chance_in": m.chance_in, "chance_out": m.chance_out,
                 "cosine": plain(m.cosine)}
                for m in found.modules
            ],
        })  # fmt: skip
    else:
        click.echo(f"{'inputs':>7} {'chance':>7} {'outputs':>7} {'chance':>7} {'cosine':>7}  module")
        for m in found.modules:
            shares = (m.overlap_in, m.chance_in, m.overlap_out, m.chance_out, m.cosine)
            click.echo(f"{' '.join(f'{number(x):>7}' for x in shares)}  {m.path}")
        click.echo(f"\n{'first':>7} {'second':>7} {'off sum':>7} {'rank':>6}  " + say("merged: what is kept of each"))
        for w in ways:
            click.echo(
                f"{w.kept[0]:7.2f} {w.kept[1]:7.2f} {w.apart:7.2f} {w.rank:6.1f}  {outside.plain(say(WAYS[w.way]))}"
            )
        click.echo(outside.plain(advice(found)))
        if any(found.only):
            click.echo(f"\nModules without a partner: {found.only[0]} in {first.name}, {found.only[1]} in "
                       f"{second.name}.")  # fmt: skip
    click.get_current_context().exit(1 if any(found.only) else 0)


@click.command(epilog="Example: lora-playground convert adapter_model.safetensors --to kohya -o converted")
@click.argument("file", type=click.Path(exists=True, readable=True, path_type=Path))
@click.option("--to", type=click.Choice(("peft", "kohya", "mlx", "diffusers")), required=True, help="Whose names.")
@click.option("-o", "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="The folder that is "
              "written.")  # fmt: skip
@click.option("--base", type=existing(), help="Weights of the base model, to undo the underscores of kohya's names.")
@_ALPHA
@click.option("--json", "as_json", is_flag=True, help="One JSON object in place of a line.")
@language_option
def convert(file: Path, to: str, out: Path, base: Path | None, alpha: float | None, as_json: bool) -> None:
    """Write an adapter FILE under the names of another tool: PEFT, kohya, MLX, diffusers.

    The factors keep their bits and the scale its value. What the other format has no place for is named.
    """
    from lora_viz.adapters.convert import convert as converted

    opened, report = _read(file, alpha)
    known = () if base is None else [name.removesuffix(".weight") for name in _weights(base).entries]
    found = converted(opened, report, to, known=known)
    written = _unpacked(out, found.file_name, found.data)
    if as_json:
        print_json("converted", {"file": file.name, "to": to, "written": written, "count": len(report.modules),
                                 "left_out": list(found.left_out)})  # fmt: skip
        return
    click.echo(f"{len(report.modules)} modules, {to}: {out}")
    if found.left_out:
        click.echo(outside.plain(say("Left out: {names}.", names=", ".join(found.left_out[:12]))))


@click.command(epilog="Example: lora-playground extract base.safetensors tuned.safetensors --rank 8 -o adapter")
@click.argument("base", type=existing())
@click.argument("tuned", type=existing())
@click.option("--rank", type=click.IntRange(1, 64), default=8, show_default=True, help="Rank of every matrix.")
@click.option("-o", "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="The folder that is "
              "written.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object in place of a line.")
@language_option
def extract(base: Path, tuned: Path, rank: int, out: Path, as_json: bool) -> None:
    """Make the LoRA that comes nearest to the difference of two weight files, TUNED − BASE."""
    from lora_viz.adapters.extract import changes
    from lora_viz.adapters.extract import extract as made
    from lora_viz.adapters.opening import open_weights

    one, other = (open_weights(path.name, _source(path)) for path in (base, tuned))
    with told("matrices") as hear:
        found = changes((base.name, tuned.name), one, other, lambda share: hear(Progress(share)))
    data, lost = made(one, other, found, rank)
    written = _unpacked(out, "adapter.zip", data)
    if as_json:
        print_json("extracted", {"files": [base.name, tuned.name], "written": written, "rank": rank,
                                 "matrices": len(found.modules), "left_out": lost,
                                 "changed_vectors": found.not_matrices})  # fmt: skip
        return
    click.echo(f"{len(found.modules)} matrices, rank {rank}: {100 * (1 - lost):.1f} % of ‖ΔW‖² kept, "
               f"{found.not_matrices} changed vectors left out: {out}")  # fmt: skip


def _read(file: Path, alpha: float | None) -> tuple[Opened, Report]:
    """The adapter, with the configuration beside it, and its report. Nothing of a file is executed."""
    from lora_viz.adapters.opening import Given, open_adapter, open_folder
    from lora_viz.adapters.report import inspect_adapter

    if file.is_dir() or re.search(r"-\d{5}-of-\d{5}\.\w+$", file.name):
        folder = file if file.is_dir() else file.parent
        names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())[:FILES_MOST]
        chosen = [name for name in names if (folder / name).stat().st_size]
        opened = open_folder(file.name, [Given(name, _source(folder / name)) for name in chosen])
    else:
        besides = (file.with_name(name) for name in ("adapter_config.json", "lora_config.json"))
        config = next((path.read_bytes() for path in besides if path.is_file()), None)
        opened = open_adapter(file.name, _source(file), config)
    with told(file.name) as hear:
        return opened, inspect_adapter(opened, alpha=alpha, progress=lambda share: hear(Progress(share)))


def _source(file: Path) -> FromDisk:
    """The file's bytes; where it is a link, as in a model hub's cache, those of the file it leads to."""
    from lora_viz.adapters.source import FromDisk

    there = file.resolve()
    return FromDisk(there.name, there.parent)


def _weights(file: Path) -> Weights:
    from lora_viz.adapters.opening import open_weights

    return open_weights(file.name, _source(file))


def _unpacked(out: Path, name: str, data: bytes) -> list[str]:
    """Write what was made into this folder: a PEFT folder's files, or the one file. Answers with their paths."""
    import io
    import zipfile

    out.mkdir(parents=True, exist_ok=True)
    if not name.endswith(".zip"):
        write(out / name, data)
        return [str(out / name)]
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        members = [member for member in packed.namelist() if not member.endswith("/")]
        for member in members:
            write(out / Path(member).name, packed.read(member))
    return [str(out / Path(member).name) for member in members]
