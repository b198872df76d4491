"""Has it already happened? Facts about running containers → signs of somebody else at work. Pure."""

from fwaudit.triage.signs import look

__all__ = ["look"]
