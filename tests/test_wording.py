"""The words of the screen: the field's terms in British spelling, in both languages; none that only this house has."""

from __future__ import annotations

import re

import pytest

from docs.make_catalogue import gathered
from lora_viz.i18n.language import catalogue

# What is said -> what to say instead. A pattern is looked for in running text: no formulas, code or links.
ENGLISH = {
    r"\b\w*(?:ization|izations|ize|ized|izing)\b(?<![Ss]ize)(?<!sized)(?<!prize)": "British spelling: -isation, -ise",
    r"\b(?:optimizer|Optimizer)s?\b(?!=)": "optimiser",
    r"\bcolor\w*|\bcenter(?:ed|s)?\b|\bbehavior\w*|\bneighbor\w*|\blearned\b|\bgray\b": "British spelling",
    r"\bfor ever\b|\bhalf way\b|\bread-out\b": "forever, halfway, readout",
    r"\btrained numbers?\b|\bnumbers that train\b|\bnumbers to train\b": "trainable parameters",
    r"\bknobs?\b": "free parameters",
    r"\b(?:round|white) inputs?\b|\bround cloud\b": "isotropic inputs",
    r"\bstretched (?:inputs?|target)\b|\bstretch of the inputs\b": "ill-conditioned; condition number",
    r"\bcheat(?:ing|s)?\b|\bSVD of the answer\b": "SVD of the target (oracle)",
    r"\bwak(?:e|es|en|ing) up\b|\bwoke up\b|\basleep\b|\bwakes\b|\bcomes alive\b": "gets a gradient",
    r"\brounding (?:has eaten|can eat|eats)\b": "is lost to rounding",
    r"\bby heart\b|\bread right\b": "memorised, recalled correctly",
    r"\b(?:keep|keeps|kept|stay|stays|stood|stands?|stayed) still\b": "freeze; does not change",
    r"\bdearer?\b": "expensive",
    r"\bdetours?\b": "side path",
    r"\bshadows?\b": "computed from",
    r"\b[Hh]ow many percent\b": "what percentage",
    r"\bwhatever (?:r is|the rank|the input)\b|\bWhatever (?:the|r)\b": "for any r, regardless of the rank",
    r"\ballowed (?:is|are)\b": "Valid values: …",
    r"\bShown is\b|\bshown is\b": "Showing … instead",
    r"\b(?:raced|racers?)\b": "compared",
    r"\bfew bits\b|\bfew levels\b": "low precision; a quantised format",
    r"\beven levels\b": "evenly spaced levels",
    r"\blest\b|\bbesides\b": "today's word",
    r"\b(?<![Tt]here )(?:is|are) no (?!longer|more|less|other|smaller|larger|finer|better|worse)[a-z]+\b": "is not a …",
}  # fmt: skip
GERMAN = {
    r"\btrainierten? Zahlen\b": "trainierte Parameter",
    r"\bmerkt nichts\b|\bSchwanz\b|\bgemogelt\b": "siehe wording-de",
    r"\bfür immer und\b|\baufgehoben\b": "gespeichert",
    r"\bSkala s\b": "Skalierungsfaktor s",
    r"\bEingangsrichtung": "Eingaberichtung",
    r"\bsauber(?:e|en|er|es)?\b": "rauschfrei",
    r"\bGitter\b": "Raster",
    r"\bAufspann\b": "Spann",
    r"\bfein ab(?:ge|zu)?stimm\w*": "Fine-Tuning",
}
QUOTED = re.compile(r"\$\$.*?\$\$|\$[^$]*\$|`[^`]*`|https?:\S+|\]\([^)]*\)|\{[^}]*\}|“[^”]*”|„[^“]*“", re.S)


def running(text: str) -> str:
    """The words of a text: formulas, code, links, values and quotations taken out."""
    return QUOTED.sub(" ", text)


def found(words: dict[str, str], texts: dict[str, str]) -> dict[str, int]:
    """Pattern -> how many of these texts have it. A title of a paper is quoted, and stays as it is."""
    return {
        pattern: count
        for pattern in words
        if (count := sum(re.search(pattern, running(text)) is not None for text in texts.values()))
    }


def told(now: dict[str, int], words: dict[str, str]) -> list[str]:
    """Which old word is said, in how many texts, and what to say instead."""
    return [f"{count} texts have {pattern}. Say: {words[pattern]}" for pattern, count in now.items()]


def test_no_old_word_is_said() -> None:
    """Every word that the style guide replaces; titles of papers stay, and the forms by which the glossary finds."""
    texts = {
        text: text
        for text, places in gathered().items()
        if not all("literature" in at or ("glossary" in at and "|" in text) for at, _ in places)
    }
    assert not told(found(ENGLISH, texts), ENGLISH)


def test_no_old_german_word_is_said() -> None:
    assert not told(found(GERMAN, dict(catalogue("de"))), GERMAN)


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("The optimizer wakes up", True),
        ("Initialization of A", True),
        ("size, sized, prize and `optimizer=`", False),
        ("“Initialization” is quoted", False),
        ("there is no longer a way", False),
        ("it is no learning rate", True),
    ],
)
def test_the_lint_knows_its_words(text: str, fits: bool) -> None:
    assert bool(found(ENGLISH, {text: text})) == fits
