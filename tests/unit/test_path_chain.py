"""One chain: what the random rulesets of tests/property do not say, or not often enough."""

from collections.abc import Sequence

import pytest

from fwaudit.model.condition import AnyOf, Condition, In, Masked, Not, Unknown
from fwaudit.model.host import Engine as Docker
from fwaudit.model.host import Host, UfwPolicy
from fwaudit.model.ruleset import (
    Accept,
    Chain,
    Drop,
    Goto,
    Inline,
    Jump,
    Return,
    Rule,
    Ruleset,
    SetMark,
    Table,
    Target,
    Undecidable,
)
from fwaudit.model.verdict import Query
from fwaudit.packet.intervals import ALL, IntervalSet
from fwaudit.path.engine import Engine

A, B, C = (IntervalSet.range(low, low + 9) for low in (100, 110, 120))
MAYBE = Unknown("-m limit", "rate limit")


def rule(target: Target, *conditions: Condition) -> Rule:
    return Rule(conditions, target, "text")


def engine(chains: dict[str, Sequence[Rule]], policy: str = "accept", native: bool = False) -> Engine:
    """A host with one filter table whose base chain on forward is ``base``."""
    made = {name: Chain(name, tuple(Rule(r.conditions, r.target, f"{name} {i}", i) for i, r in enumerate(rules, 1)),
                        "forward" if name == "base" else None,
                        policy=policy if name == "base" else "accept")  # type: ignore[arg-type]
            for name, rules in chains.items()}
    table = Table("native" if native else "nft", "ip", "filter", made)
    rules = Ruleset((table,))
    return Engine(Host("h", "", {}, {4: (), 6: ()}, {4: None, 6: None}, {}, (), Docker(), UfwPolicy(), rules))


def ask(some: Engine, src: int, dport: int = 80, dst: int = 7) -> str:
    """The disposition of one packet, by `trace`; `reach` has to agree."""
    query = Query(4, "eth0", dst, 6, dport, IntervalSet.of(src), 40000, "forward", "eth1")
    trace = some.trace(query)
    reach = some.reach(query)
    certain = {outcome.disposition for outcome in reach.outcomes if src in outcome.certainly}
    assert certain == (set() if trace.disposition == "undecided" else {trace.disposition})
    return trace.disposition


@pytest.mark.parametrize(("verb", "wanted"), [(Jump, "dropped"), (Goto, "accepted")])
@pytest.mark.parametrize("inside", [[], [rule(Return())], [rule(Jump("empty"))]])
def test_an_inert_chain_is_skipped_but_not_where_it_does_not_come_back(
    verb: type[Jump] | type[Goto], wanted: str, inside: list[Rule]
) -> None:
    some = engine({"base": [rule(verb("inert")), rule(Drop())], "inert": inside, "empty": []})
    assert ask(some, 105) == wanted


def test_two_ports_of_one_range_differ_where_a_rule_looks_at_their_bits() -> None:
    some = engine({"base": [rule(Jump("odd")), rule(Drop(), In("dport", IntervalSet.range(1000, 2000)))],
                   "odd": [rule(Accept(), Masked("dport", 1, 1))]})
    assert [ask(some, 105, port) for port in (1000, 1001, 1002, 3000, 3001)] == [
        "dropped", "accepted", "dropped", "accepted", "accepted"]
    some = engine({"base": [rule(Accept(), Masked("dst", 1, 1)), rule(Drop())]})
    assert [ask(some, 105, dst=dst) for dst in (6, 7, 8)] == ["dropped", "accepted", "dropped"]
    some = engine({"base": [rule(Accept(), Masked("src", 1, 1)), rule(Drop())]})
    assert ask(some, 105) == "undecided", "the bits of a source stay open when many sources are asked about"


def test_what_may_match_goes_both_ways() -> None:
    some = engine({"base": [rule(Jump("maybe"), MAYBE, In("src", A | B)), rule(Drop())],
                   "maybe": [rule(Accept(), In("src", A)), rule(Drop(), In("src", B))]})
    assert [ask(some, src) for src in (105, 115, 125)] == ["undecided", "dropped", "dropped"]
    some = engine({"base": [rule(Accept(), AnyOf((MAYBE, In("src", A)))), rule(Drop())]})
    assert [ask(some, src) for src in (105, 115)] == ["accepted", "undecided"]
    some = engine({"base": [rule(Accept(), Not(AnyOf((MAYBE, In("src", A))))), rule(Drop())]})
    assert [ask(some, src) for src in (105, 115)] == ["dropped", "undecided"]


def test_marks_reach_across_chains_and_tables_of_a_hook() -> None:
    mark = [rule(SetMark("mark", 1, 1), In("src", A)), rule(SetMark("mark", 2, 2), In("src", A | B)),
            rule(Return(), In("src", B)), rule(SetMark("mark", 4, 4), In("src", ALL))]
    base = [rule(Jump("mark")), rule(Drop(), Masked("mark", 7, 7)), rule(Accept(), Masked("mark", 6, 2)),
            rule(Drop(), Masked("mark", 2, 2))]
    some = engine({"base": base, "mark": mark})
    assert [ask(some, src) for src in (105, 115, 125)] == ["dropped", "accepted", "accepted"]


def test_an_inline_chain_is_walked_like_a_jump() -> None:
    both = Inline((rule(SetMark("mark", 1)), rule(Accept(), In("src", A))))
    some = engine({"base": [rule(both, In("src", A | B)), rule(Drop(), Masked("mark", 1, 1))]}, native=True)
    assert [ask(some, src) for src in (105, 115, 125)] == ["accepted", "dropped", "accepted"]


def test_an_unknown_target_that_goes_on_leaves_the_mark_open() -> None:
    hmark = Undecidable("-j HMARK", "a hash", terminal=False)
    some = engine({"base": [rule(hmark, In("src", A)), rule(Drop(), Masked("mark", 1, 1), In("src", A | B))]})
    assert [ask(some, src) for src in (105, 115)] == ["undecided", "accepted"]
    some = engine({"base": [rule(hmark), rule(SetMark("mark", 1)), rule(Drop(), Masked("mark", 1, 1))]})
    assert ask(some, 105) == "dropped", "a mark that is set is known again"


def test_a_target_that_nobody_foresees_is_undecided_and_says_so() -> None:
    some = engine({"base": [rule(Undecidable("-j NFQUEUE", "a program decides"), In("src", A)), rule(Drop())]})
    query = Query(4, "eth0", 7, 6, 80, IntervalSet.of(105), 40000, "forward", "eth1")
    assert ask(some, 105) == "undecided" and ask(some, 115) == "dropped"
    assert some.trace(query).undecided_on == ("-j NFQUEUE (a program decides)",)


@pytest.mark.parametrize("policy", ["accept", "drop"])
def test_chain_policy(policy: str) -> None:
    some = engine({"base": [rule(Return(), In("src", A)), rule(Drop(), In("src", A | B))]}, policy)
    assert [ask(some, src) for src in (105, 115, 125)] == (
        ["accepted", "dropped", "accepted"] if policy == "accept" else ["dropped"] * 3)
