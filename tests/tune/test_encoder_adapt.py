"""Adapting the sentence encoder: interruption and resumption, the decision, and atomic changes of the store."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphs.sqlite.store import SQLiteGraph
from kgrag.cli.main import app, run_command
from kgrag.cli.tune.embedder import tune_embedder_command
from kgrag.embedders import SentenceTransformersEmbedder
from kgrag.errors import KgragError, ModelError, StoreError
from kgrag.models.registry import find_model
from kgrag.protocols import Embedder
from kgrag.store.embedder_switch import update_embedder_name
from kgrag.store.store import Store
from kgrag.tune.adapters.card import load_card
from kgrag.tune.encoder import adapt
from kgrag.tune.encoder.adapt import WORK_FOLDER, tune_encoder
from kgrag.tune.encoder.pairs import TrainingPair
from kgrag.tune.encoder.trainer import EncoderTrainingConfig, train_encoder
from tests.support.cli_shell import Shell
from tests.support.documents import build_document, build_extraction

pytestmark = pytest.mark.alone

NAMES = [f"{first} {last}" for first in ("Ada", "Ben", "Cora", "Dan", "Eve", "Fay", "Gus", "Hal", "Ida", "Joe", "Kim", "Lea", "Max", "Nan", "Otto")
         for last in ("Bell", "Cole", "Dean", "Eyre", "Frost", "Grant", "Hale", "Ives", "Jones", "King", "Lamb", "Moss", "Nash", "Orr", "Pike")]  # fmt: skip
CITIES = ("Paris", "Oslo", "Rome", "Lima", "Cairo", "Delhi", "Kyoto", "Quito", "Accra", "Perth")
QUICK = EncoderTrainingConfig(batch=8, steps=4, save=100)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a sentence encoder with random weights over whole words."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors  # type: ignore[import-untyped, unused-ignore]
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("encoder")
    words = sorted({word.lower() for text in [*NAMES, *CITIES] for word in text.split()})
    words += [
        "was",
        "born",
        "in",
        ".",
        "?",
        "what",
        "is",
        "the",
        "of",
        "who",
        "or",
        "'",
        "s",
        "place",
        "birth",
        "birthplace",
        "born-in",
    ]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    core = Tokenizer(models.WordLevel({word: n for n, word in enumerate([*special, *words])}, unk_token="[UNK]"))
    core.normalizer, core.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.BertPreTokenizer()
    core.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    make: Any = PreTrainedTokenizerFast
    make(tokenizer_object=core, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]").save_pretrained(str(folder / "bert"))  # fmt: skip
    torch.manual_seed(2)
    config: Any = BertConfig
    model: Any = BertModel
    model(config(vocab_size=len(special) + len(words), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, max_position_embeddings=64)).save_pretrained(str(folder / "bert"))  # fmt: skip
    inner = Transformer(str(folder / "bert"), max_seq_length=64)
    SentenceTransformer(modules=[inner, Pooling(32, "mean"), Normalize()]).save(str(folder / "tiny"))
    return folder / "tiny"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Embedder]:
    """Load encoders with torch, because converting them takes longer than all of these tests."""

    def loaded(name: str, progress: object = None) -> Embedder:
        return SentenceTransformersEmbedder(find_model(name), Path(name), device="cpu")

    monkeypatch.setattr("kgrag.embedders.load_embedder", loaded)
    return loaded


@pytest.fixture
def people(encoder: Path, load: Callable[..., Embedder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a store of 225 persons with their birthplaces, and vectors of the tiny encoder."""
    monkeypatch.setenv("KGRAG_HOME", str(tmp_path / "home"))
    embedder, rows = load(str(encoder)), []
    for number, name in enumerate(NAMES):
        city = CITIES[number % len(CITIES)]
        text = f"{name} was born in {city}."
        extraction = build_extraction(
            build_document(name, text), {name: "PERSON", city: "PLACE"}, [(name, "place_of_birth", city)]
        )
        rows.append((extraction, embedder.embed([f"{name}. {text}"])))
    graph = SQLiteGraph(tmp_path / "people" / "graph.db")
    graph.put_many(rows)
    graph.set_meta("embedder", str(encoder))
    graph.close()
    return tmp_path / "people"


def vectors_and_embedder(store: Path) -> tuple[bytes, str | None]:
    graph = SQLiteGraph(store / "graph.db")
    try:
        return graph.embeddings().tobytes(), graph.meta("embedder")
    finally:
        graph.close()


def make_pairs(number: int = 48) -> list[TrainingPair]:
    texts = [f"{name}. {name} was born in {CITIES[n % 10]}." for n, name in enumerate(NAMES[: number + 1])]
    return [TrainingPair(f"birthplace of {NAMES[n]}", texts[n], (texts[n + 1],)) for n in range(number)]


