"""Read text with light markup: Markdown, reStructuredText, LaTeX, Org, AsciiDoc, subtitles, notebooks."""
