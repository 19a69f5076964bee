"""The sides of a question that compares, in both languages; other questions have none."""

import pytest

from kgrag.text.two_sides import split_sides


@pytest.mark.parametrize(
    ("question", "sides"),
    [
        ("What is the difference between git reset and git revert in Git 2.40?", ("git reset", "git revert")),
        ("SQLite vs. PostgreSQL for a small web shop", ("SQLite", "PostgreSQL")),
        ("compare B-tree with hash indexes", ("B-tree", "hash indexes")),
        ("Compare the warranty of the Z3 and the Z5", ("Z3", "Z5")),
        ("How does char differ from varchar?", ("char", "varchar")),
        ("How do char and varchar differ?", ("char", "varchar")),
        ("How is a mutex different from a semaphore?", ("mutex", "semaphore")),
        ("How do I tell a view from a table?", ("view", "table")),
        ("Should I use a clustered or a non-clustered index?", ("clustered", "non-clustered index")),
        ("Is rebase or merge better for shared branches?", ("rebase", "merge")),
        ("rebase or merge?", ("rebase", "merge")),
        ("fsync or fdatasync, what's the difference?", ("fsync", "fdatasync")),
        ("reset, restore and revert: which one does what?", ("reset", "restore", "revert")),
        ("Which is faster, a B-tree or a hash index?", ("B-tree", "hash index")),
        ("Who was born first, Ada Lovelace or Charles Babbage?", ("Ada Lovelace", "Charles Babbage")),
        ("Which film came out first, The Tender Years or Range War?", ("Tender Years", "Range War")),
        ("Are Ran and Seven Samurai by the same director?", ("Ran", "Seven Samurai")),
        ("Disks: what does the soft limit mean, compared with the hard one?", ("soft limit", "hard")),
        ("git reset 和 git revert 有什么区别？", ("git reset", "git revert")),
        ("LaTeX 拆分文件时 \\include 和 \\input 有什么不同？", ("\\include", "\\input")),
        ("内连接与外连接的区别是什么", ("内连接", "外连接")),
        ("红茶跟绿茶有何不同？", ("红茶", "绿茶")),
        ("应该用 SQLite 还是 PostgreSQL 来做备份？", ("SQLite", "PostgreSQL")),
        ("比较红茶和绿茶", ("红茶", "绿茶")),
        ("TCP 和 UDP 哪个更快", ("TCP", "UDP")),
        ("reset、restore 和 revert 有什么区别", ("reset", "restore", "revert")),
        ("红茶 vs 绿茶", ("红茶", "绿茶")),
    ],
)
def test_split_sides_of_comparison(question: str, sides: tuple[str, ...]) -> None:
    assert split_sides(question) == sides


@pytest.mark.parametrize(
    "question",
    [
        "Who wrote Romeo and Juliet?",
        "What is the difference?",
        "两者有什么区别？",
        "和平是什么意思？",
        "新宏包放好以后还是找不到，要运行哪个命令？",
        "Which two groups do I add her to so that she has root rights or can change connections?",
        "In which file do I change the kernel parameters or menu timeout so they stick?",
        "",
        "or",
        "?" * 4000,
        "a or " * 800,
        "和" * 4000,
        ("和" * 290 + "。") * 13,
        "和x 比" * 70,
        "do and " * 42,
    ],
)
def test_split_sides_of_other_question_is_empty(question: str) -> None:
    assert split_sides(question) == ()
