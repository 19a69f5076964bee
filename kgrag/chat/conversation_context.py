"""Complete a follow-up about any subject, such as a command or a setting, with the words of the conversation.

`kgrag.chat.coreference` replaces pronouns by names. This module needs no names: it finds out from the words of a line
whether the line depends on the conversation, and then adds the topic to it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from kgrag.chat.coreference import Turn
from kgrag.text import content_words, has_cjk, sentence_spans, tokenize
from kgrag.text.identifiers import RUN
from kgrag.text.injected_text import is_injected
from kgrag.text.two_sides import split_sides

MAX_TOPIC_WORDS, MAX_ANSWER_WORDS = 40, 24
"""Maximum words, or Chinese characters, of the topic, and of the former answer in it."""
MAX_BRIDGING_WORDS = 4
"""Maximum content words of a line that refers back by an article alone ("how long may the message be?")."""
MIN_REFERENT_WORDS = 3
"""Minimum content words before a pronoun that may name what it stands for without an article or a capital."""

_CONJUNCTION = re.compile(r"(?:and|but|so|then|also|ok(?:ay)?)\b[,\s]*", re.IGNORECASE)
_ABOUT = re.compile(r"(?:what|how)\s+about\s+", re.IGNORECASE)
_PREPOSITION = re.compile(
    r"(?:on|in|with|without|for|from|to|by|under|at|during|before|after|if|when|as|using|inside|between|instead)\b",
    re.IGNORECASE,
)
_STARTS_QUESTION = re.compile(
    r"(?:(?:in|on|at|to|for|by|from|with|of|since|until)\s+)?(?:who|whom|whose|what|which|when|where|why|how)\b"
    r"|(?:is|are|was|were|did|do|does|has|have|had|can|could|will|would|should|must|may|tell|name|give|list|show|explain"
    r"|describe|compare|write)\b",
    re.IGNORECASE,
)
_OTHER_ONE = re.compile(
    r"(?:(?:and|but|so|ok(?:ay)?)\b[,\s]*)?(?:(?:what|how)\s+about\s+)?(?:the\s+)?(?:other(?:\s+(?:one|option|way))?|second(?:\s+one)?"
    r"|latter)\s*[?!.]*$|(?:那么?|而|还有)?\s*(?:另外?|别的|剩下的?|第二)(?:外?那?一?[个种条款项])?\s*呢?\s*[？?]*$",
    re.IGNORECASE,
)
_EXPLETIVE = re.compile(
    r"\b(?:is|was|isn't|wasn't|be)\s+it\s+(?:true|possible|correct|likely|safe|better|worth|ok|okay|the\s+case|known|necessary"
    r"|enough|allowed|faster)\s+(?:to|that|if|whether|when|for|\w+ing)\b|\bit\s+(?:is|was)\s+(?:true|said|known|possible)\b|\bdoes\s+it\s+(?:mean|take|cost)\s+(?:when|if|that|to)\b"
    r"|\bhow\s+(?:does\s+)?it\s+comes?\b|\bit\s+(?:takes?|costs?)\b",
    re.IGNORECASE,
)
_REFERENCE = re.compile(
    r"\b(?:it|its|they|them|their|theirs|this|these|those)\b"
    r"|(?:^|\b(?:is|are|was|were|does|do|did|for|with|without|of|about|in|on|by|to|from|after|before|than|like|can|could|will|would"
    r"|should|undo|avoid|do|use|fix|change|prevent|disable|enable|see|and|if)\s+)that\b(?!'s)|\bthat(?=\s*(?:[?.,!;]|$))"
    r"|\b(?:which|another|the\s+(?:other|second|third|first|last|next|previous|same|former|latter|rest|old|new))(?:\s+(?:one|ones))?"
    r"(?=\s*(?:[?.,!;]|$)|\s+(?:is|are|does|do|should|would|can|of)\b)|\bthe\s+(?:other|second|third|same|former|latter)\b"
    r"|\b(?:that|the)\s+last\s+\w+|\b(?:instead|afterwards|otherwise|as\s+well|too|else)\s*[?.!]*$|\bthe\s+opposite\b|\bvice\s+versa\b"
    r"|(?<!is )(?<!are )(?<!was )\bthere\s*[?.!]*$|\bin\s+that\s+case\b|\ba\s+\w+\s+one\b",
    re.IGNORECASE,
)
_CLAUSE_END = re.compile(
    r"[,;:.?!]\s|\b(?:and|or|but|when|where|who|while|because|if|after|before|that|which|so|how|what|why|does|do)\b",
    re.IGNORECASE,
)
_NOUN_PHRASE = re.compile(r"\b(?:a|an|the|my|our|your|this|each|every|some|all)\s+\w+", re.IGNORECASE)
_ELLIPSIS = re.compile(
    r"(?:why|how|when|where|who|which|how\s+so|why\s+not|since\s+when|how\s+come|which\s+ones?|how\s+(?:long|often|many|much|old|big|far)"
    r"|for\s+example|examples?|more|go\s+on|what\s+else|what\s+then|then\s+what|what\s+for|in\s+what\s+order|really|are\s+you\s+sure)\W*$"
    r"|(?:what|which)(?:\s+is|\s+are|'s|’s)?\s+(?:the\s+|its\s+)?(?:default|syntax|command|option|flag|reason|purpose|example|limit|maximum"
    r"|catch|risk|downside|drawback|alternative|difference|name|format|effect|advantage|meaning)s?(?:\s+(?:value|name|for))?\W*$"
    r"|(?:can|could)\s+you\s+(?:explain|elaborate|show|give)\b(?:\s+(?:me|an|a|more|example|again|it|please|that|detail|details|in))*\W*$"
    r"|(?:show|give)\s+(?:me\s+)?(?:an?|the|more)\s+(?:command|example|code|syntax|details?)s?\W*$",
    re.IGNORECASE,
)
_CONJUNCTION_ZH = re.compile(
    r"(?:那么|那(?![里位个所座家台部本年时次些边种儿])|然后|还有|另外|而且|不过|接着|之后|所以|反过来(?:呢|说)?)[，,？?\s]*"
)
_REFERENCE_ZH = re.compile(
    r"[它牠](?:们|的)?|(?<![吉])其(?![他它中实余次间后所])|(?<![A-Za-z0-9])(?<![A-Za-z0-9] )这(?!里说|本书)(?:[个些样里种条项时]|两[个种])?"
    r"|那(?:[个些样里种条项时]|两[个种])|上述|(?:上面|前面)(?:说|提|讲|那|的(?:命令|办法|方法|选项|例子|步骤))|刚才"
    r"|(?:该|此)(?:命令|选项|参数|文件|功能|方法|函数|配置|设置)|前者|后者|另一?(?:外一)?[个种条]|别的|其[他余中]|(?:里面?|其中)(?:该|应|要|哪|有)"
    r"|第[一二三四1-4][个条步种]|最后(?:那|一)[个条步项]|反过来|同样"
)
_ELLIPSIS_ZH = re.compile(
    r"(?:为什么|为何|为啥|怎么(?:做|办|弄|用|写|改|撤销|恢复|取消|关掉?|打开)|如何(?:做|撤销|恢复)|怎样做|哪一?[个种些条]|多少|多久|什么时候|在哪里?|谁|举个例子|有例子吗|真的吗"
    r"|还有(?:吗|呢|别的吗)|(?:有什么|有何)(?:区别|不同|好处|坏处|风险|限制|用)|默认值?(?:是(?:什么|多少))?|命令(?:是什么|怎么写)|语法(?:是什么)?|区别(?:是什么)?"
    r"|(?:能|可以|会)(?:撤销|恢复|关掉?|改)吗|具体(?:怎么做|呢)?|详细说说|再?说详细点)[呢吗吧]?[？?。！!]*$"
)
_ADVERB_ZH = re.compile(r"再|还(?!是|原|要不要)|也|又|直接")
_QUESTION_FRAME = re.compile(
    r"how\s+(?:to|(?:do|can|could|should|would|must)\s+(?:i|we|you|one))\s+|what(?:\s+is|\s+are|['’]s)\s+(?:an?\s+|the\s+)?"
    r"|(?:请问|什么是|怎么样?|如何|怎样)\s*",
    re.IGNORECASE,
)
_CONTEXT = re.compile(r"\s*[（(](?P<topic>[^()（）]*(?:\([^()]*\)[^()（）]*)*)[)）][?？]?$")


def complete_follow_up(line: str, history: Sequence[Turn]) -> str:
    """Return a line that depends on the conversation with the topic added to it; any other line unchanged.

    Args:
        line: the line as typed.
        history: former turns, oldest first; at least one.
    """
    line = line.strip()
    if not depends_on_conversation(line):
        return line
    return _vary_question(line, history[-1].question) or _add_topic(line, history[-1])


def depends_on_conversation(line: str) -> bool:
    """Whether a line refers to something that it does not name, or is no full question."""
    if has_cjk(line):
        return _depends_chinese(line)
    lead = _CONJUNCTION.match(line)
    text = line[lead.end() :] if lead else line
    if lead or _ABOUT.match(text) or _ELLIPSIS.match(text):
        return True
    expletives = [match.span() for match in _EXPLETIVE.finditer(text)]
    for match in _REFERENCE.finditer(text):
        if any(start <= match.start() < end for start, end in expletives):
            continue
        return not _names_referent(text[: match.start()])
    is_short = len(set(content_words(text))) <= MAX_BRIDGING_WORDS and not split_sides(text)
    return is_short and bool(re.search(r"\bthe\b(?!.*\b(?:of|an?)\b)", text)) and _specific_term(text) is None


def _names_referent(text: str) -> bool:
    """Whether the text before a pronoun names what it stands for: in a sentence or a clause that has ended."""
    if re.search(r"[.?!]\s|\w: ", text):
        return True
    named = [found for found in (_NOUN_PHRASE.search(text), _specific_term(text)) if found]
    end = min((found.end() for found in named), default=len(text))
    if _CLAUSE_END.search(text[end:]):
        return True
    return len(content_words(text)) >= MIN_REFERENT_WORDS and bool(_CLAUSE_END.search(text, 1))


def _depends_chinese(line: str) -> bool:
    if _CONJUNCTION_ZH.match(line) or _ELLIPSIS_ZH.match(line) or re.search(r"呢[？?]?$", line):
        return True
    if reference := _REFERENCE_ZH.search(line):
        before = line[: reference.start()]
        return not re.search(r"[，,。；;？?]", before) or len(tokenize(before)) < MAX_BRIDGING_WORDS
    return bool(_ADVERB_ZH.search(line)) and len(tokenize(line)) <= 4 * MAX_BRIDGING_WORDS and not _specific_term(line)


def _specific_term(text: str) -> re.Match[str] | None:
    """Return the first quoted text, identifier, number or name with a capital, after the first word."""
    return re.search(
        r"[\"“`《「][^\"”`》」]+[\"”`》」]|(?<![\w])(?:--?\w[\w-]*|\w+(?:[_./\\:@-]\w+)+|[\\/.$@]\w+|\w*\d\w*|\w+\(\)|[-=<>!|&*+~^%]{2,}|[A-Z]{2,}\w*)|(?<=\w )(?!I\b)[A-Z]\w+"
        r"|(?<=[\u4e00-\u9fff])\s?[A-Za-z]\w+|^[A-Za-z]\w+(?=\s*[\u4e00-\u9fff])",
        text,
    )


def ask_of_other_side(line: str, history: Sequence[Turn]) -> str:
    """Return the last question about the other of two compared sides; "" for a line that asks for no other one."""
    if not history or not _OTHER_ONE.match(line):
        return ""
    last = history[-1].question
    for turn in reversed(history):
        sides = split_sides(turn.question)
        found = [re.search(rf"(?<!\w){re.escape(side)}(?!\w)", last, re.IGNORECASE) for side in sides]
        if len(sides) == 2 and found.count(None) == 1:
            named = next(match for match in found if match)
            return last[: named.start()] + sides[found.index(None)] + last[named.end() :]
    return ""


def _vary_question(line: str, last: str) -> str:
    """Return the last question with the circumstance or subject that an elliptical line names; "" for another line.

    "How do I delete a branch?", "and on Windows?": "How do I delete a branch, but on Windows?"
    """
    last = _CONTEXT.sub("", last).rstrip("?？!.。 ")
    if has_cjk(line):
        lead = _CONJUNCTION_ZH.match(line)
        about = re.fullmatch(r"(.{1,40}?)呢[？?！!。]?", line[lead.end() :] if lead else line)
        if not about or _ELLIPSIS_ZH.match(about[1]) or _REFERENCE_ZH.match(about[1]):
            return ""
        thing = about[1].strip()
        if swapped := _swap_term(last, thing):
            return f"{swapped}？"
        joint = "" if re.match(r"在|如果|要是|对|用|没|不|当|若|换|改", thing) else "换成 "
        return f"{last}，{joint}{thing}呢？" if has_cjk(last) else ""
    lead = _CONJUNCTION.match(line)
    text = line[lead.end() :] if lead else line
    about = _ABOUT.match(text)
    if not about and (not lead or _STARTS_QUESTION.match(text)):
        return ""
    thing = (text[about.end() :] if about else text).rstrip("?!. ")
    if not thing or _REFERENCE.search(thing) or has_cjk(last):
        return ""
    if swapped := _swap_term(last, thing):
        return f"{swapped}?"
    return f"{last}, but {'' if _PREPOSITION.match(thing) else 'for '}{thing}?"


def _swap_term(question: str, term: str) -> str:
    """Return a question with its only term of a shape (``--hard``) replaced by another one; "" without such a term."""
    shape = _shape(term)
    runs = [m for m in RUN.finditer(question) if not has_cjk(m.group()) and shape and _shape(m.group()) == shape]
    if len(runs) != 1 or runs[0].group().casefold() == term.casefold():
        return ""
    return question[: runs[0].start()] + term + question[runs[0].end() :]


def _shape(term: str) -> str:
    """Return a pattern of an identifier's marks and letters; "" for a plain word or several words."""
    if not re.fullmatch(r"\S+", term) or has_cjk(term) or re.fullmatch(r"[A-Z]?[a-z]+", term):
        return ""
    marks = re.sub(r"[^\W_]+", "", term)
    kind = "upper" if term.isupper() else "digits" if term.isdigit() else "word"
    return f"{kind}{''.join(dict.fromkeys(marks))}"


