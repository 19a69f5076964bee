"""HTML pages: what a reader sees, in blocks, without the furniture of the site."""

from __future__ import annotations

import time

import pytest

from ingest.readers.content import Content
from ingest.readers.html.reader import read_html
from ingest.readers.read_log import ReadLog
from kgrag.tree import BlockKind


def read(page: str) -> Content:
    return read_html(page.encode(), ReadLog())


def text_of(body: str) -> str:
    return read(f"<html><body>{body}</body></html>").text


def labels(content: Content, kind: BlockKind) -> list[str]:
    return [block.label for block in content.tree.blocks if block.kind is kind]


def test_blocks_have_their_kinds_and_spans() -> None:
    content = read("<h1>Pump</h1><p>It runs.</p><ul><li>One<ul><li>Two</li></ul></li></ul><pre>a\n  b</pre>")
    assert content.text == "# Pump\n\nIt runs.\n\n- One\n  - Two\n\n```\na\n  b\n```"
    kinds = [block.kind.value for block in content.tree.blocks]
    assert kinds == ["heading", "paragraph", "item", "item", "code"]


def test_declarations_of_a_document_type_are_not_read() -> None:
    head = '<?xml version="1.0"?><!DOCTYPE html [<!ENTITY x SYSTEM "file:///etc/passwd"> <!ENTITY y "]">]>'
    content = read(f'{head}<html xmlns="http://www.w3.org/1999/xhtml"><body><p>Before &x; after.</p></body></html>')
    assert content.text == "Before &x; after."


def test_soft_hyphens_are_not_in_the_title_and_the_text() -> None:
    content = read("<title>Kiln&shy;haus</title><h1>Kiln&shy;haus</h1><p>tem&shy;per</p><noframes>No frames</noframes>")
    assert (content.title, content.text) == ("Kilnhaus", "# Kilnhaus\n\ntemper")


def test_links_point_at_their_text() -> None:
    content = read('<ul><li>See <a href="a.html#x">the  page</a>.</li></ul><p><a href="javascript:x()">no</a></p>')
    assert [(content.text[link.start : link.end], link.target) for link in content.tree.links] == [
        ("the page", "a.html#x")
    ]


def test_code_language_comes_from_class() -> None:
    content = read(
        '<pre><code class="language-python">x = 1</code></pre><div class="highlight-sql"><pre>SELECT</pre></div>'
    )
    assert labels(content, BlockKind.CODE) == ["python", "sql"]


def test_definition_stands_with_its_terms() -> None:
    assert text_of("<dl><dt>-n</dt><dt>--dry-run</dt><dd><p>Show it.</p><p>More.</p></dd><dt>-v</dt></dl>") == (
        "- -n, --dry-run: Show it.\n\n  More.\n\n- -v"
    )


def test_definition_with_code_keeps_its_term() -> None:
    assert text_of("<dl><dt>Run</dt><dd><pre>go</pre></dd></dl>") == "- Run:\n\n```\ngo\n```"


def test_long_definitions_make_terms_headings() -> None:
    entry = f"<dt>work_mem</dt><dd><p>{'Memory of a query. ' * 40}</p></dd>"
    content = read(f"<h2>Memory</h2><dl>{entry}</dl>")
    assert labels(content, BlockKind.HEADING) == ["Memory", "work_mem"]
    content = read(f"<h2>Memory</h2><dl>{entry}</dl><p>Text of the section, not of the term.</p>")
    assert labels(content, BlockKind.HEADING) == ["Memory"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("10<sup>6</sup> cells", "10^6 cells"),
        ("10<sup>-3</sup> m", "10^-3 m"),
        ("x<sup>a + b</sup>", "x^(a + b)"),
        ('45<sup><a href="#n3">3</a></sup> euros', "45[3] euros"),
        ("the 1<sup>st</sup> of May", "the 1st of May"),
        ("H<sub>2</sub>O and x<sub>i</sub>", "H2O and x_i"),
        ("an e\ufb03cient o&shy;ffice", "an efficient office"),
        ('<math><mi>E</mi><annotation encoding="application/x-tex">E=mc^2</annotation></math>', "E=mc^2"),
        ("<math><msup><mi>c</mi><mn>2</mn></msup></math>", "c^2"),
        ("old <del>40</del> <s>41</s> price 42", "old price 42"),
        ("第一行\n第二行", "第一行第二行"),
    ],
)
def test_inline_text_reads_as_seen(source: str, expected: str) -> None:
    assert text_of(f"<p>{source}</p>") == expected


