"""What would decide an open packet: the smallest set of facts, and what each leads to."""

from dataclasses import replace

import pytest

from fwaudit.model.host import Engine as Docker
from fwaudit.model.host import Host, UfwPolicy
from fwaudit.model.ruleset import Ruleset
from fwaudit.model.verdict import Query, Trace
from fwaudit.netfilter.iptables_save import parse
from fwaudit.packet.intervals import IntervalSet
from fwaudit.path.engine import Engine
from fwaudit.render.style import Style
from fwaudit.render.trace import fact_lines, trace_json

LIMIT = "-m limit --limit 3/min"
RECENT = "-m recent --update --seconds 30 --hitcount 6 --name DEFAULT --mask 255.255.255.255 --rsource"


def trace(*rules: str, policy: str = "DROP", sport: int | None = 40000, **options: object) -> Trace:
    """What becomes of a packet in FORWARD with these rules."""
    chains = "".join(f":{name} - [0:0]\n" for name in ("A", "B"))
    text = f"*filter\n:FORWARD {policy} [0:0]\n{chains}" + "".join(f"-A {rule}\n" for rule in rules) + "COMMIT\n"
    ruleset = Ruleset(parse(text, family=4, backend="nft", source="test").tables)
    host = Host("h", "", {}, {4: (), 6: ()}, {4: None, 6: None}, {}, (), Docker(), UfwPolicy(), ruleset)
    query = Query(4, "eth0", 7, 6, 80, IntervalSet.of(105), sport, "forward", "eth1")
    return Engine(host).trace(query, **options)  # type: ignore[arg-type]


def told(found: Trace) -> dict[str, dict[str, list[str]]]:
    return {fact.words: {value: [each.disposition for each in ends] for value, ends in fact.values}
            for fact in found.facts}


def test_a_fact_says_what_each_value_leads_to() -> None:
    found = trace(f"FORWARD {RECENT} -j REJECT", "FORWARD -j ACCEPT")
    words = "whether 6 packets or more from this source were seen in the last 30 s (recent) (filter FORWARD rule 1)"
    assert found.undecided_on == (words,) and found.smallest
    assert told(found) == {words: {"yes": ["rejected"], "no": ["accepted"]}}


def test_what_ends_alike_either_way_is_not_named() -> None:
    found = trace(f"FORWARD {LIMIT} -j A", "A -p udp -j DROP", f"FORWARD {LIMIT} -j MARK --set-xmark 1/1",
                  f"FORWARD {RECENT} -j ACCEPT")
    assert len(found.facts) == 1 and "recent" in found.facts[0].words


@pytest.mark.parametrize("match", [
    "-m set --match-set X src", "-m geoip --source-country CN", "-p tcp -m tcp --sport 2000:3000"])
def test_one_fact_that_two_rules_ask_about_has_one_answer(match: str) -> None:
    front, option = match.rsplit(" -", 1)
    front, opposite = f"{front} -{option}", f"{front} ! -{option}"
    found = trace(f"FORWARD {front} -j DROP", f"FORWARD {front} -j A", "A -j ACCEPT", sport=None)
    assert found.disposition == "dropped", "who is not dropped by the first rule is not accepted by the second"
    if "geoip" not in match:
        found = trace(f"FORWARD {front} -j ACCEPT", f"FORWARD {opposite} -j ACCEPT", sport=None)
        assert found.disposition == "accepted"
    found = trace(f"FORWARD {front} -j A", "A -j RETURN", f"FORWARD {front} -j ACCEPT", sport=None)
    assert found.disposition == "undecided" and len(found.facts) == 1
    assert trace(f"FORWARD {front} -j DROP", f"FORWARD {front} -j ACCEPT", sport=None,
                 apart=True).disposition == "undecided"


@pytest.mark.parametrize("match", [LIMIT, RECENT, "-m statistic --mode random --probability 0.5", "-m nobody --knows"])
def test_what_depends_on_when_it_is_asked_is_asked_twice(match: str) -> None:
    found = trace(f"FORWARD {match} -j DROP", f"FORWARD {match} -j ACCEPT")
    assert found.disposition == "undecided"
    assert ["rule 1" in fact.words for fact in found.facts] == [True, False]


def test_a_set_that_rules_write_to_may_have_changed_between_two_looks() -> None:
    asked = "-m set --match-set X src"
    found = trace(f"FORWARD {asked} -j DROP", "FORWARD -j SET --add-set X src", f"FORWARD {asked} -j ACCEPT")
    assert found.disposition != "dropped"


def test_two_set_facts_are_two_facts_and_both_have_to_be_known() -> None:
    found = trace("FORWARD -m set --match-set X src -j A", "A -m set --match-set Y src -j ACCEPT")
    assert [fact.words.split(" (")[0] for fact in found.facts] == [
        "whether 0.0.0.105 is in set X", "whether 0.0.0.105 is in set Y"]
    assert told(found)[found.facts[0].words] == {"yes": ["accepted", "dropped"], "no": ["dropped"]}


def test_source_ports_are_told_as_ranges() -> None:
    found = trace("FORWARD -p tcp -m tcp --sport 2000:3000 -j ACCEPT", "FORWARD -p tcp -m tcp --sport 4000 -j ACCEPT",
                  sport=None)
    assert told(found) == {"the source port": {"2000-3000, 4000": ["accepted"],
                                               "1024-1999, 3001-3999, 4001-65535": ["dropped"]}}


def test_a_mark_that_nobody_knows_is_one_fact_until_it_is_changed() -> None:
    hmark = "FORWARD -j HMARK --hmark-tuple src --hmark-mod 4 --hmark-rnd 1"
    marked = "-m mark --mark 0x1"
    assert trace(hmark, f"FORWARD {marked} -j DROP", f"FORWARD {marked} -j ACCEPT").disposition == "dropped"
    found = trace(hmark, f"FORWARD {marked} -j DROP", hmark, f"FORWARD {marked} -j ACCEPT")
    assert found.disposition == "undecided" and "which -j HMARK" in found.facts[0].words


def test_where_the_ways_are_too_many_all_that_may_matter_is_named() -> None:
    rules = [f"FORWARD {LIMIT} -j MARK --set-xmark {1 << bit}/{1 << bit}" for bit in range(12)]
    found = trace(*rules, "FORWARD -m mark --mark 0xfff -j ACCEPT")
    assert found.disposition == "undecided" and not found.smallest and not found.facts
    assert len(found.undecided_on) == 12
    assert "Too many facts" in fact_lines(found, Style(), True)[0]


def test_what_nobody_models_has_to_be_known_and_says_no_more() -> None:
    found = trace(f"FORWARD {LIMIT} -j DROP", "FORWARD -j NFQUEUE --queue-num 0")
    assert len(found.facts) == 2 and found.facts[1].values == ()
    assert trace_json(found)["facts"][0]["values"][0] == {"value": "yes", "leads_to": [{"disposition": "dropped"}]}


def test_facts_fit_the_screen_and_hostile_text_is_made_visible() -> None:
    found = trace(f'FORWARD -m string --string "{"x" * 150}" --algo bm -j DROP', "FORWARD -j ACCEPT")
    found = replace(found, facts=(replace(found.facts[0], words=found.facts[0].words + " \x1b[2J"),))
    lines = fact_lines(found, Style(), True)
    assert all(len(line) <= 80 and "\x1b" not in line for line in lines)
    assert [line.strip() for line in lines[-2:]] == ["yes: dropped", "no: accepted"]
