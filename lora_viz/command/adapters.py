"""Adapter files on the command line: what they hold, cut, compared, made from two states of a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lora_viz.command.options import existing, language_option, print_json, told, write
from lora_viz.core.progress import Progress
from lora_viz.i18n import outside

if TYPE_CHECKING:
    from lora_viz.adapters.opening import Opened
    from lora_viz.adapters.report import Report
    from lora_viz.adapters.source import FromDisk

__all__ = ["compare", "extract", "inspect", "shrink"]

_ALPHA = click.option("--alpha", type=click.FloatRange(0, 4096), help="α, where the file has none: s = α/r.")


@click.command(epilog="Example: lora-playground inspect adapter_model.safetensors --json")
@click.argument("file", type=existing())
@_ALPHA
@click.option("--json", "as_json", is_flag=True, help="One JSON object in place of lines.")
@language_option
def inspect(file: Path, alpha: float | None, as_json: bool) -> None:
    """Say which rank each module of an adapter FILE needed.

    A safetensors file, a file of torch.save (never unpickled), or a stored zip of a PEFT folder; adapter_config.json is
    read where it lies beside the file. Leaves with 1 where a module holds numbers that are not finite, was never
    trained (ΔW = 0), or has directions that are zero in A or B.
    """
    from lora_viz.export.columns_json import plain
    from lora_viz.film.style import number
    from lora_viz.lessons.real.adapter_report import adapter_report, takeaway

    _, report = _read(file, alpha)
    wrong = [m for m in report.modules if m.not_finite or m.norm_delta == 0 or m.dead]
    if as_json:
        print_json("adapter", {
            "file": file.name, "found_in": report.kind, "schemes": list(report.schemes), "bytes": report.size,
            "notes": list(map(outside.plain, report.notes)), "findings": [m.path for m in wrong],
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
@click.option("-o", "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="The folder that is "
              "written.")  # fmt: skip
@_ALPHA
@click.option("--json", "as_json", is_flag=True, help="One JSON object in place of a line.")
@language_option
def shrink(file: Path, energy: str, out: Path, alpha: float | None, as_json: bool) -> None:
    """Cut every module of an adapter FILE to the smallest rank that keeps its energy.

    A PEFT adapter becomes a folder that PeftModel.from_pretrained loads; others keep their own names. The cut is the
    best for the weights at its rank; whether the answers stay the same, only your data can say.
    """
    from lora_viz.adapters.shrink import shrink as cut
    from lora_viz.film.style import number

    opened, report = _read(file, alpha)
    found = cut(opened, report, float(energy))
    written = _unpacked(out, found.file_name, found.data)
    if as_json:
        ranks = {m.path: int(r) for m, r in zip(report.modules, found.ranks, strict=True)}
        print_json("shrunk", {"file": file.name, "written": written, "energy": float(energy), "error": found.whole,
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
    """Say which directions two adapters share, module by module.

    Overlap is the mean cos² between the directions that carry 90 % of each update; random directions would have
    "chance". Leaves with 1 where one of the files has modules that the other has not.
    """
    from lora_viz.adapters.compare import compare as meet
    from lora_viz.export.columns_json import plain
    from lora_viz.film.style import number

    found = meet(_read(first, None), _read(second, None))
    if as_json:
        print_json("compared", {
            "files": [first.name, second.name], "only_in": list(found.only),
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
        if any(found.only):
            click.echo(f"\nModules without a partner: {found.only[0]} in {first.name}, {found.only[1]} in "
                       f"{second.name}.")  # fmt: skip
    click.get_current_context().exit(1 if any(found.only) else 0)


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
    from lora_viz.adapters.opening import open_adapter
    from lora_viz.adapters.report import inspect_adapter

    beside = file.with_name("adapter_config.json")
    opened = open_adapter(file.name, _source(file), beside.read_bytes() if beside.is_file() else None)
    with told(file.name) as hear:
        return opened, inspect_adapter(opened, alpha=alpha, progress=lambda share: hear(Progress(share)))


def _source(file: Path) -> FromDisk:
    """The file's bytes; where it is a link, as in a model hub's cache, those of the file it leads to."""
    from lora_viz.adapters.source import FromDisk

    there = file.resolve()
    return FromDisk(there.name, there.parent)


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