@pytest.mark.parametrize(
    "hidden",
    [
        '<div style="display:none">secret</div>',
        '<div style="DISPLAY : none !important">secret</div>',
        '<p style="visibility:hidden">secret</p>',
        "<div hidden>secret</div>",
        '<span aria-hidden="true">secret</span>',
        "<template><p>secret</p></template>",
        "<noscript>secret</noscript>",
        "<script>secret</script>",
        "<textarea>secret</textarea>",
        "<select><option>secret</option></select>",
        '<p style="position:absolute;left:-9999px">secret</p>',
        '<p style="text-indent:-9999px">secret</p>',
        '<p style="font-size:0">secret</p>',
        '<p style="opacity:0">secret</p>',
        '<div style="height:0;overflow:hidden">secret</div>',
        '<p style="color:#fff">secret</p>',
        '<p style="color:#fff;background-color:#FFF">secret</p>',
        '<span class="sr-only">secret</span>',
        '<style>.x, p.y { display: none }</style><div class="x">secret</div>',
        '<style>.x, p.y { display: none }</style><p class="y">secret</p>',
        "<!-- secret -->",
    ],
)
def test_hidden_elements_are_left_out(hidden: str) -> None:
    assert text_of(f"<p>The kiln reaches 1,280 °C.</p>{hidden}<p>It cools.</p>") == (
        "The kiln reaches 1,280 °C.\n\nIt cools."
    )


@pytest.mark.parametrize(
    "shown",
    [
        '<div style="display:block">shown</div>',
        '<p style="color:white;background:#000">shown</p>',
        "<details><summary>More</summary>shown</details>",
        "<style>@media print { .x { display: none } }</style><p class='x'>shown</p>",
        '<div style="font-size:0"><span style="font-size:14px">shown</span></div>',
        '<form action="save"><p>Long text of a page inside a form, as some servers write it, is shown.</p>'
        "<p>It goes on for more than a line or two of text.</p></form>",
    ],
)
def test_visible_elements_are_kept(shown: str) -> None:
    assert "shown" in text_of(f"<p>The kiln.</p>{shown}")


@pytest.mark.parametrize(
    "furniture",
    [
        '<nav><a href="/">Home</a><a href="/b">Blog</a></nav>',
        '<div role="navigation"><a href="/b">Blog</a></div>',
        "<header><a href='/'>Acme</a></header>",
        "<footer>© 2024 Acme. All rights reserved.</footer>",
        '<div class="breadcrumbs"><a href="/">Acme</a> / Guides</div>',
        '<div id="cookie-banner"><p>We use cookies.</p><button>OK</button></div>',
        '<div class="navheader"><table><tr><td><a accesskey="p" href="a.html">Prev</a></td><td>Chapter</td></tr></table></div>',
        '<p><a href="a.html">Previous</a> | <a href="b.html">Next</a></p>',
        '<form role="search"><label>Search</label><input name="q"></form>',
        '<ul><li><a href="#s1">Seals</a></li><li><a href="#s2">Oil</a></li><li><a href="#s3">Belts</a></li></ul>',
        '<p class="edit-page"><a href="/edit">Edit this page</a></p>',
        "<p>This page was last modified on 2022-06-15 00:04:17 UTC</p>",
    ],
)
def test_furniture_is_left_out(furniture: str) -> None:
    content = "<h1>Pump</h1><p>" + "The pump holds four litres of oil. " * 10 + "</p><h2 id='s1'>Seals</h2><p>Two.</p>"
    assert text_of(furniture + content) == text_of(content + furniture) == text_of(content)


def test_list_of_links_in_the_text_is_kept() -> None:
    text = text_of('<h1>Books</h1><ul><li><a href="a.html">First</a></li><li><a href="b.html">Second</a></li></ul>')
    assert "First" in text and "Second" in text


def test_page_of_contents_alone_is_kept() -> None:
    page = '<h1>Manual</h1><div class="toc"><ul><li><a href="a.html">Start</a></li><li><a href="b.html">End</a></li></ul></div>'
    assert text_of(page) == "# Manual\n\n- Start\n- End"


def test_section_about_navigation_is_kept() -> None:
    assert "Turn left" in text_of(
        '<h1>Boat</h1><section id="navigation"><h2>Navigation</h2><p>Turn left.</p></section>'
    )


