"""What targets do: the registry of target modules, by the name that ``-j`` gives.

A target that is neither here nor a chain is Undecidable with its whole text. To add one, write or extend a module,
name it here, and give it a line in its table in tests/tables/targets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fwaudit.netfilter.targets._target import TargetKind
from fwaudit.netfilter.targets.ct import CT, NOTRACK
from fwaudit.netfilter.targets.mark import CONNMARK, MARK
from fwaudit.netfilter.targets.nat import DNAT, MASQUERADE, NETMAP, REDIRECT, SNAT
from fwaudit.netfilter.targets.passing import PASSING
from fwaudit.netfilter.targets.undecidable import UNDECIDABLE
from fwaudit.netfilter.targets.verdict import ACCEPT, DROP, REJECT, RETURN

TARGETS: Final[Mapping[str, TargetKind]] = {
    "ACCEPT": ACCEPT,
    "CONNMARK": CONNMARK,
    "CT": CT,
    "DNAT": DNAT,
    "DROP": DROP,
    "MARK": MARK,
    "MASQUERADE": MASQUERADE,
    "NETMAP": NETMAP,
    "NOTRACK": NOTRACK,
    "REDIRECT": REDIRECT,
    "REJECT": REJECT,
    "RETURN": RETURN,
    "SNAT": SNAT,
    **PASSING,
    **UNDECIDABLE,
}
