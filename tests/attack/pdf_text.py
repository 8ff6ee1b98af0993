"""What a reader of a tagged PDF reads: its headings, tables, figures' descriptions and sentences, as simple HTML.

It follows the structure tree, as a screen reader does, so that a table is a table; no reader of PDFs is a dependency.
Written for what Typst makes (plain objects, Flate, fonts with ToUnicode): anything else is a ValueError, never silence.
"""

from __future__ import annotations

import html
import re
import zlib
from dataclasses import dataclass, field

Objects = dict[int, bytes]
BLOCKS = {
    "H1": "h1",
    "H2": "h2",
    "H3": "h3",
    "P": "p",
    "LI": "li",
    "Table": "table",
    "TR": "tr",
    "TH": "th",
    "TD": "td",
}
ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
LITERAL = rb"\((?:\\.|[^\\)])*\)"
# Marked content begins and ends; a font is chosen; a line of text, or one glyph, is drawn.
TOKENS = re.compile(
    rb"/MCID (\d+)[^>]*>>BDC|(BDC|EMC)\b|/(f\d+) [\d.]+ Tf|\[((?:" + LITERAL + rb"|[^\]])*)\]TJ|(" + LITERAL + rb")Tj",
    re.S,
)


@dataclass
class Document:
    """A PDF's objects, and the text of each piece of marked content by page and number."""

    objects: Objects
    text: dict[tuple[int, int], str] = field(default_factory=dict)


def html_of(pdf: bytes) -> str:
    """The document as HTML. Raises ValueError where it has no structure or no text."""
    found = re.finditer(rb"(\d+) 0 obj\n(.*?)\nendobj", pdf, re.S)
    document = Document({int(one[1]): one[2] for one in found})
    for number, body in document.objects.items():
        if re.search(rb"/Type/Page\b(?!s)", body):
            _read_page(document, number)
    root = next((body for body in document.objects.values() if b"/Type/StructTreeRoot" in body), None)
    if root is None or not document.text:
        raise ValueError("this PDF is not tagged, or has no text that can be read")
    return "".join(_element(document, number, None) for number in _references(_kids(root)))


def _read_page(document: Document, number: int) -> None:
    """The text of a page's marked content."""
    body = document.objects[number]
    resources = _reference(document, body, b"Resources")
    fonts = {
        name: _letters(document, int(of))
        for name, of in re.findall(rb"/(f\d+) (\d+) 0 R", resources.partition(b"/Font<<")[2])
    }
    letters: dict[int, str] = {}
    marked: list[int | None] = []
    for token in TOKENS.finditer(_stream(_reference(document, body, b"Contents"))):
        if token[1]:
            marked.append(int(token[1]))
        elif token[2]:
            marked.append(None) if token[2] == b"BDC" else marked.pop()
        elif token[3]:
            letters = fonts[token[3]]
        elif (inside := next((one for one in reversed(marked) if one is not None), None)) is not None:
            said = "".join(_said(literal, letters) for literal in re.findall(LITERAL, token[4] or token[5], re.S))
            # A line of text ends with the drawing of it.
            before = document.text.get((number, inside), "")
            document.text[number, inside] = f"{before} {said}" if before else said


def _said(literal: bytes, letters: dict[int, str]) -> str:
    """A drawn string: two bytes a glyph."""
    raw = re.sub(
        rb"\\([0-7]{1,3}|.)",
        lambda one: bytes([int(one[1], 8)]) if one[1].isdigit() else ESCAPES.get(one[1], one[1]),
        literal[1:-1],
        flags=re.S,
    )
    return "".join(letters[int.from_bytes(raw[at : at + 2])] for at in range(0, len(raw), 2))


def _letters(document: Document, font: int) -> dict[int, str]:
    """A font's glyphs as letters, of its ToUnicode map."""
    found = _stream(_reference(document, document.objects[font], b"ToUnicode"))
    if b"beginbfrange" in found:
        raise ValueError("a font maps whole ranges of glyphs: this reader knows single ones")
    pairs = re.findall(rb"<([0-9A-F]{4})> <([0-9A-F]+)>", found.partition(b"beginbfchar")[2], re.I)
    return {int(glyph, 16): bytes.fromhex(of.decode()).decode("utf-16-be") for glyph, of in pairs}


def _reference(document: Document, body: bytes, key: bytes) -> bytes:
    """The object that a key names."""
    found = re.search(rb"/" + key + rb" (\d+) 0 R", body)
    if found is None:
        raise ValueError(f"no /{key.decode()} in a page or font of this PDF")
    return document.objects[int(found[1])]


def _stream(body: bytes) -> bytes:
    """A stream's bytes."""
    return zlib.decompress(body.partition(b"stream\n")[2].rpartition(b"\nendstream")[0])


def _kids(body: bytes) -> bytes:
    """What stands in an element's ``/K[...]``."""
    found = re.search(rb"/K\[((?:[^\[\]]|<<[^>]*>>)*)\]", body)
    return found[1] if found else b""


def _references(kids: bytes) -> list[int]:
    return [int(one) for one in re.findall(rb"(\d+) 0 R", kids)]


def _element(document: Document, number: int, page: int | None) -> str:
    """An element of the structure and all in it; a picture is its description."""
    body = document.objects[number]
    page = int(found[1]) if (found := re.search(rb"/Pg (\d+) 0 R", body)) else page
    role = re.search(rb"/S/(\w+)", body)
    name = role[1].decode() if role else ""
    if name == "Figure":
        return f'<figure aria-label="{html.escape(_described(body))}"></figure>'
    inside = ""
    for kid in re.finditer(rb"(\d+) 0 R|<<[^>]*?/Pg (\d+) 0 R[^>]*?/MCID (\d+)[^>]*>>|<<[^>]*>>|(\d+)", _kids(body)):
        if kid[1]:
            inside += _element(document, int(kid[1]), page)
        elif (mark := kid[3] or kid[4]) is not None:
            on = int(kid[2]) if kid[2] else page
            inside += html.escape(document.text.get((on, int(mark)), "")) if on is not None else ""
    if name == "Table" and "<th" not in inside and "<tr>" in inside:
        # Pairs of what it is and the figure, which the page has as a list of such.
        return "<dl>" + re.sub(r"<tr><td>(.*?)</td><td>(.*?)</td></tr>", r"<dt>\1</dt><dd>\2</dd>", inside) + "</dl>"
    tag = BLOCKS.get(name)
    return f"<{tag}>{inside}</{tag}>" if tag else inside


def _described(body: bytes) -> str:
    """A figure's description: as text, or in UTF-16 where it has letters of other alphabets."""
    found = re.search(rb"/Alt(" + LITERAL + rb"|<[0-9A-F]+>)", body, re.S | re.I)
    if found is None:
        raise ValueError("a picture without a description")
    if found[1].startswith(b"<"):
        raw = bytes.fromhex(found[1][1:-1].decode())
    else:
        raw = re.sub(
            rb"\\([0-7]{3}|.)",
            lambda one: bytes([int(one[1], 8)]) if one[1].isdigit() else ESCAPES.get(one[1], one[1]),
            found[1][1:-1],
            flags=re.S,
        )
    return raw[2:].decode("utf-16-be") if raw.startswith(b"\xfe\xff") else raw.decode("latin-1")
