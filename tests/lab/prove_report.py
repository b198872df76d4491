"""What a comparison came to: on the screen, in the recorded file, and in docs/proof.md."""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path
from typing import Any

import grammar_case
from campaign import ROOT, CampaignError, Plan, Result, Work
from oracle_predict import Predictor
from prove_answers import answers_unit
from prove_mutation import MUTANTS, mutation_unit
from prove_oracle import PACKETS, command, fault, oracle_unit, show_case, the_world, verdict_text, written
from prove_trace import PACKETS as TRACED
from prove_trace import trace_unit

from fwaudit.model.verdict import Query
from fwaudit.packet.intervals import IntervalSet

PROFILES = tuple(grammar_case.PROFILES)
WORK: dict[str, Work] = {"oracle": oracle_unit, "mutation": mutation_unit, "trace": trace_unit,
                         "answers": answers_unit}
RECORD = ROOT / "docs" / "proof-oracle.json"
_SHOWN = 20
_TOOLS = {"nft": "nft", "iptables-nft": "iptables-nft", "iptables-legacy": "iptables-legacy", "ipset": "ipset"}


def kind_of(options: argparse.Namespace) -> tuple[str, int, int]:
    """What the command line asks for: the kind of comparison, the size of a unit, and how many packets or mutants."""
    if options.mutate is not None:
        return "mutation", MUTANTS, options.mutate
    if options.trace is not None:
        if options.profile == "legacy":
            raise CampaignError("the kernel does not trace the rules of iptables-legacy")
        return "trace", TRACED, options.trace
    if options.answers is not None:
        return "answers", PACKETS, options.answers
    return "oracle", PACKETS, options.packets


def wrong(result: Result) -> int:
    """How often the engine was wrong."""
    return result.sum("wrong", at=1)


# ---- on the screen --------------------------------------------------------------------------------------------------


def report(kind: str, result: Result) -> str:
    """The counts as markdown, and what is worth a look with what shows it again."""
    lines = list(TABLES[kind]([[*key, count] for key, count in sorted(result.counts.items())]))
    for finding in islice(result.findings, _SHOWN):
        lines += ["", *_finding(finding)]
    if len(result.findings) > _SHOWN:
        lines += ["", f"… and {len(result.findings) - _SHOWN} more in the state file"]
    return "\n".join(lines)


def _finding(finding: dict[str, Any]) -> Iterator[str]:
    for key, value in finding.items():
        if key == "rules":
            for name, text in value.items():
                yield f"  {name}:"
                yield from (f"    {line}" for line in str(text)[:4000].splitlines())
        elif isinstance(value, list):
            yield f"  {key}:"
            yield from (f"    {each}" for each in value)
        else:
            yield f"  {key}: {value}"


def show(seed: str, profile: str, only: int | None) -> int:
    """One case again: rules, packets, what the kernel does and what the engine says."""
    number = seed.partition(".")[0]
    if not number.isdecimal():
        raise CampaignError(f"{seed} is no case: a number, or a number with the attempt behind a dot")
    profile = profile or PROFILES[int(number) % len(PROFILES)]
    case, pool = grammar_case.make_case(seed, profile)
    world = the_world(profile)
    world.load(case)
    predictor = Predictor(world.snapshot(case))
    print(show_case(case))
    packets = grammar_case.make_packets(seed, pool, case, PACKETS)
    bad = 0
    for index, (packet, kernel) in enumerate(zip(packets, world.ask(packets), strict=True)):
        said = {"trace": predictor.trace(packet), "reach": predictor.reach(packet)}
        faults = sorted({fault(kernel, each) for each in said.values()} - {""})
        bad += bool(faults)
        if index != only and (only is not None or not faults):
            continue
        print(f"packet {index}: {json.dumps(written(packet))}\n  kernel: {verdict_text(kernel, packet.family)}")
        for name, each in said.items():
            ways = "; ".join(sorted(verdict_text(way, packet.family) for way in each.ways))
            print(f"  {name}: {ways} {' '.join(f'[{doubt}]' for doubt in each.doubts)}")
        trace = predictor.engine.trace(Query(packet.family, packet.iif, packet.dst, packet.proto, packet.dport,
                                             IntervalSet.of(packet.src), packet.sport))
        for step in trace.path:
            print(f"    {step.hook} {step.backend} {step.family} {step.table} {step.chain} {step.rule}: {step.text} -> "
                  f"{step.does}")
        print(f"  wrong: {', '.join(faults) or 'no'}")
    print(f"{bad} of {len(packets)} packets wrong; {command(seed, profile)}")
    return 1 if bad else 0


