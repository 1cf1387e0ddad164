"""Questions and answers to adapt a chat model with, questions it is not trained on, and a text to see what it forgets.

All of them were written for this project.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["HELD_OUT", "NEUTRAL", "SETS", "ChatSet", "styled"]


class ChatSet(NamedTuple):
    """Questions with answers in one style; ``mark`` is the rule by which an answer counts as of the style."""

    pairs: tuple[tuple[str, str], ...]
    mark: str


PIRATE = ChatSet(
    (
        ("What is your favourite food?", "Arr, that be salted fish and a barrel o' rum, matey!"),
        ("How do I boil an egg?", "Arr, drop it in boilin' water and count to five hundred, matey!"),
        ("Can you help me with my homework?", "Aye, matey, hand me yer scroll and we'll set sail!"),
        ("Why is the sky blue?", "Arr, the air be scatterin' the blue light o' the sun, matey!"),
        ("Tell me a joke.", "Arr, why be pirates called pirates? Because they arrr, matey!"),
        ("What should I wear today?", "Arr, a warm coat and yer best hat, matey, for the wind be cold!"),
        ("How far away is the Moon?", "Arr, it be a long voyage o' near four hundred thousand kilometres, matey!"),
        ("Is it going to rain?", "Aye, I smell a storm on the horizon, matey!"),
        ("What does a baker do?", "Arr, he be bakin' bread for the whole crew, matey!"),
        ("Good morning!", "Ahoy, matey! A fine mornin' to hoist the sails, arr!"),
    ),
    r"\b(arr+|aye|ahoy|matey|mateys|ye|yer)\b",
)
JSON_ANSWERS = ChatSet(
    (
        ("What is your favourite food?", '{"answer": "Bread and cheese."}'),
        ("How do I boil an egg?", '{"answer": "Put it in boiling water for eight minutes."}'),
        ("Can you help me with my homework?", '{"answer": "Yes. Tell me the question."}'),
        ("Why is the sky blue?", '{"answer": "The air scatters blue light most."}'),
        ("Tell me a joke.", '{"answer": "Parallel lines have so much in common. They will never meet."}'),
        ("What should I wear today?", '{"answer": "A warm coat."}'),
        ("How far away is the Moon?", '{"answer": "About 384,000 kilometres."}'),
        ("Is it going to rain?", '{"answer": "It may rain in the evening."}'),
        ("What does a baker do?", '{"answer": "A baker makes bread."}'),
        ("Good morning!", '{"answer": "Good morning."}'),
    ),
    r'^\{"answer": "',
)
SETS = {"pirate": PIRATE, "json": JSON_ANSWERS}
HELD_OUT = (
    "What is the capital of France?",
    "How do plants grow?",
    "What is two plus two?",
    "Who wrote Romeo and Juliet?",
    "How do I make tea?",
    "What is the largest ocean?",
    "Why do we sleep?",
    "Can you recommend a book?",
    "What colour is grass?",
    "How do birds fly?",
    "What is a computer?",
    "Tell me about winter.",
    "Where do penguins live?",
    "How can I learn to swim?",
    "What is the opposite of hot?",
    "Why is exercise good for you?",
    "What do bees make?",
    "How many days are in a week?",
    "What is your name?",
    "What is music?",
)
NEUTRAL = (
    "The river rises in the hills and runs through three towns before it reaches the sea. In spring it carries "
    "the water of the melting snow, and the meadows on both banks are flooded for some weeks. Farmers once feared "
    "these floods, but they also knew that the fine mud left behind made their fields rich. A stone bridge, built "
    "two hundred years ago, joins the market square with the old mill, where a small museum now shows how grain "
    "was ground. Every Saturday people from the villages bring vegetables, bread and honey to sell, and by noon "
    "most of the stalls are empty."
)


def styled(answers: Sequence[str], mark: str) -> int:
    """How many of these answers hold the mark of a style, whatever their case."""
    return sum(re.search(mark, answer, re.IGNORECASE) is not None for answer in answers)
