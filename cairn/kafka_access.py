"""How the platform's own clients reach the broker: its address, TLS, and who they say they are.

One set of settings (``kafka_*``), in the words of each library: kafka-python's, and Kafka's own for Spark.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cairn.errors import CairnError
from cairn.settings import Settings

SCRAM = "SCRAM-SHA-512"


def client_options(settings: Settings) -> dict[str, Any]:
    """Arguments of kafka-python's clients that say where the broker is and how to get in.

    Raises LookupError where there is no broker, CairnError where the settings do not go together.
    """
    return {"bootstrap_servers": settings.address("broker"), **security_options(settings)}


def security_options(settings: Settings) -> dict[str, Any]:
    """As :func:`client_options`, without the address."""
    _check(settings)
    if settings.kafka_security_protocol == "PLAINTEXT":
        return {}
    options: dict[str, Any] = {
        "security_protocol": settings.kafka_security_protocol,
        "ssl_cafile": settings.kafka_ca_file or None,
        "ssl_certfile": settings.kafka_certificate_file or None,
        "ssl_keyfile": settings.kafka_key_file or None,
    }
    if settings.kafka_security_protocol == "SASL_SSL":
        options |= {
            "sasl_mechanism": SCRAM,
            "sasl_plain_username": settings.kafka_username,
            "sasl_plain_password": settings.kafka_password.get_secret_value(),
        }
    return options


def java_options(settings: Settings) -> dict[str, str]:
    """The same in the words of Kafka's own clients, as Spark's source takes them behind ``kafka.``."""
    _check(settings)
    if settings.kafka_security_protocol == "PLAINTEXT":
        return {}
    options: dict[str, str] = {"security.protocol": settings.kafka_security_protocol}
    if settings.kafka_ca_file:
        options |= {"ssl.truststore.type": "PEM", "ssl.truststore.certificates": _content(settings.kafka_ca_file)}
    if settings.kafka_certificate_file:
        options |= {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.certificate.chain": _content(settings.kafka_certificate_file),
            "ssl.keystore.key": _content(settings.kafka_key_file),
        }
    if settings.kafka_security_protocol == "SASL_SSL":
        password = settings.kafka_password.get_secret_value()
        options |= {
            "sasl.mechanism": SCRAM,
            "sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required"
            f" username={_quoted(settings.kafka_username)} password={_quoted(password)};",
        }
    return options


def _check(settings: Settings) -> None:
    """Refuse what would be sent without protection, or could not get in."""
    protocol = settings.kafka_security_protocol
    files = (settings.kafka_ca_file, settings.kafka_certificate_file, settings.kafka_key_file)
    if protocol == "PLAINTEXT" and (any(files) or settings.kafka_username):
        raise CairnError("kafka_* names a certificate or a user: set kafka_security_protocol to SSL or SASL_SSL")
    if protocol == "SASL_SSL" and not (settings.kafka_username and settings.kafka_password.get_secret_value()):
        raise CairnError("kafka_security_protocol is SASL_SSL: set kafka_username and CAIRN_KAFKA_PASSWORD")
    if bool(settings.kafka_certificate_file) != bool(settings.kafka_key_file):
        raise CairnError("kafka_certificate_file and kafka_key_file go together: set both, or none")


def _content(file: str) -> str:
    """A PEM file's text: executors on other machines have no such file."""
    try:
        return Path(file).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise CairnError(f"{file} cannot be read as PEM ({type(error).__name__}): see kafka_* in cairn.toml") from None


def _quoted(value: str) -> str:
    """A value within quotes, as the Java login configuration reads it."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
