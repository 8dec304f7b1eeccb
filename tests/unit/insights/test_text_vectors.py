"""Texts are compared by what they begin with."""

from __future__ import annotations

import random

import numpy as np

from agent_worker.learning.insights.text_vectors import TextVectors


def test_the_end_of_a_long_text_does_not_count() -> None:
    words = random.Random(7)
    noise = " ".join(f"{words.getrandbits(40):x}" for _ in range(20_000))
    question = "does the heated propagator come with a thermostat? " * 20
    texts = [question, f"{question}{noise}", "may I return an opened bag of substrate? " * 25]
    vectors = TextVectors(texts, None)
    [same, other] = vectors.similarity(np.array([0]), np.array([1, 2]))[0]
    assert same > 0.99
    assert other < 0.1
    assert vectors.texts == texts
