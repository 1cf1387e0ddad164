"""What a file alone shows of how it was trained and saved: each symptom is a test of numbers that were measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from lora_viz.adapters.findings import Finding
from lora_viz.adapters.opening import Opened
from lora_viz.adapters.report import Module, Report
from lora_viz.adapters.stored import SIZES, short
from lora_viz.i18n.language import say

__all__ = ["Sign", "signs", "symptoms"]

FEW_USED, ALL_USED, DWARFS = 0.25, 0.85, 10.0
_SMALLEST = {"F16": 2.0**-14, "BF16": 2.0**-126, "F8_E4M3": 2.0**-6, "F8_E5M2": 2.0**-14}  # the least normal number
_EMBEDDINGS = ("embed_tokens", "lm_head", "wte", "word_embeddings", "embeddings", "embed_out", "shared")
_WRAPPED = (
    "_orig_mod.",
    "module.",
    "_fsdp_wrapped_module.",
    "_checkpoint_wrapped_module.",
    "base_model.model.base_model.model.",
)


class Sign(NamedTuple):
    """A module's factors at a glance: A's largest number and spread in units of its usual start U(±1/√d_in), and the
    share of all its numbers, 0 not counted, that lie below the least normal number of their format.
    """

    module: Module
    top_A: float
    spread_A: float
    subnormal: float


def signs(opened: Opened, report: Report) -> tuple[Sign, ...]:
    """Look at each module's factors once more."""
    found = []
    for module in report.modules:
        factors = module.factors(opened.weights)
        top = total = count = small = held = 0.0
        for factor in (factors.A, factors.B):
            least = _SMALLEST.get(factor.dtype, 0.0)
            for block in factor.blocks():
                size = np.abs(np.nan_to_num(block, posinf=0, neginf=0))
                if factor is factors.A:
                    top, total, count = (
                        max(top, float(size.max(initial=0))),
                        total + float((size**2).sum()),
                        count + size.size,
                    )
                held += float((size > 0).sum())
                small += float(((size > 0) & (size < least)).sum())
        unit = np.sqrt(module.d_in)
        spread = np.sqrt(3 * total / count) * unit if count else 0.0
        found.append(Sign(module, top * unit, float(spread), small / held if held else 0.0))
    return tuple(found)


def symptoms(opened: Opened, report: Report, seen: Sequence[Sign]) -> Iterator[Finding]:
    """Everything that the file shows by itself."""
    fine = [m for m in report.modules if not m.not_finite]
    live = [m for m in fine if m.norm_delta > 0]
    yield from _not_finite(report)
    yield from _zero(report, fine, live)
    yield from _names(opened, report)
    yield from _size(report)
    yield from _scale(opened, report)
    yield from _stored(seen)
    yield from _directions(live)
    yield from _ranks(live)
    yield from _start(seen, live)
    yield from _dwarfs(live)


def _paths(modules: Sequence[Module]) -> tuple[str, ...]:
    return tuple(m.path for m in modules)


def _count(modules: Sequence[Module], report: Report) -> str:
    return say("{count} of {all} modules", count=len(modules), all=len(report.modules))


def _not_finite(report: Report) -> Iterator[Finding]:
    bad = [m for m in report.modules if m.not_finite]
    if bad:
        total = sum(m.not_finite for m in bad)
        yield Finding(
            "not_finite", "broken", say("NaN or infinity in the weights"),
            say("{where} hold {total} numbers that are not finite.", where=_count(bad, report), total=total),
            say("The training diverged: a learning rate too high, or fp16 without loss scaling."),
            say("Go back to a checkpoint before it. Train in bf16, or in fp16 with a loss scaler and clipped "
                "gradients; lower the learning rate."), "measured", _paths(bad), {"numbers": total})  # fmt: skip


