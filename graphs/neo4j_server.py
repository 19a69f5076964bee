"""A Neo4j of one's own, on this machine: fetched from Maven Central, started on loopback, ended by its own pid.

`python -m graphs.neo4j_server serve` keeps one until Ctrl-C (`make neo4j`); `… around COMMAND` runs a command beside
an empty one and takes it down (`make test-neo4j`). Java 17 or newer and Maven must be there.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from kgrag.errors import KgragError

POM = Path(__file__).with_name("neo4j_pom.xml")
WAIT = 120.0
"""Seconds that a server may take to start, or to end."""
ABSENT = 3
"""The exit code where no server can be had on this machine."""
USER = "neo4j"
OPENED = ("--add-opens=java.base/java.nio=ALL-UNNAMED", "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED")


class Absent(KgragError):
    """This machine lacks what a server of its own needs."""

    exit_code = ABSENT


def libraries(folder: Path) -> Path:
    """The folder of the server's jars, fetched if they are not all there (123 MB, once).

    Raises:
        Absent: Java 17 or Maven is missing, or the jars cannot be fetched.
    """
    version = re.search("<neo4j.version>(.+)</neo4j.version>", POM.read_text("utf-8"))
    lib = folder / f"lib-{version.group(1) if version else 'unknown'}"
    _java()
    if lib.is_dir():
        return lib
    maven = shutil.which("mvn")
    if not maven:
        raise Absent("Expected Maven (mvn) to fetch Neo4j with and found none: install it, or name a server of yours.")
    print("Fetching Neo4j Community from Maven Central (123 MB, once) ...", file=sys.stderr, flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as name:
        beside = Path(name).resolve() / "lib"
        command = [maven, "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", "-DincludeScope=runtime"]
        done = subprocess.run([*command, f"-DoutputDirectory={beside}"], capture_output=True, text=True, check=False)
        if done.returncode:
            said = next((line for line in done.stdout.splitlines() if "ERROR" in line), "no reason given")
            raise Absent(f"Maven could not fetch Neo4j ({said[:200]}): see that it reaches Maven Central.")
        beside.rename(lib)
    return lib


def _java() -> str:
    java = shutil.which("java")
    if not java:
        raise Absent(
            "Expected Java 17 or newer to run Neo4j with and found none: install it, or name a server of yours."
        )
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    number = re.search(r'version "(\d+)', said)
    if number is None or int(number.group(1)) < 17:
        raise Absent(f"Neo4j needs Java 17 or newer, {java} is older: put a newer one first in PATH.")
    return java


class Server:
    """A server on 127.0.0.1, in the folder ``home``, which keeps its data from one start to the next.

    Args:
        home: made if it does not exist.
        lib: see `libraries`.
        port: for Bolt; 0 takes a free one.
        password: given to a new database.
        settings: further lines of ``neo4j.conf``.
    """

    def __init__(self, home: Path, lib: Path, *, port: int = 0, password: str, settings: Sequence[str] = ()) -> None:
        self.home, self._lib, self.password = home.resolve(), lib.resolve(), password
        self.port = port or free_port()
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        """What `--store` takes."""
        return f"bolt://{USER}@127.0.0.1:{self.port}/neo4j"

    @property
    def pid(self) -> int:
        """The number of the server's process; 0 when it does not run."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            KgragError: it ended, or did not answer in time; the message has the end of its log.
        """
        conf = self.home / "conf"
        conf.mkdir(parents=True, exist_ok=True)
        lines = [
            "server.default_listen_address=127.0.0.1",
            f"server.bolt.listen_address=127.0.0.1:{self.port}",
            f"server.bolt.advertised_address=127.0.0.1:{self.port}",
            "server.http.enabled=false",
            "dbms.usage_report.enabled=false",
            *self._settings,
        ]
        (conf / "neo4j.conf").write_text("\n".join(lines) + "\n")
        if not (self.home / "data" / "databases").is_dir():
            command = [_java(), "-cp", f"{self._lib}/*", "org.neo4j.cli.AdminTool", "dbms", "set-initial-password"]
            env = {**os.environ, "NEO4J_HOME": str(self.home)}
            done = subprocess.run([*command, self.password], env=env, capture_output=True, text=True, check=False)
            if done.returncode:
                said = (done.stderr.strip().splitlines() or ["no reason given"])[0]
                raise KgragError(
                    f"Neo4j refused the password that a new server was to have ({said[:200]}): set another."
                )
        classes = ":".join(f"{folder}/*" for folder in (self.home / "plugins", conf, self._lib))
        command = [_java(), "-Xmx1g", "-cp", classes, *OPENED, "org.neo4j.server.CommunityEntryPoint"]
        folders = [f"--home-dir={self.home}", f"--config-dir={conf}", "--console-mode"]
        with (self.home / "console.log").open("wb") as log:
            self._process = subprocess.Popen(
                [*command, *folders], stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
            )
        deadline = time.monotonic() + WAIT
        while not _answers(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = (self.home / "console.log").read_text(errors="replace")[-600:]
                self.kill()
                raise KgragError(f"Neo4j did not start in {self.home}; the end of its log:\n{said}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End it, and wait until it has written what it has."""
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(WAIT)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _answers(port: int) -> bool:
    """Whether something speaks Bolt there: an open port comes a moment before a server that is ready."""
    try:
        with socket.create_connection(("127.0.0.1", port), 1.0) as one:
            one.settimeout(5.0)
            one.sendall(b"\x60\x60\xb0\x17" + b"\x00\x00\x00\x05" + bytes(12))
            return one.recv(4) == b"\x00\x00\x00\x05"
    except OSError:
        return False


