"""Compose files → Project. Pure: files are read by whoever calls, through a function.

What they mean: the Compose Specification (github.com/compose-spec/compose-spec) and, where it is silent, what
``docker compose config`` prints (tests/data/compose holds both).
"""