def _zero(report: Report, fine: list[Module], live: list[Module]) -> Iterator[Finding]:
    idle = [m for m in fine if m.norm_delta == 0 and m.scaling != 0]
    if idle and not live:
        which = "A" if all(m.norm_A == 0 for m in idle) else "B"
        yield Finding(
            "untrained", "broken", say("The adapter has no effect: every ΔW is 0"),
            say("{which} is 0 in every module.", which=which),
            f"{_never_trained()} {_too_narrow(idle)}".strip(),
            say("After one step, look whether B has moved. With checkpointing call "
                "model.enable_input_require_grads(), or use use_reentrant=False."), "likely", _paths(idle))  # fmt: skip
    elif idle:
        layers = sorted({m.place.layer for m in idle} - {m.place.layer for m in live})
        some = say("Untrained layers: {layers}.", layers=", ".join(layers[:12])) if layers and layers != [""] else ""
        yield Finding(
            "partly_untrained", "broken", say("Part of it was never trained"),
            f"{say('ΔW is 0 in {where}.', where=_count(idle, report))} {some}".strip(),
            say("No gradient reached these modules: layers not used in the forward pass, checkpointed with frozen "
                "inputs, or frozen by name."),
            say("Print which parameters have a gradient after one step. Leave unused modules out of target_modules."),
            "likely", _paths(idle), {"modules": len(idle)})  # fmt: skip


def _never_trained() -> str:
    return say("It was saved before its first step, or no gradient reached it: gradient checkpointing with frozen "
               "inputs, an optimiser made before the adapter, a wrong adapter saved.")  # fmt: skip


def _too_narrow(idle: list[Module]) -> str:
    """Half precision and less may have made 0 of what was trained."""
    dtype = idle[0].dtype
    if dtype not in _SMALLEST or dtype == "BF16":
        return ""
    return say("Or its numbers were too small for {dtype}, in training or in the file.", dtype=dtype)


def _names(opened: Opened, report: Report) -> Iterator[Finding]:
    names = [m.pair.A for m in report.modules]
    wrapped = next((part for part in _WRAPPED if any(n.startswith(part) or f".{part}" in n for n in names)), None)
    if wrapped is not None:
        yield Finding(
            "wrapped_names", "broken", say("Keys that match nothing in the base model"),
            say("Names hold {part}, which a wrapper put in: {name}.", part=wrapped, name=short(names[0])),
            say("It was saved from inside torch.compile, DDP, FSDP, or a model that was wrapped twice. PEFT warns and "
                "leaves such keys out."),
            say("Save the unwrapped model, or rename the keys: lora-playground convert writes plain ones."),
            "measured")  # fmt: skip
    config = opened.config
    if config is None or config.tool != "PEFT":
        return
    if (bare := [m for m in report.modules if m.pair.scheme == "PEFT" and not m.pair.A.startswith("base_model.")]) and (
        wrapped is None
    ):
        yield Finding(
            "prefix", "broken", say("Keys that PEFT does not apply"),
            say("{where} lack the prefix base_model.model.: {name}.", where=_count(bare, report),
                name=short(bare[0].pair.A)),
            say("The state dict was saved from the inner model. PEFT only warns and runs the base model."),
            say("Save with model.save_pretrained, or rename: lora-playground convert --to peft."), "measured",
            _paths(bare))  # fmt: skip
    asked = config.raw.get("target_modules")
    if isinstance(asked, list) and asked and all(isinstance(name, str) for name in asked):
        missed = [name for name in asked if not any(_ends(m.pair.module, name) for m in report.modules)]
        if missed:
            yield Finding(
                "targets_missing", "doubtful", say("Modules that were asked for are not in the file"),
                say("target_modules names {names}; no key ends so.", names=short(", ".join(missed))),
                say("The base model has no such modules, or only some were saved."),
                say("Compare with the names in model.named_modules()."), "likely", (),
            {"names": len(missed)})  # fmt: skip


def _ends(path: str, name: str) -> bool:
    return path == name or path.endswith(f".{name}")