def test_train_encoder_resumes_after_interrupt(encoder: Path, tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    settings = EncoderTrainingConfig(batch=8, epochs=3, rate=5e-3, save=100)
    seen: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        seen.append((done, total))
        if done == 5:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train_encoder(encoder, make_pairs(), tmp_path / "out", tmp_path / "work", settings, stop)
    assert seen[-1] == (5, 18) and not (tmp_path / "out").exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    seen.clear()
    resumed = train_encoder(
        encoder, make_pairs(), tmp_path / "out", tmp_path / "work", settings, lambda *at: seen.append(at)
    )
    assert seen[0] == (6, 18) and resumed.steps == 18
    uninterrupted = train_encoder(encoder, make_pairs(), tmp_path / "whole", tmp_path / "work2", settings)
    assert uninterrupted.last_loss < 0.7 * uninterrupted.first_loss
    first, second = (SentenceTransformersEmbedder(find_model(str(p)), p, "cpu").embed(["birthplace of Ada Bell"]) for p in (tmp_path / "out", tmp_path / "whole"))  # fmt: skip
    np.testing.assert_allclose(first, second, atol=1e-4)
    seen.clear()
    train_encoder(encoder, make_pairs(40), tmp_path / "other", tmp_path / "work", settings, lambda *at: seen.append(at))
    assert seen[0][0] == 1, "other pairs start from the beginning"


def test_train_encoder_diverged_loss_raises(encoder: Path, tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    settings = EncoderTrainingConfig(batch=8, epochs=3, rate=1e38)
    with pytest.raises(ModelError, match="The loss is not a number after"):
        train_encoder(encoder, make_pairs(), tmp_path / "out", tmp_path / "work", settings)
    assert not (tmp_path / "out").exists()


def test_tune_encoder_without_gain_keeps_store(people: Path) -> None:
    pytest.importorskip("datasets")
    before = vectors_and_embedder(people), sorted(p.name for p in people.iterdir())
    notices: list[str] = []
    result = tune_encoder(
        Store(people), settings=EncoderTrainingConfig(batch=8, steps=3, rate=0.0), notice=notices.append
    )
    assert not result.is_kept and result.folder is None
    assert "did not rise" in result.reason and result.dense.difference.value == 0
    assert result.dense.questions >= 20 and "questions of typed facts" in notices[0]
    names = sorted(p.name for p in people.iterdir() if p.name not in ("indices", "lock") and "graph.db-" not in p.name)
    assert (vectors_and_embedder(people), names) == before


def test_tune_encoder_with_gain_installs_encoder(
    people: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch, load: Callable[..., Embedder]
) -> None:
    pytest.importorskip("datasets")
    (people / "kgrag.toml").write_text(f"k = 5\nembedder = '{encoder}'\n")
    monkeypatch.setattr(adapt, "should_keep", lambda *_: (True, "it is better"))
    opened = Store(people)
    opened.retriever.retrieve("Where was Ada Bell born?", 3)
    result = tune_encoder(opened, settings=QUICK)
    assert result.is_kept and result.folder is not None and result.folder.parent == people
    vectors, name = vectors_and_embedder(people)
    assert name == result.folder.name and (people / "kgrag.toml").read_text() == f'k = 5\nembedder = "{name}"\n'
    graph = SQLiteGraph(people / "graph.db")
    texts = [f"{graph.document(p.document_id).title}. {p.text}" for p in graph.passages()]  # type: ignore[union-attr]
    np.testing.assert_allclose(
        np.frombuffer(vectors, "<f4").reshape(-1, 32), load(str(result.folder)).embed(texts), atol=1e-5
    )
    card = load_card(result.folder)
    assert card is not None and card.method == "embedder" and card.steps == 4
    assert card.after["n"] == result.dense.questions
    assert not (people / WORK_FOLDER).exists() and len(list(people.glob("*embedder-*"))) == 1
    for store in (opened, Store(people)):
        assert store.embedder.name == name, "questions are embedded with it, too"
        assert store.retriever.retrieve("Where was Ada Bell born?", 3)[0].passage.text
    (people / "kgrag.toml").unlink()
    assert Store(people).embedder.name == name, "the store itself names it"


def test_tune_encoder_interrupted_while_measuring_resumes(people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets")
    before = vectors_and_embedder(people)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(adapt, "embed_all", stop)
        with pytest.raises(KeyboardInterrupt):
            tune_encoder(Store(people), settings=QUICK)
    assert vectors_and_embedder(people) == before and not list(people.glob("embedder-*"))
    steps: list[int] = []
    tune_encoder(
        Store(people),
        settings=QUICK,
        tick=lambda what: lambda done, total: steps.append(done) if what == "steps" else None,
    )
    assert steps == [], "no step is repeated"


def test_tune_encoder_store_changed_raises(people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets")

    def better(*_: object) -> tuple[bool, str]:
        graph = SQLiteGraph(people / "graph.db")
        assert graph.forget("Ada Bell")
        graph.close()
        return True, "it is better"

    monkeypatch.setattr(adapt, "should_keep", better)
    with pytest.raises(KgragError, match="changed in the meantime"):
        tune_encoder(Store(people), settings=QUICK)
    assert not list(people.glob("embedder-*"))


def test_replace_embeddings_is_atomic(people: Path) -> None:
    before = vectors_and_embedder(people)
    graph = SQLiteGraph(people / "graph.db")
    ids, generation = [i for i, _ in graph.passage_keys()], graph.generation
    other = np.ones(32, np.float32)
    with pytest.raises(StoreError, match="Expected vectors for all 225 passages, found 1: "):
        graph.replace_embeddings("other", [(ids[0], other)], generation)

    def broken() -> Any:
        yield ids[0], other
        raise OSError("the disk is gone")

    with pytest.raises(OSError):
        graph.replace_embeddings("other", broken(), generation)
    assert vectors_and_embedder(people) == before and graph.generation == generation
    graph.replace_embeddings("other", [(i, other) for i in ids], generation)
    assert graph.meta("embedder") == "other" and (graph.embeddings() == 1).all() and graph.generation == generation + 1


def test_tuned_encoder_reads_texts_as_its_base(encoder: Path, tmp_path: Path) -> None:
    """Prefixes, languages and length of the base are in the pairs and in the new encoder's folder."""
    base = replace(
        find_model(str(encoder)),
        query_prefix="who ",
        passage_prefix="born ",
        languages=frozenset({"en", "zh"}),
        context=9,
    )
    pair = adapt.add_prefixes(TrainingPair("Ada Bell", "Paris", ("Oslo", "Rome")), base)
    assert pair == TrainingPair("who Ada Bell", "born Paris", ("born Oslo", "born Rome"))
    folder = Path(shutil.copytree(encoder, tmp_path / "tuned"))
    adapt.record_usage(folder, base)
    tuned = find_model(str(folder))
    assert (tuned.query_prefix, tuned.passage_prefix, tuned.context) == ("who ", "born ", 9)
    assert tuned.languages == {"en", "zh"}
    embedder, plain = (SentenceTransformersEmbedder(m, folder, "cpu") for m in (tuned, find_model(str(encoder))))
    np.testing.assert_allclose(embedder.embed(["in Paris"]), plain.embed(["born in Paris"]), atol=1e-6)
    np.testing.assert_allclose(embedder.embed_query("in Paris"), plain.embed(["who in Paris"])[0], atol=1e-6)
    assert find_model(str(encoder)).query_prefix == "" and find_model(str(encoder)).languages == {"en"}


def test_tune_encoder_too_few_questions_raises(people: Path, tmp_path: Path) -> None:
    with pytest.raises(KgragError, match=r"Expected at least 20 held-out questions, found \d+: the documents"):
        tune_encoder(Store(people), number=30, settings=QUICK)
    (tmp_path / "q.jsonl").write_text(
        '{"_id": "1", "text": "Where was Ada Bell born?", "answers": ["Paris"], "gold": ["ada bell"]}\n'
    )
    with pytest.raises(KgragError, match="Expected at least 20 held-out questions"):
        tune_encoder(Store(people), tmp_path / "q.jsonl", settings=QUICK)


def test_tune_embedder_command(
    people: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("datasets")

    def call(*arguments: str) -> tuple[int, str, str]:
        command = ["tune", "--embedder", "--store", str(people), "--batch", "8", "--steps", "2", *arguments]
        code = run_command(lambda: app(command, prog_name="kgrag"))
        return (code, *capsys.readouterr())

    code, out, err = call("--rate", "0", "--json")
    report = json.loads(out)
    assert code == 0 and report["kept"] is False and report["folder"] is None and report["dense"]["questions"] >= 20
    assert report["steps"] == 2 and "training pairs" in err
    code, out, _ = call("--rate", "0")
    assert "Not kept: recall@5 of the encoder did not rise" in out and "whole retriever" in out
    code, _, err = call("--number", "30")
    assert code == 1 and "Expected at least 20 held-out questions" in err

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(adapt, "embed_all", stop)
    with pytest.raises(KeyboardInterrupt, match="run the same command again to continue"):  # `Commands` says it
        tune_embedder_command(str(people), None, steps=2, batch=8)


def test_copy_includes_tuned_embedder(people: Path, encoder: Path, tmp_path: Path, shell: Shell) -> None:
    shutil.copytree(encoder, people / "embedder-1")
    graph = SQLiteGraph(people / "graph.db")
    graph.set_meta("embedder", "embedder-1")
    graph.close()
    assert shell("copy", people, tmp_path / "other")[0] == 0
    assert Store(tmp_path / "other").embedder.name == "embedder-1"
    assert vectors_and_embedder(tmp_path / "other") == vectors_and_embedder(people)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('model = "auto"\n', 'model = "auto"\n'),
        ('embedder = "old" # ours\nk = 3\n', 'embedder = "new" # ours\nk = 3\n'),
        ("# embedder = 'x'\n  embedder='old'\n", "# embedder = 'x'\n  embedder=\"new\"\n"),
    ],
)
def test_update_embedder_name(tmp_path: Path, before: str, after: str) -> None:
    (tmp_path / "kgrag.toml").write_text(before)
    update_embedder_name(tmp_path / "kgrag.toml", "new")
    assert (tmp_path / "kgrag.toml").read_text() == after
    update_embedder_name(tmp_path / "none.toml", "new")
    assert not (tmp_path / "none.toml").exists()
