"""Every record of the package is what the standard decorator would have made of it, and behaves so."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import pkgutil
import typing
from dataclasses import field
from importlib import import_module

import pytest

import fwaudit
from fwaudit.records import NamedTuple, dataclass, replace


def records() -> list[type]:
    modules = [import_module(each.name) for each in pkgutil.walk_packages(fwaudit.__path__, "fwaudit.")
               if not each.name.endswith("__main__")]
    found = {id(value): value for module in modules for value in vars(module).values()
             if isinstance(value, type) and "__record__" in vars(value)}
    return sorted(found.values(), key=lambda each: (each.__module__, each.__qualname__))


def shown(default: object) -> str:
    """A default that each object has made for itself looks alike, whoever makes it."""
    return "made" if "factory" in repr(default) else repr(default)


@pytest.mark.parametrize("record", records(), ids=lambda each: f"{each.__module__}.{each.__qualname__}")
def test_every_record_is_as_the_standard_would_have_made_it(record):
    written = vars(record)["__record__"]
    bases = tuple(base for base in record.__mro__[1:] if base is not object and "__record__" not in vars(base))
    standard = dataclasses.dataclass(frozen=True)(type(record.__name__, bases, {
        "__annotations__": dict.fromkeys(written, "int"),
        **{name: default for name, default in written.items() if default is not dataclasses.MISSING}}))
    assert [each.name for each in dataclasses.fields(record)] == [each.name for each in dataclasses.fields(standard)]
    assert record.__match_args__ == standard.__match_args__
    mine, theirs = inspect.signature(record.__init__).parameters, inspect.signature(standard.__init__).parameters
    assert [(each.name, each.kind, shown(each.default)) for each in mine.values()] \
        == [(each.name, each.kind, shown(each.default)) for each in theirs.values()]


@dataclass(frozen=True, slots=True)
class Port:
    """A record with everything that a field may have."""

    number: int
    names: list[str] = field(default_factory=list)
    make: str = "tcp"
    note: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Named(Port):
    """One that adds a field and changes a default."""

    make: str = "udp"
    f0: tuple[int, ...] = ()


@dataclass(slots=True)
class Open:
    """One that may be assigned to, with something to do when it is made."""

    seen: int
    twice: int = 0

    def __post_init__(self) -> None:
        self.twice = self.seen * 2


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """One that sorts."""

    major: int
    minor: int = 0


@dataclass(frozen=True, slots=True)
class Empty:
    """One without fields."""


class Way(NamedTuple):
    """A tuple with names, a default, and something to say of itself."""

    start: int
    end: int = 9

    @property
    def long(self) -> bool:
        return self.end - self.start > 5


def test_each_object_has_a_default_of_its_own():
    assert Port(1).names == [] and Port(1).names is not Port(1).names
    assert Port(1, ["a"], note="x").names == ["a"]


def test_words_and_places_fill_fields_and_a_missing_one_is_named():
    assert Named(1, ["a"], "sctp", f0=(1,), note="n") == Named(1, ["a"], "sctp", "other", (1,))
    with pytest.raises(TypeError, match=r"Port\.__init__\(\) missing 1 required positional argument: 'number'"):
        Port()
    with pytest.raises(TypeError, match="unexpected keyword"):
        Port(1, other=2)


def test_equal_are_those_of_one_class_with_the_same_fields():
    assert Port(1) == Port(1, note="not compared") != Port(2)
    assert Port(1) != Named(1)
    assert hash(Port(1, ())) == hash(Port(1, (), note="not compared"))
    with pytest.raises(TypeError, match="unhashable"):
        hash(Open(1))
    assert Empty() == Empty() and hash(Empty()) == hash(())


def test_a_record_is_shown_as_it_is_written():
    assert repr(Port(1)) == "Port(number=1, names=[], make='tcp')"
    assert repr(Empty()) == "Empty()"


def test_a_child_adds_its_fields_behind_its_parents():
    assert [each.name for each in dataclasses.fields(Named)] == ["number", "names", "make", "note", "f0"]
    assert Named(1).make == "udp"
    assert Named.__slots__ == ("f0",)
    assert not hasattr(Named(1), "__dict__")


def test_what_dataclasses_offers_works():
    assert dataclasses.is_dataclass(Named) and dataclasses.is_dataclass(Open(1))
    assert dataclasses.replace(Named(1, ["a"]), number=2) == Named(2, ["a"])
    assert replace(Named(1, ["a"]), number=2, f0=(1,)) == Named(2, ["a"], f0=(1,))
    assert dataclasses.asdict(Version(1)) == {"major": 1, "minor": 0}
    assert dataclasses.astuple(Port(1)) == (1, [], "tcp", "")


def test_copies_are_equal_and_cross_processes():
    for each in (Port(1, ["a"]), Named(1), Open(3), Version(2, 1), Empty()):
        assert copy.copy(each) == each == copy.deepcopy(each)
        assert all(pickle.loads(pickle.dumps(each, protocol)) == each for protocol in range(2, 6))


def test_one_that_is_made_does_what_comes_after():
    made = Open(4)
    made.seen = 5
    assert (made.seen, made.twice) == (5, 8)


def test_versions_sort():
    assert sorted([Version(2), Version(1, 5), Version(1)]) == [Version(1), Version(1, 5), Version(2)]
    assert Version(1) < Version(1, 1) <= Version(1, 1) and Version(3) > Version(2, 9) >= Version(2, 9)
    with pytest.raises(TypeError):
        assert Version(1) < 3


def test_a_record_can_be_matched():
    match Port(7, ["a"]):
        case Port(number, names):
            assert (number, names) == (7, ["a"])


def test_a_named_tuple_is_what_typing_would_have_made_of_it():
    class Theirs(typing.NamedTuple):
        """A tuple with names, a default, and something to say of itself."""

        start: int
        end: int = 9

    assert Way(1) == (1, 9) == Theirs(1) and Way(1).long and not Way(8).long
    for name in ("_fields", "_field_defaults", "__annotations__", "__doc__", "__match_args__", "__module__"):
        assert set(getattr(Way, name)) == set(getattr(Theirs, name)), name
    assert Way.__mro__[1:] == (tuple, object)
    assert Way.__qualname__ == "Way" and repr(Way(1)) == "Way(start=1, end=9)"
    assert Way(2)._replace(end=3) == Way(2, 3) == pickle.loads(pickle.dumps(Way(2, 3))) == copy.copy(Way(2, 3))