def _size(report: Report) -> Iterator[Finding]:
    beside = [o for o in report.others if o.dtype in SIZES]
    size = sum(int(np.prod(o.shape)) * SIZES[o.dtype] for o in beside)
    if size > report.size / 2:
        whole = [o.name for o in beside if any(part in _EMBEDDINGS for part in o.name.split("."))]
        yield Finding(
            "too_large", "doubtful" if whole else "note", say("Most of the file is not the adapter"),
            say("{share:.0f} % of its {size:.1f} MB are other tensors, such as {name}.", share=100 * size / report.size,
                size=report.size / 1e6, name=short(max(beside, key=lambda o: int(np.prod(o.shape))).name)),
            say("Whole embeddings or the output head were saved with it: the vocabulary was resized, or they stand in "
                "modules_to_save.") if whole else say("Whole weights were saved beside the factors, as a new head is."),
            say("If you trained no new tokens, save with save_embedding_layers=False; new tokens alone need "
                "trainable_token_indices.") if whole else say("If nothing in modules_to_save was trained, leave it "
                "out."), "measured", (), {"share": size / report.size})  # fmt: skip


def _scale(opened: Opened, report: Report) -> Iterator[Finding]:
    unknown = [m for m in report.modules if m.scaling is None]
    if unknown:
        yield Finding(
            "scale_unknown", "doubtful", say("The file does not say its scale"),
            say("No α for {where}: sizes are those of B·A.", where=_count(unknown, report)),
            say("This format keeps α in a configuration, which is not here."),
            say("Give the configuration too, or say α. A loader that guesses takes s = 1, or PEFT's α = 8."),
            "measured", _paths(unknown))  # fmt: skip
    known = [m for m in report.modules if m.scaling is not None]
    none = [m for m in known if m.scaling == 0]
    if none:
        yield Finding(
            "scale_zero", "broken", say("The scale is 0, so the adapter has no effect"),
            say("s = 0 in {where}: {words}.", where=_count(none, report), words=none[0].scaling_words),
            say("α is 0, or was stored in a number format in which it becomes 0."),
            say("Write α again as the training had it."), "measured", _paths(none))  # fmt: skip
    header = [m for m in known if m.pair.alpha is None and m.pair.scheme == "kohya" and "ss_network_alpha" in
              opened.weights.metadata and m.scaling != 1]  # fmt: skip
    if header:
        yield Finding(
            "alpha_in_header", "doubtful", say("α is only in the header"),
            say("{where} have no tensor for α; the header gives s = {s:.3g}.", where=_count(header, report),
                s=header[0].scale),
            say("A converter dropped the α tensors. Most loaders then use s = 1."),
            say("Convert it: lora-playground convert writes α beside every pair."), "measured",
            _paths(header))  # fmt: skip
    odd = [m for m in known if abs(m.scale) > 8 or 0 < abs(m.scale) < 0.05]
    if odd and not header:
        m = max(odd, key=lambda m: abs(np.log(abs(m.scale))))
        root = opened.config is not None and opened.config.use_rslora
        yield Finding(
            "scale_odd", "doubtful", say("An unusual scale"),
            say("s = {s:.3g} ({words}) in {where}; 0.5 to 4 is usual.", s=m.scale, words=m.scaling_words,
                where=_count(odd, report)),
            say("With rsLoRA α is divided by √r: an α meant for α/r is then √r times too strong.") if root else
            say("α was meant for another rank or another rule (α/√r in place of α/r), or is a habit of this tool."),
            say("Check the training's own α, r and use_rslora. If it works as it is, leave it."), "possible",
            _paths(odd), {"scaling": m.scale})  # fmt: skip


def _stored(seen: Sequence[Sign]) -> Iterator[Finding]:
    small = [s for s in seen if s.subnormal > 0.1]
    if small:
        worst = max(small, key=lambda s: s.subnormal)
        yield Finding(
            "underflow", "doubtful", say("Numbers too small for their format"),
            say("In {path} {share:.0f} % of the numbers lie below the least normal one of {dtype}: they keep few of "
                "their bits.", path=short(worst.module.path), share=100 * worst.subnormal, dtype=worst.module.dtype),
            say("A factor that stayed tiny was stored in a narrow format."),
            say("Store it in bf16 or fp32, or with B larger and α smaller."), "measured",
            _paths([s.module for s in small]), {"share": worst.subnormal})  # fmt: skip