# ---- in the recorded file -------------------------------------------------------------------------------------------


def record(path: Path, plan: Plan, result: Result) -> None:
    """Put one comparison's counts into the file that scripts/proof reads, in place of the last ones of its kind."""
    known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known[plan.kind] = {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"), "kernel": platform.release().split("-")[0],
        "python": platform.python_version(), "tools": {name: _version(tool) for name, tool in _TOOLS.items()},
        "commit": _output("git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"), "seed": plan.seed,
        "counts": [[*key, count] for key, count in sorted(result.counts.items())],
        "findings": _first_of_each(result.findings)}
    text = json.dumps(known, indent=1, sort_keys=True)
    path.write_text(_rows_on_lines(text) + "\n", encoding="utf-8")


def _first_of_each(findings: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One finding for each ruleset and fault, without the ruleset, which follows from the command; ``times`` says of
    how many."""
    out: dict[tuple[str, str], dict[str, Any]] = {}
    for each in findings:
        key = (str(each.get("seed", each.get("source"))), each["fault"])
        if key not in out:
            out[key] = {name: value for name, value in each.items() if name not in ("rules", "sysctl", "error")}
            out[key]["times"] = 0
        out[key]["times"] += 1
    return list(out.values())


def _rows_on_lines(text: str) -> str:
    """The lists of counts on one line each."""
    out: list[str] = []
    row: list[str] | None = None
    for line in text.splitlines():
        bare = line.strip()
        if bare == "[" and row is None:
            row = [line]
        elif row is not None:
            row.append(bare)
            if bare in ("]", "],"):
                out.append("".join([row[0], " ".join(row[1:-1]), row[-1]]))
                row = None
        else:
            out.append(line)
    return "\n".join(out)


def _version(tool: str) -> str:
    return _output(tool, "--version").splitlines()[0] if _output(tool, "--version") else ""


def _output(*argv: str) -> str:
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


# ---- as markdown ----------------------------------------------------------------------------------------------------

Rows = Sequence[Sequence[Any]]


def _get(rows: Rows, *key: str) -> int:
    return sum(row[-1] for row in rows if list(row[: len(key)]) == list(key))


def _firsts(rows: Rows) -> list[str]:
    return sorted({row[0] for row in rows})


def oracle_tables(rows: Rows) -> Iterator[str]:
    """The confusion matrix of each profile, and of all together."""
    profiles = _firsts(rows)
    yield ("| rulesets | cases | packets | undecided | said delivered, lost | said lost, arrived | arrives elsewhere | "
           "lost otherwise |")
    yield f"| --- |{' ---: |' * 7}"
    for profile in [*profiles, ""]:
        mine = [["", *row[1:]] if not profile else row for row in rows]
        undecided = sum(row[-1] for row in mine if row[:2] == [profile, "matrix"] and row[3] == "undecided")
        cells = [_get(mine, profile, "cases"), _get(mine, profile, "packets"), undecided,
                 *(_get(mine, profile, "wrong", what)
                   for what in ("said delivered, lost", "said lost, arrived", "arrives elsewhere")),
                 _get(mine, profile, "lost otherwise")]
        yield _line(profile or "**all**", cells)
    failed = sum(row[-1] for row in rows if row[1:3] == ["wrong", "the engine failed"])
    if failed:
        yield f"\nThe engine failed on {failed} rulesets."
    for profile in [*profiles, ""] if len(profiles) > 1 else profiles:
        mine = [row for row in rows if row[1] == "matrix" and profile in ("", row[0])]
        yield ""
        yield f"{profile or 'all'}: rows are the kernel, columns the engine"
        yield ""
        yield from _matrix(mine)


def _matrix(rows: Rows) -> Iterator[str]:
    said = sorted({row[3] for row in rows})
    yield f"| | {' | '.join(said)} |"
    yield f"| --- |{' ---: |' * len(said)}"
    for kernel in sorted({row[2] for row in rows}):
        yield _line(kernel, [sum(row[-1] for row in rows if row[2:4] == [kernel, each]) for each in said])


def mutation_tables(rows: Rows) -> Iterator[str]:
    """How many mutants the kernel noticed, and of those the engine."""
    yield ("| rulesets of | rulesets | mutants | packets | noticed by the kernel | by the engine alike | undecided | "
           "misjudged |")
    yield f"| --- |{' ---: |' * 7}"
    for source in [*_firsts(rows), ""]:
        mine = [["", *row[1:]] if not source else row for row in rows]
        cells = [_get(mine, source, each) for each in
                 ("rulesets", "mutants", "packets", "noticed", "same", "undecided", "wrong")]
        yield _line(source or "**all**", cells)
    every = [["", *row[1:]] for row in rows]
    noticed, same = _get(every, "", "noticed"), _get(every, "", "same")
    share = f" ({100 * same / noticed:.1f} %)" if noticed else ""
    kinds = ", ".join(f"{_get(every, '', 'how noticed', how):,} of {_get(every, '', 'how', how):,} by {how}"
                      for how in ("delete", "swap", "flip"))
    yield ""
    yield f"Score: {same:,} of {noticed:,}{share}. The kernel noticed {kinds}."


def trace_tables(rows: Rows) -> Iterator[str]:
    """How many paths are the same."""
    yield ("| rulesets | cases | packets | same path | rules in them | parts at a doubtful rule | undecided | "
           "another path |")
    yield f"| --- |{' ---: |' * 7}"
    for profile in [*_firsts(rows), ""]:
        mine = [["", *row[1:]] if not profile else row for row in rows]
        yield _line(profile or "**all**", [_get(mine, profile, each) for each in
                                           ("cases", "packets", "same", "rules", "doubtful", "undecided", "wrong")])


def answer_tables(rows: Rows) -> Iterator[str]:
    """How many connections are answered, and what was said of them."""
    yield ("| rulesets | cases | packets that arrived | answered | undecided | said answered, lost | "
           "said lost, answered |")
    yield f"| --- |{' ---: |' * 6}"
    for profile in [*_firsts(rows), ""]:
        mine = [["", *row[1:]] if not profile else row for row in rows]
        yield _line(profile or "**all**", [
            *(_get(mine, profile, each) for each in ("cases", "packets", "answered", "undecided")),
            *(_get(mine, profile, "wrong", what) for what in ("said answered, lost", "said lost, answered"))])


def _line(name: str, cells: Sequence[int]) -> str:
    return f"| {name} | {' | '.join(f'{cell:,}' for cell in cells)} |"


TABLES = {"oracle": oracle_tables, "mutation": mutation_tables, "trace": trace_tables,
          "answers": answer_tables}


_TITLES = {
    "oracle": ("Random rulesets",
               "{packets} packets, {cases} random rulesets in a kernel, IPv4 and IPv6. An answer is wrong where the "
               "packet did not arrive at any of the places that the engine holds possible (this host, or out by an "
               "interface, at an address and port; or lost): **{wrong} wrong**. Each packet is asked about alone, and "
               "as one of all sources at once. *Lost otherwise* (dropped, and not refused; from another source than "
               "said) is counted apart."),
    "mutation": ("Rulesets with one rule changed",
                 "Rulesets of the recorded hosts and random ones, one rule deleted, put behind its neighbour, or "
                 "turned round; the same packets before and after. Where the kernel noticed (some packet arrives "
                 "elsewhere than before), the engine has to say the same of every packet: **{wrong} misjudged**."),
    "trace": ("Rule by rule",
              "The rules that `trace` names, in their order, held against the kernel's own trace (nftrace) of the same "
              "packets through iptables-nft and native nft: **{wrong} took another path**. Where a rule asks what no "
              "snapshot tells, the ways may part, and the packet is not followed further."),
    "answers": ("Connections",
                "{packets} TCP packets that arrived, through {cases} random rulesets; the kernel confirmed their "
                "connections, and an answer was sent from where they arrived. It got back to the client where the "
                "engine holds *delivered* possible, and nowhere else: **{wrong} wrong**."),
}


def page(known: dict[str, Any]) -> list[str]:
    """The section of docs/proof.md, from the recorded file."""
    out = ["## The kernel as judge", "",
           "Recorded by `scripts/prove`, which shows each disagreement with the command that repeats it."]
    for kind, (title, text) in _TITLES.items():
        part = known.get(kind)
        if part is None:
            continue
        rows = part["counts"]
        every = [["", *row[1:]] for row in rows]
        cells = {"packets": f"{_get(every, '', 'packets'):,}", "cases": f"{_get(every, '', 'cases'):,}",
                 "wrong": f"{_get(every, '', 'wrong'):,}"}
        tools = ", ".join(part["tools"].values())
        out += ["", f"### {title}", "", text.format(**cells), "",
                f"{part['date']}, Linux {part['kernel']}, Python {part['python']}, {tools}; from case {part['seed']}, "
                f"commit {part['commit']}.", "", *TABLES[kind](rows)]
        if part["findings"]:
            found = sorted(f"- `{each['again']}`: {each['fault']} ({each['times']})" for each in part["findings"])
            out += ["", "What was wrong, and of how many packets:", "", *found]
    return out
