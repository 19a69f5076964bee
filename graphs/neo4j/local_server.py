"""Run a local Neo4j server: fetched from Maven Central, started on loopback, stopped by its pid.

`python -m graphs.neo4j.local_server serve` runs one until Ctrl-C (`make neo4j`). `… around COMMAND` runs a command with
an empty server and stops the server afterwards (`make test-neo4j`). Both need Java 17 or newer and Maven.
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

POM = Path(__file__).with_name("pom.xml")
TIMEOUT_SECONDS = 120.0
"""Maximum seconds for a server to start or stop."""
EXIT_UNAVAILABLE = 3
"""Exit code if this machine cannot run a server."""
USER = "neo4j"
JAVA_OPTIONS = ("--add-opens=java.base/java.nio=ALL-UNNAMED", "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED")


class JavaNotFound(KgragError):
    """This machine lacks Java or Maven, or cannot fetch the server."""

    exit_code = EXIT_UNAVAILABLE


def fetch_jars(folder: Path) -> Path:
    """Return the folder of the server's jars; fetch them if it is missing (123 MB, once).

    Raises:
        JavaNotFound: Java 17 or Maven is missing, or the jars cannot be fetched.
    """
    version = re.search("<neo4j.version>(.+)</neo4j.version>", POM.read_text("utf-8"))
    jar_folder = folder / f"lib-{version.group(1) if version else 'unknown'}"
    _find_java()
    if jar_folder.is_dir():
        return jar_folder
    maven = shutil.which("mvn")
    if not maven:
        raise JavaNotFound("Expected Maven (mvn) to fetch Neo4j, found none: install it, or name a running server.")
    print("Fetching Neo4j Community from Maven Central (123 MB, once) ...", file=sys.stderr, flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as name:
        temporary_folder = Path(name).resolve() / "lib"
        command = [maven, "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", "-DincludeScope=runtime"]
        result = subprocess.run(
            [*command, f"-DoutputDirectory={temporary_folder}"], capture_output=True, text=True, check=False
        )
        if result.returncode:
            reason = next((line for line in result.stdout.splitlines() if "ERROR" in line), "no reason given")
            raise JavaNotFound(f"Maven could not fetch Neo4j ({reason[:200]}): check its access to Maven Central.")
        temporary_folder.rename(jar_folder)
    return jar_folder


def _find_java() -> str:
    java = shutil.which("java")
    if not java:
        raise JavaNotFound("Expected Java 17 or newer to run Neo4j, found none: install it, or name a running server.")
    version_text = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version_match = re.search(r'version "(\d+)', version_text)
    if version_match is None or int(version_match.group(1)) < 17:
        raise JavaNotFound(f"Neo4j needs Java 17 or newer, {java} is older: put a newer one first in PATH.")
    return java


class LocalNeo4j:
    """A server on 127.0.0.1 whose data persist in the folder ``home``.

    Args:
        home: created if it does not exist.
        jar_folder: see `fetch_jars`.
        port: the Bolt port; 0 takes a free one.
        password: the password of a new database.
        settings: additional lines of ``neo4j.conf``.
    """

    def __init__(
        self, home: Path, jar_folder: Path, *, port: int = 0, password: str, settings: Sequence[str] = ()
    ) -> None:
        self.home, self._jar_folder, self.password = home.resolve(), jar_folder.resolve(), password
        self.port = port or find_free_port()
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        """The server's address, for `--store`."""
        return f"bolt://{USER}@127.0.0.1:{self.port}/neo4j"

    @property
    def pid(self) -> int:
        """The server's process id; 0 if it is not running."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            KgragError: the server ended, or did not answer in time; the message has the end of its log.
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
            command = [
                _find_java(),
                "-cp",
                f"{self._jar_folder}/*",
                "org.neo4j.cli.AdminTool",
                "dbms",
                "set-initial-password",
            ]
            env = {**os.environ, "NEO4J_HOME": str(self.home)}
            result = subprocess.run([*command, self.password], env=env, capture_output=True, text=True, check=False)
            if result.returncode:
                error_text = (result.stderr.strip().splitlines() or ["no reason given"])[0]
                raise KgragError(f"Neo4j refused the password for a new server ({error_text[:200]}): set another.")
        classes = ":".join(f"{folder}/*" for folder in (self.home / "plugins", conf, self._jar_folder))
        command = [_find_java(), "-Xmx1g", "-cp", classes, *JAVA_OPTIONS, "org.neo4j.server.CommunityEntryPoint"]
        folders = [f"--home-dir={self.home}", f"--config-dir={conf}", "--console-mode"]
        with (self.home / "console.log").open("wb") as log:
            self._process = subprocess.Popen(
                [*command, *folders], stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
            )
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not _is_answering(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                error_text = (self.home / "console.log").read_text(errors="replace")[-600:]
                self.kill()
                raise KgragError(f"Neo4j did not start in {self.home}; the end of its log:\n{error_text}")
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop the server and wait until it has written its data."""
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def kill(self) -> None:
        """Kill the server, as a power failure would."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


def find_free_port() -> int:
    """Return a port of 127.0.0.1 that is free now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _is_answering(port: int) -> bool:
    """Whether a server answers a Bolt handshake: its port opens a moment before the server is ready."""
    try:
        with socket.create_connection(("127.0.0.1", port), 1.0) as sock:
            sock.settimeout(5.0)
            sock.sendall(b"\x60\x60\xb0\x17" + b"\x00\x00\x00\x05" + bytes(12))
            return sock.recv(4) == b"\x00\x00\x00\x05"
    except OSError:
        return False


