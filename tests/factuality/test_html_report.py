"""Tests of the HTML page: every known number is on it, all foreign text is escaped, and it loads nothing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from kgrag.factuality.report import summary
from kgrag.factuality.report.files import to_json
from kgrag.factuality.report.headline import headline_sentences, relative_reduction
from kgrag.factuality.report.html import render_page, write_report
from kgrag.factuality.report.labels import (
    as_percent_points,
    format_difference,
    format_p_value,
    format_rate,
    is_defined,
    with_minus_sign,
)
from kgrag.factuality.report.png_figure import write_figure
from kgrag.factuality.report.question_cards import mark_pieces, question_cards
from kgrag.factuality.report.svg_charts import axis_limit, forest_row, stacked_bar
from kgrag.factuality.scoring import abstention_detector, human_labels
from tests.support.report_records import (
    HTML_PAYLOAD,
    PASSAGE_TEXT,
    SAMPLE_PATH,
    make_claim,
    make_evidence,
    make_full_record,
    make_record,
    make_run_records,
    make_uncertainty,
)

VOID_TAGS = {"meta", "input", "br", "img", "hr", "link", "col", "area", "base", "embed", "source", "track", "wbr"}
MANIFEST = {
    "questions": "dev.jsonl",
    "model": {"name": "tiny", "sha256": "abc123"},
    "seed": 0,
    "store": {"generation": 7},
}
OUTCOMES_BY_ARM = {
    "closed-book": "w" * 41 + "c" * 60 + "a" * 98 + "e",
    "grounded": "c" * 25 + "a" * 7 + "w" * 9 + "c" * 57 + "w" * 3 + "c" * 40 + "a" * 59,
}
"""Outcomes of 200 questions: 41 wrong answers closed-book, 12 grounded; 3 of the 12 are correct closed-book."""


class Page(HTMLParser):
    """A parsed page: text, elements with attributes, and tables by caption; asserts that every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.rows: list[list[str]] = []
        self.text = self.caption = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(attrs) == len({name for name, _ in attrs}), f"{tag} has an attribute twice"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID_TAGS:
            self.open.append(tag)
        if tag == "table":
            self.rows, self.caption = [], ""
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()
        if tag == "table":
            assert self.caption and self.caption not in self.tables, f"two tables are called {self.caption!r}"
            assert len({len(row) for row in self.rows}) == 1, f"rows of {self.caption!r} differ in length"
            self.tables[self.caption] = self.rows

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("style", "script"):
            return
        self.text += data
        if "caption" in self.open:
            self.caption += data
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data

    def attributes(self) -> Iterator[tuple[str, str]]:
        for _, attributes in self.elements:
            for name, value in attributes.items():
                yield name, value or ""

    def cell(self, caption: str, row: str, head: str) -> str:
        heads, *rows = self.tables[caption]
        return next(cells for cells in rows if cells[0] == row)[heads.index(head)]


