"""Plans for recorded hosts: what they load, what they refuse, and what the proof makes of a wrong one."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import captures
import pytest

from fwaudit.fix.planner import Allowed, Wish, plan
from fwaudit.fix.prove import prove
from fwaudit.host.snapshot_file import read_snapshot
from fwaudit.model.host import Host
from fwaudit.model.plan import Plan
from fwaudit.packet.address import parse_network
from fwaudit.parse.host import parse_host
from fwaudit.render.plan import render_json, script

OLD, NEW, NATIVE = "d20/ufw_deny_5432", "d28/ufw_deny_5432", "d29nft/ufw_off"


@lru_cache(maxsize=8)
def host(name: str) -> Host:
    with TemporaryDirectory() as folder:
        return parse_host(read_snapshot(captures.case(name).write(Path(folder) / "snapshot.tar")))


def rules(made: Plan, number: int = 0) -> list[str]:
    return [line for line in made.transactions[number].text.splitlines() if line.startswith("-A ")]


def test_the_shape_of_the_chain():
    made = plan(host(NEW), Wish())
    lines = rules(made)
    assert lines[0] == "-A FWAUDIT -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"
    assert lines[1].startswith("-A FWAUDIT -i docker0 ")
    assert lines[-1] == '-A FWAUDIT -o docker0 -m comment --comment "straight to a container" -j DROP'
    assert not [line for line in lines if "-j ACCEPT" in line]
    assert made.transactions[0].text.splitlines()[-2] == "-I DOCKER-USER 1 -j FWAUDIT"
    assert {line.split()[1] for each in made.transactions for line in each.text.splitlines()
            if line.startswith("-A ")} == {"FWAUDIT"}


def test_every_transaction_has_an_inverse():
    for name in (OLD, NEW, NATIVE):
        for each in plan(host(name), Wish()).transactions:
            assert each.undo
            assert ("-X FWAUDIT" in each.undo) or ("delete table inet fwaudit" in each.undo)


def test_old_engines_get_a_rule_about_loopback_and_new_ones_have_their_own():
    assert [each.table for each in plan(host(OLD), Wish()).transactions] == ["filter", "raw", "filter"]
    assert [each.table for each in plan(host(NEW), Wish()).transactions] == ["filter", "filter"]


def test_an_engine_that_writes_nftables_rules_gets_a_table():
    made = plan(host(NATIVE), Wish())
    each, = made.transactions
    assert each.argv == ("nft", "-f", "-")
    assert each.text.startswith("table inet fwaudit {\n}\ndelete table inet fwaudit\n")
    assert "DOCKER-USER" not in each.text


def test_an_engine_behind_ufw_is_told_so():
    assert "ufw route allow" in plan(host("d29nft/publish_v4_only"), Wish()).notes[0]
    assert not plan(host(NATIVE), Wish()).notes
    assert not plan(host(OLD), Wish()).notes


def test_one_port():
    made = plan(host(OLD), Wish(ports=((6, 5432),)))
    lines = rules(made)
    assert [line for line in lines if "5432" in line]
    assert not [line for line in lines if "every other" in line or " 22 " in line]
    proof = prove(host(OLD), made, Wish(ports=((6, 5432),)))
    assert proof.holds
    assert {change.before.service.port for change in proof.closes} == {5432}


def test_allowed_sources_and_no_others():
    family, sources = parse_network("203.0.113.0/24")
    wish = Wish(allows=(Allowed(6, 5432, family, sources),))
    made = plan(host(OLD), wish)
    lines = [line for line in rules(made) if "--ctorigdstport 5432" in line]
    assert "-s 203.0.113.0/24" in lines[0]
    assert lines[1].endswith("-j DROP")
    proof = prove(host(OLD), made, wish)
    assert proof.holds
    assert [change.becomes for change in proof.changes
            if change.before.service.port == 5432 and change.before.family == 4
            and change.before.service.kind == "published"] == ["restricted"]


@pytest.mark.parametrize("name", ["d28/ufw_off", NATIVE])
def test_sources_of_one_family_are_the_only_ones_in_either(name):
    family, sources = parse_network("203.0.113.0/24")
    wish = Wish(allows=(Allowed(6, 5432, family, sources),))
    made = plan(host(name), wish)
    texts = [each.text for each in made.transactions]
    assert len(re.findall(r"5432.* (?:return|RETURN|accept)$", "".join(texts), re.M)) == 1
    assert len(re.findall(r"5432.* (?:drop|DROP)$", "".join(texts), re.M)) == 2
    proof = prove(host(name), made, wish)
    assert proof.holds
    left = {(change.before.family, way.to.via) for change in proof.changes if change.after
            for way in change.after.ways if way.possibly and way.to
            and change.before.service.kind == "published" and change.before.service.port == 5432}
    assert (4, "") in left
    assert {via for of, via in left if of == 6} == {"docker-proxy"}, "INPUT rules what the proxy takes"


def test_some_interfaces_only():
    wish = Wish(interfaces=("external",))
    made = plan(host(OLD), wish)
    assert [line for line in rules(made) if line.startswith("-A FWAUDIT -i eth1 ")]
    proof = prove(host(OLD), made, wish)
    assert proof.holds
    ways = [way for change in proof.closes if change.after for way in change.after.ways]
    assert {way.iif for way in ways if way.possibly} == {"eth1"}


@pytest.mark.parametrize(("wish", "why"), [
    (Wish(ports=((6, 81),)), "no running container publishes 81/tcp"),
    (Wish(containers=("nobody",)), "there is no container 'nobody'"),
    (Wish(interfaces=("eth9",)), "there is no interface 'eth9'"),
])
def test_wishes_that_cannot_be_met(wish, why):
    made = plan(host(OLD), wish)
    assert not made.transactions
    assert any(why in each for each in made.refused)


def test_rules_that_nobody_has_read():
    blind = replace(host(OLD), ruleset=replace(host(OLD).ruleset, unread=(("iptables/nft.v4", "permission denied"),)))
    assert "guess" in plan(blind, Wish()).refused[0]


def test_a_policy_that_nft_has_no_words_for():
    assert "ufw rule 2 counts the connections" in plan(host("d29nft/ufw_limit"), Wish()).refused[0]


def test_each_family_counts_the_connections_of_a_source_in_its_own_list():
    """A list that both used would have the mask of the one that was loaded first: 32 bits of an IPv6 source."""
    made = plan(host("d28/ufw_limit"), Wish())
    names = [set(re.findall(r"--name (\S+)", each.text)) for each in made.transactions]
    assert len(names) == 2
    assert all(names)
    assert not names[0] & names[1]


def test_bridges_that_may_be_networks_of_an_engine_that_does_not_answer():
    known = host(OLD)
    bridge = replace(known.interfaces["docker0"], name="shop0")
    silent = replace(known, engine=replace(known.engine, unread="it is not running"))
    assert not plan(silent, Wish()).refused
    unclear = replace(silent, interfaces={**silent.interfaces, "shop0": bridge})
    assert "whether bridge shop0 is one of its networks" in plan(unclear, Wish()).refused[0]


def test_rules_are_counted_and_nothing_else():
    made = plan(host(NATIVE), Wish())
    assert made.rules == sum(line.rstrip().endswith(("accept", "drop", "port-unreachable"))
                             for line in made.transactions[0].text.splitlines() if "policy accept" not in line)


def test_names_of_interfaces_are_checked():
    odd = host(OLD).interfaces["eth0"]
    changed = replace(host(OLD), interfaces={**host(OLD).interfaces, 'a"b': replace(odd, name='a"b')})
    assert "does not take" in plan(changed, Wish()).refused[0]


# ---- the proof of wrong plans ---------------------------------------------------------------------------------------


def with_rule_first(made: Plan, rule: str) -> Plan:
    """The plan with another rule in front of its first table's."""
    first = made.transactions[0]
    text = first.text.replace("[0:0]\n", f"[0:0]\n{rule}\n", 1)
    return replace(made, transactions=(replace(first, text=text), *made.transactions[1:]))


