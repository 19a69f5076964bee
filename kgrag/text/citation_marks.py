"""Citation marks in an answer: ``[1]``, ``[2, 3]``, ``【1】``."""

from __future__ import annotations

import re

CITATION_MARK = re.compile(r"[\[［【](\d+(?:\s*[,，、]\s*\d+)*)[\]］】]")
"""A mark of citation: the numbers of passages."""