def test_main_element_is_read_alone() -> None:
    main = "<main><h1>Guide</h1><p>" + "The pump runs. " * 20 + "</p></main>"
    assert "Offers" not in text_of(main + "<div>Offers of the week</div>")


def test_merged_cells_stay_in_their_columns() -> None:
    page = (
        "<table><caption>Plan</caption><tr><th>Team</th><th>Day</th><th>Lead</th></tr>"
        '<tr><td rowspan="2">North</td><td>Mon</td><td>Ann</td></tr><tr><td>Tue</td><td>Bob</td></tr>'
        '<tr><td>South</td><td colspan="2">closed</td></tr></table>'
    )
    assert text_of(page).split("\n") == [
        "Plan",
        "",
        "Team: North; Day: Mon; Lead: Ann",
        "Team: North; Day: Tue; Lead: Bob",
        "Team: South; Day: closed; Lead: closed",
    ]


def test_header_rows_are_joined_by_column() -> None:
    head = '<tr><th rowspan="2">Pump</th><th colspan="2">Flow</th></tr><tr><th>min</th><th>max</th></tr>'
    assert text_of(f"<table><thead>{head}</thead><tr><td>P1</td><td>2</td><td>9</td></tr></table>") == (
        "Pump: P1; Flow min: 2; Flow max: 9"
    )


def test_row_headers_without_head_name_their_value() -> None:
    assert text_of("<table><tr><th>Mass</th><td>4 kg</td></tr><tr><th>Age</th><td>9</td></tr></table>") == (
        "Mass: 4 kg\nAge: 9"
    )


def test_layout_table_is_read_as_text() -> None:
    page = "<table><tr><td><h2>Left</h2><p>One.</p></td><td><h2>Right</h2><p>Two.</p></td></tr></table>"
    assert text_of(page) == "## Left\n\nOne.\n\n## Right\n\nTwo."


def test_note_heading_stays_with_its_text() -> None:
    content = read('<h2>Oil</h2><div class="note"><h3>Note</h3><p>Check it.</p></div>')
    assert labels(content, BlockKind.HEADING) == ["Oil"]
    assert [block.kind for block in content.tree.blocks][1:] == [BlockKind.CAPTION, BlockKind.PARAGRAPH]


def test_metadata_of_page_is_read() -> None:
    content = read(
        '<html lang="en"><head><meta name="author" content="Ann"><meta name="keywords" content="pump, oil">'
        '<meta property="article:published_time" content="2024-03-01"></head><body><p>x</p></body></html>'
    )
    assert dict(content.metadata) == {
        "author": "Ann",
        "tags": ("pump", "oil"),
        "created": "2024-03-01",
        "language": "en",
    }


def test_self_closed_elements_of_xhtml_hold_nothing() -> None:
    page = '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title/><script src="a.js"/></head><body>'
    assert read(page + '<h1><a id="x"/>Pump</h1><p>It runs.</p></body></html>').text == "# Pump\n\nIt runs."


def test_external_entity_is_not_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("x") / "secret.txt"
    path.write_text("secret")
    page = f'<?xml version="1.0"?><!DOCTYPE html [<!ENTITY x SYSTEM "{path}">]><html><body><p>hi &x;</p></body></html>'
    assert "secret" not in read(page).text.replace(str(path), "")


@pytest.mark.parametrize("depth", [1000, 10_000])
def test_deeply_nested_page_is_read_to_its_end(depth: int) -> None:
    text = text_of("<div>" * depth + "inside" + "</div>" * depth + "<p>after</p>")
    assert "inside" in text and "after" in text


@pytest.mark.parametrize(
    "page",
    [
        "<p>" + "<b>x" * 20_000,
        "<ul><li>a" * 5_000,
        "<" * 50_000 + "<p>x",
        "<style>" + ".a{" * 50_000 + "</style><p>x</p>",
        "<table>" + '<tr><td rowspan="1000" colspan="1000">x</td><td>b</td></tr>' * 500 + "</table>",
        "<p>x<!-- " + "-" * 50_000,
    ],
)
def test_broken_page_is_read_in_time(page: str) -> None:
    start = time.process_time()
    assert "x" in read(page).text or "a" in read(page).text
    assert time.process_time() - start < 5


def test_page_without_text_is_empty() -> None:
    assert read("<html><body><script>x</script></body></html>").text == ""