def _directions(live: list[Module]) -> Iterator[Finding]:
    dead = [m for m in live if m.dead]
    if dead:
        total = sum(m.dead for m in dead)
        yield Finding(
            "dead_directions", "doubtful", say("Directions that are 0"),
            say("{count} of {all} directions have a zero row in A or a zero column in B, in {modules} modules.",
                count=total, all=sum(m.rank for m in live), modules=len(dead)),
            say("They were pruned (AdaLoRA), padded to a common rank, or never trained."),
            say("Cut the adapter: nothing is lost."), "measured", _paths(dead), {"directions": total})  # fmt: skip
    twice = [m for m in live if not m.dead and m.kinds.numerical < min(m.rank, m.d_in, m.d_out)]
    if twice:
        yield Finding(
            "duplicates", "doubtful", say("Directions that repeat others"),
            say("In {count} modules the numerical rank is below r: in {path} {rank} of {r}.", count=len(twice),
                path=short(twice[0].path), rank=twice[0].kinds.numerical, r=twice[0].rank),
            say("Rows of A or columns of B started alike, or the adapter was padded or concatenated with itself."),
            say("Cut the adapter to the numerical rank: nothing is lost."), "measured", _paths(twice))  # fmt: skip


def _ranks(live: list[Module]) -> Iterator[Finding]:
    wide = [m for m in live if m.rank >= 4]
    if not wide:
        return
    share = float(np.median([m.needs[2] / m.rank for m in wide]))
    used = float(np.mean([m.needs[1] >= ALL_USED * m.rank for m in wide]))
    r = max(m.rank for m in wide)
    if share <= FEW_USED:
        yield Finding(
            "rank_above_need", "note", say("A rank far above what is used"),
            say("In the median 99 % of the energy lies in {share:.0f} % of the directions given (rank {r}).",
                share=100 * share, r=r),
            say("The task needed few directions, or the training was short."),
            say("Cut it: lora-playground shrink says what is lost. A smaller rank may train as well."), "possible", (),
            {"share": share})  # fmt: skip
    elif used >= 0.9:
        yield Finding(
            "rank_all_used", "note", say("All of its rank is used"),
            say("In {share:.0f} % of the modules 95 % of the energy needs nearly every direction (rank {r}).",
                share=100 * used, r=r),
            say("The rank may be too small; a short training that left A random looks the same."),
            say("Train once with twice the rank and compare on your data."), "possible", (),
            {"share": used})  # fmt: skip


def _start(seen: Sequence[Sign], live: list[Module]) -> Iterator[Finding]:
    """U(±1/√d_in) has no number beyond its bound: 3,000 numbers that were trained, however little, have some."""
    paths = {m.path for m in live}
    asked = [s for s in seen if s.module.path in paths and s.module.alone and s.module.rank * s.module.d_in >= 3000]
    still = [s for s in asked if s.top_A <= 1.004 and abs(s.spread_A - 1) < 0.03]
    if asked and len(still) > len(asked) / 2:
        yield Finding(
            "A_at_start", "note", say("A looks untrained"),
            say("In {count} of {all} modules no number of A exceeds 1/√d_in, and its spread is that of the usual "
                "start.", count=len(still), all=len(asked)),
            say("A was frozen (LoRA-FA), or the steps were few or their learning rate small."),
            say("If A was to train, look whether it is in the optimiser, and at the learning rate."), "likely",
            _paths([s.module for s in still]), {"modules": len(still)})  # fmt: skip


def _dwarfs(live: list[Module]) -> Iterator[Finding]:
    if len(live) < 8:
        return
    sizes = np.array([m.norm_delta for m in live])
    middle = float(np.median(sizes))
    large = [m for m in live if m.norm_delta > DWARFS * middle]
    if large:
        top = max(large, key=lambda m: m.norm_delta)
        share = float((np.array([m.norm_delta for m in large]) ** 2).sum() / (sizes**2).sum())
        yield Finding(
            "dwarfs", "doubtful", say("A few modules dwarf the rest"),
            say("‖ΔW‖ of {path} is {times:.0f} times the median; {count} such modules hold {share:.0f} % of all "
                "energy.",
                path=short(top.path), times=top.norm_delta / middle, count=len(large), share=100 * share),
            say("The training spiked there, another α applies to them, or the task sits in these layers."),
            say("Try the adapter without them, or at half strength; clip gradients when you train again."), "possible",
            _paths(large), {"times": top.norm_delta / middle})  # fmt: skip
