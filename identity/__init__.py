"""The vault: who is who; nobody else opens it."""