@pytest.mark.parametrize(("rule", "witness"), [
    ("-A FWAUDIT -i docker0 -p tcp -m tcp --dport 443 -j DROP", "docker0"),                 # egress is cut
    ("-A FWAUDIT -i docker0 -m conntrack --ctstate ESTABLISHED -j DROP", "eth0"),           # answers are cut
    ("-A FWAUDIT -s 10.9.8.0/24 -p tcp -j DROP", "eth0"),                                   # what ufw allows is cut
    ("-A FWAUDIT -i eth0 -o eth1 -j DROP", "eth0"),                                         # somebody's routing is cut
    ("-A FWAUDIT -i docker0 -m limit --limit 1/sec -j DROP", "docker0"),                    # perhaps cut is cut
])
def test_a_plan_that_moves_anything_else_is_refused_with_a_packet(rule, witness):
    known = host("d20/ufw_allow_from_subnet")
    made = plan(known, Wish())
    assert prove(known, made, Wish()).holds
    broken = with_rule_first(made, rule)
    proof = prove(known, broken, Wish())
    assert not proof.holds
    assert witness in {each.query.iif for each in proof.moved}
    assert "No plan: it would move packets" in script(known, broken, proof)


def test_a_plan_that_opens_anything_is_refused():
    known = host("d20/du_drop_ctrport")
    made = plan(known, Wish())
    proof = prove(known, with_rule_first(made, "-A FWAUDIT -o docker0 -j ACCEPT"), Wish())
    assert any(each.after == "delivered" for each in proof.moved)


