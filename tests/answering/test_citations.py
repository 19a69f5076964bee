"""Tests of the citation check: a paraphrase stays, a changed number, name, option or negation does not."""

from __future__ import annotations

import pytest

from kgrag.answering.guards.citations import verify_citations
from kgrag.answering.guards.number_literals import find_numbers, has_number
from kgrag.answering.selected_passage import SelectedPassage
from kgrag.types import Hit, Passage


def passages(*texts: tuple[str, str], headings: tuple[str, ...] = ()) -> list[SelectedPassage]:
    """Return numbered passages, each a document of its own: (title, text)."""
    return [
        SelectedPassage(
            number,
            Hit(Passage(f"{number}#1", str(number), text, 0, len(text), headings), title, "", 0.01, number),
            ((0, len(text)),),
        )
        for number, (title, text) in enumerate(texts, 1)
    ]


PRUNE = (
    "git-prune-loose(1)",
    "Removes loose objects that no branch reaches. Objects are kept for two weeks by default; change it with "
    "gc.pruneAge or the option --expire. Use --dry-run to only list them. The limit of a pack is 512 MiB. "
    "A lock file is never removed while a process holds it.",
)
QUESTION = "How long do unused objects stay?"


@pytest.mark.parametrize(
    "statement",
    [
        "By default objects stay for 2 weeks [1].",
        "They are kept two weeks; gc.pruneAge changes that [1].",
        "Set `gc.pruneAge` or pass `--expire` [1].",
        "A pack is limited to 512MiB [1].",
        "A lock file isn't removed while some process holds it [1].",
        "git prune-loose --expire <time> [1]",
    ],
)
def test_paraphrase_is_supported(statement: str) -> None:
    check = verify_citations(QUESTION, statement, passages(PRUNE))
    assert check.supported == (statement,) and check.citations and not check.reasons


@pytest.mark.parametrize(
    "statement",
    [
        "By default objects stay for 3 weeks [1].",
        "By default objects stay for 2 months [1].",
        "They are kept two weeks; gc.pruneTime changes that [1].",
        "Set `gc.pruneAge` or pass `--expired` [1].",
        "Set `gc.pruneAge` or pass -e [1].",
        "A pack is limited to 256 MiB [1].",
        "A lock file is removed while a process holds it [1].",
        "Objects are not kept for two weeks by default [1].",
        "By default Linus keeps objects for two weeks [1].",
        "The archive format of a remote mirror is compressed [1].",
    ],
)
def test_changed_statement_is_removed_with_reason(statement: str) -> None:
    check = verify_citations(QUESTION, statement, passages(PRUNE))
    assert not check.supported and not check.citations and len(check.reasons) == len(check.unsupported) == 1
    assert check.refusals


@pytest.mark.parametrize(
    ("statement", "holds"),
    [
        ("要清空日志，不要先删除文件再新建 [1]。", True),
        ("默认保留 14 天 [1]。", True),
        ("默认保留 15 天 [1]。", False),
        ("用 `truncate -s 0` 清空 [1]。", True),
        ("用 `truncate -S 0` 清空 [1]。", False),
        ("可以按时间切换日志的压缩算法 [1]。", False),
    ],
)
def test_chinese_paraphrase_is_compared_by_characters(statement: str, holds: bool) -> None:
    text = "清空日志文件时，不要删除文件然后创建新的文件，因为程序可能还在使用它。用 truncate -s 0 清空内容。默认保留14天。"
    check = verify_citations("日志怎么清理？", statement, passages(("日志", text)))
    assert bool(check.supported) is holds


@pytest.mark.parametrize(
    ("statement", "holds"),
    [
        ("不应该使用 `rm` 命令去删除文件然后创建新的空文件。", True),
        ("不要用 rm 命令去删除文件然后创建新的空文件。", True),
        ("应该使用 `rm` 命令去删除文件然后创建新的空文件。", False),
        ("用 rm 命令去删除文件然后创建新的空文件。", False),
    ],
)
def test_reference_in_brackets_does_not_end_a_negated_clause(statement: str, holds: bool) -> None:
    source = "为了清除日志文件的内容，不要用 rm(1) 命令去删除文件然后创建新的空文件，因为这个文件可能还在被使用。"
    check = verify_citations("怎样清理日志文件？", statement, passages(("系统技巧", source)))
    assert bool(check.citations) is holds


def test_setting_may_be_named_in_the_heading() -> None:
    pool = passages(
        ("Options", "The default is 4 MB. Each sort may use that much."), headings=("sort_memory (integer)",)
    )
    assert verify_citations("How much?", "sort_memory is 4MB by default [1].", pool).supported
    assert not verify_citations("How much?", "hash_memory is 4MB by default [1].", pool).supported


def test_number_of_another_setting_is_not_accepted() -> None:
    text = "window.size: The default of the window is 32 MiB of memory.\n\nbig.limit: Files above the limit, by default 512 MiB, count as big."
    pool = passages(("Settings", text))
    assert verify_citations("When is a file big?", "Above big.limit, by default 512 MiB [1].", pool).supported
    assert not verify_citations("When is a file big?", "Above status 7, by default 512 MiB [1].", pool).supported


