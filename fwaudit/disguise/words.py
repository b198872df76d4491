"""Words replaced: what is not known to be anybody's is kept, everything else gets another name, the same everywhere.

So a word that nobody thought of is hidden, not shown. The replacement comes from a key: without it nobody can tell
which word it was, and with it a later snapshot of the same host has the same names.
"""

from __future__ import annotations

import base64
import hmac
import re

from fwaudit.disguise.addresses import WIDTH, Addresses
from fwaudit.disguise.vocabulary import INTERFACES, OPTIONS, PROGRAM_PREFIXES, VOCABULARY
from fwaudit.packet.address import format_address, parse_address

_V4 = r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)"
_MAC = r"(?<![\w:])[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5,}(?![\w:])"
_V6 = r"(?<![\w:.])(?=[0-9A-Fa-f]*:[0-9A-Fa-f]*:)[0-9A-Fa-f:]+(?:\.\d+){0,3}(?:%[\w.-]+)?(?![\w:])"
_WORD = r"(?:--?(?=[a-zA-Z]))?\w(?:[\w.+*$%~^-]*[\w+*$~^])?"
_ATOM = re.compile(rf"({_MAC})|((?:{_V4})|(?:{_V6}))(?:/(\d{{1,3}})(?![\d.]))?|({_WORD})")
_NUMBER = re.compile(r"\d{1,10}-\d{1,10}|v?\d+(\.\d+){1,2}|0x[0-9a-f]{1,8}|"
                     r"\d{1,10}(ms|us|ns|[smhdwbk]|[kmg]i?b?|bytes|kbytes|mbytes)?")
_OPTION = re.compile(r"-[a-zA-Z]|-(container-(ip|port)|host-(ip|port)|proto|use-listen-fd)")
_TIME = re.compile(r"\d{1,2}:\d{2}:\d{2}")
_ID = re.compile(r"[0-9a-f]{12}|[0-9a-f]{32,64}")
_BRIDGE = re.compile(r"(veth|br-|d[mi]-|vx-)([0-9a-f]{6,15})([+*]?)")
_SLOT = re.compile(r"enp\d{1,3}s\d{1,3}(f\d{1,2})?((np|d)\d{1,2})?")
_PARTS = re.compile(r"([./@:]|__)")
_STRANGE = re.compile(r"[^\x00-\x7f]+")
_SHORT = 12


