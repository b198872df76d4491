"""Nouns: frozen, typed, without behaviour but their invariants."""
