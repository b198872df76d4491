"""``dataclass(frozen=True, slots=True)`` and ``NamedTuple``, made in a third of the time.

The standard one compiles six methods for each class from text, and describes every field in case somebody asks; a
report needs ninety classes before it reads its first byte. Here one ``__init__`` is compiled for all classes with as
many fields and gets their names in place of its own, the other methods are shared, and the description is made when
``fields`` or ``asdict`` ask for it: an eighth of a start. What is given up is the check at run time that
nothing is assigned to; the type checker still makes it, for whom this *is* the standard decorator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
    from dataclasses import replace as replace
    from typing import NamedTuple as NamedTuple
else:
    import operator
    from collections import namedtuple
    from dataclasses import MISSING, Field
    from dataclasses import dataclass as _standard
    from functools import lru_cache, partial
    from types import FunctionType

    def dataclass(**how):
        """With more than these words, or without slots, it is the standard decorator's business."""
        ours = how.get("slots") and how.keys() <= {"slots", "frozen", "order"}
        return partial(_record, **how) if ours else _standard(**how)

    def _record(cls, slots, frozen=False, order=False):
        own = {name: cls.__dict__.get(name, MISSING) for name in cls.__annotations__}
        inherited = {}
        for base in reversed(cls.__mro__):
            inherited |= base.__dict__.get("__record__", {})
        fields = inherited | own
        body = {name: value for name, value in cls.__dict__.items()
                if name not in own and name not in ("__dict__", "__weakref__")}
        described = _Description()
        methods = {
            "__init__": _init(cls, fields), **_comparing(fields, order), "__repr__": _repr(fields),
            "__match_args__": tuple(fields), "__dataclass_fields__": described, "__record__": fields,
            "__qualname__": cls.__qualname__, "__slots__": tuple(name for name in own if name not in inherited)}
        if not frozen:
            del methods["__hash__"]
        elif "__eq__" in body and body["__hash__"] is None:  # Python's answer to an __eq__ without a __hash__
            del body["__hash__"]
        made = type(cls)(cls.__name__, cls.__bases__, methods | body)
        described.of = cls, made
        return made

    def replace(record, /, **changes):
        """``dataclasses.replace``, which would ask for the description."""
        for name in record.__match_args__:
            if name not in changes:
                changes[name] = getattr(record, name)
        return record.__class__(**changes)

    class _Description:
        """``__dataclass_fields__``, which the standard decorator makes of the class as it was written when it is first
        asked for."""

        __slots__ = ("of",)

        def __get__(self, instance, owner):
            written, made = self.of
            standard = _standard(init=False, repr=False, eq=False)(written)
            made.__dataclass_params__ = standard.__dataclass_params__
            made.__dataclass_fields__ = standard.__dataclass_fields__
            return made.__dataclass_fields__

    class _Made:
        """In the place of a default that each object has made for itself."""

        __slots__ = ("make",)

        def __init__(self, make):
            self.make = make

        def __repr__(self):
            return "<factory>"

    def _init(cls, fields):
        defaults, made = [], []
        for place, default in enumerate(fields.values()):
            if default.__class__ is Field:
                if default.default_factory is not MISSING:
                    made.append(place)
                    default = _Made(default.default_factory)
                else:
                    default = default.default
            if default is not MISSING:
                defaults.append(default)
        code, names = _init_code(len(fields), tuple(made), hasattr(cls, "__post_init__"))
        own = tuple(fields)
        init = FunctionType(
            code.replace(co_varnames=("self", *own),
                         co_names=tuple([name if place is None else own[place] for name, place in names])),
            globals(), "__init__", tuple(defaults))
        init.__qualname__ = f"{cls.__qualname__}.__init__"
        return init

    @lru_cache(None)
    def _init_code(count, made, followed):
        """An ``__init__`` of so many fields f0, f1, … from arguments a0, a1, …, and where in it which name stands."""
        lines = [f"self.f{place} = a{place}.make() if a{place}.__class__ is _Made else a{place}" if place in made
                 else f"self.f{place} = a{place}" for place in range(count)]
        lines += ["self.__post_init__()"] if followed else [] if lines else ["pass"]
        arguments = "".join([f", a{place}" for place in range(count)])
        scope = {}
        exec(f"def __init__(self{arguments}):\n " + "\n ".join(lines), scope)  # noqa: S102 (made of numbers alone)
        code = scope["__init__"].__code__
        places = {f"f{place}": place for place in range(count)}
        return code, [(name, places.get(name)) for name in code.co_names]

    def _comparing(fields, order):
        values = _getter([name for name, default in fields.items()
                          if default.__class__ is not Field or default.compare])

        def __eq__(self, other):
            return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

        def __hash__(self):
            return hash(values(self))

        methods = {"__eq__": __eq__, "__hash__": __hash__}
        for how in ("lt", "le", "gt", "ge") if order else ():
            methods[f"__{how}__"] = _ordering(values, getattr(operator, how))
        return methods

    def _ordering(values, compare):
        return lambda self, other: (
            compare(values(self), values(other)) if other.__class__ is self.__class__ else NotImplemented)

    def _repr(fields):
        shown = [name for name, default in fields.items() if default.__class__ is not Field or default.repr]

        def __repr__(self):
            return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

        return __repr__

    def _getter(names):
        """The function that gives an object's fields as one tuple."""
        if len(names) > 1:
            return operator.attrgetter(*names)
        return (lambda each: (getattr(each, names[0]),)) if names else (lambda each: ())

    class _NamedTuple(type):
        def __new__(meta, name, bases, body):
            if not bases:
                return super().__new__(meta, name, bases, body)
            names = body["__annotations__"]
            made = namedtuple(name, names, defaults=[body.pop(each) for each in names if each in body],
                              module=body.pop("__module__"))
            for each, value in body.items():
                setattr(made, each, value)
            return made

    class NamedTuple(metaclass=_NamedTuple):
        """``typing.NamedTuple``, which would compile every annotation that it finds."""
