"""Resolve references in follow-up questions with rules for English and Chinese, without a model."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from kgrag.text import has_cjk, normalize_name, tokenize


class Turn(NamedTuple):
    """A question and its answer.

    Attributes:
        question: the question in standalone form.
        answer: the answer; "" for an abstention.
        bridge_entity: the last name on the path to the answer, such as Lord Byron between Ada Lovelace and the place
            where her father died.
    """

    question: str
    answer: str
    bridge_entity: str = ""


class Referent(NamedTuple):
    """The name that a pronoun stands for, and its origin: ``question``, ``phrase`` or ``answer``."""

    text: str
    origin: str


_MALE_ROLES = "father|husband|son|brother|grandfather|grandson|uncle|nephew|stepfather"
_FEMALE_ROLES = "mother|wife|daughter|sister|grandmother|granddaughter|aunt|niece|stepmother"
_ROLES = (
    f"{_MALE_ROLES}|{_FEMALE_ROLES}|parent|child|children|spouse|partner|teacher|student|pupil|advis[eo]r|supervisor|mentor|professor"
    "|founder|director|author|writer|designer|creator|inventor|composer|president|head|leader|owner|developer|builder"
    "|successor|predecessor|colleague|assistant|friend|rival"
)
_MALE_ROLES_ZH = "父亲|爸爸|丈夫|儿子|哥哥|弟弟|祖父|爷爷|外公|叔叔|舅舅"
_FEMALE_ROLES_ZH = "母亲|妈妈|妻子|女儿|姐姐|妹妹|祖母|奶奶|外婆|阿姨|姑姑"
_ROLES_ZH = (
    f"{_MALE_ROLES_ZH}|{_FEMALE_ROLES_ZH}|父母|配偶|孩子|子女|老师|导师|学生|弟子|同事|助手|朋友|创始人|创办人|创建者|导演|作者|设计者|设计师"
    "|发明者|发明人|作曲者|校长|所长|院长|总统|主席|首任校长|领导者|开发者|继任者|前任"
)
_LEADING_CONJUNCTION = re.compile(r"(?:and|but|so|then|also|ok(?:ay)?)\b[,\s]*", re.IGNORECASE)
_WHAT_ABOUT = re.compile(r"(?:(?:and|but|so|ok(?:ay)?)\b[,\s]*)?(?:what|how)\s+about\s+", re.IGNORECASE)
QUESTION_START = re.compile(
    r"(?:(?:in|on|at|to|for|by|from|with|of)\s+)?(?:who|whom|whose|what|which|when|where|why|how)\b"
    r"|(?:is|are|was|were|did|do|does|has|have|had|can|could|will|would|should|tell|name|give|list)\b",
    re.IGNORECASE,
)
_QUESTION_WORD = re.compile(r"(?:who|what|when|where|why|how)\b", re.IGNORECASE)
_PRONOUN = re.compile(r"\b(?:he|she|him|her|his|they|them|their|it|its)\b", re.IGNORECASE)
_POSSESSIVE_PHRASE = re.compile(r"(his|her|its|their|the)\s+(.+)", re.IGNORECASE | re.DOTALL)
_NOT_POSSESSIVE = re.compile(  # text after "her" as an object, not as in "her name"
    r"\s*(?:$|[?!.,;]|(?:in|on|at|to|for|by|from|with|of|and|or|but|as|when|where|who|while|before|after|during|is|was|did"
    r"|become|study|know|the|a|an)\b)",
    re.IGNORECASE,
)
_EXPLETIVE_IT = re.compile(
    r"\b(?:is|was|isn't|wasn't)\s+it\s+(?:true|possible|correct|likely|the\s+case|known\s+(?:that|whether|who|when|where|how|if))\b|\bit\s+(?:is|was)\s+(?:true|said|known)\b",
    re.IGNORECASE,
)
_CLAUSE_BOUNDARY = re.compile(
    r"[,;:]|\b(?:and|or|but|when|where|who|while|because|if|after|before|that|which)\b", re.IGNORECASE
)
_THIS_PERSON = re.compile(
    r"\b(?:this|that)\s+(?:person|man|woman|scientist|mathematician|physicist|engineer|poet|writer|author|politician)\b",
    re.IGNORECASE,
)
_THIS_THING = re.compile(
    r"\b(?:this|that)\s+(?:city|town|village|country|place|university|college|school|institute|company|organi[sz]ation"
    r"|machine|computer|language|system|program|book|poem|film|movie|song|album|award|prize|theory|method|product)\b",
    re.IGNORECASE,
)
_PLACE_PRONOUN = re.compile(
    r"(?<!is )(?<!are )(?<!was )(?<!were )\bthere\b(?!\s+(?:is|are|was|were|a|an|any)\b)", re.IGNORECASE
)
_LEADING_CONJUNCTION_ZH = re.compile(
    r"(?:那么|那(?![里位个所座家台部本年时次些边种儿])|然后|还有|另外|而且|不过)[，,\s]*"
)
_QUESTION_WORD_ZH = "什么时候|何时|哪一?年|哪里|哪儿|何处|什么地方"
_NO_NAME_ZH = re.compile("后来|然后|之后|以后|现在|结果|其他|其余|别的|另外|这|那")
_QUESTION_MARKER_ZH = re.compile("谁|哪|什么|何|多少|几|怎|为啥|吗|是否")
_PRONOUN_ZH = re.compile(
    r"(?P<they>[他她它]们)|(?P<he>(?<![其吉])他)|(?P<she>她)|(?P<it>它)|(?P<its>其)(?![他它中实余次间后所])"
    r"|(?P<someone>(?:这|那|该)(?:位|个|名)(?:人|科学家|数学家|物理学家|诗人|作家|作者|学者|教授|工程师)?(?![一-鿿]*(?:大学|公司|城市|国家))|此人)"
    r"|(?P<something>(?:这|那)(?:所|个|座|家|台|部|本|种|门|项|款)(?:大学|学校|学院|公司|城市|国家|地方|机构|机器|计算机|语言|系统|书|电影|奖|理论)"
    r"|该(?:大学|学校|校|公司|城市|市|国|机构|机|语言|系统|书|奖|所))|(?P<there>那里|那儿)"
)
_LIFE_EVENT = re.compile(
    r"\b(?:born|die[ds]?|death|birth|marr\w+|stud\w+|taught|teach\w*|buried|wives|" + _ROLES + r")\b"
    "|出生|去世|逝世|毕业|任教|结婚|求学|就读|葬|籍贯|" + _ROLES_ZH,
    re.IGNORECASE,
)
_ASKS_FOR_PERSON = re.compile(
    r"\bwho(?:m|se)?\b|\bwhich\s+(?:person|man|woman|\w+(?:ist|er|or|ian))\b|谁|哪位|什么人|何人", re.IGNORECASE
)
_ASKS_FOR_PLACE = re.compile(
    r"\bwhere\b|\b(?:which|what)\s+(?:city|town|country|place)\b|哪里|哪儿|何处|什么地方|哪个(?:城市|国家|地方)",
    re.IGNORECASE,
)
CAPITALIZED_NAME = re.compile(r"\b[A-Z][\w’'-]*(?:\s+(?:(?:of|de|von|van|the)\s+)?[A-Z0-9][\w’'-]*)*")
_ROLE_PHRASE = (
    rf"{{name}}['’]s?\s+((?:[\w-]+\s+){{{{0,2}}}}?(?:{_ROLES})s?)\b|\bthe\s+((?:[\w-]+\s+){{{{0,2}}}}?(?:{_ROLES})s?)\s+of\s+{{name}}"
    rf"|{{name}}的([一-鿿]{{{{0,3}}}}?(?:{_ROLES_ZH}))"
)


class CoreferenceResolver:
    """Rewrites a follow-up as a standalone question by replacing its references with names.

    Args:
        find_spans: returns the names in a text, as (start, end) in order.
        entity_type: returns the type of a name (PERSON, PLACE, ORGANISATION, …); "" if unknown.
    """

    def __init__(self, find_spans: Callable[[str], list[tuple[int, int]]], entity_type: Callable[[str], str]) -> None:
        self._find_spans, self._entity_type = find_spans, entity_type

    def resolve(self, line: str, history: Sequence[Turn]) -> str | None:
        """Return the standalone question: ``line`` itself without references, None for an unknown reference."""
        if not history:
            return line
        if has_cjk(line):
            return self._resolve_chinese(line.strip(), history)
        return self._resolve_english(line.strip(), history)

    # --- English ---------------------------------------------------------------------------------------------------

    def _resolve_english(self, line: str, history: Sequence[Turn]) -> str | None:
        if about := _WHAT_ABOUT.match(line):
            return self._substitute_subject(line[about.end() :].rstrip("?!. "), history)
        text = line
        if lead := _LEADING_CONJUNCTION.match(line):
            rest = line[lead.end() :]
            if _QUESTION_WORD.fullmatch(rest.rstrip("?!. ")):
                return self._swap_question_word(rest, history[-1].question)
            if not QUESTION_START.match(rest):
                return self._substitute_subject(rest.rstrip("?!. "), history)
            text = rest[:1].upper() + rest[1:]
        elif _QUESTION_WORD.fullmatch(line.rstrip("?!. ")):
            return self._swap_question_word(line, history[-1].question)
        names = self._find_spans(text)
        for match in _PRONOUN.finditer(text):
            if any(start <= match.start() < end for start, end in names):
                continue
            word, after = match.group().lower(), text[match.end() :]
            if word == "it" and (
                _EXPLETIVE_IT.search(text) or (re.search(r"\bto\b", after) and self._find_spans(after))
            ):
                continue
            is_possessive = word in ("his", "its", "their") or (word == "her" and not _NOT_POSSESSIVE.match(after))
            name_ends = [end for _, end in names if end <= match.start()]
            if name_ends and (
                is_possessive
                or word in ("he", "she", "they")
                or _CLAUSE_BOUNDARY.search(text[name_ends[-1] : match.start()])
            ):
                return text  # refers to a name in the same sentence
            referent = self._find_referent({"him": "he", "his": "he", "her": "she"}.get(word, word), history)
            return referent and text[: match.start()] + referent.text + ("'s" if is_possessive else "") + after
        for pattern, pronoun in ((_THIS_PERSON, "they"), (_THIS_THING, "it"), (_PLACE_PRONOUN, "there")):
            phrase = pattern.search(text)
            if phrase and not any(end <= phrase.start() for _, end in names):
                referent = self._find_referent(pronoun, history)
                name = referent.text if referent else ""
                if pronoun == "there":
                    name = f"{'at' if self._entity_type(name) == 'ORGANISATION' else 'in'} {name}"
                return referent and text[: phrase.start()] + name + text[phrase.end() :]
        if not names and len(text.split()) < 6 and re.search(r"\b(?:this|that|these|those|one)\b", text, re.IGNORECASE):
            return None
        return text

    @staticmethod
    def _swap_question_word(line: str, previous: str) -> str | None:
        """Repeat the previous question with another question word ("And when?")."""
        old_word = _QUESTION_WORD.match(previous)
        word = re.sub(r"\W", "", line).capitalize()
        return (
            word + previous[old_word.end() :]
            if old_word and old_word.group().lower() in ("when", "where", "why", "how")
            else None
        )

    # --- Chinese ---------------------------------------------------------------------------------------------------

    def _resolve_chinese(self, line: str, history: Sequence[Turn]) -> str | None:
        lead = _LEADING_CONJUNCTION_ZH.match(line)
        text = line[lead.end() :] if lead else line
        about = re.fullmatch(r"(.{1,40}?)呢[？?！!。]?", text)
        if about and (word := re.fullmatch(rf"在?({_QUESTION_WORD_ZH})", about.group(1))):
            changed, times = re.subn(f"在?(?:{_QUESTION_WORD_ZH})", word.group(1), history[-1].question, count=1)
            return changed if times else None
        if about and not _QUESTION_MARKER_ZH.search(about.group(1)):
            return self._substitute_subject(about.group(1).strip(' “”"，,'), history)
        names = self._find_spans(text)
        for match in _PRONOUN_ZH.finditer(text):
            if any(start < match.end() and match.start() < end for start, end in names):
                continue
            if any(end <= match.start() for _, end in names):
                return text
            pronoun = {"its": "they", "someone": "they", "something": "it"}.get(
                str(match.lastgroup), str(match.lastgroup)
            )
            referent = self._find_referent(pronoun, history)
            after = text[match.end() :]
            is_possessive = match.lastgroup == "its" or re.match(rf"[一-鿿]{{0,2}}?(?:{_ROLES_ZH})", after)
            return (
                referent
                and text[: match.start()]
                + referent.text
                + ("的" if is_possessive and after[:1] != "的" else "")
                + after
            )
        return text if names or not lead else None

    # --- both ------------------------------------------------------------------------------------------------------

    def _substitute_subject(self, thing: str, history: Sequence[Turn]) -> str | None:
        """Repeat the previous question about another name or relative ("And X?", "And her mother?")."""
        previous = history[-1].question
        name = self._question_subject(previous, thing)
        if not thing or not name:
            return None
        role_phrase = self._match_role_phrase(previous, name)
        is_chinese = has_cjk(thing)
        possessive = (
            re.fullmatch(r"(他们|她们|它们|他|她|它|其(?!他))的?(.+)", thing)
            if is_chinese
            else _POSSESSIVE_PHRASE.fullmatch(thing)
        )
        if not possessive:
            if _PRONOUN.fullmatch(thing) or _PRONOUN_ZH.fullmatch(thing):
                return None
            is_name = (
                bool(self._find_spans(thing))
                or CAPITALIZED_NAME.match(thing)
                or (is_chinese and not _NO_NAME_ZH.match(thing))
            )
            return previous.replace(name, thing, 1) if is_name else None
        word, noun = possessive.group(1).lower(), possessive.group(2)
        role = re.search(rf"(?:{_ROLES_ZH})$" if is_chinese else rf"\b(?:{_ROLES})s?$", noun, re.IGNORECASE)
        if word == "the" and not role:
            return _replace_name(previous, name, thing) if self._find_spans(noun) else None
        pronoun = {"his": "he", "her": "she", "他": "he", "她": "she", "它": "it", "its": "it"}.get(word, "they")
        referent = self._find_referent(pronoun, history)
        if not referent:
            return None
        phrase = f"{referent.text}的{noun}" if is_chinese else f"{referent.text}'s {noun}"
        if not role:
            return f"{phrase}是什么？" if is_chinese else f"What about {phrase}?"
        if referent.origin == "answer" or name not in previous:
            return f"{phrase}是谁？" if is_chinese else f"Who is {phrase}?"
        if (
            role_phrase
        ):  # "Who is Ada Lovelace's father?" - "and her mother?"; "Where was her father born?" - "and his wife?"
            return previous.replace(role_phrase[0], phrase, 1)
        return previous.replace(name, phrase, 1)

    def _find_referent(self, pronoun: str, history: Sequence[Turn]) -> Referent | None:
        """Find the referent of ``he``, ``she``, ``they``, ``it`` or ``there`` in the nearest turn that has one."""
        latest_first = list(reversed(history))
        if pronoun in ("it", "there"):
            return next((referent for turn in latest_first if (referent := self._find_thing(pronoun, turn))), None)
        for is_certain in (True, False):
            for turn in latest_first:
                if referent := self._find_person(pronoun, turn, is_certain):
                    return referent
        return None

    def _find_thing(self, pronoun: str, turn: Turn) -> Referent | None:
        answer = self._answer_name(turn)
        things = [name for name in self._names_in(turn.question) if not self._is_person(name, turn.question)]
        answer_fits = (
            answer
            and not _ASKS_FOR_PERSON.search(turn.question)
            and self._entity_type(answer) not in ("PERSON", "DATE")
        )
        if answer_fits and (pronoun == "there" or not things or _ASKS_FOR_PLACE.search(turn.question)):
            return Referent(answer, "answer")
        return Referent(_with_article(turn.question, things[0]), "question") if things else None

    def _find_person(self, pronoun: str, turn: Turn, is_certain: bool) -> Referent | None:
        """Return a person of a turn; unless ``is_certain``, also a name that may be a person's."""
        names = self._names_in(turn.question)
        answer = self._answer_name(turn)
        role_phrase = next(
            (role_phrase for name in names if (role_phrase := self._match_role_phrase(turn.question, name))), None
        )
        role_fits = role_phrase is None or _role_fits_pronoun(pronoun, role_phrase[1])
        if answer and _ASKS_FOR_PERSON.search(turn.question) and role_fits:
            return Referent(answer, "answer")
        if role_phrase and role_fits:
            return Referent(turn.bridge_entity or role_phrase[0], "phrase")
        people = [n for n in names if self._is_person(n, turn.question)]
        if people or is_certain:
            return Referent(people[0], "question") if people else None
        other_names = [n for n in names if pronoun == "they" or self._entity_type(n) not in ("PLACE", "DATE", "WORK")]
        if other_names:
            return Referent(other_names[0], "question")
        return Referent(answer, "answer") if answer and self._entity_type(answer) in ("PERSON", "") else None

    def _question_subject(self, question: str, thing: str) -> str:
        """Return the name that a question is about: the first of the same type as ``thing``, else the first."""
        names = self._names_in(question)
        kind = self._entity_type(thing)
        return next((name for name in names if kind and self._entity_type(name) == kind), names[0] if names else "")

    def _match_role_phrase(self, question: str, name: str) -> tuple[str, str] | None:
        """Return a role phrase of a question and its role, such as "Ada Lovelace's father" and "father"."""
        match = re.search(_ROLE_PHRASE.format(name=re.escape(name)), question, re.IGNORECASE)
        return (match.group(), next(g for g in match.groups() if g)) if match else None

    def _names_in(self, text: str) -> list[str]:
        return [text[start:end] for start, end in self._find_spans(text)]

    def _is_person(self, name: str, question: str) -> bool:
        kind = self._entity_type(name)
        return kind == "PERSON" or (kind in ("", "MISC") and bool(_LIFE_EVENT.search(question)))

    def _answer_name(self, turn: Turn) -> str:
        """Return the name in an answer: the whole answer, or the one name that a short answer adds to the question."""
        if not turn.answer:
            return ""
        question_keys = {normalize_name(name) for name in self._names_in(turn.question)}
        names = [name for name in self._names_in(turn.answer) if normalize_name(name) not in question_keys]
        words = len(tokenize(turn.answer))
        if names:
            covered = sum(end - start for start, end in self._find_spans(turn.answer))
            if covered == len(turn.answer):  # 江苏金坛
                return turn.answer
            return names[0] if len(names) == 1 or words <= 12 else ""
        whole_match = re.fullmatch("[一-鿿·－]{2,12}" if has_cjk(turn.answer) else CAPITALIZED_NAME, turn.answer)
        return turn.answer if whole_match and normalize_name(turn.answer) not in question_keys else ""


def _with_article(text: str, name: str) -> str:
    """Return ``name`` with "the" if the text has it, as in "the Harvard Mark I"."""
    match = re.search(rf"\bthe\s+{re.escape(name)}", text, re.IGNORECASE)
    return f"the {name}" if match else name


def _replace_name(text: str, name: str, replacement: str) -> str:
    """Replace ``name``, with its article if it has one, by ``thing``, which begins with an article."""
    return re.sub(rf"\b(?:the\s+)?{re.escape(name)}", lambda _: replacement, text, count=1, flags=re.IGNORECASE)


def _role_fits_pronoun(pronoun: str, role: str) -> bool:
    """Whether a role fits a pronoun, as "father" fits "he"; most roles fit both."""
    if pronoun == "they":
        return True
    other_gender = (
        rf"(?:\b(?:{_FEMALE_ROLES})s?|{_FEMALE_ROLES_ZH})$"
        if pronoun == "he"
        else rf"(?:\b(?:{_MALE_ROLES})s?|{_MALE_ROLES_ZH})$"
    )
    return not re.search(other_gender, role, re.IGNORECASE)
