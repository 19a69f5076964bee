"""The states of words: of their tokens, of every part of a long passage, and of the passage alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ingest.extract import read
from ingest.states import WIDTH, read_states
from ingest.workers import Workers
from kgrag.embed import READER, load_reader, reads
from kgrag.models.convert import ready
from kgrag.models.registry import find
from kgrag.text import sentences
from kgrag.types import Document

pytestmark = pytest.mark.skipif(ready(find(READER)) is None, reason=f"{READER} is not here: pull it")
SHORT = "Ada Lovelace met Charles Babbage in London. She wrote to him in 1843."
LONG = " ".join(f"Number {n} of the guests was Charles Babbage of London, who came late." for n in range(60))


def test_a_state_is_the_mean_over_the_tokens_of_its_span() -> None:
    ((vector, states),) = read_states([("Ada", SHORT)])
    (tokens,) = load_reader().read([f"Ada. {SHORT}"])
    np.testing.assert_array_equal(vector, tokens.vector)
    lovelace = [i for i, (start, end) in enumerate(tokens.spans) if 5 + 4 <= start < end <= 5 + 12]
    assert len(lovelace) > 1, "one word of several tokens"
    found = states.of(0, [(4, 12), (0, 0)])
    np.testing.assert_allclose(found[0], tokens.states[lovelace].mean(0), atol=1e-5)
    assert found.shape == (2, WIDTH) and not found[1].any()


def test_the_vector_is_the_one_that_is_searched() -> None:
    vectors = np.array([vector for vector, _ in read_states([("Ada", SHORT), ("Guests", LONG), ("", "")])])
    alone = load_reader()
    np.testing.assert_array_equal(vectors, alone.embed([f"Ada. {SHORT}", f"Guests. {LONG}", ". "]))
    assert reads(alone)
    alone.model = replace(alone.model, name="/home/of/another/all-MiniLM-L6-v2")
    try:
        assert not reads(alone), "one of the same name is another"
    finally:
        alone.model = find(READER)


def test_a_long_passage_is_read_to_its_end() -> None:
    ((_, states),) = read_states([("Guests", LONG)])
    spans = sentences(LONG)
    assert len(spans) == 60
    for start, end in spans:
        assert np.abs(states.of(start, [(0, 6), (end - start - 5, end - start - 1)])).max(1).min() > 0
    endless = "and " * 800
    ((_, states),) = read_states([("", f"{SHORT} {endless}. Ada came.")])
    assert states.of(len(SHORT) + 1, [(3000, 3003)]).any() == np.False_, "too long a sentence is read in part"
    last = f"{SHORT} {endless}. Ada came.".index("Ada came")
    assert states.of(last, [(0, 3)]).any()


def test_states_do_not_depend_on_what_is_read_beside() -> None:
    alone = [next(read_states([one])) for one in (("Ada", SHORT), ("Guests", LONG))]
    beside = list(read_states([("Guests", LONG), ("x", "A " * 50), ("Ada", SHORT), *[("y", SHORT)] * 70]))
    for (vector, states), (other, others) in zip(alone, (beside[2], beside[0]), strict=True):
        np.testing.assert_array_equal(vector, other)
        np.testing.assert_array_equal(states.of(0, [(0, 3), (4, 12)]), others.of(0, [(0, 3), (4, 12)]))


def test_workers_give_the_vectors_and_facts_that_one_process_gives() -> None:
    documents = [Document(f"d{n}", title, text, "d", lang, str(n)) for n, (title, text, lang) in enumerate(
        [("Ada", SHORT, "en"), ("丘成桐", "丘成桐出生於汕头。", "zh"), ("Guests", LONG, "en")]
    )]  # fmt: skip
    here, vectors = read(documents, 1200, vectors=True)
    assert vectors is not None
    texts = [f"{one.document.title}. {p.text}" for one in here for p in one.passages]
    np.testing.assert_array_equal(vectors, load_reader().embed(texts))
    assert read(documents, 1200, vectors=False) == (here, None)
    with Workers(1, 1200, vectors=True) as pool:
        there, others = pool.submit(documents).result()
    assert there == here
    np.testing.assert_array_equal(others, vectors)
