"""Forms of text that standards prescribe: IRIs, UUIDs, language tags, mail addresses, media types, digests.

Each is a best effort at the grammar that the standard names, without any list that ages (registered languages, domains,
schemes). What repeats within a district (verbs, keys of extensions, languages) is remembered, since a look at a text
that was seen before costs a tenth of matching it again.
"""

from __future__ import annotations

import re
from functools import lru_cache

REMEMBERED = 16_384
UUID_TEXT = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}", re.ASCII)
# RFC 3987: a scheme and something after it; no blank, control character or one of <>"{}|\^`.
IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\x00-\x20\x7f-\x9f<>\"{}|\\^`\s]+")
# RFC 3986: as an IRI, in ASCII.
URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[!-~]+", re.ASCII)
MAILTO = re.compile(r"(?i:mailto):[^\s@\x00-\x20]+@[^\s@\x00-\x20]+")
SHA1 = re.compile(r"[0-9a-fA-F]{40}", re.ASCII)
# SHA-224, 256, 384 and 512 in hexadecimal.
SHA2 = re.compile(r"(?:[0-9a-fA-F]{56}|[0-9a-fA-F]{64}|[0-9a-fA-F]{96}|[0-9a-fA-F]{128})", re.ASCII)
# RFC 2045: type, subtype, then parameters.
MEDIA_TYPE = re.compile(
    r"[\w!#$&^.+\-]{1,127}/[\w!#$&^.+\-]{1,127}(?:\s*;\s*[\w!#$&^.+\-]+=(?:[\w!#$&^.+\-:/]+|\"[^\"]*\"))*", re.ASCII
)
# RFC 5646, 2.1: language (with up to three extended ones), script, region, variants, extensions, private use.
LANGUAGE = re.compile(
    r"(?:(?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4,8})"
    r"(?:-[a-z]{4})?(?:-(?:[a-z]{2}|[0-9]{3}))?"
    r"(?P<variants>(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*)"
    r"(?P<extensions>(?:-[0-9a-wy-z](?:-[a-z0-9]{2,8})+)*)"
    r"(?:-x(?:-[a-z0-9]{1,8})+)?|x(?:-[a-z0-9]{1,8})+)",
    re.ASCII | re.IGNORECASE,
)
# Registered before there was a grammar (RFC 5646, 2.1, irregular and regular).
GRANDFATHERED = re.compile(
    r"en-gb-oed|i-(?:ami|bnn|default|enochian|hak|klingon|lux|mingo|navajo|pwn|tao|tay|tsu)|sgn-(?:be-fr|be-nl|ch-de)|"
    r"art-lojban|cel-gaulish|no-(?:bok|nyn)|zh-(?:guoyu|hakka|min|min-nan|xiang)",
    re.ASCII,
)


@lru_cache(REMEMBERED)
def is_language(tag: str) -> bool:
    """Whether a text is well-formed as a language tag (RFC 5646, 2.2.9): its grammar, no variant or singleton twice.

    Nothing is looked up: a first part that is not registered, such as ``this``, is well-formed.
    """
    lowered = tag.lower()
    if GRANDFATHERED.fullmatch(lowered):
        return True
    match = LANGUAGE.fullmatch(lowered)
    if match is None:
        return False
    variants = (match["variants"] or "").split("-")[1:]
    singletons = [part for part in (match["extensions"] or "").split("-") if len(part) == 1]
    return len(set(variants)) == len(variants) and len(set(singletons)) == len(singletons)


@lru_cache(REMEMBERED)
def is_known_iri(text: str) -> bool:
    """Whether a text is an IRI; for those that repeat, such as verbs, items, types and keys of extensions."""
    return IRI.fullmatch(text) is not None
