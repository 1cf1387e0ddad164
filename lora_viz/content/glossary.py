"""The glossary: one catalogue of words for all lessons, and those of them that a text uses.

A level says for whom a word is explained: a newcomer has all of them marked, a practitioner those of the mathematics,
an expert the few that are rare. It never changes a number.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Hashable
from functools import lru_cache
from typing import NamedTuple

from lora_viz.i18n.language import english, say, spoken_words, to_say

__all__ = ["LEVELS", "TERMS", "Term", "by_letters", "mark"]

LEVELS = ("newcomer", "practitioner", "expert")


class Term(NamedTuple):
    """One word: what it means, for whom it is still marked, on which page it is seen, and its forms in a text.

    ``words`` are its name and all other forms with "|" between them, one text, because every language inflects in its
    own way.
    """

    name: str
    says: str
    level: str
    page: str
    words: str

    @property
    def key(self) -> str:
        """Its name in a link: the English one in every language."""
        name = str(english(self.name)).lower().replace("δ", "delta ").replace("+", " plus")
        return re.sub(r"[^a-z0-9]+", "-", name).strip("-")

    def said(self) -> Term:
        """The same in the visitor's language."""
        return self._replace(name=say(self.name), says=say(self.says))

    def forms(self) -> tuple[str, ...]:
        """The forms in which it stands in a text of the visitor's language."""
        return tuple(filter(None, str(say(self.words)).split("|")))


def by_letters(word: str) -> str:
    """The place of a word in an alphabet; accents and capitals do not count, as in a dictionary."""
    return "".join(c for c in unicodedata.normalize("NFKD", word.lower()) if not unicodedata.combining(c))


def _terms(level: str, *given: tuple[str, ...]) -> tuple[Term, ...]:
    """Each given as name, page, what it means, and its forms, where it has more than the name."""
    return tuple(Term(one[0], one[2], level, one[1], one[3] if len(one) > 3 else one[0]) for one in given)


