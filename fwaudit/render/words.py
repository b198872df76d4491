"""What renderers say of sets of sources: the words are those of `fwaudit.exposure.words`."""

from __future__ import annotations

from fwaudit.exposure.words import Networks, example_source, is_nobody, sources_in_words

__all__ = ["Networks", "example_source", "is_nobody", "sources_in_words"]