def _add_topic(line: str, turn: Turn) -> str:
    """Return a line with the topic of the last turn in brackets at its end."""
    is_chinese = has_cjk(line)
    lead = (_CONJUNCTION_ZH if is_chinese else _CONJUNCTION).match(line)
    text = (line[lead.end() :] if lead else line).rstrip("?？!. ")
    text = text if len(tokenize(text)) > 1 else line.rstrip("?？!. ")
    topic = _topic(turn)
    return f"{text}（{topic}）？" if is_chinese else f"{text[:1].upper()}{text[1:]} ({topic})?"


def _topic(turn: Turn) -> str:
    """Return the subject of a turn, the beginning of its answer, and the topic that its question already had."""
    earlier = _CONTEXT.search(turn.question)
    question = (turn.question[: earlier.start()] if earlier else turn.question).strip().rstrip("?？!.。 ")
    frame = _QUESTION_FRAME.match(question)
    subject = question[frame.end() :] if frame and len(content_words(question[frame.end() :])) > 0 else question
    sentence = next((turn.answer[start:end] for start, end in sentence_spans(turn.answer)), "")
    # the topic becomes part of a question, which a prompt does not quote
    answer = "" if is_injected(sentence) else " ".join(_shorten_words(sentence, MAX_ANSWER_WORDS).split())
    parts = [subject, answer.rstrip(".。；; "), earlier["topic"] if earlier else ""]
    separator = "；" if has_cjk(subject) else "; "
    return _shorten_words(separator.join(part for part in parts if part), MAX_TOPIC_WORDS)


def _shorten_words(text: str, count: int) -> str:
    """Return the first words, or Chinese characters, of a text."""
    tokens = tokenize(text)
    return text if len(tokens) <= count else text[: tokens[count - 1].end]
