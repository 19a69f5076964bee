"""Where a store is: folders and servers told apart, and passwords kept out of what others see."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kgrag.errors import UsageError
from kgrag.place import PASSWORD, Server, place


def test_what_is_no_address_is_a_folder() -> None:
    assert place(".kgrag") == Path(".kgrag")
    assert place("/data/neo4j:7687") == Path("/data/neo4j:7687")


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("neo4j://ann@db.example:7700/team", Server("neo4j", "ann", "db.example", 7700, "team")),
        ("bolt://127.0.0.1", Server("bolt", "neo4j", "127.0.0.1", 7687, "neo4j")),
        ("neo4j+s://a%40b@h/", Server("neo4j+s", "a@b", "h", 7687, "neo4j")),
        ("bolt://u@[::1]:1/d", Server("bolt", "u", "::1", 1, "d")),
    ],
)
def test_an_address_is_read_in_its_parts(text: str, server: Server) -> None:
    assert place(text) == server


def test_an_address_is_written_as_it_is_read() -> None:
    for text in ("neo4j://ann@db.example:7700/team", "bolt://u@[::1]:1/d"):
        assert str(place(text)) == text
    assert place("neo4j+ssc://ann@h:1/d").uri == "neo4j+ssc://h:1"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "text", ["http://h/d", "neo4j://", "bolt://h:x/d", "bolt://h/a/b", "bolt://h/d?a=b", "bolt://h:99999"]
)
def test_a_wrong_address_is_said_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="neo4j://user@host:7687/database"):
        place(text)


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError) as found:
        place("neo4j://ann:s3cret@h/d")
    assert PASSWORD in str(found.value) and "s3cret" not in str(found.value)


def test_the_password_comes_from_the_environment_or_from_whoever_sits_there(monkeypatch: pytest.MonkeyPatch) -> None:
    server = place("bolt://ann@h/d")
    assert isinstance(server, Server)
    monkeypatch.setenv(PASSWORD, "s3cret")
    assert server.password() == "s3cret"
    monkeypatch.delenv(PASSWORD)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    with pytest.raises(UsageError, match=PASSWORD):
        server.password()
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("getpass.getpass", lambda prompt: prompt)
    assert server.password() == "Password of bolt://ann@h:7687/d: "


def test_two_databases_have_two_folders() -> None:
    folders = {place(f"bolt://{host}:{port}/{name}").folder for host in "ab" for port in (1, 2) for name in "xy"}  # type: ignore[union-attr]
    assert len(folders) == 8