_NEWCOMER = _terms(
    "newcomer",
    ("LoRA", "machine",
     to_say("Low-rank adaptation: the weight W stays as it is, and s·B A, trained, is added to it."), to_say("LoRA|")),
    ("W", "machine",
     to_say("The base weight, a d_out × d_in matrix. It came from pretraining and does not train here.")),
    ("ΔW", "machine", to_say("The change of the weight: W′ − W. In LoRA it is s·B A.")),
    ("A", "machine", to_say("The down-projection, rank × d_in: it reads a few numbers out of the input.")),
    ("B", "machine",
     to_say("The up-projection, d_out × rank: it writes those few numbers into the output. It starts at 0.")),
    (to_say("rank"), "matrix",
     to_say("The number of dimensions in what a matrix puts out: its non-zero singular values."), to_say("rank|ranks")),
    (to_say("frozen"), "machine", to_say("Not trained: a frozen weight ends as it began, bit by bit."),
     to_say("frozen|")),
    (to_say("adapter"), "many_adapters", to_say("The small trained part, A and B, that is added to a base model."),
     to_say("adapter|adapters")),
    (to_say("gradient"), "gradient_flow",
     to_say("How the loss changes with each trainable parameter; a step goes against it."),
     to_say("gradient|gradients")),
    (to_say("loss"), "race",
     to_say("How far outputs are from targets. One layer: half the squared error, summed over outputs, averaged over "
            "samples; networks: cross-entropy."),
     to_say("loss|")),
    (to_say("learning rate"), "race", to_say("The size η of a step. Too small is slow, too large diverges."),
     to_say("learning rate|learning rates")),
    (to_say("step"), "follow", to_say("One update of everything that trains."), to_say("step|steps")),
    (to_say("target"), "rank",
     to_say("The update that a teacher hides in the data, known exactly in these experiments."), to_say("target|")),
    (to_say("fine-tuning"), "race",
     to_say("Training a pretrained model further. Full fine-tuning trains every weight."),
     to_say("fine-tuning|full fine-tuning")),
    (to_say("optimiser"), "race", to_say("The rule that turns gradients into updates: SGD, Adam, AdamW."),
     to_say("optimiser|optimisers|optimizer")),
    ("SGD", "race", to_say("Gradient descent: a step is the gradient times −η.")),
    ("Adam", "race",
     to_say("An optimiser that divides each entry of a step by its usual size, so all entries move alike."),
     to_say("Adam|AdamW")),
    (to_say("overfitting"), "overfit",
     to_say("Learning the noise of the samples too: the error on them falls, the true one rises."),
     to_say("overfitting|overfits")),
    (to_say("noise"), "denoise",
     to_say("Random numbers that are added to the labels or entries. Nothing can be learnt from them."),
     to_say("noise|")),
    (to_say("seed"), "machine",
     to_say("The number that all random draws come from. The same seed gives the same picture."), to_say("seed|")),
    (to_say("merge"), "merge", to_say("Adding s·B A into W once, so that the layer is as cheap as before."),
     to_say("merge|merged|merging|unmerged")),
    (to_say("sample"), "rank_over_time", to_say("One input with its target."), to_say("sample|samples")),
    (to_say("diverged"), "phase_map", to_say("The loss grew so far that training was stopped: beyond 10⁸, or no "
        "longer a finite number."),
     to_say("diverged|diverges")),
)  # fmt: skip
_PRACTITIONER = _terms(
    "practitioner",
    (to_say("scale s"), "scaling", to_say("The factor of B A: α/r in LoRA, α/√r in rsLoRA."),
     to_say("scale s|scaling factor|scaling rule")),
    (to_say("alpha"), "alpha", to_say("α: the numerator of the scale s. It is not a learning rate."),
    to_say("alpha|α")),
    (to_say("down-projection"), "bottleneck", to_say("A, from d_in numbers to r. No projection in the strict sense."),
     to_say("down-projection|")),
    (to_say("up-projection"), "bottleneck", to_say("B, from r numbers to d_out."), to_say("up-projection|")),
    (to_say("bottleneck"), "bottleneck", to_say("h = A x: the r numbers that the update's path has to go through."),
     to_say("bottleneck|")),
    (to_say("column space"), "bottleneck",
     to_say("All outputs that a matrix can have. The outputs of B A lie in the column space of B."),
     to_say("column space|columns of B|col(B)")),
    (to_say("null space"), "matrix", to_say("All inputs that a matrix sends to 0."),
     to_say("null space|kernel|ker A|ker M")),
    (to_say("singular value"), "matrix",
     to_say("How far a matrix stretches along one of its own directions; the largest is σ₁."),
     to_say("singular value|singular values")),
    ("SVD", "truncation", to_say("A matrix as a sum of rank-1 terms σᵢ uᵢ vᵢᵀ, strongest first.")),
    (to_say("spectrum"), "truncation", to_say("All singular values of a matrix, largest first."),
     to_say("spectrum|spectra")),
    (to_say("energy"), "energy_rule",
     to_say("The sum of squared singular values, which is the squared Frobenius norm."), to_say("energy|")),
    (to_say("Frobenius norm"), "truncation",
     to_say("The norm of a matrix: the square root of the sum of its squared entries."), to_say("Frobenius norm|‖ΔW‖")),
    (to_say("outer product"), "gradient_flow", to_say("u vᵀ: a matrix of rank 1 with the entries uᵢ·vⱼ."),
     to_say("outer product|outer products")),
    (to_say("upstream gradient"), "follow",
     to_say("The gradient with respect to the layer's output, g = y − t under squared error."),
     to_say("upstream gradient|")),
    (to_say("full gradient"), "gradient_flow",
     to_say("The gradient G of the whole weight. LoRA trains on G Aᵀ and Bᵀ G instead."), to_say("full gradient|")),
    (to_say("initialisation"), "init_race", to_say("What A and B are before the first step."),
     to_say("initialisation|initialisations|initialization")),
    ("Kaiming", "init_size",
     to_say("LoRA's draw of A: uniform, with the variance 1/(3·d_in) at every rank.")),
    (to_say("warm-up"), "gradient_flow",
     to_say("The learning rate grows from 0 over the first steps; the very first does nothing."), to_say("warm-up|")),
    (to_say("weight decay"), "gradient_flow", to_say("AdamW also shrinks every trainable parameter a little at each "
                                                     "step."),
     to_say("weight decay|")),
    (to_say("numerical rank"), "rank_over_time",
     to_say("How many singular values exceed a tolerance. It needs the tolerance."), to_say("numerical rank|")),
    (to_say("trainable parameters"), "cost", to_say("The parameters that are trained: r(d_in + d_out) for one layer."),
     to_say("trainable parameters|parameters")),
    (to_say("quantisation"), "requantised", to_say("Storing weights in a low-precision format: int8, int4, NF4."),
     to_say("quantisation|quantised|low precision|quantization|quantized|NF4|int8|int4")),
    ("bf16", "merge", to_say("A 16-bit number format with 8 significant bits: two to three decimal digits."),
     "bf16|bfloat16"),
    (to_say("rounding"), "merge",
     to_say("What a number format cannot hold is dropped: 10⁻¹⁶ of a number in fp64."),
     to_say("rounding|")),
    (to_say("regularisation"), "overfit", to_say("Anything that keeps a model from fitting noise."),
     to_say("regularisation|regularization")),
    (to_say("low-rank hypothesis"), "minilm", to_say("The conjecture that useful updates have few strong directions."),
     to_say("low-rank hypothesis|")),
    ("target_modules", "transformer", to_say("Which matrices of a model get an A and a B."),
     to_say("target_modules|target modules")),
    (to_say("median"), "race", to_say("The middle of the sorted values, or the mean of the two in the middle."),
    to_say("median|medians")),
    (to_say("forgetting"), "learns_forgets", to_say("What a model no longer does after it has learnt something else."),
     to_say("forgetting|forgotten")),
    (to_say("floor"), "rank", to_say("The least error that a rank allows, known before training."), to_say("floor|")),
    ("rsLoRA", "scaling", to_say("LoRA with the scale α/√r (Kalajdzievski 2023).")),
    ("DoRA", "variants", to_say("LoRA for the direction of the rows of the weight, and a trained magnitude for each "
                                "(Liu et al. 2024).")
     ),
    ("QLoRA", "quantised", to_say("LoRA on a base that is stored in 4 bits (Dettmers et al. 2023).")),
    ("AdaLoRA", "adalora", to_say("LoRA that spends one budget of ranks where they matter (Zhang et al. 2023).")),
    ("PiSSA", "init_race", to_say("A start from the base weight's strongest directions (Meng et al. 2024).")),
    ("LoRA-GA", "init_alignment", to_say("A start from the singular vectors of the first gradient (Wang et al. 2024).")
     ),
    ("PCA", "autoencoder", to_say("The directions along which centred data vary most: the SVD of the data.")),
    (to_say("autoencoder"), "autoencoder", to_say("A network that learns to output its input, through a bottleneck."),
     to_say("autoencoder|")),
)  # fmt: skip
_EXPERT = _terms(
    "expert",
    (to_say("effective rank"), "rank_over_time",
     to_say("exp of the entropy of σᵢ/Σσ: r equal directions give r. None at ΔW = 0."),
     to_say("effective rank|")),
    (to_say("stable rank"), "rank", to_say("‖ΔW‖² over σ₁²: how many directions as strong as the first."),
     to_say("stable rank|")),
    ("Eckart–Young", "truncation",
     to_say("No matrix of rank k is nearer than the truncated SVD; its error is the tail of the σ."),
     "Eckart–Young|Eckart-Young|truncated SVD"),
    (to_say("reduced-rank regression"), "rank",
     to_say("The best update of rank r if the inputs are ill-conditioned (Izenman 1975)."),
     to_say("reduced-rank regression|")),
    (to_say("isotropic"), "bottleneck", to_say("The same in all directions: inputs with covariance I."),
     to_say("isotropic|")),
    (to_say("condition number"), "conditioning", to_say("The largest singular value over the smallest. At 1 all "
                                                        "directions count alike."),
     to_say("condition number|κ")),
    (to_say("gauge"), "gauge", to_say("B Q and Q⁻¹A give the same product: a change that the output does not see."),
     to_say("gauge|")),
    (to_say("balance"), "balance", to_say("AAᵀ − BᵀB, which gradient flow keeps."), to_say("balance|")),
    (to_say("saddle"), "saddles", to_say("A place where the gradient is 0 and that is not a minimum."),
     to_say("saddle|saddles")),
    (to_say("gradient flow"), "balance", to_say("The limit of gradient descent as the steps become smaller and "
                                                "smaller."),
     to_say("gradient flow|")),
    (to_say("principal angle"), "overlap", to_say("The angles between two subspaces; 0 is a shared direction."),
     to_say("principal angle|principal angles")),
    (to_say("scaled GD"), "conditioning",
     to_say("Gradients multiplied by (BᵀB)⁻¹ and (AAᵀ)⁻¹ (Tong et al. 2021)."),
     to_say("scaled GD|")),
    (to_say("intrinsic dimension"), "few_numbers",
     to_say("How many random directions of all weights suffice. It is not a rank."), to_say("intrinsic dimension|")),
    (to_say("break-even rank"), "storage",
     to_say("The rank from which two factors hold as many numbers as the matrix."), to_say("break-even rank|")),
    ("LoRA+", "phase_map", to_say("A larger learning rate for B than for A (Hayou et al. 2024).")),
    ("LoftQ", "quantised", to_say("A start that fits what quantisation took from the weight (Li et al. 2023).")),
)  # fmt: skip
TERMS: tuple[Term, ...] = tuple(sorted((*_NEWCOMER, *_PRACTITIONER, *_EXPERT), key=lambda term: by_letters(term.name)))

