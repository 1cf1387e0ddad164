"""What does a word mean? One catalogue for all pages, and the words of it that a text uses.

A level says for whom a word is explained: a newcomer has all of them marked, a practitioner those of the mathematics,
an expert the few that are rare. It never changes a number.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

__all__ = ["LEVELS", "TERMS", "Term", "mark"]

LEVELS = ("newcomer", "practitioner", "expert")


class Term(NamedTuple):
    """One word: what it means, for whom it is still marked, on which page it is seen, and its other forms in a text."""

    name: str
    says: str
    level: str
    page: str
    forms: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Its name in a link."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower().replace("δ", "delta ").replace("+", " plus")).strip("-")


def _terms(level: str, *given: tuple[str, ...]) -> tuple[Term, ...]:
    """Each given as name, page, what it means, and other forms."""
    return tuple(Term(one[0], one[2], level, one[1], one[3:]) for one in given)


_NEWCOMER = _terms(
    "newcomer",
    ("LoRA", "machine", "Low-rank adaptation: the weight W stays as it is, and s·B A, trained, is added to it."),
    ("W", "machine", "The base weight, a d_out × d_in matrix. It came from pretraining and does not train here."),
    ("ΔW", "machine", "The change of the weight: W′ − W. In LoRA it is s·B A."),
    ("A", "machine", "The down-projection, rank × d_in: it reads a few numbers out of the input."),
    ("B", "machine", "The up-projection, d_out × rank: it writes those few numbers into the output. It starts at 0."),
    ("rank", "matrix", "The number of dimensions in what a matrix puts out: its non-zero singular values.", "ranks"),
    ("frozen", "machine", "Not trained: a frozen weight ends as it began, bit by bit."),
    ("adapter", "many_adapters", "The small trained part, A and B, that is added to a base model.", "adapters"),
    ("gradient", "gradient_flow", "How the loss changes with each number that is trained; a step goes against it.",
     "gradients"),
    ("loss", "race", "How far the outputs are from the targets, as one number: here half the mean squared error."),
    ("learning rate", "race", "The size η of a step. Too small is slow, too large diverges.", "learning rates"),
    ("step", "follow", "One update of everything that trains.", "steps"),
    ("target", "rank", "The update that a teacher hides in the data, known exactly in these experiments."),
    ("fine-tuning", "race", "Training a pretrained model further. Full fine-tuning trains every weight.",
     "full fine-tuning"),
    ("optimizer", "race", "The rule that turns gradients into updates: SGD, Adam, AdamW.", "optimizers", "optimiser"),
    ("SGD", "race", "Gradient descent: a step is the gradient times −η."),
    ("Adam", "race", "An optimizer that divides each entry of a step by its usual size, so all entries move alike.",
     "AdamW"),
    ("overfitting", "overfit", "Learning the noise of the samples too: the error on them falls, the true one rises.",
     "overfits"),
    ("noise", "denoise", "Random numbers that are added to the labels or entries. Nothing can be learnt from them."),
    ("seed", "machine", "The number that all random draws come from. The same seed gives the same picture."),
    ("merge", "merge", "Adding s·B A into W once, so that the layer is as cheap as before.", "merged", "merging"),
    ("sample", "rank_over_time", "One input with its target.", "samples"),
    ("diverged", "phase_map", "The loss grew without bound, until numbers were no longer finite.", "diverges"),
)  # fmt: skip
_PRACTITIONER = _terms(
    "practitioner",
    ("scale s", "scaling", "The factor of B A: α/r in LoRA, α/√r in rsLoRA.", "scaling factor", "scaling rule"),
    ("alpha", "alpha", "α: the numerator of the scale s. It is no learning rate.", "α"),
    ("down-projection", "bottleneck", "A, from d_in numbers to r. No projection in the strict sense."),
    ("up-projection", "bottleneck", "B, from r numbers to d_out."),
    ("bottleneck", "bottleneck", "h = A x: the r numbers that the update's path has to go through."),
    ("column space", "bottleneck", "All that a matrix can put out. The outputs of B A lie in that of B.",
     "columns of B", "col(B)"),
    ("null space", "matrix", "All inputs that a matrix sends to 0.", "kernel", "ker A", "ker M"),
    ("singular value", "matrix", "How far a matrix stretches along one of its own directions; the largest is σ₁.",
     "singular values"),
    ("SVD", "truncation", "A matrix as a sum of rank-1 layers σᵢ uᵢ vᵢᵀ, strongest first."),
    ("spectrum", "truncation", "All singular values of a matrix, largest first.", "spectra"),
    ("energy", "energy_rule", "The sum of squared singular values, which is the squared Frobenius norm."),
    ("Frobenius norm", "truncation", "The size of a matrix: the root of the sum of its squared entries.", "‖ΔW‖"),
    ("outer product", "gradient_flow", "u vᵀ: a matrix of rank 1 with the entries uᵢ·vⱼ.", "outer products"),
    ("upstream gradient", "follow", "The gradient with respect to the layer's output, g = y − t under squared error."),
    ("full gradient", "gradient_flow", "The gradient G of the whole weight. LoRA trains on G Aᵀ and Bᵀ G instead."),
    ("initialisation", "init_race", "What A and B are before the first step.", "initialisations"),
    ("Kaiming", "init_variance", "LoRA's draw of A: uniform, with the variance 1/(3·d_in), whatever the rank."),
    ("warm-up", "gradient_flow", "The learning rate grows from 0 over the first steps; the very first does nothing."),
    ("weight decay", "gradient_flow", "AdamW also shrinks every trained number a little at each step."),
    ("numerical rank", "rank_over_time", "How many singular values exceed a tolerance. It needs the tolerance."),
    ("trainable parameters", "cost", "The numbers that train: r(d_in + d_out) for one layer.", "trained numbers",
     "parameters"),
    ("quantisation", "requantised", "Storing weights in few levels: int8, int4, NF4.", "quantised", "NF4",
     "int8", "int4"),
    ("bf16", "merge", "A number format with 8 significant bits: about three digits are not kept.", "bfloat16"),
    ("rounding", "merge", "What a number format cannot hold is dropped: 10⁻¹⁶ of a number in fp64."),
    ("regularisation", "overfit", "Anything that keeps a model from fitting noise."),
    ("low-rank hypothesis", "minilm", "The conjecture that useful updates have few strong directions."),
    ("target_modules", "transformer", "Which matrices of a model get an A and a B.", "target modules"),
    ("median", "race", "The middle of the measured values; half lie below.", "medians"),
    ("forgetting", "learns_forgets", "What a model no longer does after it has learnt something else.", "forgotten"),
    ("floor", "rank", "The least error that a rank allows, known before training."),
    ("rsLoRA", "scaling", "LoRA with the scale α/√r (Kalajdzievski 2023)."),
    ("DoRA", "variants", "LoRA for the direction of the weight, and a trained length for it (Liu et al. 2024)."),
    ("QLoRA", "quantised", "LoRA on a base that is stored in 4 bits (Dettmers et al. 2023)."),
    ("AdaLoRA", "adalora", "LoRA that spends one budget of ranks where they matter (Zhang et al. 2023)."),
    ("PiSSA", "init_race", "A start from the base weight's strongest directions (Meng et al. 2024)."),
    ("LoRA-GA", "init_alignment", "A start from the singular vectors of the first gradient (Wang et al. 2024)."),
    ("PCA", "autoencoder", "The directions along which centred data vary most: the SVD of the data."),
    ("autoencoder", "autoencoder", "A network that learns to put out its input, through a bottleneck."),
)  # fmt: skip
_EXPERT = _terms(
    "expert",
    ("effective rank", "rank_over_time", "exp of the entropy of σᵢ/Σσ: r equal directions give r. None at ΔW = 0."),
    ("stable rank", "rank", "‖ΔW‖² over σ₁²: how many directions as strong as the first."),
    ("Eckart–Young", "truncation", "No matrix of rank k is nearer than the SVD cut after k; its error is the tail.",
     "Eckart-Young"),
    ("reduced-rank regression", "rank", "The best update of rank r when the inputs are stretched (Izenman 1975)."),
    ("isotropic", "bottleneck", "The same in all directions: inputs with covariance I."),
    ("condition number", "conditioning", "The longest stretch over the shortest. 1 is round.", "κ"),
    ("gauge", "gauge", "B Q and Q⁻¹A give the same product: a change that the output does not see."),
    ("balance", "balance", "AAᵀ − BᵀB, which gradient flow keeps."),
    ("saddle", "saddles", "A place where the gradient is 0 and that is no minimum.", "saddles"),
    ("gradient flow", "balance", "The limit of gradient descent for ever smaller steps."),
    ("principal angle", "overlap", "The angles between two subspaces; 0 is a shared direction.", "principal angles"),
    ("scaled GD", "conditioning", "Gradients multiplied by (BᵀB)⁻¹ and (AAᵀ)⁻¹ (Tong et al. 2021)."),
    ("intrinsic dimension", "few_numbers", "How many random directions of all weights suffice. It is no rank."),
    ("break-even rank", "storage", "The rank from which two factors hold as many numbers as the matrix."),
    ("LoRA+", "phase_map", "A larger learning rate for B than for A (Hayou et al. 2024)."),
    ("LoftQ", "quantised", "A start that fits what quantisation took from the weight (Li et al. 2023)."),
)  # fmt: skip
TERMS: tuple[Term, ...] = tuple(sorted((*_NEWCOMER, *_PRACTITIONER, *_EXPERT), key=lambda term: term.name.lower()))

_FORMS = {form: term for term in TERMS for form in (term.name, *term.forms)}
_LETTERS = {"W", "ΔW", "A", "B", "α", "κ", "‖ΔW‖"}  # stand everywhere: a page full of marks explains nothing
_WORDS = sorted((form for form in _FORMS if form not in _LETTERS), key=len, reverse=True)
# What is no running text is left alone: maths, code, links, headings and rows of tables.
_PIECES = re.compile(
    r"(?P<kept>\$\$.*?\$\$|\$[^$\n]+\$|`[^`\n]*`|!?\[[^\]\n]*\]\([^)\n]*\)|^\s*(?:#|\|).*?$)"
    rf"|(?<![\w-])(?P<word>{'|'.join(re.escape(word) for word in _WORDS)})(?![\w+-])",
    re.S | re.M | re.I,
)
_BY_LOWER = {form.lower(): term for form, term in _FORMS.items()}


def mark(text: str, level: str, seen: Collection[str] = ()) -> tuple[str, tuple[Term, ...]]:
    """The markdown text with each term's first use as a link to the glossary, and the terms that were marked.

    Marked are the terms of this level and of those above it, if their keys are not among ``seen``.
    """
    wanted = LEVELS[LEVELS.index(level) :]
    found: dict[str, Term] = {}

    def put(match: re.Match[str]) -> str:
        word = match["word"]
        if word is None:
            return match[0]
        term = _BY_LOWER[word.lower()]
        if term.level not in wanted or term.key in seen or term.key in found:
            return match[0]
        found[term.key] = term
        return f"[{word}](glossary#{term.key})"

    return _PIECES.sub(put, text), tuple(found.values())
