"""Matches that depend on earlier packets: rates, quotas and lists of recent sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fwaudit.model.condition import FALSE, TRUE, Condition, Unknown
from fwaudit.netfilter.matches._option import Match, Option, text_of, undecided

_RECENT = {"--set": 0, "--rcheck": 0, "--update": 0, "--remove": 0, "--seconds": 1, "--reap": 0, "--hitcount": 1,
           "--rttl": 0, "--name": 1, "--mask": 1, "--rsource": 0, "--rdest": 0}
_HASHLIMIT = dict.fromkeys((
    "--hashlimit", "--hashlimit-upto", "--hashlimit-above", "--hashlimit-burst", "--hashlimit-mode",
    "--hashlimit-srcmask", "--hashlimit-dstmask", "--hashlimit-name", "--hashlimit-htable-size",
    "--hashlimit-htable-max", "--hashlimit-htable-expire", "--hashlimit-htable-gcinterval",
    "--hashlimit-rate-interval",
), 1)


def _recent(options: Sequence[Option], family: int) -> Condition:
    """``--set`` notes the source and is true, or false when negated (xt_recent.c recent_mt); the rest looks back."""
    actions = [option for option in options if option.name in ("--set", "--rcheck", "--update", "--remove")]
    if len(actions) == 1 and actions[0].name == "--set" and all(option.name in _RECENT for option in options):
        return FALSE if actions[0].negated else TRUE
    return Unknown(text_of("recent", options), "earlier packets of this source (recent)")


STATEFUL: Mapping[str, Match] = {
    "recent": Match(_RECENT, _recent),
    "limit": undecided("rate limit", {"--limit": 1, "--limit-burst": 1}, "limit"),
    "hashlimit": undecided("rate limit", {**_HASHLIMIT, "--hashlimit-rate-match": 0}, "hashlimit"),
    "connlimit": undecided("number of open connections (connlimit)",
                           {"--connlimit-upto": 1, "--connlimit-above": 1, "--connlimit-mask": 1,
                            "--connlimit-saddr": 0, "--connlimit-daddr": 0}, "connlimit"),
    "quota": undecided("bytes so far (quota)", {"--quota": 1}, "quota"),
    "quota2": undecided("bytes so far (quota)", None, "quota2"),
    "connbytes": undecided("bytes so far (connbytes)",
                           {"--connbytes": 1, "--connbytes-dir": 1, "--connbytes-mode": 1}, "connbytes"),
    "rateest": undecided("measured rate", None, "rateest"),
    "nfacct": Match({"--nfacct-name": 1}, lambda options, family: TRUE),
    "statistic": undecided("chance or turn (statistic)",
                           {"--mode": 1, "--probability": 1, "--every": 1, "--packet": 1}, "statistic"),
    "psd": undecided("port scans seen before", None, "psd"),
    "connlabel": undecided("labels of the connection", {"--label": 1, "--set": 0}, "connlabel"),
}
