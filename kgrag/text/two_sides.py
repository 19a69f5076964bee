"""Find the sides of a question that compares: "difference between A and B", "A vs B", "A 和 B 有什么区别".

The sides are phrases of any kind. `kgrag.graphqa.comparison` compares two known names by their facts.
"""

from __future__ import annotations

import re

from kgrag.text.normalize import has_cjk, tokenize
from kgrag.text.sentences import sentence_spans

MAX_SIDE_WORDS = 6
"""Maximum words, or Chinese characters times two, of a side; a longer phrase is no side but a clause."""
MAX_SENTENCE_CHARS = 300
"""Maximum length of a sentence that is searched for sides."""
MAX_SENTENCES = 3
"""Number of sentences at the end of a question that are searched: bounds the time for a question of any form."""
_DIFFER = r"differences?|differ|different|distinctions?|distinguish|trade-?offs?"
_THEN_ASKS = rf"[,:;–—?-]+ ?(?:(?:what|which|how)\b.*\b(?:{_DIFFER}|better|use)\b|which (?:one|of))"
_ENGLISH = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b(?:{_DIFFER}|comparison|compare|choose|choosing|choice|decide)\b.{{0,40}}?\bbetween (?P<a>.+?) and (?P<b>.+)",
        r"\b(?:compare|comparing|comparison of) (?P<a>.+?),? (?:with|to|and|against|versus|vs\.?) (?P<b>.+)",
        r"^(?P<a>.+?),? (?:(?:as )?compared (?:with|to)|in comparison (?:with|to)|as opposed to) (?P<b>.+)",
        r"\b(?:do|does|did|is|are|was|were) (?P<a>.+?) (?:differ|different|distinct) (?:from|to|than) (?P<b>.+)",
        rf"\b(?:do|does|did|is|are|was|were) (?P<a>.+?) and (?P<b>.+?) (?:{_DIFFER}|compare)\b",
        r"\b(?:distinguish(?:es)?|tell) (?P<a>.+?) from (?P<b>.+)",
        r"^(?:is|are|was|were|do|did|have) (?:both )?(?P<a>.+?) and (?P<b>.+?) (?:both|share|(?:\w+ )?the same)\b",
        r"^(?P<a>.+?) (?:vs\.?|versus) (?P<b>.+)",
        rf"^(?P<a>.+?) and (?P<b>[^,:;–—?]+){_THEN_ASKS}",
        rf"^(?P<a>.+?) or (?P<b>[^,:;–—?]+){_THEN_ASKS}",
        r"^(?:which|what|who)\b[^,:]*\b(?:better|faster|slower|safer|cheaper|easier|older|newer|larger|smaller|more|less"
        r"|first|earlier|later|recommended|preferred|best)\b[^,:]*[,:] ?(?P<a>.+?),? or (?P<b>.+)",
        r"^(?:is|are|was|were|should|shall|do|does|did|can|could|would) (?P<a>.+?),? or (?P<b>.+)",
        r"^(?P<a>\S+(?: \S+){0,2}) or (?P<b>\S+(?: \S+){0,2})\?$",
    )
]
_BEFORE_SIDE = (
    "what|which|who|where|when|why|how|is|are|was|were|do|does|did|should|shall|can|could|will|would|must|i|we|you|they|he"
    "|she|it|the|an|a|my|our|your|either|both|to|in|on|for|with|of|than|that|if|use|using|choose|pick|prefer|take|need"
    "|want|about|by|at|from|it's|what's"
)
# a capital within the question begins a name: "The Tender Years or Range War"
_LEFT_EDGE = re.compile(rf"[:;?？!]|(?:^(?i:{_BEFORE_SIDE})|\b(?:{_BEFORE_SIDE}))(?= )")
_RIGHT_EDGE = re.compile(
    r"[:;,(?？!]|\.(?:\s|$)| (?:in|on|for|when|if|to|with|of|which|what|how|as|at|by|from|than|during|while|regarding|is|are"
    r"|was|were|do|does|did|should|isn['’]t|aren['’]t|better|faster|slower|older|newer|younger|larger|smaller|bigger"
    r"|cheaper|safer|easier|earlier|later|first|best|more|less|the same|different|instead|please|and|or)\b"
)
_VERB_AT_END = re.compile(r" (?:means?|do|does|works?|ones?|born|died)$")
_ARTICLE = re.compile(r"^(?:(?:the|an?|using|use|choose)\s+)+", re.IGNORECASE)
_CHINESE = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"^(?P<a>.+?)\s*(?:和|与|跟|同|及|以及|vs\.?)\s*(?P<b>.{1,40}?)\s*(?:之间|两者|二者|两个|这两)*\s*的?(?:到底|究竟|分别)?"
        r"(?:有|是|存在)?(?:什么|何|哪些|啥|没有)?(?:本质|主要|明显)?(?:的)?(?:区别|不同|差别|差异|异同|分别)",
        r"^(?P<a>.+?)\s*(?:和|与|跟|同|或者?)\s*(?P<b>.{1,40}?)\s*[,，]?\s*(?:哪一?个|哪种|谁)(?:更|比较|好|快|先|大|晚|早)",
        r"(?:比较|对比)(?:一下)?\s*(?P<a>.+?)\s*(?:和|与|跟|同|、)\s*(?P<b>.+)",
        r"^(?P<a>.+?)\s*(?:vs\.?|versus)\s*(?P<b>.+)",
        r"^(?P<a>.+?)\s*[,，]?\s*还是\s*(?P<b>[^，,。；;]+?)[?？]?$",  # elsewhere it means "still"
        r"^(?P<a>.+?)\s*(?:相比|相较)(?:于)?\s*(?P<b>.+)",
        r"^(?P<a>.+?)\s*(?<!对)比(?!较|如|例|方)\s*(?P<b>.{1,40}?)\s*(?:更|快|慢|好|多|少|大|小|早|晚)",
        r"^(?P<a>[^、]+)、(?P<b>[^、]+?)\s*的?(?:有|是)?(?:什么|何|哪些)(?:区别|不同|差别|差异)",
    )
]
_CHINESE_LEFT_EDGE = re.compile(
    r"[，,：:；;。？?（）()！!]|请问|什么是|使用|应该|该用|选择|时(?=\s)|时候|里面?|中(?=\s)|用(?=\s)|是(?!还)|在"
)
_CHINESE_RIGHT_EDGE = re.compile(
    r"[，,：:；;。？?（）()！!]|(?<=.)(?:的|呢|有|更|来|比较|哪|好|快|之间|两者|二者|分别|到底)"
)
_LIST_SEPARATOR = re.compile(r", (?:and |or )?|、")


