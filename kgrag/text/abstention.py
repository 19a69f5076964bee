"""Detect answers that abstain, in English and Chinese.

An answer abstains if it says that the passages do not state the answer, that the model does not know, or that it is
"not mentioned". "He did not answer" is an answer, and titles in quotation marks do not count.
`kgrag.factuality.scoring.abstention_detector` measures the detector on a labelled list.
"""

from __future__ import annotations

import re

from kgrag.text import to_simplified
from kgrag.text.citation_marks import CITATION_MARK

_NOT = r"(?:not|n't)"
_STATING_VERBS = (
    r"(?:sa(?:y|id)|stated?|mention(?:ed)?|specif(?:y|ied)|provided?|contain(?:ed)?|given?|included?|indicated?|tell|told"
    r"|reveal(?:ed)?|answer(?:ed)?|described?|clear|known|available|disclosed?|list(?:ed)?)"
)
_SOURCE_NOUNS = (
    r"(?:passages?|documents?|texts?|articles?|contexts?|sources?|information|evidence|excerpts?|answer|question)"
)
_ABSTENTION_EN = re.compile(
    rf"\b{_SOURCE_NOUNS}\b[^.;]{{0,40}}\b(?:do|does|did|is|are|was|were|has|have|ca|can|could)\s*{_NOT}\s+(?:\w+\s+){{0,2}}?{_STATING_VERBS}\b"
    rf"|\b{_SOURCE_NOUNS}\b[^.;]{{0,30}}\b(?:can\s*not|cannot|can't|could not|couldn't)\s+be\b"
    rf"|\b(?:is|are|was)\s*{_NOT}\s+(?:\w+\s+)?(?:in|part of|among) (?:the|these|any) {_SOURCE_NOUNS}"
    r"|\b(?:cannot|can not|can't|could not|couldn't) be (?:determined|answered|inferred|known|found in)"
    r"|\bi(?:'m| am)? (?:really |just )?(?:do not|don't|cannot|can't|can not|could not|couldn't|unable to|was unable to|am unable to)"
    r" (?:know|answer|say|tell|determine|find|have (?:any |that |enough |the |access)|provide)"
    r"|\bi(?:'m| am) (?:not|un)\s?(?:sure|certain|able|aware)|\bi have no (?:idea|information|knowledge)"
    r"|\bno (?:mention|information|indication|evidence) (?:of|about|on|is|was|in|given|provided|available|that|regarding)"
    rf"|\b(?:none|no one|nothing|no) (?:of|in)?\s?(?:the |these )?{_SOURCE_NOUNS} (?:say|state|mention|specif|give|provide|contain|tell)"
    rf"|\b{_SOURCE_NOUNS} (?:say|says|give|gives) nothing\b"
    r"|\b(?:enough|sufficient|insufficient) information\b|\bnot possible to (?:say|tell|determine|answer|know)"
    r"|\bunknown (?:to me|from)|\bunclear from|\bunable to (?:find|answer|determine|say|tell)"
)
_WHOLE_ABSTENTION_EN = re.compile(
    r"(?:sorry[, ]*)?(?:unknown|n ?/ ?a|unclear|unsure|not applicable|no (?:answer|information|idea)(?: (?:is |was )?(?:given|available|found|provided))?"
    rf"|(?:(?:it|that|this|which|the [\w ]{{1,30}}?)(?: (?:is|was)|(?=isn't|wasn't)) ?)?(?:isn't|wasn't|{_NOT}) (?:\w+ )?"
    r"(?:mentioned|specified|stated|given|provided|known|clear|sure|available|answered|disclosed|found|said)(?: (?:in|by|from|here)\b.*)?"
    r"|(?:i )?(?:do not|don't) know(?: that| the answer.*)?)"
)
_SOURCE_NOUNS_ZH = r"(?:文中|文档|文章|文本|原文|全文|段落|资料|材料|信息|其中|上文|内容|里面?|中|都|均|也|并|我)"
_ABSTENTION_ZH = re.compile(
    rf"(?:^|[，。,；！\s]|{_SOURCE_NOUNS_ZH})(?:没有?|未曾?|未能|并?未|并?没有?|找不到|没有?找到|尚未|暂无|暂时没有|缺少|缺乏)"
    r"(?:任何|明确|直接|具体|足够的?|充分的?|给出|提供|找到|关于.{0,8}的?|相关的?|确切的?|有)*"
    r"(?:说明|提到|提及|提供|给出|相关|答案|信息|内容|记载|写明|写|交代|找到|明确|说|介绍|涉及|描述|资料|指出)"
    r"|(?:^|[，。,；！\s]|我|从.{0,10}中?)(?:无法|不能|难以|无从)(?:从.{0,10}中?)?(?:回答|确定|判断|得知|知道|提供|找到|给出|推断|推出|获知|知晓)"
    r"|(?:信息|资料)不(?:足|够|详)|找不到(?:答案|相关|任何)|^(?:我)?(?:也|还|并)?不(?:太|大|是很)?(?:知道|清楚|确定)(?:$|[，。,！]|这|该|答案)"
    r"|^(?:答案)?(?:未知|不详|不明|未提供|未公开)$"
)
_QUOTED_TITLE = re.compile(r"《[^《》]*》|“[^“”]*”|\"[^\"]*\"")
_EDGE_CHARS = " \t\n.!。！…:：*"
_TRAILING_CITATIONS = re.compile(rf"(?<![\s\]］】])(?:\s*{CITATION_MARK.pattern})+[\s.。]*$")
"""Citation marks at the end of an answer. Models add them to abstentions, too: "I do not know. [2]"."""


def is_abstention(text: str) -> bool:
    """Whether an answer abstains; an empty answer does."""
    normalized_text = (
        _QUOTED_TITLE.sub("《》", to_simplified(_TRAILING_CITATIONS.sub("", text).replace("\u2019", "'")))
        .casefold()
        .strip(_EDGE_CHARS)
    )
    if not normalized_text:
        return True
    return bool(
        _ABSTENTION_EN.search(normalized_text)
        or _WHOLE_ABSTENTION_EN.fullmatch(normalized_text)
        or _ABSTENTION_ZH.search(normalized_text)
    )