def report_of(records: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    report = summary.build_report(records)
    report |= {
        "abstention_detector": abstention_detector.measure_detector(),
        "people": {"claims": None, "preferences": None},
        "unasked": [],
    }
    return report | more


def html(records: list[dict[str, Any]], manifest: dict[str, Any] | None = None, **more: Any) -> str:
    return render_page(records, report_of(records, **more), MANIFEST if manifest is None else manifest)


ANSWERABLE_TABLE = "Questions that the documents answer: comparison of the arms"


@pytest.fixture(scope="module")
def known_run() -> str:
    """The run of `OUTCOMES_BY_ARM`, with the other conditions and everything else that a page can show."""
    records = make_run_records(OUTCOMES_BY_ARM)
    records += make_run_records({"grounded": "aaaw" * 5, "vector": "awww" * 5}, "unanswerable", from_memory=True)
    records += make_run_records({"grounded": "cccwa", "vector": "ccwwa"}, "counterfactual")
    full_records = [make_full_record(300 + n, arm, uncertainty=make_uncertainty(n / 8 + 0.05), outcome="wrong" if n % 3 else "correct", blame="noise" if n % 3 else "",
                  lang="zh" if n % 2 else "en", hops=2, type="bridge") for n in range(8) for arm in ("closed-book", "grounded")]  # fmt: skip
    labels = {f"id{300 + n}/answerable/grounded/{place}": "supported" for n in range(8) for place in range(3)}
    human_results = {
        "claims": human_labels.judge_agreement([*records, *full_records], labels),
        "preferences": {"arms": {"closed-book": 4, "grounded": 21}, "neither": 5, "p": 0.001},
    }
    return html(
        [*records, *full_records],
        people=human_results,
        unasked=[{"arm": "gold", "condition": "unanswerable", "why": "there are no gold passages", "questions": 17}],
    )


def test_headline_sentences_state_the_main_difference(tmp_path: Path) -> None:
    sentences = headline_sentences(
        summary.build_report(make_run_records(OUTCOMES_BY_ARM)), make_run_records(OUTCOMES_BY_ARM)
    )
    assert sentences[0] == "The model alone answers 41 of 200 questions wrongly; with the documents 12."
    reduction = relative_reduction(make_run_records(OUTCOMES_BY_ARM), "grounded", "closed-book")
    assert (
        reduction.value == pytest.approx(1 - 12 / 41) and 0.5 < reduction.low < reduction.value < reduction.high < 0.9
    )
    assert sentences[1].startswith("The documents prevent 71 % of the wrong answers; with 95 % confidence between")
    assert "from 60 to 122" in sentences[2] and "from 98 to 66" in sentences[2]
    assert (
        sentences[3]
        == "Of the 41 wrong answers, 25 become correct, 7 become abstentions or empty, and 9 stay wrong; 3 correct answers become wrong."
    )
    assert "p < 0.001" in sentences[4]
    reference_records = make_run_records({"closed-book": "wwc", "grounded": "ccc", "gold": "cc", "placebo": "wwa"})
    expected = "For comparison, wrong answers: with the passages that hold the answer 0 of 2 and with another question's passages 2 of 3."
    assert expected in headline_sentences(summary.build_report(reference_records), reference_records)
    with_system = make_run_records(OUTCOMES_BY_ARM | {"system": OUTCOMES_BY_ARM["grounded"]})
    system_sentence = headline_sentences(summary.build_report(with_system), with_system)[2]
    assert system_sentence.startswith(
        "kgrag ask, with typed facts and all its checks: 12 wrong, 122 correct, 66 abstained; that is 14.5 fewer wrong answers in 100 questions, with 95 % confidence between"
    )
    few = make_run_records({"closed-book": "wwc", "grounded": "ccc", "system": "wcc"})
    assert "may be chance" in headline_sentences(summary.build_report(few), few)[2]
    page = Page(html(make_run_records(OUTCOMES_BY_ARM)))
    assert sentences[0] in page.text and sentences[4] in page.text


def test_relative_reduction_uses_clusters_of_common_questions() -> None:
    one_cluster = [r | {"cluster": "one"} for r in make_run_records(OUTCOMES_BY_ARM)]
    separate, tied = (
        relative_reduction(make_run_records(OUTCOMES_BY_ARM), "grounded", "closed-book"),
        relative_reduction(one_cluster, "grounded", "closed-book"),
    )
    assert tied.value == separate.value == pytest.approx(tied.low) == pytest.approx(tied.high)
    with_unpaired = [*make_run_records(OUTCOMES_BY_ARM), make_record(999, "closed-book", "wrong")]
    assert relative_reduction(with_unpaired, "grounded", "closed-book").value == separate.value
    assert not is_defined(
        relative_reduction(make_run_records({"closed-book": "ccc", "grounded": "cww"}), "grounded", "closed-book").value
    )
    few = relative_reduction(make_run_records({"closed-book": "wcc", "grounded": "ccc"}), "grounded", "closed-book")
    assert few.value == 1 and not is_defined(few.low), "a third of the resamples have no wrong answer to prevent"


@pytest.mark.parametrize(
    ("outcomes", "words"),
    [
        (
            {"closed-book": "wccc" * 5, "grounded": "cwcc" * 5},
            "This difference may be chance. With 95 % confidence it lies between",
        ),
        (
            {"closed-book": "c" * 20, "grounded": "w" * 12 + "c" * 8},
            "That is 60.0 more wrong answers in 100 questions; with 95 % confidence between",
        ),
        ({"closed-book": "c" * 9, "vector": "w" * 9}, "That is 100.0 more wrong answers"),
        ({"closed-book": "aaa", "grounded": "ccc"}, "No question is answered wrongly by only one of the two arms"),
        ({"grounded": "wwccc"}, "No other arm answered the same questions"),
    ],
)
def test_headline_sentences_state_uncertain_or_worse_results(outcomes: dict[str, str], words: str) -> None:
    text = " ".join(headline_sentences(summary.build_report(make_run_records(outcomes)), make_run_records(outcomes)))
    assert words in text and "prevent" not in text and "nan" not in text


def test_page_shows_known_numbers(known_run: str) -> None:
    page = Page(known_run)
    assert page.cell(ANSWERABLE_TABLE, "closed-book", "wrong") == "46 (22.1)"  # 41, and 5 of the 8 other records
    assert page.cell(ANSWERABLE_TABLE, "grounded", "correct") == "125 (60.1)"
    assert page.cell(ANSWERABLE_TABLE, "closed-book", "empty") == "1 (0.5)"
    assert page.cell(ANSWERABLE_TABLE, "grounded", "wrong of 100 [95 %]").startswith("8.2 [")
    hidden = "Questions that the documents do not answer: comparison of the arms"
    assert page.cell(hidden, "grounded", "abstained") == "15 (75.0)"
    assert page.cell("Questions whose evidence was edited: comparison of the arms", "vector", "wrong") == "2 (40.0)"
    differences = "Questions that the documents answer: wrong answers"
    assert page.cell(differences, "grounded minus closed-book", "points [95 %]").startswith("−13.9 [−")
    assert page.cell(differences, "grounded minus closed-book", "only the first, only the second") == "3, 32"
    assert page.cell(differences, "grounded minus closed-book", "p (Holm)") == "< 0.001"
    flips = "From closed-book to grounded: questions that the documents answer"
    assert page.cell(flips, "wrong", "grounded: correct") == "25" and page.cell(flips, "all", "all") == "208"
    assert "25 changed from wrong to correct" in page.text
    claims = "Questions that the documents answer: claims"
    assert page.cell(claims, "grounded", "contradicted") == "8 (33.3)"
    assert (
        page.cell(
            "Questions that the documents answer: claim metrics, of 100 [95 %]",
            "claims supported by the reference",
            "grounded",
        )
        == "50.0 [50.0, 50.0] (200 unscored)"
    )
    assert page.cell("By language", "zh", "questions") == "4"
    assert page.cell("Questions that the documents answer: error causes", "grounded", "noise") == "5 (100.0)"
    labels = page.cell("Judge and human labels", "contradicted", "human label supported")
    assert labels == "8" and page.cell("Human labels", "24", "the judge agrees, of 100 [95 %]").startswith("33.3 [")
    assert page.cell("Blind preferences", "grounded", "preferred") == "21"
    assert page.cell("Questions not asked or not counted", "gold", "questions") == "17"
    assert page.cell("Manifest: equal settings give an equal run", "store.generation", "value") == "7"
    detector = abstention_detector.measure_detector()["zh"]["recall"]
    assert page.cell(
        "Detection of abstentions, on a separate list of examples", "zh", "recall of 100 [95 %]"
    ) == format_rate(detector)
    uncertainty = summary.build_report([r for r in _uncertain_records()])["uncertainty"]["grounded"]
    row = page.tables["Separation of wrong and correct answers, and calibration"]
    assert f"{uncertainty['before']['brier']:.3f}" in row[2] and f"{uncertainty['auroc']['surprise']:.3f}" in row[2]


def _uncertain_records() -> list[dict[str, Any]]:
    return [
        make_full_record(
            300 + n, "grounded", uncertainty=make_uncertainty(n / 8 + 0.05), outcome="wrong" if n % 3 else "correct"
        )
        for n in range(8)
    ]


def test_page_has_unique_ids_and_valid_links(known_run: str) -> None:
    page = Page(known_run)
    ids = [value for name, value in page.attributes() if name == "id"]
    assert len(ids) == len({*ids})
    links = {value for name, value in page.attributes() if name == "href"}
    assert links and all(link.startswith("#") and link[1:] in ids for link in links)
    assert {value for name, value in page.attributes() if name == "aria-labelledby"} <= {*ids}
    headings = [tag for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert headings.count("h1") == 1 and all(int(b[1]) - int(a[1]) <= 1 for a, b in pairwise(headings))
    drawings = [attributes for tag, attributes in page.elements if tag == "svg"]
    assert all(d.get("aria-label") or d.get("aria-hidden") for d in drawings) and len(drawings) > 20


def test_page_loads_nothing_and_policy_has_hashes(known_run: str) -> None:
    import base64
    import hashlib

    page = Page(known_run)
    assert not re.search(r"(?:https?:)?//\w", re.sub(r"<(script|style)>.*?</\1>", "", known_run, flags=re.DOTALL))
    assert not {"link", "img", "iframe", "object", "embed", "base", "source", "audio", "video"} & {
        t for t, _ in page.elements
    }
    assert not {
        name for name, _ in page.attributes() if name.startswith("on") or name in ("src", "style", "srcset", "data")
    }
    policy = next(a["content"] or "" for tag, a in page.elements if tag == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none'")
    for name in ("style", "script"):
        (content,) = re.findall(rf"<{name}>(.*?)</{name}>", known_run, flags=re.DOTALL)
        assert "url(" not in content and "@import" not in content and "fetch" not in content
        assert f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'" in policy


def test_page_escapes_foreign_text(tmp_path: Path) -> None:
    evil = make_full_record(1, question=HTML_PAYLOAD, answer=HTML_PAYLOAD, accepted=[HTML_PAYLOAD], type=HTML_PAYLOAD, lang='"><script>', id=HTML_PAYLOAD, dropped=[HTML_PAYLOAD], outcome="wrong", blame="noise",
                evidence=[make_evidence(title=HTML_PAYLOAD, text=HTML_PAYLOAD, spans=[[100, 120]])], claims=[make_claim(text=HTML_PAYLOAD)], facts=[HTML_PAYLOAD],
                citations=[{"passage_id": "doc#0001", "document": "d", "title": HTML_PAYLOAD, "start": 105, "end": 110, "quote": HTML_PAYLOAD}],
                paths=[SAMPLE_PATH | {"names": [HTML_PAYLOAD, HTML_PAYLOAD, HTML_PAYLOAD]}], uncertainty=make_uncertainty(0.5, [HTML_PAYLOAD, HTML_PAYLOAD, "x"]))  # fmt: skip
    text = html(
        [evil, make_full_record(1, "closed-book", id=HTML_PAYLOAD, type=HTML_PAYLOAD, lang='"><script>')],
        MANIFEST | {"questions": HTML_PAYLOAD, HTML_PAYLOAD: HTML_PAYLOAD},
    )
    page = Page(text)
    assert text.count("<script>") == 1 and "<img" not in text and "onerror=alert(1)&gt;" in text
    assert page.text.count(HTML_PAYLOAD) >= 12
    assert not {name for name, _ in page.attributes() if name.startswith("on")}


def test_page_shows_steps_above_answer() -> None:
    page = Page(
        html(
            [
                make_full_record(1, steps=["A – father: B [1]", HTML_PAYLOAD], answer="Answered"),
                make_full_record(1, "closed-book"),
            ],
            MANIFEST,
        )
    )
    assert page.text.index("A – father: B [1]") < page.text.index(HTML_PAYLOAD) < page.text.index("Answered")


def test_page_replaces_unprintable_characters(tmp_path: Path) -> None:
    path = write_report(
        tmp_path,
        records := [make_full_record(1, answer="a\ud83db\x00c\x1bd", question="\udc00?")],
        report_of(records),
        {},
    )
    assert "a\ufffdb\ufffdc\ufffdd" in path.read_text("utf-8")


@pytest.mark.parametrize(
    "records",
    [
        make_run_records({"grounded": "c"}),
        make_run_records({"grounded": "wwca"}),
        make_run_records({"closed-book": "w", "grounded": "c"}),
        make_run_records({"closed-book": "wwwa", "grounded": "wwwa"}),
        make_run_records({"closed-book": "cc", "grounded": "cc", "gold": "c"}),
        make_run_records({"grounded": "aaw"}, "unanswerable"),
        make_run_records({"grounded": "aaw"}, "unanswerable", accepted=[], answers=[], type="", lang="", hops=0, f1=None),
        make_run_records({"grounded": "cw"}, "counterfactual", altered=False),
        make_run_records({"closed-book": "cw", "closed-book+adapter": "cc"}),
        make_run_records({"system": "cw"}, "answerable", reader="graph", model=""),
        [make_full_record(1, uncertainty=make_uncertainty(0.5) | {"chance": None, "weighted_entropy": None, "surprise": None})],
        [make_full_record(1, claims=[make_claim(support=None, checks={}, found=[], cited_together=None)], measures=dict.fromkeys(make_full_record(2)["measures"]))],
        [make_full_record(1, evidence=[], citations=[], paths=[{"names": [], "nodes": [], "triples": []}], graph=None, standing=None)],
    ],
    ids=lambda rows: f"{rows[0]['arm']}-{rows[0]['condition']}-{len(rows)}",
)  # fmt: skip
def test_page_of_incomplete_run_has_no_empty_cells(records: list[dict[str, Any]]) -> None:
    for report in (report_of(records), json.loads(to_json(report_of(records))), summary.build_report(records)):
        text = render_page(records, report, {})
        page = Page(text)
        assert not re.search(r"\b(?:nan|none|null|undefined|inf)\b", page.text.lower()), page.text
        assert not [name for name, value in page.attributes() if re.search(r"\b(?:nan|None|inf)\b", value)]
        for caption, (heads, *rows) in page.tables.items():
            assert rows and all(heads) and all(row[0].strip() for row in rows), caption
            for number, head in enumerate(heads[1:], 1):
                drawn = "axis" in head or "by verdict" in head or head in ("outcomes", "error causes")
                assert drawn or any(row[number].strip("– ") for row in rows), f"{caption}: {head} has nothing"


def test_page_is_equal_for_null_and_nan() -> None:
    records = [
        *make_run_records({"closed-book": "wwca", "grounded": "ccca"}),
        make_full_record(9),
        make_full_record(9, "closed-book"),
    ]
    assert render_page(records, report_of(records), {}) == render_page(
        records, json.loads(to_json(report_of(records))), {}
    )


def test_write_report_gives_equal_bytes_in_any_process(tmp_path: Path) -> None:
    records = [
        *make_run_records(OUTCOMES_BY_ARM),
        make_full_record(900, uncertainty=make_uncertainty(0.4)),
        make_full_record(901, "closed-book"),
    ]
    (tmp_path / "in.json").write_text(json.dumps([records, json.loads(to_json(report_of(records))), MANIFEST]))
    code = "import json, sys; from pathlib import Path; from kgrag.factuality.report.html import write_report as w; w(Path(sys.argv[2]), *json.load(open(sys.argv[1])))"
    pages = []
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-c", code, tmp_path / "in.json", tmp_path / seed],
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(filter(None, sys.path))},
        )
        pages.append((tmp_path / seed / "report.html").read_bytes())
    assert pages[0] == pages[1] and [p.name for p in (tmp_path / "1").iterdir()] == ["report.html"]


def test_page_of_thousand_answers_is_below_6_mb() -> None:
    texts = [
        make_evidence(passage_id=f"p{n}", text=PASSAGE_TEXT * 12, title=f"Title {n}", spans=[[100, 400]])
        for n in range(8)
    ]
    records = [
        make_full_record(n, arm, evidence=texts)
        for n in range(200)
        for arm in ("closed-book", "grounded", "vector", "graph", "gold")
    ]
    size = len(render_page(records, report_of(records), MANIFEST).encode())
    assert size < 6_000_000, f"{size / 1e6:.1f} MB"


def test_question_card_has_each_passage_once() -> None:
    (card,) = question_cards(
        [
            make_full_record(1),
            make_full_record(1, "vector", evidence=[make_evidence(rank=3, number=2, cited=False, spans=[[149, 161]])]),
        ]
    )
    first, other = card.passages
    assert first.uses == [("grounded", "shown as [1], cited"), ("vector", "shown as [2]")]
    assert [kind for _, kind in first.pieces] == ["cited", "", "shown", "", "shown"]
    assert "".join(text for text, _ in first.pieces) == PASSAGE_TEXT
    assert (
        other.title == "Far away"
        and not other.pieces
        and other.uses == [("grounded", "retrieved at rank 2, not shown")]
    )
    (edited,) = question_cards(
        [
            make_full_record(1),
            make_full_record(1, "vector", evidence=[make_evidence(text="Ada Bell was born in Oslo.")]),
        ]
    )
    assert len(edited.passages) == 3, "an edited passage is a separate passage"


def test_mark_pieces_clips_spans_and_prefers_cited() -> None:
    assert mark_pieces("abcdef", 10, [(8, 12), (11, 14)], [(13, 99)]) == [("abc", "shown"), ("def", "cited")]
    assert mark_pieces("abc", 0, [], []) == [("abc", "")] and mark_pieces("", 0, [(0, 1)], []) == []


def test_page_shows_paths_with_direction_and_quote() -> None:
    page = Page(html([make_full_record(1)]))
    assert "Ada Bell —place of birth→ Paris Ada Bell was born in Paris. ←capital— France" in " ".join(page.text.split())


def test_figures_are_formatted_with_signs() -> None:
    assert (
        with_minus_sign("-0.0") == "0.0"
        and as_percent_points(-0.125) == "−12.5"
        and as_percent_points(float("nan")) == as_percent_points(None) == "–"
    )
    assert format_p_value(0.0004) == "< 0.001" and format_p_value(0.0124) == "0.012"
    assert format_difference({"value": 0.03, "low": -0.01, "high": 0.07}) == "+3.0 [−1.0, +7.0]"
    assert format_rate({"value": 0.5, "low": None, "high": None}) == "50.0"
    assert axis_limit([{"value": 0.2, "low": 0.1, "high": 0.31}]) == 0.4 and axis_limit([]) == 0.1
    widths = [float(w) for w in re.findall(r'width="([\d.]+)"', stacked_bar({"correct": 3, "wrong": 0, "empty": 1}))]
    assert widths == pytest.approx([149.4, 49.4])


@pytest.mark.parametrize(
    ("low", "p", "p_holm", "sure"),
    [(0.02, 0.01, None, True), (0.02, 0.06, None, False), (0.02, 0.01, 0.06, False), (-0.02, 0.01, 0.01, False)],
)
def test_forest_row_is_significant_by_interval_and_p(low: float, p: float, p_holm: float | None, sure: bool) -> None:
    drawn = forest_row({"value": 0.1, "low": low, "high": 0.2, "p": p, "p_holm": p_holm}, 0.4)
    assert ('class="point sure"' in drawn) is sure and ('class="point open"' in drawn) is not sure
    assert 'x1="95.00" x2="150.00"' in drawn if low < 0 else 'x1="105.00" x2="150.00"' in drawn


def test_write_figure_draws_svg_and_png(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for folder in ("a", "b"):
        drawn = write_figure(tmp_path / folder, report_of(make_run_records(OUTCOMES_BY_ARM)), ["12 of 200"])
        assert [p.name for p in drawn] == ["report.svg", "report.png"] and all(p.stat().st_size > 1000 for p in drawn)
    assert (tmp_path / "a" / "report.svg").read_bytes() == (tmp_path / "b" / "report.svg").read_bytes()
    assert write_figure(tmp_path / "c", report_of(make_run_records({"grounded": "aa"}, "unanswerable"))) == []
    assert write_figure(tmp_path / "d", report_of(make_run_records({"grounded": "cw"})))
