"""Summaries of answers about many documents, in both languages."""

from __future__ import annotations

MESSAGES: dict[str, dict[str, str]] = {
    "en": {
        "mentions": "{found} of {documents} documents mention {topic}:",
        "no mention": "None of the {documents} documents mentions {topic}.",
        "passages": "{count} passages",
        "facts": "{found} found; “{predicate}” is stated for {known}:",
        "earliest": "The earliest {predicate} of {known} that are stated:",
        "latest": "The latest {predicate} of {known} that are stated:",
        "newest": "The newest of {dated} dated documents ({documents} in all):",
        "oldest": "The oldest of {dated} dated documents ({documents} in all):",
        "no date": "None of the {documents} documents that fit has a date.",
        "overview": "Themes of {documents} documents:",
        "theme": "{passages} passages of {documents} documents",
        "more": "… and {count} more",
        "write up": "What do these texts say about {topic}?",
    },
    "zh": {
        "mentions": "{documents}篇文档中有{found}篇提到{topic}：",
        "no mention": "{documents}篇文档都没有提到{topic}。",
        "passages": "{count}段",
        "facts": "找到{found}个；写明“{predicate}”的共{known}个：",
        "earliest": "写明的{known}个“{predicate}”中最早的：",
        "latest": "写明的{known}个“{predicate}”中最晚的：",
        "newest": "{dated}篇有日期的文档（共{documents}篇）中最新的：",
        "oldest": "{dated}篇有日期的文档（共{documents}篇）中最早的：",
        "no date": "{documents}篇文档中没有符合条件且有日期的。",
        "overview": "{documents}篇文档，{themes}个主题：",
        "theme": "{documents}篇文档的{passages}段",
        "more": "……另有{count}个",
        "write up": "这些文字关于{topic}说了什么？",
    },
}
"""Language -> name -> template for `str.format`."""
