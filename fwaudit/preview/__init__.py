"""A host as it would be with a Compose project started on it. Pure.

The engine's rules, networks, containers and sockets are added to the *snapshot*, as this host's engine would write
them, and not to the parsed Host: so the same readers read them, the whole audit runs on it unchanged, and what would be
can be kept as a file and asked about (``fwaudit trace --snapshot``).
"""
