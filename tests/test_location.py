"""Where a store is: folders and servers told apart, and passwords kept out of what others see."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kgrag.errors import UsageError
from kgrag.location import PASSWORD_VARIABLE, Neo4jLocation, parse_location


def test_what_is_no_address_is_a_folder() -> None:
    assert parse_location(".kgrag") == Path(".kgrag")
    assert parse_location("/data/neo4j:7687") == Path("/data/neo4j:7687")


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("neo4j://ann@db.example:7700/team", Neo4jLocation("neo4j", "ann", "db.example", 7700, "team")),
        ("bolt://127.0.0.1", Neo4jLocation("bolt", "neo4j", "127.0.0.1", 7687, "neo4j")),
        ("neo4j+s://a%40b@h/", Neo4jLocation("neo4j+s", "a@b", "h", 7687, "neo4j")),
        ("bolt://u@[::1]:1/d", Neo4jLocation("bolt", "u", "::1", 1, "d")),
    ],
)
def test_an_address_is_read_in_its_parts(text: str, server: Neo4jLocation) -> None:
    assert parse_location(text) == server


def test_an_address_is_written_as_it_is_read() -> None:
    for text in ("neo4j://ann@db.example:7700/team", "bolt://u@[::1]:1/d"):
        assert str(parse_location(text)) == text
    assert parse_location("neo4j+ssc://ann@h:1/d").uri == "neo4j+ssc://h:1"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "text", ["http://h/d", "neo4j://", "bolt://h:x/d", "bolt://h/a/b", "bolt://h/d?a=b", "bolt://h:99999"]
)
def test_a_wrong_address_is_said_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="neo4j://user@host:7687/database"):
        parse_location(text)


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError) as found:
        parse_location("neo4j://ann:s3cret@h/d")
    assert PASSWORD_VARIABLE in str(found.value) and "s3cret" not in str(found.value)


def test_the_password_comes_from_the_environment_or_from_whoever_sits_there(monkeypatch: pytest.MonkeyPatch) -> None:
    server = parse_location("bolt://ann@h/d")
    assert isinstance(server, Neo4jLocation)
    monkeypatch.setenv(PASSWORD_VARIABLE, "s3cret")
    assert server.password() == "s3cret"
    monkeypatch.delenv(PASSWORD_VARIABLE)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    with pytest.raises(UsageError, match=PASSWORD_VARIABLE):
        server.password()
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("getpass.getpass", lambda prompt: prompt)
    assert server.password() == "Password of bolt://ann@h:7687/d: "


def test_two_databases_have_two_folders() -> None:
    folders = {
        parse_location(f"bolt://{host}:{port}/{name}").folder for host in "ab" for port in (1, 2) for name in "xy"
    }  # type: ignore[union-attr]
    assert len(folders) == 8
