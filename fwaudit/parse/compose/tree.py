"""YAML text → Nodes: values as they are written, with their lines, variables filled in, aliases and ``<<`` resolved.

Compose reads YAML 1.2, in which ``22:22`` is text; PyYAML alone would make 1342 of it. So scalars stay text here, and
whoever reads them says what they have to be. A file made to be slow ("billion laughs") costs no more than its size:
an alias is the same Node, not a copy, and what ``<<`` copies is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from fwaudit.errors import ParseError
from fwaudit.model.compose import Mark

if TYPE_CHECKING:
    import yaml

LIMIT = 512 << 10
"""Bytes of one file; PyYAML takes about ten seconds for a megabyte."""
_MOST_NODES = 100_000
_KINDS = {"null": "nothing", "list": "a list", "map": "a mapping"}
_NULLS = ("", "~", "null", "Null", "NULL")

Fill = Callable[[str, Mark], tuple[str, tuple[str, ...]]]
"""Fills in the variables of a scalar: the text, and the names that are not set."""


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One value. ``text`` of a scalar, ``items`` of a sequence, ``keys`` of a mapping; the others are empty.

    ``tag``: ``!override`` or ``!reset``, else empty. ``unset``: the variables in the text that are not set.
    """

    kind: Literal["text", "null", "list", "map"]
    mark: Mark
    text: str = ""
    items: tuple[Node, ...] = ()
    keys: dict[str, Node] | None = None
    tag: str = ""
    unset: tuple[str, ...] = ()

    def get(self, key: str) -> Node | None:
        """The value of a mapping's key; None where it is absent or null."""
        found = (self.keys or {}).get(key)
        return None if found is None or found.kind == "null" else found

    def entries(self) -> Iterator[tuple[str, Node]]:
        """A mapping's keys and values, in order."""
        yield from (self.keys or {}).items()

    def wrong(self, wanted: str) -> ParseError:
        """The error for a value that is not what it should be."""
        said = self.text if self.kind == "text" else _KINDS[self.kind]
        return ParseError(self.mark.file, self.mark.line, f"not {wanted}: {said[:60]!r}",
                          "docker compose config says how the file is read")


def load(text: str, file: str, fill: Fill) -> Node:
    """The one document of a file. Raises ParseError, and nothing else, for whatever the text holds."""
    import yaml

    if len(text) > LIMIT:
        raise ParseError(file, 0, f"longer than {LIMIT >> 10} KiB", "Is it a Compose file?")
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise ParseError(file, line, f"not YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ParseError(file, 0, f"not YAML: {' '.join(str(error).split())[:200]}") from None
    except RecursionError:
        raise ParseError(file, 0, "nested too deeply") from None
    if root is None:
        return Node("null", Mark(file))
    try:
        return _Converter(file, fill).node(root)
    except RecursionError:
        raise ParseError(file, 0, "nested too deeply") from None


class _Converter:
    def __init__(self, file: str, fill: Fill) -> None:
        self.file, self.fill = file, fill
        self.done: dict[int, Node] = {}
        self.open: set[int] = set()
        self.count = 0

    def node(self, raw: yaml.Node) -> Node:
        """The Node for a node of PyYAML; the same one for each alias of it."""
        found = self.done.get(id(raw))
        if found is not None:
            return found
        mark = Mark(self.file, raw.start_mark.line + 1)
        if id(raw) in self.open:
            raise ParseError(self.file, mark.line, "an alias inside of what it stands for")
        self.open.add(id(raw))
        self.spend(mark)
        made = self.done[id(raw)] = self.made(raw, mark)
        self.open.discard(id(raw))
        return made

    def spend(self, mark: Mark, nodes: int = 1) -> None:
        self.count += nodes
        if self.count > _MOST_NODES:
            raise ParseError(self.file, mark.line, f"aliases and << make more than {_MOST_NODES:,} values of it")

    def made(self, raw: yaml.Node, mark: Mark) -> Node:
        import yaml

        tag = raw.tag if raw.tag in ("!override", "!reset") else ""
        if isinstance(raw, yaml.MappingNode):
            return Node("map", mark, keys=self.mapping(raw, mark), tag=tag)
        if isinstance(raw, yaml.SequenceNode):
            return Node("list", mark, items=tuple(map(self.node, raw.value)), tag=tag)
        assert isinstance(raw, yaml.ScalarNode)
        if raw.style is None and raw.value in _NULLS:
            return Node("null", mark, tag=tag)
        text, unset = self.fill(raw.value, mark)
        return Node("text", mark, text, tag=tag, unset=unset)

    def mapping(self, raw: yaml.MappingNode, mark: Mark) -> dict[str, Node]:
        import yaml

        own: dict[str, Node] = {}
        merged: list[Node] = []
        for key, value in raw.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ParseError(self.file, key.start_mark.line + 1, "a key that is no text")
            if key.value == "<<" and key.style is None:
                merged += self.merged(value)
            elif key.value in own:
                raise ParseError(self.file, key.start_mark.line + 1, f"key {key.value[:60]!r} for the second time")
            else:
                own[key.value] = self.keyed(value, key)
        for each in merged:  # the first of them wins, and the mapping's own keys before all
            self.spend(mark, len(each.keys or {}))
            own = {**{name: node for name, node in each.entries() if name not in own}, **own}
        return own

    def keyed(self, value: yaml.Node, key: yaml.ScalarNode) -> Node:
        """A key's value; one that is empty stands where its key does."""
        node = self.node(value)
        if node.kind == "null":
            return Node("null", Mark(self.file, key.start_mark.line + 1), tag=node.tag)
        return node

    def merged(self, value: yaml.Node) -> list[Node]:
        node = self.node(value)
        found = list(node.items) if node.kind == "list" else [node]
        for each in found:
            if each.kind != "map":
                raise each.wrong("a mapping, as << wants it")
        return found


def from_json(value: object, file: str) -> Node:
    """A JSON value, as ``docker compose config`` prints it, as a Node without lines; it doubles every ``$``."""
    mark = Mark(file)
    if isinstance(value, dict):
        return Node("map", mark, keys={str(key): from_json(each, file) for key, each in value.items()})
    if isinstance(value, list):
        return Node("list", mark, items=tuple(from_json(each, file) for each in value))
    if value is None:
        return Node("null", mark)
    return Node("text", mark, str(value).lower() if isinstance(value, bool) else str(value).replace("$$", "$"))
