"""Token states: means over spans, long passages, and independence of the batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ingest.extraction import extract_with_vectors
from ingest.relations.token_states import STATE_SIZE, encode_token_states
from ingest.workers import ExtractionPool
from kgrag.embedders import TOKEN_ENCODER, load_token_encoder, provides_token_states
from kgrag.models.convert import local_folder
from kgrag.models.registry import find_model
from kgrag.text import sentence_spans
from kgrag.types import Document

pytestmark = pytest.mark.skipif(
    local_folder(find_model(TOKEN_ENCODER)) is None, reason=f"{TOKEN_ENCODER} is not here: pull it"
)
SHORT = "Ada Lovelace met Charles Babbage in London. She wrote to him in 1843."
LONG = " ".join(f"Number {n} of the guests was Charles Babbage of London, who came late." for n in range(60))


def test_span_state_is_mean_of_its_tokens() -> None:
    ((vector, states),) = encode_token_states([("Ada", SHORT)])
    (tokens,) = load_token_encoder().compute_token_states([f"Ada. {SHORT}"])
    np.testing.assert_array_equal(vector, tokens.vector)
    lovelace_tokens = [i for i, (start, end) in enumerate(tokens.spans) if 5 + 4 <= start < end <= 5 + 12]
    assert len(lovelace_tokens) > 1, "one word of several tokens"
    means = states.span_means(0, [(4, 12), (0, 0)])
    np.testing.assert_allclose(means[0], tokens.states[lovelace_tokens].mean(0), atol=1e-5)
    assert means.shape == (2, STATE_SIZE) and not means[1].any()


def test_passage_vector_equals_embedder_vector() -> None:
    vectors = np.array([vector for vector, _ in encode_token_states([("Ada", SHORT), ("Guests", LONG), ("", "")])])
    encoder = load_token_encoder()
    np.testing.assert_array_equal(vectors, encoder.embed([f"Ada. {SHORT}", f"Guests. {LONG}", ". "]))
    assert provides_token_states(encoder)
    encoder.model = replace(encoder.model, name="/home/of/another/all-MiniLM-L6-v2")
    try:
        assert not provides_token_states(encoder), "one of the same name is another"
    finally:
        encoder.model = find_model(TOKEN_ENCODER)


def test_long_passage_is_encoded_to_its_end() -> None:
    ((_, states),) = encode_token_states([("Guests", LONG)])
    spans = sentence_spans(LONG)
    assert len(spans) == 60
    for start, end in spans:
        assert np.abs(states.span_means(start, [(0, 6), (end - start - 5, end - start - 1)])).max(1).min() > 0
    endless = "and " * 800
    ((_, states),) = encode_token_states([("", f"{SHORT} {endless}. Ada came.")])
    assert states.span_means(len(SHORT) + 1, [(3000, 3003)]).any() == np.False_, "too long a sentence is read in part"
    last = f"{SHORT} {endless}. Ada came.".index("Ada came")
    assert states.span_means(last, [(0, 3)]).any()


def test_states_do_not_depend_on_batch() -> None:
    alone = [next(encode_token_states([one])) for one in (("Ada", SHORT), ("Guests", LONG))]
    batched = list(encode_token_states([("Guests", LONG), ("x", "A " * 50), ("Ada", SHORT), *[("y", SHORT)] * 70]))
    for (vector, states), (batched_vector, batched_states) in zip(alone, (batched[2], batched[0]), strict=True):
        np.testing.assert_array_equal(vector, batched_vector)
        np.testing.assert_array_equal(
            states.span_means(0, [(0, 3), (4, 12)]), batched_states.span_means(0, [(0, 3), (4, 12)])
        )


def test_workers_give_same_vectors_and_facts_as_one_process() -> None:
    documents = [Document(f"d{n}", title, text, "d", lang, str(n)) for n, (title, text, lang) in enumerate(
        [("Ada", SHORT, "en"), ("丘成桐", "丘成桐出生於汕头。", "zh"), ("Guests", LONG, "en")]
    )]  # fmt: skip
    extractions, vectors = extract_with_vectors(documents, 1200, with_vectors=True)
    assert vectors is not None
    texts = [f"{extraction.document.title}. {p.text}" for extraction in extractions for p in extraction.passages]
    np.testing.assert_array_equal(vectors, load_token_encoder().embed(texts))
    assert extract_with_vectors(documents, 1200, with_vectors=False) == (extractions, None)
    with ExtractionPool(1, 1200, with_vectors=True) as pool:
        worker_extractions, worker_vectors = pool.submit(documents).result()
    assert worker_extractions == extractions
    np.testing.assert_array_equal(worker_vectors, vectors)


def test_single_sentences_of_long_passage_are_encoded() -> None:
    ((_, states),) = encode_token_states([("Guests", LONG)])
    spans = sentence_spans(LONG)
    states.encode_sentences([spans[0], spans[50], spans[51], spans[59]])
    assert states.span_means(spans[0][0], [(0, 6)]).any()
    (alone,) = load_token_encoder().compute_token_states([f"Guests. {LONG[spans[59][0] : spans[59][1]]}"])
    first_word = [i for i, (start, end) in enumerate(alone.spans) if 8 <= start < end <= 8 + 6]
    means = states.span_means(spans[59][0], [(0, 6)])
    np.testing.assert_allclose(means[0], alone.states[first_word].mean(0), atol=1e-4)
    assert states.span_means(spans[51][0], [(0, 6)]).any()
    assert not states.span_means(spans[55][0], [(0, 6)]).any(), "others are not encoded"


def test_states_without_vectors_are_the_same() -> None:
    encoder = load_token_encoder()
    (full,) = encoder.compute_token_states([SHORT])
    (lower,) = encoder.compute_token_states([SHORT], with_vectors=False)
    assert lower.vector.shape == (0,)
    np.testing.assert_array_equal(lower.spans, full.spans)
    np.testing.assert_allclose(lower.states, full.states, atol=1e-4)
