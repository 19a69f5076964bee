"""Choose the encoding of a text without a declaration, by how plausible its characters are in each.

Short texts are valid in many encodings: two bytes above 0xA0 are a Chinese character in GBK and Big5, and a Korean
syllable in EUC-KR. The reading whose characters are the most usual wins; equal ones go to Chinese.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from kgrag.text import to_simplified

_MIN_PLAUSIBILITY = 0.5
"""Below this, a reading is not plausible, and statistics over longer texts decide."""
_INVALID = -2.0
_LONG_TEXT_CHARS = 1000
MAX_NAME_CHARS = 3
"""Chinese and Korean names have up to three characters."""
_FREQUENT_HANZI = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里"
    "用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实"
    "日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政"
    "美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员"
    "解水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件"
    "计管期市直德资命山金指克许统区保至队形社便空决治展马科司五基眼书非则听白却界达光放强即像难且权思王象"
    "完设式色路记南品住告类求据程北边死张该交规万取拉格望觉术领共确传师观清今切院让识候带导争运校姓级博士"
)
_FREQUENT_HANGUL = frozenset(
    "이다는의에가을를고하한지은로기사들인대서도그리어나자시수있으아해일것정부만여과라보오전구스장주니게동상면성"
    "원국제경제유조소선신원연방화개문세관비위공생안무회학내적용당선년까월며우모중말명와두된한였했습합요녕감양김"
)
_LATIN_MARKS = frozenset("“”„‘’‚–—…•€™‹›\u00a0\u00ad£§°«»®©·±²³½¼µ×")
_ALPHABETS = {
    "cp1252": (
        frozenset("éèàùâêîôûçëïüœæÿ"),  # French
        frozenset("äöüßé"),  # German, Estonian
        frozenset("áéíóúñüºª¡¿"),  # Spanish
        frozenset("ãõáéíóúâêôçàüºª"),  # Portuguese
        frozenset("àèéìíòóùú"),  # Italian
        frozenset("åäöæøéü"),  # Danish, Norwegian, Swedish, Finnish
        frozenset("áðéíóúýþæö"),  # Icelandic
        frozenset("éëïöüèêç"),  # Dutch
        frozenset("àéèíïóòúüç·"),  # Catalan
    ),
    "cp1250": (
        frozenset("áčďéěíňóřšťúůýž"),  # Czech
        frozenset("ąćęłńóśźż"),  # Polish
        frozenset("áéíóöőúüű"),  # Hungarian
        frozenset("áäčďéíĺľňóôŕšťúýž"),  # Slovak
        frozenset("čćđšž"),  # Croatian, Slovenian
        frozenset("ăâîşţșț"),  # Romanian
    ),
}
_RUSSIAN = frozenset("абвгдежзийклмнопрстуфхцчшщъыьэюяё")
_ODD_CYRILLIC = re.compile("[а-яё][А-ЯЁ]|[A-Za-z][А-Яа-яЁё]|[А-Яа-яЁё][A-Za-z]")
_ODD_LATIN = re.compile(r"[A-Za-z][¡-¶¸-¿][A-Za-zÀ-ÿ]|[A-Za-z]ì[a-z]|[¡¿](?![A-Za-zÁ-ú])")
_TYPOGRAPHY = frozenset("\u201c\u201d\u201e\u2018\u2019\u2013\u2014\u2026«»№\u00a0")


def most_plausible_encoding(data: bytes) -> str | None:
    """Return the encoding in which ``data``, which is not UTF-8, is the most plausible; None if it is in none."""
    best_encoding, best = None, _MIN_PLAUSIBILITY
    for encoding, plausibility in _READINGS:
        text = data.decode(encoding, "replace")
        if len(text) > _LONG_TEXT_CHARS:
            text = text.rstrip("\ufffd")  # a sample may end within a character
        value = plausibility(text, encoding)
        if value > best:
            best_encoding, best = encoding, value
    return best_encoding


def _mean(text: str, weight: Callable[[str], float]) -> float:
    weights = {char: weight(char) for char in set(text) if not char.isascii()}
    values = [weights[char] for char in text if not char.isascii()]
    return sum(values) / len(values) if values else 0.0


def _encoded(char: str, encoding: str) -> bytes:
    try:
        return char.encode(encoding)
    except UnicodeEncodeError:
        return b""


def _is_symbol(char: str) -> bool:
    return (
        "\u3000" <= char <= "\u3020"
        or "\uff01" <= char <= "\uff5e"
        or char in "\u2014\u2026\u2018\u2019\u201c\u201d·℃№㎡"
    )


def _weigh_hanzi(char: str, everyday: float, is_everyday: bool, is_known: bool) -> float:
    if char == "\ufffd":
        return _INVALID
    if _is_symbol(char):
        return 0.8
    if "\u4e00" <= char <= "\u9fff":
        if to_simplified(char) in _FREQUENT_HANZI:
            return 1.0
        return everyday if is_everyday else everyday - 0.25 if is_known else 0.12
    return 0.05


def _everyday_weight(text: str) -> float:
    """Return the weight of everyday characters: a name has others than the most frequent, a sentence has those too."""
    return 0.83 if sum(not char.isascii() for char in text) <= MAX_NAME_CHARS else 0.7


def _chinese_simplified(text: str, _: str) -> float:
    everyday = _everyday_weight(text)

    def weigh(char: str) -> float:
        code = _encoded(char, "gb2312")
        if not code:  # a traditional character, or one that is hardly used
            plain = to_simplified(char)
            is_used = plain != char and bool(_encoded(plain, "gb2312"))
            return 0.6 if is_used else min(_weigh_hanzi(char, everyday, False, False), 0.12)
        return _weigh_hanzi(char, everyday, code[:1] <= b"\xd7", True)

    return _mean(text, weigh)


def _chinese_traditional(text: str, _: str) -> float:
    everyday = _everyday_weight(text)

    def weigh(char: str) -> float:
        lead = _encoded(char, "big5")[:1]
        return _weigh_hanzi(char, everyday, b"\xa4" <= lead <= b"\xc6", bool(lead))

    return _mean(text, weigh) - 0.02


def _japanese(text: str, _: str) -> float:
    def weigh(char: str) -> float:
        if char == "\ufffd":
            return _INVALID
        if "\u3041" <= char <= "\u30fe":
            return 1.0
        if "\uff61" <= char <= "\uff9f":  # half-width katakana
            return 0.05
        code = _encoded(char, "euc_jp")
        return _weigh_hanzi(char, 0.0, False, False) if not code else 0.85 if b"\xb0" <= code[:1] <= b"\xcf" else 0.4

    kana = sum("\u3041" <= char <= "\u30fe" for char in text)
    letters = sum(not char.isascii() for char in text)
    return _mean(text, weigh) - (0.0 if kana * 8 >= letters else 0.2) - 0.2 / max(1, letters)


def _korean(text: str, _: str) -> float:
    def weigh(char: str) -> float:
        if char == "\ufffd":
            return _INVALID
        if "\uac00" <= char <= "\ud7a3":
            return 1.0 if char in _FREQUENT_HANGUL else 0.65 if _encoded(char, "euc_kr") else 0.1
        return 0.8 if _is_symbol(char) else 0.05

    return _mean(text, weigh) - 0.04 - 0.3 / max(1, sum(not char.isascii() for char in text))


def _latin(text: str, encoding: str) -> float:
    letters = {char.lower() for char in text if not char.isascii() and char not in _LATIN_MARKS}
    high = sum(not char.isascii() for char in text)
    ascii_letters = sum(char.isascii() and char.isalpha() for char in text)
    rank = 0.0 if encoding == "cp1252" else 0.01
    if not letters:
        return (0.8 if ascii_letters >= 3 * high else 0.2) - rank
    if not _ODD_LATIN.search(text) and any(letters <= alphabet for alphabet in _ALPHABETS[encoding]):
        return (0.9 if ascii_letters >= high else 0.55) - rank
    has_accents_alone = all("\u00c0" <= char <= "\u017f" for char in letters)
    if has_accents_alone and ascii_letters >= 3 * high:
        return 0.56 - rank
    return 0.3 - rank


def _cyrillic(text: str, encoding: str) -> float:
    letters = [char for char in text if not char.isascii() and char not in _TYPOGRAPHY]
    if not letters:
        return 0.0
    lower = [char.lower() for char in letters]
    share = sum(1.0 if char in _RUSSIAN else 0.7 if char in "іїєў" else 0.0 for char in lower) / len(letters)
    common = sum(char in "оеаинтсрвл" for char in lower) / len(letters)
    odd_words = len(_ODD_CYRILLIC.findall(text))
    penalty = {"cp1251": 0.0, "koi8_r": 0.01, "cp866": 0.02}[encoding]
    return share * (0.6 + 0.25 * common) - min(0.6, odd_words * 2 / len(letters)) - 0.5 / len(letters) - penalty


_READINGS: tuple[tuple[str, Callable[[str, str], float]], ...] = (
    ("gb18030", _chinese_simplified),
    ("big5hkscs", _chinese_traditional),
    ("cp932", _japanese),
    ("euc_jp", _japanese),
    ("cp949", _korean),
    ("cp1252", _latin),
    ("cp1250", _latin),
    ("cp1251", _cyrillic),
    ("koi8_r", _cyrillic),
    ("cp866", _cyrillic),
)