def test_statement_in_another_language_is_held_by_its_identifiers() -> None:
    pool = passages(("Handbuch", "\\newpage 起到另起一栏的作用，\\clearpage 则能够另起一页。"))
    question = "What does \\newpage do?"
    assert verify_citations(question, "\\newpage moves to the next column [1].", pool).supported
    assert not verify_citations(question, "\\newcolumn moves to the next column [1].", pool).supported
    assert not verify_citations(question, "It moves to the next column of text [1].", pool).supported


def test_list_keeps_its_layout_without_the_unsupported_item() -> None:
    answer = "Two settings change it [1]:\n- gc.pruneAge sets the age [1]\n- gc.colour sets the age [1]\n- `--expire` does so once [1]"
    check = verify_citations("How do I change the age?", answer.replace("Two", "These"), passages(PRUNE))
    assert check.text.splitlines()[1:] == ["- gc.pruneAge sets the age [1]", "- `--expire` does so once [1]"]
    assert check.unsupported == ("gc.colour sets the age",)


def test_lead_in_without_items_is_removed() -> None:
    check = verify_citations(QUESTION, "These settings change it:\n- gc.colour [1]\n- gc.shape [1]", passages(PRUNE))
    assert check.text == "" and not check.supported and not check.citations


def test_code_block_is_one_statement() -> None:
    good, bad = "```sh\ngit prune-loose --dry-run\n```\n[1]", "```sh\ngit prune-loose --dry-run --force\n```\n[1]"
    assert verify_citations("How do I list them?", good, passages(PRUNE)).text == good
    check = verify_citations("How do I list them?", bad, passages(PRUNE))
    assert check.unsupported == ("git prune-loose --dry-run --force",) and check.text == ""


def test_yes_is_supported_by_its_reason() -> None:
    pool = passages(("Sizes", "A file system can be enlarged while it is mounted. To shrink it, unmount it first."))
    question = "Can I shrink a mounted file system?"
    check = verify_citations(question, "No. To shrink it, you must unmount it first [1].", pool)
    assert check.supported == ("No. To shrink it, you must unmount it first [1].",)
    assert verify_citations(question, "Yes. To shrink it, you do not unmount it first [1].", pool).unsupported


@pytest.mark.parametrize("answer", ["", "[1]", "[7]", "```", "- \n- ", "|---|", "：", "{}", "…" * 200, "[1]" * 500])
def test_answer_without_statement_has_no_citation(answer: str) -> None:
    check = verify_citations(QUESTION, answer, passages(PRUNE))
    assert not check.citations and not check.supported


def test_no_passages_support_nothing() -> None:
    check = verify_citations(QUESTION, "Two weeks [1].", [])
    assert check.unsupported == ("Two weeks.",) and check.refusals == ("[1] refused: the prompt has no such passage",)


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        ("The limit is 9999 bytes. This limit also holds for copies.", ""),
        (
            "The limit is 4096 bytes. This limit also holds for copies.",
            "The limit is 4096 bytes. This limit also holds for copies.",
        ),
        ("The limit is 9999 bytes. Copies need root.", "Copies need root."),
        ("The limit is 9999 bytes. It is possible to raise the limit.", "It is possible to raise the limit."),
    ],
)
def test_sentence_that_refers_to_a_dropped_one_is_dropped(answer: str, left: str) -> None:
    text = (
        "The limit is 4096 bytes. The limit also holds for copies. It is possible to raise the limit. Copies need root."
    )
    check = verify_citations("What is the limit?", answer, passages(("Limits", text)))
    assert check.text == left
    assert check.text or "it refers to a dropped statement" in check.reasons


@pytest.mark.parametrize(
    ("written", "is_held"),
    [("300 米", True), ("300 metres", True), ("300", True), ("300 feet", False), ("300M", False), ("301 m", False)],
)
def test_unit_of_a_number_counts_in_all_its_words(written: str, is_held: bool) -> None:
    (number,) = find_numbers(written)
    assert has_number(find_numbers("The tower is 300 m high."), number) is is_held


@pytest.mark.parametrize(
    ("marks", "shown"),
    [
        (" [1]", " [1]"),
        (" [7]", " [1]"),
        ("[7]", "[1]"),
        (" [7][8]", " [1]"),
        (" [1, 7]", " [1]"),
        (" [7] [1]", " [1]"),
        ("【7】", "[1]"),
        ("", ""),
    ],
)
def test_marks_name_the_passages_that_support_the_statement(marks: str, shown: str) -> None:
    check = verify_citations(QUESTION, f"By default objects stay for 2 weeks{marks}.", passages(PRUNE))
    assert check.text == f"By default objects stay for 2 weeks{shown}." and check.supported == (check.text,)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("fifty days", "50"),
        ("twenty-five days", "25"),
        ("a hundred days", "100"),
        ("two hundred and ten days", "210"),
        ("five thousand days", "5000"),
        ("for .36 days", "0.36"),
        ("一千天", "1000"),
        ("三万二千天", "32000"),
        ("二十五天", "25"),
    ],
)
def test_numbers_in_words_are_read(text: str, value: str) -> None:
    assert {(number.value, number.unit) for number in find_numbers(text)} == {(value, "day")}
