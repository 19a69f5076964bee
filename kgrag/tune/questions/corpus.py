"""Questions that bring their own passages, as one corpus and questions about it: for what needs a store."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kgrag.errors import ReadError
from kgrag.files import replaced
from kgrag.tune.questions.given import numbered


def as_corpus(files: Sequence[Path], folder: Path) -> dict[str, int]:
    """Write ``corpus.jsonl`` (each passage a document, once) and, for each file, its questions (those that have words) with
    the ids of their gold documents, ``questions.LANG.jsonl``, where ``train.LANG.jsonl.gz`` is what the file is called.

    Returns:
        How many lines each written file has, by its name.

    Raises:
        ReadError: a file cannot be read, or a line of it is no question with passages; the message has its number.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ids: dict[tuple[str, str], str] = {}
    written: dict[str, list[dict[str, Any]]] = {"corpus.jsonl": []}
    for path in files:
        lang = path.name.split(".")[1]
        asked = written[f"questions.{lang}.jsonl"] = []
        for number, row in numbered(path):
            try:
                gold = []
                for passage in row["passages"]:
                    said = (str(passage["title"]), str(passage["text"]))
                    if said not in ids:
                        ids[said] = f"{lang}-{len(ids)}"
                        written["corpus.jsonl"].append({"_id": ids[said], "title": said[0], "text": said[1]})
                    if passage["gold"]:
                        gold.append(ids[said])
                if str(row["text"]).strip():
                    known = {"_id": row["_id"], "text": row["text"], "answers": row["answers"]}
                    asked.append(known | {"gold": gold, "lang": lang})
            except (KeyError, TypeError) as error:
                raise ReadError(
                    f'{path}, line {number}: expected "_id", "text", "answers" and "passages" with "title", "text" and '
                    f'"gold", found another ({type(error).__name__}: {error}).'
                ) from error
    for name, rows in written.items():
        with replaced(folder / name) as temporary:
            temporary.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return {name: len(rows) for name, rows in written.items()}
