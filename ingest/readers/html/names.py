"""Names and words of furniture: roles, classes, and texts of links and lines on every page of a site."""

from __future__ import annotations

import re

ROLES = frozenset(
    ["navigation", "search", "banner", "contentinfo", "menu", "menubar", "toolbar", "alertdialog", "doc-toc"]
)
STRONG_NAME = re.compile(
    r"nav(?:bar|header|footer|igation|[-_]?links?|[-_]?menu)?|docnav"
    r"|site[-_]?nav\w*|(?:main|sub|top|side)[-_]?(?:menu|nav)"
    r"|breadcrumbs?|(?:site|page|global)[-_](?:header|footer)|footer(?:[-_]text)?|cookie[-_\w]*"
    r"|consent[-_\w]*|gdpr[-_\w]*"
    r"|skip[-_\w]*|headerlink|anchorjs-link|mw-editsection|mw-jump-link|catlinks|printfooter"
    r"|noprint|nosearch|pagination"
    r"|pager|prev[-_]?next|edit[-_](?:this[-_])?page|edit[-_]?link|copy(?:btn|[-_]button)"
    r"|search(?:box|form|bar|menu|[-_]box)?"
    r"|line-?nos?|linenodiv|rouge-gutter|share(?:[-_]\w+)?|social(?:[-_]\w+)?|advert\w*|newsletter[-_\w]*"
    r"|back[-_]?to[-_]?top|(?:last|page)[-_]?(?:modified|updated?)",
    re.IGNORECASE,
)
WEAK_NAME = re.compile(
    r"[-_\w]*(?:sidebar|toc|table-?of-?contents|on-this-page|menu|header|banner|related"
    r"|versions?|langs?)",
    re.IGNORECASE,
)
TOC_NAME = re.compile(r"[-_\w]*toc[-_\w]*|[-_\w]*table-?of-?contents|[-_\w]*list-of-[-_\w]*", re.IGNORECASE)
KEPT_FOOTER = re.compile(r"footnotes?|references?|notes?|endnotes?|bibliography", re.IGNORECASE)
STEP_WORDS = frozenset(
    [
        "prev",
        "previous",
        "next",
        "up",
        "home",
        "contents",
        "index",
        "top",
        "back",
        "first",
        "last",
        "«",
        "»",
        "‹",
        "›",
        "<",
        ">",
        "←",
        "→",
        "<<",
        ">>",
        "上一页",
        "下一页",
        "上一章",
        "下一章",
        "上一篇",
        "下一篇",
        "上一节",
        "下一节",
        "首页",
        "返回",
        "返回顶部",
        "目录",
        "起始页",
        "上级",
    ]
)
BOILERPLATE = re.compile(
    r"(?:(?:this page (?:was )?)?last (?:modified|updated|changed)(?: on| at| by)?\b.{0,60}|edit (?:this )?page.{0,20}"
    r"|skip to (?:main |the )?(?:content|navigation)|jump to.{0,30}"
    r"|(?:table of )?contents:?|on this page:?|back to top|↑|top"
    r"|prev(?:ious)?|next|home|up|permalink|print|share"
    r"|目\s*录|返回顶部|上一[页章节篇]|下一[页章节篇]|编辑本页|本页目录"
    r"|(?:list|table) of (?:tables|figures|examples)|(?:表格|图形|插图|范例)清单)",
    re.IGNORECASE,
)
LABEL = re.compile(
    r"(?:note|tip|warning|caution|important|danger|attention|hint|info|example|see also"
    r"|注意|提示|警告|重要|小心|说明|示例)[:：]?",
    re.IGNORECASE,
)
