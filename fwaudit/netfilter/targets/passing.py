"""Targets that leave the packet's way alone: it goes on behind the rule (they return XT_CONTINUE in the kernel)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fwaudit.model.ruleset import ChangeSet, Continue, Target, Undecidable
from fwaudit.netfilter.matches._option import Option, number
from fwaudit.netfilter.targets._target import TargetKind, passing, text_of

_SET = {"--add-set": 2, "--del-set": 2, "--map-set": 2, "--exist": 0, "--timeout": 1, "--map-mark": 0, "--map-prio": 0,
        "--map-queue": 0}


def _set(options: Sequence[Option], family: int) -> Target:
    """Adding to a set changes what later rules and packets see; ``--map-mark`` gives this one a mark that the set
    holds. One rule may do both, and of several sets it adds to one (xt_set.c set_target_v3)."""
    if any(option.name == "--map-mark" for option in options):
        return Undecidable(text_of("SET", options), "a mark that the set's element holds", terminal=False)
    changed = [option for option in options if option.name in ("--add-set", "--del-set")]
    if len(changed) > 1:
        return Undecidable(text_of("SET", options), "several sets at once", terminal=False)
    if not changed:
        return Continue("SET")
    return ChangeSet("SET", ("ipset", changed[0].arguments[0]), changed[0].name == "--del-set")


_ENOUGH_HOPS = 32
"""Senders give packets 64 hops or more (Linux, macOS, Windows), of which the way here takes a few."""


def _hops(name: str) -> TargetKind:
    """TTL and HL: a packet that is left without hops is not forwarded (ip_forward.c, ip6_output.c)."""
    prefix = f"--{name.lower()}-"

    def parse(options: Sequence[Option], family: int) -> Target:
        for option in options:
            if option.name == f"{prefix}set" and number(option.arguments[0], 255) <= 1:
                return Undecidable(text_of(name, options), "the packet has no hop left")
            if option.name == f"{prefix}dec" and number(option.arguments[0], 255) >= _ENOUGH_HOPS:
                return Undecidable(text_of(name, options), "the packet may have no hop left")
        return Continue(name)

    return TargetKind({f"{prefix}set": 1, f"{prefix}dec": 1, f"{prefix}inc": 1}, parse)


PASSING: Mapping[str, TargetKind] = {
    "LOG": passing("LOG", {"--log-prefix": 1, "--log-level": 1, "--log-tcp-sequence": 0, "--log-tcp-options": 0,
                           "--log-ip-options": 0, "--log-uid": 0, "--log-macdecode": 0}),
    "NFLOG": passing("NFLOG", {"--nflog-prefix": 1, "--nflog-group": 1, "--nflog-range": 1, "--nflog-size": 1,
                               "--nflog-threshold": 1}),
    "ULOG": passing("ULOG", {"--ulog-prefix": 1, "--ulog-nlgroup": 1, "--ulog-cprange": 1, "--ulog-qthreshold": 1}),
    "SET": TargetKind(_SET, _set),
    "TTL": _hops("TTL"),
    "HL": _hops("HL"),
    **{name: passing(name) for name in (
        "ACCOUNT", "AUDIT", "CHECKSUM", "CLASSIFY", "CONNSECMARK", "DSCP", "ECN", "FLOWOFFLOAD", "IDLETIMER",
        "IPV4OPTSSTRIP", "LED", "LOGMARK", "NFACCT", "RATEEST", "SECMARK", "TCPMSS", "TCPOPTSTRIP", "TEE", "TOS",
        "TRACE",
    )},
}
