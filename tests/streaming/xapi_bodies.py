"""Bodies of xAPI requests for tests: statements, multipart with attachments, signatures by a key made for the run."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

BOUNDARY = b"abc_1"
SIGNATURE = "http://adlnet.gov/expapi/attachments/signature"


def answered(**parts: Any) -> dict[str, Any]:
    """A valid statement with an id of its own; ``parts`` are set on it."""
    statement: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "actor": {"name": "Adelheid Quill", "mbox": "mailto:adelheid.quill@example.org"},
        "verb": {"id": "http://adlnet.gov/expapi/verbs/answered"},
        "object": {"id": "https://items.example/1"},
        "result": {"success": True},
    }
    return statement | parts


def with_attachment(statement: dict[str, Any], data: bytes, **parts: Any) -> dict[str, Any]:
    """The statement with one attachment more, of these data."""
    attachment = {
        "usageType": "https://uses.example/essay",
        "display": {"en": "Essay"},
        "contentType": "text/plain; charset=utf-8",
        "length": len(data),
        "sha2": hashlib.sha256(data).hexdigest(),
    }
    return statement | {"attachments": [*statement.get("attachments", ()), attachment | parts]}


def multipart(
    statements: list[Any], data: Sequence[bytes], sums_of: Sequence[bytes] | None = None, kind: str = "text/plain"
) -> bytes:
    """A multipart/mixed body; ``sums_of`` are the octets whose sums are told instead of the data's own."""
    parts = [b"Content-Type: application/json\r\n\r\n" + json.dumps(statements).encode()]
    for each, told in zip(data, sums_of or data, strict=True):
        head = (
            f"Content-Type: {kind}\r\nContent-Transfer-Encoding: binary\r\n"
            f"X-Experience-API-Hash: {hashlib.sha256(told).hexdigest()}\r\n\r\n"
        )
        parts.append(head.encode() + each)
    marked = b"".join(b"--" + BOUNDARY + b"\r\n" + part + b"\r\n" for part in parts)
    return marked + b"--" + BOUNDARY + b"--\r\n"


@cache
def _key(number: int) -> tuple[rsa.RSAPrivateKey, str]:
    """A key and its certificate as ``x5c`` has it."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"signer {number}")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(number + 1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return key, base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()


def signed(
    statement: dict[str, Any],
    algorithm: str,
    content: dict[str, Any] | None = None,
    kind: str = "application/octet-stream",
    other_key: bool = False,
    cut: bool = False,
    swap: tuple[bytes, bytes] | None = None,
) -> tuple[dict[str, Any], bytes]:
    """The statement with its signature as attachment, and the signature; by ``other_key`` than its certificate's.

    ``swap``: octets of the certificate, and what stands in their place.
    """
    payload = json.dumps(statement | (content or {})).encode()
    key, certificate = _key(0)
    if swap is not None:
        octets = base64.b64decode(certificate)
        assert swap[0] in octets
        certificate = base64.b64encode(octets.replace(*swap)).decode()
    secret: Any = _key(1)[0] if other_key else key
    if algorithm.startswith("HS"):
        secret = "x" * 64
    signature = jwt.PyJWS().encode(payload, secret, algorithm, headers={"x5c": [certificate]}).encode()
    if cut:
        signature = signature[: len(signature) // 2].replace(b".", b"")
    return with_attachment(statement, signature, usageType=SIGNATURE, contentType=kind), signature