class Words:
    """The replacements of one snapshot. ``given``: original → replacement, for every word that was replaced."""

    def __init__(self, key: bytes, addresses: Addresses, wildcards: frozenset[str] = frozenset()) -> None:
        """``wildcards``: the beginnings of interface names that rules ask for (``vpn`` of ``-i vpn+``)."""
        self._key = key
        self.addresses = addresses
        self.given: dict[str, str] = {}
        self._taken: dict[str, str] = {}
        self._wildcards = sorted(wildcards, key=len, reverse=True)

    # ---- text -------------------------------------------------------------------------------------------------------

    def text(self, text: str) -> str:
        """Any text: addresses, numbers, ids and words each replaced where they have to be; what is between stays."""
        return _STRANGE.sub("?", _ATOM.sub(self._atom, text))

    def _atom(self, found: re.Match[str]) -> str:
        mac, address, length, word = found.groups()
        if mac:
            return self.mac(mac)
        if address:
            try:
                return self.network(address, length)
            except ValueError:
                return found[0] if _TIME.fullmatch(found[0]) else self.name(found[0], "x")
        return self.word(word)

    def word(self, word: str) -> str:
        """A word of a text that is not only names: of the vocabulary, a number, an interface, or to be replaced."""
        if word in VOCABULARY or word in OPTIONS or _NUMBER.fullmatch(word) or _OPTION.fullmatch(word):
            return word
        if word[0] == "-":
            dashes = len(word) - len(word.lstrip("-"))
            return word[:dashes] + self.word(word[dashes:])
        if _ID.fullmatch(word):
            return self.id(word)
        if self._is_plain_interface(word) or _BRIDGE.fullmatch(word):
            return self.interface(word)
        for prefix in PROGRAM_PREFIXES:
            if word.startswith(prefix) and word != prefix:
                return prefix + self.word(word[len(prefix):])
        if "__" in word:
            return "__".join(self.word(part) if part else "" for part in word.split("__"))
        if (word[-1] in "+*" and len(word) > 1) or any(word.startswith(stem) for stem in self._wildcards):
            return self.interface(word)
        return self.name(word, "x")

    # ---- kinds ------------------------------------------------------------------------------------------------------

    def name(self, word: str, kind: str) -> str:
        """Something that somebody named. A word has one replacement, whatever it is the name of."""
        if not word:
            return word
        if word not in self.given:
            self.given[word] = self._fresh(word, kind)
        return self.given[word]

    def interface(self, name: str) -> str:
        """Names of the kernel and the engine stay; of others, what rules may ask for by its beginning keeps that."""
        if name[-1:] in ("+", "*"):
            return self._stem(name[:-1]) + name[-1]
        found = _BRIDGE.fullmatch(name)
        if found:
            return found[1] + self.id(found[2]) + found[3]
        if self._is_plain_interface(name):
            return name
        parts = _PARTS.split(name, maxsplit=1)
        if len(parts) == 3:
            return self.interface(parts[0]) + parts[1] + self.interface(parts[2])
        if name.isdigit() or not name:
            return name
        for stem in self._wildcards:
            if name.startswith(stem) and name != stem:
                rest = name[len(stem):]
                return self._stem(stem) + (rest if rest.isdigit() else self.name(rest, "i"))
        return self.name(name, "if")

    def _stem(self, stem: str) -> str:
        if not stem or any(known.startswith(stem) for known in INTERFACES) or self._is_plain_interface(stem):
            return stem
        return self.interface(stem)

    def _is_plain_interface(self, name: str) -> bool:
        stem = name.rstrip("0123456789")
        return (stem in INTERFACES and len(name) - len(stem) <= 4) or _SLOT.fullmatch(name) is not None

    def id(self, text: str) -> str:
        """A hexadecimal id; its first twelve digits, by which it is also called, are replaced alike."""
        head, rest = text[:_SHORT], text[_SHORT:]
        new = self._digest("id " + head).hex()[:len(head)]
        if rest:
            new += (self._digest("id " + text).hex() * 2)[:len(rest)]
        self.given[text] = new
        return new

    def mac(self, text: str) -> str:
        """A hardware address, locally administered; broadcast, zero and multicast ones stay."""
        octets = text.split(":")
        if set(octets) in ({"ff"}, {"FF"}, {"00"}) or int(octets[0], 16) & 1 or len(octets) > 8:
            return text if len(octets) <= 8 else self.name(text, "x")
        new = ["02", *(f"{byte:02x}" for byte in self._digest("mac " + text.lower())[:len(octets) - 1])]
        self.given[text] = ":".join(new)
        return self.given[text]

    def network(self, address: str, length: str | None = None) -> str:
        """An address, or a network, spelled as it was. Raises ValueError for what is none."""
        bare, percent, zone = address.partition("%")
        family, value = parse_address(bare)
        width = WIDTH[family]
        if length is None:
            new = self.addresses.of(family, value)
            return format_address(family, new) + (percent and percent + self.interface(zone))
        prefix = int(length)
        if prefix > width:
            raise ValueError(f"prefix length out of range: {address}/{length}")
        below = value & (1 << width - prefix) - 1
        new = self.addresses.of(family, value) if below else self.addresses.of(family, value, prefix)
        return f"{format_address(family, new)}/{length}"

    def path(self, path: str) -> str:
        """A file's path: folders that every host has stay."""
        return "/".join(part if part in VOCABULARY or part in ("", ".", "..") else
                        self.id(part) if _ID.fullmatch(part) else self.name(part, "f") for part in path.split("/"))

    def phrase(self, text: str, kind: str) -> str:
        """A comment or the like, replaced as a whole unless it is fwaudit's own or a program's."""
        if text.startswith(("fwaudit", "[UFW ")) or all(word in VOCABULARY for word in text.split()):
            return self.text(text)
        return self.name(text, kind)

    # ---- the key ----------------------------------------------------------------------------------------------------

    def _digest(self, text: str) -> bytes:
        return hmac.digest(self._key, text.encode("utf-8", "surrogateescape"), "sha256")

    def _fresh(self, word: str, kind: str) -> str:
        letters = base64.b32encode(self._digest("name " + word)).decode().lower()
        for length in range(5, len(letters)):
            new = f"{kind}-{letters[:length]}" if kind not in ("if", "i") else kind + letters[:length]
            if self._taken.setdefault(new, word) == word:
                return new
        raise AssertionError("two words with one digest")