_LETTERS = {"W", "ΔW", "A", "B", "α", "κ", "‖ΔW‖"}  # stand everywhere: a page full of marks explains nothing
# What is no running text is left alone: words from outside, maths, code, links, headings and rows of tables.
_KEPT = r"\u2068.*?\u2069|\$\$.*?\$\$|\$[^$\n]+\$|`[^`\n]*`|!?\[[^\]\n]*\]\([^)\n]*\)|^\s*(?:#|\|).*?$"


@lru_cache(maxsize=8)
def _pieces(words: tuple[str, ...]) -> re.Pattern[str]:
    """Finds these words, the longest first, none in the middle of a compound; and what is to be left alone."""
    listed = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return re.compile(rf"(?P<kept>{_KEPT})|(?<![\w-])(?P<word>{listed})(?![\w+-])", re.S | re.M | re.I)


def mark(text: str, level: str, seen: Collection[str] = ()) -> tuple[str, tuple[Term, ...]]:
    """The markdown text with each term's first use as a link to the glossary, and the terms that were marked.

    Marked are the terms of this level and of those above it, if their keys are not among ``seen``. Text and terms are
    in the language that is spoken here.
    """
    wanted = LEVELS[LEVELS.index(level) :]
    known, lower = _forms(spoken_words())
    found: dict[str, Term] = {}

    def put(match: re.Match[str]) -> str:
        word = match["word"]
        if word is None:
            return match[0]
        term = lower[word.lower()]
        if term.level not in wanted or term.key in seen or term.key in found:
            return match[0]
        found[term.key] = term
        return f"[{word}](glossary#{term.key})"

    return _pieces(known).sub(put, text), tuple(term.said() for term in found.values())


@lru_cache(maxsize=8)
def _forms(spoken: Hashable) -> tuple[tuple[str, ...], dict[str, Term]]:
    """All forms that are marked in what is spoken here, and the term of each in small letters."""
    known = {form: term for term in TERMS for form in term.forms() if form not in _LETTERS}
    return tuple(known), {form.lower(): term for form, term in known.items()}
