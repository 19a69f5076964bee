"""A user's own aliases.toml and predicates.toml: read, refused with a sentence, and what they change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graphs.merging.rules import AliasOverride
from graphs.predicates import load_predicate_schema
from ingest.relations.user_predicates import load_user_predicates
from kgrag.errors import UsageError
from kgrag.store.alias_file import append_alias_override, load_alias_overrides
from kgrag.store.store import Store
from tests.support.cli_shell import Shell

PREDICATES = """
[predicate.sponsor]
meaning = "who pays for it"
nouns = ["sponsor", "赞助商"]
asks = ["who (?:sponsors|pays for) X"]

[predicate.director]
nouns = ["helmer"]

[[pattern]]
find = "sponsored by (?P<sponsor>{N})"
confidence = 0.9
"""


def test_aliases_are_read_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "aliases.toml"
    assert load_alias_overrides(path) == []
    append_alias_override(path, "same", "Count Ada", 'Ada "the Countess" Lovelace')
    append_alias_override(path, "apart", "Count Ada", "Ada King")
    path.write_text(path.read_text() + '\n# a word\n[[ same ]]\nnames = ["a b", "c d", "e f"]\n')
    found = load_alias_overrides(path)
    assert found[0] == AliasOverride(True, frozenset(["count ada", "ada the countess lovelace"]))
    assert found[1] == AliasOverride(False, frozenset(["count ada", "ada king"]))
    path.write_text(path.read_text() + '[[same]]\nnames = ["g", "h", "G"]\n')
    assert len(load_alias_overrides(path)) == 6
    assert len(found) == 5 and all(one.same for one in found[2:])


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[[same]\n", "not valid TOML"),
        ("[[like]]\nnames = ['a', 'b']\n", "unknown table 'like'"),
        ("[[same]]\nnames = ['a']\n", "expected [[same]]"),
        ("[[same]]\nnames = 'a'\n", "expected [[same]]"),
        ("[[apart]]\nnames = ['a', '--']\n", "expected [[apart]]"),
        ("[same]\nnames = ['a', 'b']\n", "expected [[same]]"),
    ],
)
def test_wrong_aliases_are_refused(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "aliases.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"aliases\.toml") as error:
        load_alias_overrides(path)
    assert named in str(error.value)


def test_a_user_s_predicates_are_added(tmp_path: Path) -> None:
    path = tmp_path / "predicates.toml"
    assert load_user_predicates(path) == ""
    path.write_text(PREDICATES)
    known = load_predicate_schema(load_user_predicates(path)).predicates
    assert known["sponsor"].nouns == ("sponsor", "赞助商")
    assert {"director", "helmer"} <= set(known["director"].nouns) and known["director"].functional
    assert (
        "sponsor" not in load_predicate_schema().predicates
        and "helmer" not in load_predicate_schema().predicates["director"].nouns
    )


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[predicate.x\n", "not valid TOML"),
        ("[predicate.x]\nnoun = ['a']\n", "predicate.x.noun"),
        ("[predicate.x]\nvalue = 'NUMBER'\n", "predicate.x.value"),
        ("[predicate.Sponsor]\nmeaning = 'a'\n", "lower case"),
        ("[predicate.mentions]\nmeaning = 'a'\n", "lower case"),
        ("[predicate.x]\ninverse = 'y'\n", "'y'"),
        ("[predicate.x]\nasks = ['who (X']\n", "not a valid regular expression"),
        ("[[pattern]]\nfind = 'by (?P<sponsor>{N})'\n", "'sponsor'"),
        ("[[pattern]]\nfind = 'by (?P<director>{N}'\n", "not a valid regular expression"),
        ("[[pattern]]\nfind = 'by {N}'\n", "gives no fact"),
        ("[[pattern]]\nconfidence = 0.5\n", "find"),
        ("[[pattern]]\nfind = 'by (?P<director>{N})'\nconfidence = 2.0\n", "confidence"),
        ("[kin]\nnephew = ['sibling', 'kid']\n", "'kid'"),
    ],
)
def test_wrong_predicates_are_refused(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "predicates.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"predicates\.toml") as error:
        load_user_predicates(path)
    assert named in str(error.value)


@pytest.fixture
def cup(tmp_path: Path, shell: Shell) -> Path:
    """A store of a cup with a sponsor, and a meeting with two ways to call a body."""
    texts = {
        "Calder Cup": "The Calder Cup is a race in Norway. It is sponsored by Acme Works. Kylie Minogue sang, and then Minogue left.",
        "Talks": "The talks were led by the World Trade Body (WTB). They met in Bern.",
        "Wines": "Wines from Bordeaux won. They were judged by WTB and by others.",
    }
    rows = [json.dumps({"_id": title, "title": title, "text": text}) for title, text in texts.items()]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows))
    assert shell("ingest", tmp_path / "rows.jsonl", "--store", tmp_path / "s")[0] == 0
    return tmp_path / "s"


def test_changed_predicates_read_all_again_and_answer(shell: Shell, cup: Path) -> None:
    (cup / "predicates.toml").write_text(PREDICATES)
    code, out, err = shell("ingest", cup.parent / "rows.jsonl", "--store", cup)
    assert code == 0 and "reads every given document again" in err and "3 replaced" in out
    assert [t.object for t in Store(cup).graph_store.triples() if t.predicate == "sponsor"] == ["acme works"]
    code, out, _ = shell("ask", "Who sponsors the Calder Cup?", "--store", cup, "--reader", "graph")
    assert code == 0 and "Acme Works" in out
    code, out, err = shell("ingest", cup.parent / "rows.jsonl", "--store", cup)
    assert "read again" not in err and "3 unchanged" in out
    (cup / "predicates.toml").write_text("[predicate.x]\nvalue = 'NUMBER'\n")
    assert "predicate.x.value" in shell.expect_error(2, "ask", "Who?", "--store", cup, "--reader", "graph")


def test_merges_are_listed_kept_apart_and_joined_again(shell: Shell, cup: Path) -> None:
    _, out, _ = shell("graph", "merges", "--store", cup)
    assert "WTB is World Trade Body declared: Talks" in out and "Minogue is Kylie Minogue" in out
    listed = json.loads(shell("graph", "merges", "--store", cup, "--json")[1])
    assert {(one["name"], one["between"]) for one in listed} >= {("WTB", True), ("Minogue", False)}
    one = shell("graph", "merges", "WTB", "--store", cup)[1]
    assert "WTB" in one and "Minogue" not in one
    assert "wtb" not in {e.id for e in Store(cup).merged_graph.entities()}

    code, out, err = shell("graph", "apart", "WTB", "World Trade Body", "--store", cup)
    assert code == 0 and "Separated" in out and "Ingested again: Talks" in err
    assert "wtb" in {e.id for e in Store(cup).merged_graph.entities()}
    assert "WTB" not in shell("graph", "merges", "--store", cup)[1]
    code, out, err = shell("graph", "apart", "Minogue", "Kylie Minogue", "--store", cup)
    assert {m.entity_id for m in Store(cup).graph_store.mentions() if m.surface == "Minogue"} == {"minogue"}

    assert shell("graph", "same", "WTB", "World Trade Body", "--store", cup)[0] == 0
    assert "WTB is World Trade Body" in shell("graph", "merges", "--store", cup)[1]
    assert shell("graph", "same", "Minogue", "Kylie Minogue", "--store", cup)[0] == 0
    assert {m.entity_id for m in Store(cup).merged_graph.mentions() if m.surface == "Minogue"} == {"kylie minogue"}
    code, out, err = shell("ingest", cup.parent / "rows.jsonl", "--store", cup)
    assert "3 unchanged" in out


def test_aliases_that_were_edited_by_hand_count_at_once(shell: Shell, cup: Path) -> None:
    (cup / "aliases.toml").write_text('[[same]]\nnames = ["Acme Works", "Bordeaux"]\n')
    out = shell("graph", "show", "Acme Works", "--store", cup)[1]
    assert "also called Bordeaux" in out
    (cup / "aliases.toml").write_text('[[apart]]\nnames = ["Minogue", "Kylie Minogue"]\n')
    assert shell("ingest", cup.parent / "rows.jsonl", "--store", cup)[0] == 0
    assert {m.entity_id for m in Store(cup).graph_store.mentions() if m.surface == "Minogue"} == {"minogue"}
    (cup / "aliases.toml").unlink()
    assert shell("ingest", cup.parent / "rows.jsonl", "--store", cup)[0] == 0
    assert {m.entity_id for m in Store(cup).graph_store.mentions() if m.surface == "Minogue"} == {"kylie minogue"}


@pytest.mark.parametrize("names", [("Ada", "ada"), ("--", "Ada")])
def test_one_name_cannot_be_joined_with_itself(shell: Shell, cup: Path, names: tuple[str, str]) -> None:
    assert "Expected two names" in shell.expect_error(2, "graph", "same", "--store", cup, "--", *names)
