"""Judges of claims: what all of them promise, what the shipped ones know, and what can be checked to the letter."""

import itertools
import json
import math
from pathlib import Path
from typing import Any

import pytest

from kgrag import prompts
from kgrag.errors import ModelError
from kgrag.judge import JUDGES, load_judge
from kgrag.judge.ensemble import EnsembleJudge
from kgrag.judge.features import FEATURE_NAMES, claim_features
from kgrag.judge.literal_checks import DetailKind, match_details, run_literal_checks
from kgrag.judge.llm import LLMJudge
from kgrag.judge.model import JudgeModel, load_builtin_judge
from kgrag.judge.tokenization import question_answer_to_claim, tokenize_pair
from kgrag.protocols import SupportJudge
from kgrag.types import Verdict
from tests.support.fake_llm import FakeLLM

ADA = (
    "Ada Lovelace was born in London on 10 December 1815. Her father, Lord Byron, left England in 1816 and died in "
    "Missolonghi in 1824. In 1843 she published a translation with notes of 20,000 words. The notes describe an algorithm "
    "for the Analytical Engine of Charles Babbage. She died of cancer in 1852 and was buried beside her father."
)
HUA = (
    "华罗庚1910年11月12日出生于江苏金坛。1936年，他前往英国剑桥大学学习两年。1950年，他从美国回到北京，担任中国科学院数学研究所所长。"
    "他的著作《堆垒素数论》被译成多种语言。1985年6月12日，他在东京大学讲学时突发心脏病逝世。"
)
EVIDENCE = {"en": ADA, "zh": HUA}
TIERS = ("overlap", "details", "learned", "combined")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny classifier with random weights, in the files of transformers."""
    return tiny(tmp_path_factory.mktemp("nli"), ["contradiction", "entailment", "neutral"])


def tiny(folder: Path, labels: list[str]) -> Path:
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
    }
    config = BertConfig(vocab_size=len(_vocabulary(folder)), max_position_embeddings=96, **sizes)
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: number for number, label in enumerate(labels)}
    BertForSequenceClassification(config).save_pretrained(folder, safe_serialization=True)
    return folder


def _vocabulary(folder: Path) -> list[str]:
    from transformers import BertTokenizerFast

    signs = [chr(c) for c in range(33, 127) if not chr(c).isupper()]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *signs, *(f"##{c}" for c in signs)]
    (folder / "vocab.txt").write_text("\n".join(words), "utf-8")
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=96).save_pretrained(folder)
    return words


def judge_called(name: str, published: Path) -> SupportJudge:
    if name == "llm":
        return LLMJudge(FakeLLM(default_answer="supported"))
    return load_judge(str(published) if name == "published" else name)


EVERY = pytest.mark.parametrize("name", [*JUDGES, "auto", "published"])


@EVERY
def test_support_is_a_probability_and_the_same_again(name: str, published: Path) -> None:
    judge = judge_called(name, published)
    for claim in ("Ada Lovelace was born in London in 1815.", "Ada Lovelace was born in Paris in 1820.", "Cats sleep."):
        said = judge.judge(claim, [ADA])
        assert isinstance(said.verdict, Verdict)
        assert math.isnan(said.support) if name == "details" and claim == "Cats sleep." else 0 <= said.support <= 1
        again = judge.judge(claim, [ADA])
        assert (again.verdict, repr(again.support)) == (said.verdict, repr(said.support))


@EVERY
@pytest.mark.parametrize(
    ("claim", "evidence"),
    [("", [ADA]), ("… !", [ADA]), ("Ada died.", []), ("Ada died.", ["", " "]), ("Ada died.", ["…"])],
)
def test_nothing_to_judge_is_not_judged(name: str, claim: str, evidence: list[str], published: Path) -> None:
    said = judge_called(name, published).judge(claim, evidence)
    assert math.isnan(said.support) and said.verdict is Verdict.NOT_ENOUGH_INFO


@pytest.mark.parametrize("name", [*TIERS, "published"])
def test_many_at_once_are_judged_as_one_by_one(name: str, published: Path) -> None:
    judge: Any = judge_called(name, published)
    pairs = [
        ("Ada died in 1852.", [ADA]),
        ("", [ADA]),
        ("华罗庚出生于江苏金坛。", [HUA]),
        ("She wrote 20,000 words.", [HUA, ADA]),
    ]
    together = judge.judge_all(pairs)
    for said, alone in zip(together, (judge.judge(*pair) for pair in pairs), strict=True):
        assert said.verdict is alone.verdict
        assert said.support == pytest.approx(alone.support, abs=1e-5, nan_ok=True)


def test_a_name_that_is_no_judge_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"Expected a judge .*'nobody'"):
        load_judge("nobody")
    with pytest.raises(ModelError, match=r"config\.json"):
        load_judge(str(tmp_path))
    (tmp_path / "config.json").write_text('{"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2"}')
    with pytest.raises(ModelError, match="found GPT2LMHeadModel"):
        load_judge(str(tmp_path))
    (tmp_path / "config.json").write_text('{"architectures": ["BertForSequenceClassification"], "model_type": "bert"}')
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_judge(str(tmp_path))


@pytest.mark.parametrize("name", ["learned", "combined"])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_sentence_of_the_evidence_is_supported(name: str, lang: str) -> None:
    judge = load_judge(name)
    lines = [s.text for s in tokenize_pair("", [EVIDENCE[lang]]).evidence]
    assert [line for line in lines if judge.judge(line, [EVIDENCE[lang]]).verdict is not Verdict.SUPPORTED] == []


@pytest.mark.parametrize("name", TIERS)
@pytest.mark.parametrize(
    ("claim", "old", "new"),
    [
        ("In 1843 she published a translation with notes of 20,000 words.", "20,000", "70,000"),
        ("She died of cancer in 1852.", "1852", "1867"),
        ("1936年，他前往英国剑桥大学学习两年。", "1936", "1921"),
        ("1985年6月12日，他在东京大学讲学时突发心脏病逝世。", "1985", "1979"),
    ],
)
def test_another_number_has_less_support(name: str, claim: str, old: str, new: str) -> None:
    judge, evidence = load_judge(name), [ADA, HUA]
    right, wrong = (judge.judge(text, evidence) for text in (claim, claim.replace(old, new)))
    assert wrong.support < right.support
    assert wrong.verdict is not Verdict.SUPPORTED or name == "overlap"


@pytest.mark.parametrize("name", TIERS)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_evidence_that_says_it_adds_support(name: str, lang: str) -> None:
    judge = load_judge(name)
    lines = [s.text for s in tokenize_pair("", [EVIDENCE[lang]]).evidence]
    claim = lines[1]
    before, after = judge.judge(claim, [lines[0], lines[3]]), judge.judge(claim, [lines[0], lines[3], claim])
    assert after.support > before.support


def test_the_order_of_the_texts_does_not_matter_to_overlap() -> None:
    judge = load_judge("overlap")
    claim = "Ada Lovelace wrote an algorithm for the Analytical Engine."
    lines = [s.text for s in tokenize_pair("", [ADA]).evidence]
    assert (
        len({judge.judge(claim, order).support for order in itertools.islice(itertools.permutations(lines), 24)}) == 1
    )


@pytest.mark.parametrize(
    ("claim", "evidence", "kind", "found"),
    [
        ("She died on 27 November 1852.", "She died on November 27, 1852.", DetailKind.DATE, (1, 0, 0)),
        ("She died in 1852.", "She died on November 27, 1852.", DetailKind.DATE, (1, 0, 0)),
        ("She died in 1853.", "She died in 1852.", DetailKind.DATE, (0, 0, 1)),
        ("She died on 27 November 1852.", "She died in 1852.", DetailKind.DATE, (0, 1, 0)),
        ("他出生于1910年11月12日。", "他生于1910年11月12日。", DetailKind.DATE, (1, 0, 0)),
        ("他出生于1911年。", "他生于1910年。", DetailKind.DATE, (0, 0, 1)),
        ("The tower is 324 m tall.", "The tower is 1,063 ft tall.", DetailKind.AMOUNT, (1, 0, 0)),
        ("The tower is 330 m tall.", "The tower is 324 m tall.", DetailKind.AMOUNT, (0, 0, 1)),
        ("The tower is 330 m tall.", "The tower cost 324 dollars.", DetailKind.AMOUNT, (0, 1, 0)),
        ("It has three doors.", "It has 3 doors.", DetailKind.AMOUNT, (1, 0, 0)),
        ("It was built by Gustave Eiffel.", "Gustave Eiffel's company built it.", DetailKind.NAME, (1, 0, 0)),
        ("It was built by Maurice Koechlin.", "Gustave Eiffel's company built it.", DetailKind.NAME, (0, 1, 0)),
        ("他写了《堆垒素数论》。", "他的《堆垒素数论》出版了。", DetailKind.NAME, (1, 0, 0)),
        ("他写了《数论导引》。", "他的《堆垒素数论》出版了。", DetailKind.NAME, (0, 1, 0)),
    ],
)
def test_details_are_held_lacked_or_contradicted(
    claim: str, evidence: str, kind: DetailKind, found: tuple[int, ...]
) -> None:
    assert match_details(tokenize_pair(claim, [evidence]))[kind] == found


@pytest.mark.parametrize(
    ("claim", "evidence", "turned"),
    [
        ("The bridge is not open.", "The bridge is open.", True),
        ("The bridge is open.", "The bridge is closed to cars.", True),
        ("The bridge is open.", "The bridge is open to cars.", False),
        ("这座桥没有开放。", "这座桥开放。", True),
        ("他出生于北京。", "他逝世于北京。", True),
        ("他出生于北京。", "他出生于北京市。", False),
    ],
)
def test_what_turns_a_claim_round_is_seen(claim: str, evidence: str, turned: bool) -> None:
    assert run_literal_checks(tokenize_pair(claim, [evidence])).is_reversed is turned


def test_the_verdict_says_what_contradicts() -> None:
    judge = load_judge()
    assert judge.judge("She died of cancer in 1867.", [ADA]).verdict is Verdict.REFUTED
    assert judge.judge("Grace Hopper wrote a compiler for the Univac.", [ADA]).verdict is Verdict.NOT_ENOUGH_INFO
    parts = judge.judge("She died of cancer in 1852.", [ADA]).component_scores
    assert parts["date held"] == 1 and {"overlap", "details", "learned"} <= set(parts)


def test_a_question_and_its_answer_are_one_claim() -> None:
    assert question_answer_to_claim("Where was she born?", "London") == "Where was she born? London"
    assert question_answer_to_claim("他出生于哪一年？", "1910年") == "他出生于1910年。"
    assert question_answer_to_claim("谁问谁？", "他") == "谁问谁？ 他"


@pytest.mark.parametrize(
    "text", ["a", "。", "?!", "Ada", "1852", "的", "不", "it is", "𝒜 \u200b x", "是" * 2000, "word " * 3000]
)
def test_any_text_has_numbers(text: str) -> None:
    for claim, evidence in ((text, ADA), ("Ada died in 1852.", text), (text, text)):
        reading = tokenize_pair(claim, [evidence])
        if reading.is_scorable:
            found = claim_features(reading, run_literal_checks(reading))
            assert found.shape == (len(FEATURE_NAMES),) and bool((abs(found) < 1e6).all())


def test_the_shipped_judge_says_what_it_is_made_of() -> None:
    model = load_builtin_judge()
    assert set(model.trees) == set(model.scales) == {"en", "zh"}
    assert len(model.trained_on) == 4 and "judge-train" in model.note
    assert all(set(tiers) == {"overlap", "details", "learned", "combined"} for tiers in model.scales.values())
    assert all(s.weights[0] > 0 for tiers in model.scales.values() for t, s in tiers.items() if t != "combined")


def test_a_judge_of_other_features_is_refused() -> None:
    with pytest.raises(ModelError, match="make judge"):
        JudgeModel.from_json({"features": ["covered"], "trees": {}, "scales": {}, "trained_on": [], "note": ""})


def test_the_language_model_gives_a_probability() -> None:
    claims = ("a", "b", "c")
    table = {prompts.judge_prompt(c, ["x"])[-1]["content"]: v.value for c, v in zip(claims, Verdict, strict=True)}
    judge = LLMJudge(FakeLLM(table))
    said = [judge.judge(claim, ["x"]) for claim in claims]
    assert [one.verdict for one in said] == list(Verdict)
    assert said[0].support > 0.99 and max(said[1].support, said[2].support) < 0.01
    assert said[0].component_scores["log odds"] > 0 > said[1].component_scores["log odds"]
    odds = said[0].component_scores["log odds"]
    assert said[0].support == pytest.approx(1 / (1 + math.exp(-odds)))


@pytest.mark.parametrize(
    ("labels", "yes"),
    [
        (["contradiction", "entailment", "neutral"], 1),
        (["LABEL_0", "LABEL_1"], 1),
        (["entailment", "not_entailment"], 0),
    ],
)
def test_a_published_classifier_is_read_by_the_names_of_its_classes(
    labels: list[str], yes: int, tmp_path: Path
) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = tiny(tmp_path, labels)
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        logits = model.eval()(**tokenizer("she died in 1852", "she died", return_tensors="pt")).logits[0]
    said = load_judge(str(folder)).judge("she died", ["she died in 1852"])
    assert said.support == pytest.approx(float(torch.softmax(logits, 0)[yes]), abs=1e-5)


def test_a_published_model_of_one_output_is_a_logistic_function(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = tiny(tmp_path, ["LABEL_0"])
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        logit = model.eval()(**tokenizer("she died in 1852", "she died", return_tensors="pt")).logits[0, 0]
    said = load_judge(str(folder)).judge("she died", ["she died in 1852"])
    assert said.support == pytest.approx(float(torch.sigmoid(logit)), abs=1e-5)


def test_classes_without_support_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="found good, bad, ugly"):
        load_judge(str(tiny(tmp_path, ["good", "bad", "ugly"])))


def test_long_evidence_is_read_in_parts_and_the_best_counts(published: Path) -> None:
    judge = load_judge(str(published))
    lines = [f"{word} {word} {word} {word} {word} {word}." for word in ("kxq", "she", "zzz", "died", "1852")]
    alone = [judge.judge("she died", [line]).support for line in lines]
    # each line fills a part of its own: 96 tokens hold no two of them beside the claim and what is kept free
    said = judge.judge("she died", lines).support
    assert min(alone) - 1e-6 <= said <= 1
    assert judge.judge("she died", lines * 30).support == pytest.approx(
        judge.judge("she died", lines * 60).support, abs=1e-5
    )


def test_minicheck_is_asked_for_its_first_word(tmp_path: Path) -> None:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import AutoModelForSeq2SeqLM, PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

    words = ["<pad>", "</s>", "<unk>", "predict:", "0", "1", "she", "died", "in", "1852"]
    made = Tokenizer(models.WordLevel({w: n for n, w in enumerate(words)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")
    tokenizer.save_pretrained(tmp_path)
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2}
    T5ForConditionalGeneration(T5Config(vocab_size=len(words), decoder_start_token_id=0, **sizes)).save_pretrained(
        tmp_path
    )
    model = AutoModelForSeq2SeqLM.from_pretrained(tmp_path).eval()
    fed = tokenizer("predict: she died in 1852</s>she died", return_tensors="pt")
    with torch.inference_mode():
        logits = model(input_ids=fed["input_ids"], decoder_input_ids=torch.zeros((1, 1), dtype=torch.long)).logits[0, 0]
    said = load_judge(str(tmp_path)).judge("she died", ["she died in 1852"])
    assert said.support == pytest.approx(float(torch.softmax(logits[[4, 5]], 0)[1]), abs=1e-5)


def test_a_judge_can_be_given_another_model() -> None:
    data = json.loads((Path(__file__).parents[2] / "kgrag" / "data" / "judge.json").read_text("utf-8"))
    data["scales"]["en"]["overlap"] = {"weights": [0.0], "bias": 0.0}
    assert EnsembleJudge("overlap", JudgeModel.from_json(data)).judge("Ada died.", [ADA]).support == 0.5