def split_sides(question: str) -> tuple[str, ...]:
    """Return the phrases that a question compares, in order; empty if it compares none."""
    sentences = (
        " ".join(question[start:end].split()) for start, end in sentence_spans(question)[: -MAX_SENTENCES - 1 : -1]
    )
    found = (_split_sentence(sentence) for sentence in sentences if len(sentence) <= MAX_SENTENCE_CHARS)
    return next(filter(None, found), ())


def _split_sentence(sentence: str) -> tuple[str, ...]:
    """Return the sides of one sentence; empty if it compares none."""
    patterns = [(pattern, _LEFT_EDGE, _RIGHT_EDGE) for pattern in _ENGLISH]
    if has_cjk(sentence):
        patterns = [(pattern, _CHINESE_LEFT_EDGE, _CHINESE_RIGHT_EDGE) for pattern in _CHINESE] + patterns
    for pattern, left, right in patterns:
        if match := pattern.search(sentence):
            sides = [*_LIST_SEPARATOR.split(_after_edge(match["a"], left)), _before_edge(match["b"], right)]
            sides = [_VERB_AT_END.sub("", _ARTICLE.sub("", side.strip(" ,，、"))) for side in sides]
            if all(_is_short(side) for side in sides):
                return tuple(sides)
    return ()


def _after_edge(text: str, edge: re.Pattern[str]) -> str:
    """Return the end of a text after the last edge that leaves any word."""
    begin = 0
    for match in edge.finditer(text):
        begin = match.end() if text[match.end() :].strip(" ,，") else begin
    return text[begin:].strip()


def _before_edge(text: str, edge: re.Pattern[str]) -> str:
    """Return the beginning of a text before the first edge."""
    text = _ARTICLE.sub("", text)
    match = edge.search(text)
    return text[: match.start()].strip() if match else text.strip()


def _is_short(side: str) -> bool:
    """Whether a side has a word or a symbol, and is no clause."""
    words = tokenize(side)
    return bool(side.strip()) and len(words) <= (2 * MAX_SIDE_WORDS if has_cjk(side) else MAX_SIDE_WORDS)
