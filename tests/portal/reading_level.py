"""How hard a text is to read: the Flesch-Kincaid grade level.

Grade = 0.39 words a sentence + 11.8 syllables a word - 15.59: J. P. Kincaid, R. P. Fishburne, R. L. Rogers and B. S.
Chissom, "Derivation of new readability formulas (Automated Readability Index, Fog Count and Flesch Reading Ease
Formula) for Navy enlisted personnel", Research Branch Report 8-75, Naval Technical Training Command, 1975. A sentence
ends with a period, a question mark or an exclamation mark alone: colons and semicolons, where many count one too, make
it longer here. Syllables are counted by groups of vowels, so to a tenth or so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html.parser import HTMLParser

# One word is no sentence: headings, cells of tables and links of a few words are labels.
LEAST_WORDS = 4
END = re.compile(r"(?<=[.?!])\s+")
WORD = re.compile(r"[A-Za-z][A-Za-z’'-]*|\d[\d.,]*")
VOWELS = re.compile(r"[aeiouy]+")
# What is read as sentences: a block's text with what is marked inside it.
BLOCKS = ("p", "li", "figcaption", "caption", "summary", "h1", "h2", "h3", "td", "th", "dt", "dd", "div", "label")
READ = ("p", "li", "figcaption", "caption", "summary")
SILENT = ("style", "code", "svg", "option", "button")


def syllables(word: str) -> int:
    """Syllables of an English word: its groups of vowels, but for an e that is not spoken. A number counts as one."""
    letters = re.sub(r"[^a-z]", "", word.lower())
    if not letters:
        return 1
    count = len(VOWELS.findall(letters))
    if re.search(r"(?<![aeiouyl])es$|[^aeiouy]e$", letters) and not re.search(
        r"[^aeiouy]le$|(s|x|z|ch|sh|c|g)es$", letters
    ):
        count -= 1
    if re.search(r"[^td]ed$", letters) and not re.search(r"[aeiouy]ed$", letters):
        count -= 1
    # Two vowels that are spoken apart.
    count += len(re.findall(r"i[ao]|eo(?!p)|ea(?=te)|ua(?=l)", re.sub(r"[tcs]i[ao]", "", letters)))
    return max(1, count)


def sentences(text: str, is_page: bool = False) -> list[list[str]]:
    """A text's sentences as words; what has under :data:`LEAST_WORDS` is none, nor on a page what ends with no mark: a
    row of a list of facts."""
    parts = (part for part in END.split(text) if not is_page or part.rstrip(" )”").endswith((".", "?", "!")))
    found = (WORD.findall(part) for part in parts)
    return [words for words in found if len(words) >= LEAST_WORDS]


def grade(given: Iterable[list[str]]) -> float:
    """The grade of sentences. Raises ZeroDivisionError where there is none."""
    listed = list(given)
    words = [word for sentence in listed for word in sentence]
    return 0.39 * len(words) / len(listed) + 11.8 * sum(map(syllables, words)) / len(words) - 15.59


class Blocks(HTMLParser):
    """The texts of a page that are read as sentences, a block each."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._open: list[tuple[str, list[str]]] = []
        self._quiet = 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Begin a block; what is in it and is a block itself is told apart."""
        if tag in SILENT:
            self._quiet += 1
        elif tag in BLOCKS:
            self._open.append((tag, []))

    def handle_endtag(self, tag: str) -> None:
        """End a block."""
        if tag in SILENT:
            self._quiet -= 1
        elif tag in BLOCKS and self._open:
            name, parts = self._open.pop()
            text = " ".join("".join(parts).split())
            if name in READ and text:
                self.found.append(text)

    def handle_data(self, data: str) -> None:
        """A text of the innermost block."""
        if self._open and not self._quiet:
            self._open[-1][1].append(data)


def blocks(html: str) -> list[str]:
    """The texts of a page that are read as sentences."""
    found = Blocks()
    found.feed(html)
    return found.found
