"""The vault: who is who; nobody else opens it."""

from identity.vault import Link, PersonName, Vault

__all__ = ["Link", "PersonName", "Vault"]
