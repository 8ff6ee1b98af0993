"""Attachments of statements: what a statement says of them against the data that came; signatures among them.

They are checked and not kept: an attachment is an essay, a picture or a certificate, and no evidence is read from one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Any

import jwt
import orjson
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from cairn.evidence import xapi
from cairn.evidence.activity import Refusal
from cairn.evidence.xapi_rules import Judging, check_statement
from streaming.multipart import Part, media_type_of

SIGNATURE = "http://adlnet.gov/expapi/attachments/signature"
OCTETS = "application/octet-stream"
ALGORITHMS = ("RS256", "RS384", "RS512")
# By the number of hexadecimal digits.
SUMS = {56: hashlib.sha224, 64: hashlib.sha256, 96: hashlib.sha384, 128: hashlib.sha512}


def check_attachments(statement: Mapping[str, Any], parts: Mapping[str, Part]) -> set[str]:
    """Hold each attachment of a valid statement against its part; the sums of the parts that it speaks of.

    Raises Refusal where neither data nor ``fileUrl`` are there, where length, sum or type differ, and where a
    signature is malformed.
    """
    used: set[str] = set()
    for place, holder in (("", statement), ("object.", statement["object"])):
        for index, attachment in enumerate(holder.get("attachments", ())):
            path = f"{place}attachments[{index}]"
            part = parts.get(attachment["sha2"].lower())
            if part is None:
                if "fileUrl" not in attachment:
                    said = "needs fileUrl, or its data as a part of multipart/mixed under its sha2"
                    raise Refusal("attachment_invalid", said, path)
                if attachment["usageType"] == SIGNATURE:
                    raise Refusal("signature_invalid", "the signature itself must be sent, as multipart/mixed", path)
                continue
            used.add(attachment["sha2"].lower())
            _check_part(attachment, part, path)
            if attachment["usageType"] == SIGNATURE:
                if attachment["contentType"].partition(";")[0].strip() != OCTETS:
                    raise Refusal("signature_invalid", f"a signature has contentType {OCTETS}", path)
                _check_signature(statement, part.data, path)
    return used


def _check_part(attachment: Mapping[str, Any], part: Part, path: str) -> None:
    if len(part.data) != attachment["length"]:
        raise Refusal("attachment_invalid", "length is not the number of octets that came", path)
    if SUMS[len(attachment["sha2"])](part.data).hexdigest() != attachment["sha2"].lower():
        raise Refusal("attachment_invalid", "sha2 is not the sum of the octets that came", path)
    if "content-type" in part.headers and part.media_type != media_type_of(attachment["contentType"]):
        raise Refusal("attachment_invalid", "contentType and the part's Content-Type differ", path)


def _check_signature(statement: Mapping[str, Any], signature: bytes, path: str) -> None:
    """RFC 7515 in compact form, by RS256, RS384 or RS512, of this very statement; by its certificate where it has one.

    As the specification says (1.0.3 part two, 2.6) this finds mistakes and authenticates nobody.
    """
    try:
        header = jwt.get_unverified_header(signature)
        if header.get("alg") not in ALGORITHMS:
            raise Refusal("signature_invalid", f"the signature must be by one of {', '.join(ALGORITHMS)}", path)
        key = _key_of(header, path)
        options: Any = {"verify_signature": key is not None}
        signed = jwt.PyJWS().decode_complete(signature, key or "", algorithms=list(ALGORITHMS), options=options)
        original = orjson.loads(signed["payload"])
    except (jwt.PyJWTError, orjson.JSONDecodeError, UnicodeDecodeError):
        raise Refusal("signature_invalid", "the signature is no JWS of a statement, or not by its key", path) from None
    try:
        check_statement(original, Judging.PARTIAL)
        is_same = xapi.comparable(original) == xapi.comparable(statement)
    except Refusal:
        is_same = False
    if not is_same:
        raise Refusal("signature_invalid", "the signature is of another statement than the one it came with", path)


def _key_of(header: Mapping[str, Any], path: str) -> RSAPublicKey | None:
    """The key of the first certificate of ``x5c``; None where there is none."""
    chain = header.get("x5c")
    if chain is None:
        return None
    try:
        key = x509.load_der_x509_certificate(base64.b64decode(chain[0], validate=True)).public_key()
    except (binascii.Error, IndexError, KeyError, TypeError, ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        raise Refusal("signature_invalid", "x5c of the signature is no chain of certificates", path) from None
    if not isinstance(key, RSAPublicKey):
        raise Refusal("signature_invalid", "the certificate of the signature is not for an RSA key", path)
    return key