def main(arguments: Sequence[str]) -> int:
    """Run `serve [HOME [PORT]]` or `around COMMAND…`; return the exit status."""
    mode, *command = arguments or ["serve"]
    jar_root = Path(os.environ.get("KGRAG_NEO4J_HOME", "build/neo4j"))
    if mode == "around" and os.environ.get("KGRAG_NEO4J_URI"):
        return subprocess.run(command, check=False).returncode
    absent_file = jar_root / "absent"  # make gives every failure the same status: this file marks a missing server
    absent_file.unlink(missing_ok=True)
    try:
        jar_folder = fetch_jars(jar_root)
    except JavaNotFound as error:
        jar_root.mkdir(parents=True, exist_ok=True)
        absent_file.write_text(f"{error}\n")
        raise
    password = os.environ.get("KGRAG_NEO4J_PASSWORD") or secrets.token_hex(12)
    if mode == "around":
        with tempfile.TemporaryDirectory(prefix="kgrag-neo4j-") as home:
            server = LocalNeo4j(Path(home), jar_folder, password=password)
            try:
                server.start()
                server_env = {
                    "KGRAG_NEO4J_URI": server.uri,
                    "KGRAG_NEO4J_PASSWORD": password,
                    "KGRAG_NEO4J_LIB": str(jar_folder),
                }
                return subprocess.run(command, env={**os.environ, **server_env}, check=False).returncode
            finally:
                server.stop()
    if len(password) < 8 or password.startswith("-"):
        raise KgragError(
            "Expected a password of 8 or more characters that does not begin with a dash: set KGRAG_NEO4J_PASSWORD."
        )
    data_folder = Path(command[0]) if command else jar_root / "home"
    password_file = data_folder / "password"
    if (data_folder / "data" / "databases").is_dir() and password_file.is_file():
        password = password_file.read_text().strip()  # a database keeps the password it was created with
    server = LocalNeo4j(data_folder, jar_folder, port=int(command[1]) if len(command) > 1 else 7687, password=password)
    try:
        server.start()
        password_file.touch(mode=0o600)
        password_file.write_text(password)
        print(
            f"Neo4j answers, pid {server.pid}. In another terminal:\n  export KGRAG_NEO4J_PASSWORD=$(cat {password_file})"
        )
        print(
            f"  kgrag ingest examples --store {server.uri}\nCtrl-C stops it; its data stay in {data_folder}.",
            flush=True,
        )
        while server._process and server._process.poll() is None:
            time.sleep(0.5)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        server.stop()


if __name__ == "__main__":
    # on SIGTERM, stop the server before exiting
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        sys.exit(main(sys.argv[1:]))
    except KgragError as error:
        print(f"kgrag: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
