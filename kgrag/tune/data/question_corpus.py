"""Convert questions with passages of their own to a corpus and questions about it, for tasks that need a store."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from kgrag.errors import ReadError
from kgrag.storage.atomic import atomic_write
from kgrag.tune.data.user_questions import read_numbered_rows


def write_corpus(files: Sequence[Path], folder: Path) -> dict[str, int]:
    """Write ``corpus.jsonl`` (each passage a document, once) and a ``questions.LANG.jsonl`` for each file.

    The questions have the ids of their gold documents; questions without words are left out. LANG comes from the file's
    name, ``train.LANG.jsonl.gz``.

    Returns:
        The number of lines of each written file, by its name.

    Raises:
        ReadError: a file cannot be read, or a line is not a question with passages; the message has its number.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ids: dict[tuple[str, str], str] = {}
    rows_by_file: dict[str, list[dict[str, object]]] = {"corpus.jsonl": []}
    for path in files:
        lang = path.name.split(".")[1]
        question_rows = rows_by_file[f"questions.{lang}.jsonl"] = []
        for number, row in read_numbered_rows(path):
            try:
                gold = []
                for passage in row["passages"]:
                    title_and_text = (str(passage["title"]), str(passage["text"]))
                    if title_and_text not in ids:
                        ids[title_and_text] = f"{lang}-{len(ids)}"
                        rows_by_file["corpus.jsonl"].append(
                            {"_id": ids[title_and_text], "title": title_and_text[0], "text": title_and_text[1]}
                        )
                    if passage["gold"]:
                        gold.append(ids[title_and_text])
                if str(row["text"]).strip():
                    base_row = {"_id": row["_id"], "text": row["text"], "answers": row["answers"]}
                    question_rows.append(base_row | {"gold": gold, "lang": lang})
            except (KeyError, TypeError) as error:
                raise ReadError(
                    f'{path}, line {number}: expected "_id", "text", "answers" and "passages" with "title", "text" and '
                    f'"gold", found {type(error).__name__}: {error}; fix that line.'
                ) from error
    for name, rows in rows_by_file.items():
        with atomic_write(folder / name) as temporary:
            temporary.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return {name: len(rows) for name, rows in rows_by_file.items()}