def main(arguments: Sequence[str]) -> int:
    """`serve [HOME [PORT]]` or `around COMMAND…`; the exit status."""
    what, *rest = arguments or ["serve"]
    fetched = Path(os.environ.get("KGRAG_NEO4J_HOME", "build/neo4j"))
    if what == "around" and os.environ.get("KGRAG_NEO4J_URI"):
        return subprocess.run(rest, check=False).returncode
    absent = fetched / "absent"  # make gives every failure the same status: this tells them apart
    absent.unlink(missing_ok=True)
    try:
        lib = libraries(fetched)
    except Absent as error:
        fetched.mkdir(parents=True, exist_ok=True)
        absent.write_text(f"{error}\n")
        raise
    password = os.environ.get("KGRAG_NEO4J_PASSWORD") or secrets.token_hex(12)
    if what == "around":
        with tempfile.TemporaryDirectory(prefix="kgrag-neo4j-") as home:
            server = Server(Path(home), lib, password=password)
            try:
                server.start()
                told = {"KGRAG_NEO4J_URI": server.uri, "KGRAG_NEO4J_PASSWORD": password, "KGRAG_NEO4J_LIB": str(lib)}
                return subprocess.run(rest, env={**os.environ, **told}, check=False).returncode
            finally:
                server.stop()
    if len(password) < 8 or password.startswith("-"):
        raise KgragError(
            "Neo4j wants a password of 8 characters or more that does not begin with a dash: set KGRAG_NEO4J_PASSWORD."
        )
    data = Path(rest[0]) if rest else fetched / "home"
    noted = data / "password"
    if (data / "data" / "databases").is_dir() and noted.is_file():
        password = noted.read_text().strip()  # a database keeps the password it was made with
    server = Server(data, lib, port=int(rest[1]) if len(rest) > 1 else 7687, password=password)
    try:
        server.start()
        noted.touch(mode=0o600)
        noted.write_text(password)
        print(f"Neo4j answers, pid {server.pid}. In another terminal:\n  export KGRAG_NEO4J_PASSWORD=$(cat {noted})")
        print(f"  kgrag ingest examples --store {server.uri}\nCtrl-C ends it; its data stay in {data}.", flush=True)
        while server._process and server._process.poll() is None:
            time.sleep(0.5)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        server.stop()


if __name__ == "__main__":
    # who is asked to end, ends the server first
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        sys.exit(main(sys.argv[1:]))
    except KgragError as error:
        print(f"kgrag: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