def test_the_admins_own_session_is_part_of_the_proof():
    from fwaudit.model.verdict import Query
    from fwaudit.packet.intervals import IntervalSet

    known = host("d20/ufw_allow_from_subnet")
    session = Query(4, "eth0", parse_network("203.0.113.10")[1].lowest(), 6, 5432, IntervalSet.of(0xC6336407))
    proof = prove(known, plan(known, Wish()), Wish(), session=session)
    assert [each.query for each in proof.moved] == [session]


# ---- how it is shown ------------------------------------------------------------------------------------------------


def test_the_script_is_one_that_sh_reads(tmp_path):
    import subprocess

    known = host(OLD)
    made = plan(known, Wish())
    text = script(known, made, prove(known, made, Wish()), "it's; rm -rf \n/")
    subprocess.run(["sh", "-n"], input=text, text=True, check=True)
    outside = re.sub(r"<<'END-OF-RULES'\n.*?^END-OF-RULES$", "", text, flags=re.S | re.M)
    assert {line.split()[0] for line in outside.splitlines() if line and not line.startswith("#")} == {
        "set", "iptables-nft-restore", "ip6tables-nft-restore"}
    assert all(len(line) <= 80 for line in outside.splitlines() if "# " in line[:2])


def test_json_says_the_same():
    known = host(OLD)
    made = plan(known, Wish())
    said = json.loads(render_json(known, made, prove(known, made, Wish())))
    assert said["needed"]
    assert said["proof"]["holds"]
    assert [each["stdin"] for each in said["transactions"]] == [each.text for each in made.transactions]
    assert "closed" in {each["becomes"] for each in said["proof"]["changes"]}


def test_it_reads_what_it_loads_and_then_has_nothing_to_do():
    from fwaudit.fix import whatif

    for name in (OLD, NEW, NATIVE):
        known = host(name)
        made = plan(known, Wish())
        after = replace(known, ruleset=whatif.loaded(known.ruleset, made))
        again = plan(after, Wish())
        assert not prove(after, again, Wish()).needed
        assert whatif.without_ours(after.ruleset) == whatif.without_ours(known.ruleset) or name == OLD
