"""Judges of claims: the interface that all share, the built-in judges, and the literal checks."""

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
MEMBERS = ("overlap", "details", "learned", "combined")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a tiny classifier with random weights in transformers' format."""
    return save_tiny_classifier(tmp_path_factory.mktemp("nli"), ["contradiction", "entailment", "neutral"])


def save_tiny_classifier(folder: Path, labels: list[str]) -> Path:
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


def make_judge(name: str, published: Path) -> SupportJudge:
    if name == "llm":
        return LLMJudge(FakeLLM(default_answer="supported"))
    return load_judge(str(published) if name == "published" else name)


ALL_JUDGES = pytest.mark.parametrize("name", [*JUDGES, "auto", "published"])


@ALL_JUDGES
def test_judge_support_is_deterministic_probability(name: str, published: Path) -> None:
    judge = make_judge(name, published)
    for claim in ("Ada Lovelace was born in London in 1815.", "Ada Lovelace was born in Paris in 1820.", "Cats sleep."):
        first = judge.judge(claim, [ADA])
        assert isinstance(first.verdict, Verdict)
        assert math.isnan(first.support) if name == "details" and claim == "Cats sleep." else 0 <= first.support <= 1
        second = judge.judge(claim, [ADA])
        assert (second.verdict, repr(second.support)) == (first.verdict, repr(first.support))


@ALL_JUDGES
@pytest.mark.parametrize(
    ("claim", "evidence"),
    [("", [ADA]), ("… !", [ADA]), ("Ada died.", []), ("Ada died.", ["", " "]), ("Ada died.", ["…"])],
)
def test_judge_without_words_gives_nan(name: str, claim: str, evidence: list[str], published: Path) -> None:
    verdict = make_judge(name, published).judge(claim, evidence)
    assert math.isnan(verdict.support) and verdict.verdict is Verdict.NOT_ENOUGH_INFO


@pytest.mark.parametrize("name", [*MEMBERS, "published"])
def test_judge_all_equals_judge_one_by_one(name: str, published: Path) -> None:
    judge: Any = make_judge(name, published)
    pairs = [
        ("Ada died in 1852.", [ADA]),
        ("", [ADA]),
        ("华罗庚出生于江苏金坛。", [HUA]),
        ("She wrote 20,000 words.", [HUA, ADA]),
    ]
    together = judge.judge_all(pairs)
    for batched, single in zip(together, (judge.judge(*pair) for pair in pairs), strict=True):
        assert batched.verdict is single.verdict
        assert batched.support == pytest.approx(single.support, abs=1e-5, nan_ok=True)


def test_load_judge_unknown_name_or_folder_raises(tmp_path: Path) -> None:
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
def test_judge_supports_each_evidence_sentence(name: str, lang: str) -> None:
    judge = load_judge(name)
    lines = [s.text for s in tokenize_pair("", [EVIDENCE[lang]]).evidence]
    assert [line for line in lines if judge.judge(line, [EVIDENCE[lang]]).verdict is not Verdict.SUPPORTED] == []


@pytest.mark.parametrize("name", MEMBERS)
@pytest.mark.parametrize(
    ("claim", "old", "new"),
    [
        ("In 1843 she published a translation with notes of 20,000 words.", "20,000", "70,000"),
        ("She died of cancer in 1852.", "1852", "1867"),
        ("1936年，他前往英国剑桥大学学习两年。", "1936", "1921"),
        ("1985年6月12日，他在东京大学讲学时突发心脏病逝世。", "1985", "1979"),
    ],
)
def test_judge_changed_number_has_less_support(name: str, claim: str, old: str, new: str) -> None:
    judge, evidence = load_judge(name), [ADA, HUA]
    right, wrong = (judge.judge(text, evidence) for text in (claim, claim.replace(old, new)))
    assert wrong.support < right.support
    assert wrong.verdict is not Verdict.SUPPORTED or name == "overlap"


@pytest.mark.parametrize("name", MEMBERS)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_judge_added_evidence_increases_support(name: str, lang: str) -> None:
    judge = load_judge(name)
    lines = [s.text for s in tokenize_pair("", [EVIDENCE[lang]]).evidence]
    claim = lines[1]
    before, after = judge.judge(claim, [lines[0], lines[3]]), judge.judge(claim, [lines[0], lines[3], claim])
    assert after.support > before.support


def test_overlap_judge_ignores_order_of_texts() -> None:
    judge = load_judge("overlap")
    claim = "Ada Lovelace wrote an algorithm for the Analytical Engine."
    lines = [s.text for s in tokenize_pair("", [ADA]).evidence]
    assert (
        len({judge.judge(claim, order).support for order in itertools.islice(itertools.permutations(lines), 24)}) == 1
    )


@pytest.mark.parametrize(
    ("claim", "evidence", "kind", "expected"),
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
def test_match_details(claim: str, evidence: str, kind: DetailKind, expected: tuple[int, ...]) -> None:
    assert match_details(tokenize_pair(claim, [evidence]))[kind] == expected


@pytest.mark.parametrize(
    ("claim", "evidence", "is_reversed"),
    [
        ("The bridge is not open.", "The bridge is open.", True),
        ("The bridge is open.", "The bridge is closed to cars.", True),
        ("The bridge is open.", "The bridge is open to cars.", False),
        ("这座桥没有开放。", "这座桥开放。", True),
        ("他出生于北京。", "他逝世于北京。", True),
        ("他出生于北京。", "他出生于北京市。", False),
    ],
)
def test_literal_checks_detect_reversal(claim: str, evidence: str, is_reversed: bool) -> None:
    assert run_literal_checks(tokenize_pair(claim, [evidence])).is_reversed is is_reversed


def test_judge_refutes_contradicted_detail() -> None:
    judge = load_judge()
    assert judge.judge("She died of cancer in 1867.", [ADA]).verdict is Verdict.REFUTED
    assert judge.judge("Grace Hopper wrote a compiler for the Univac.", [ADA]).verdict is Verdict.NOT_ENOUGH_INFO
    parts = judge.judge("She died of cancer in 1852.", [ADA]).component_scores
    assert parts["date held"] == 1 and {"overlap", "details", "learned"} <= set(parts)


def test_question_answer_to_claim() -> None:
    assert question_answer_to_claim("Where was she born?", "London") == "Where was she born? London"
    assert question_answer_to_claim("他出生于哪一年？", "1910年") == "他出生于1910年。"
    assert question_answer_to_claim("谁问谁？", "他") == "谁问谁？ 他"


@pytest.mark.parametrize(
    "text", ["a", "。", "?!", "Ada", "1852", "的", "不", "it is", "𝒜 \u200b x", "是" * 2000, "word " * 3000]
)
def test_claim_features_any_text_is_finite(text: str) -> None:
    for claim, evidence in ((text, ADA), ("Ada died in 1852.", text), (text, text)):
        pair = tokenize_pair(claim, [evidence])
        if pair.is_scorable:
            features = claim_features(pair, run_literal_checks(pair))
            assert features.shape == (len(FEATURE_NAMES),) and bool((abs(features) < 1e6).all())


def test_builtin_judge_names_training_data() -> None:
    model = load_builtin_judge()
    assert set(model.trees) == set(model.scales) == {"en", "zh"}
    assert len(model.trained_on) == 4 and "judge-train" in model.note
    assert all(set(scales) == {"overlap", "details", "learned", "combined"} for scales in model.scales.values())
    assert all(s.weights[0] > 0 for scales in model.scales.values() for t, s in scales.items() if t != "combined")


def test_judge_model_with_other_features_raises() -> None:
    with pytest.raises(ModelError, match="make judge"):
        JudgeModel.from_json({"features": ["covered"], "trees": {}, "scales": {}, "trained_on": [], "note": ""})


def test_llm_judge_returns_probability() -> None:
    claims = ("a", "b", "c")
    table = {prompts.judge_prompt(c, ["x"])[-1]["content"]: v.value for c, v in zip(claims, Verdict, strict=True)}
    judge = LLMJudge(FakeLLM(table))
    verdicts = [judge.judge(claim, ["x"]) for claim in claims]
    assert [verdict.verdict for verdict in verdicts] == list(Verdict)
    assert verdicts[0].support > 0.99 and max(verdicts[1].support, verdicts[2].support) < 0.01
    assert verdicts[0].component_scores["log odds"] > 0 > verdicts[1].component_scores["log odds"]
    odds = verdicts[0].component_scores["log odds"]
    assert verdicts[0].support == pytest.approx(1 / (1 + math.exp(-odds)))


@pytest.mark.parametrize(
    ("labels", "yes"),
    [
        (["contradiction", "entailment", "neutral"], 1),
        (["LABEL_0", "LABEL_1"], 1),
        (["entailment", "not_entailment"], 0),
    ],
)
def test_huggingface_judge_finds_class_by_name(labels: list[str], yes: int, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = save_tiny_classifier(tmp_path, labels)
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        logits = model.eval()(**tokenizer("she died in 1852", "she died", return_tensors="pt")).logits[0]
    verdict = load_judge(str(folder)).judge("she died", ["she died in 1852"])
    assert verdict.support == pytest.approx(float(torch.softmax(logits, 0)[yes]), abs=1e-5)


def test_huggingface_judge_single_output_is_logistic(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = save_tiny_classifier(tmp_path, ["LABEL_0"])
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        logit = model.eval()(**tokenizer("she died in 1852", "she died", return_tensors="pt")).logits[0, 0]
    verdict = load_judge(str(folder)).judge("she died", ["she died in 1852"])
    assert verdict.support == pytest.approx(float(torch.sigmoid(logit)), abs=1e-5)


def test_huggingface_judge_without_support_class_raises(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="found good, bad, ugly"):
        load_judge(str(save_tiny_classifier(tmp_path, ["good", "bad", "ugly"])))


def test_huggingface_judge_takes_best_chunk(published: Path) -> None:
    judge = load_judge(str(published))
    lines = [f"{word} {word} {word} {word} {word} {word}." for word in ("kxq", "she", "zzz", "died", "1852")]
    single = [judge.judge("she died", [line]).support for line in lines]
    # each line fills a chunk of its own: 96 tokens do not hold two lines beside the claim and the margin
    support = judge.judge("she died", lines).support
    assert min(single) - 1e-6 <= support <= 1
    assert judge.judge("she died", lines * 30).support == pytest.approx(
        judge.judge("she died", lines * 60).support, abs=1e-5
    )


def test_minicheck_support_is_first_token_probability(tmp_path: Path) -> None:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import AutoModelForSeq2SeqLM, PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

    words = ["<pad>", "</s>", "<unk>", "predict:", "0", "1", "she", "died", "in", "1852"]
    word_tokenizer = Tokenizer(models.WordLevel({w: n for n, w in enumerate(words)}, unk_token="<unk>"))
    word_tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    word_tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=word_tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    tokenizer.save_pretrained(tmp_path)
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2}
    T5ForConditionalGeneration(T5Config(vocab_size=len(words), decoder_start_token_id=0, **sizes)).save_pretrained(
        tmp_path
    )
    model = AutoModelForSeq2SeqLM.from_pretrained(tmp_path).eval()
    inputs = tokenizer("predict: she died in 1852</s>she died", return_tensors="pt")
    start = torch.zeros((1, 1), dtype=torch.long)
    with torch.inference_mode():
        logits = model(input_ids=inputs["input_ids"], decoder_input_ids=start).logits[0, 0]
    verdict = load_judge(str(tmp_path)).judge("she died", ["she died in 1852"])
    assert verdict.support == pytest.approx(float(torch.softmax(logits[[4, 5]], 0)[1]), abs=1e-5)


def test_ensemble_judge_accepts_other_model() -> None:
    data = json.loads((Path(__file__).parents[2] / "kgrag" / "data" / "judge.json").read_text("utf-8"))
    data["scales"]["en"]["overlap"] = {"weights": [0.0], "bias": 0.0}
    assert EnsembleJudge("overlap", JudgeModel.from_json(data)).judge("Ada died.", [ADA]).support == 0.5
