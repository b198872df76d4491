"""Is a part of the kernel there already? Found out without asking it, because asking would load it.

A netlink message for a subsystem that is not there makes the kernel run modprobe (``nfnetlink_rcv_msg`` in
net/netfilter/nfnetlink.c: ``request_module("nfnetlink-subsys-%d")``), and an audit loads nothing.
"""

from __future__ import annotations

from fwaudit.host.run import Machine

# A symbol that each part exports: in /proc/kallsyms it shows a part that is built in where no list of modules is.
_SYMBOL = {"nf_tables": b" nft_register_chain_type", "ip_set": b" ip_set_type_register"}
_SYMBOLS_LIMIT = 64 << 20


def is_present(machine: Machine, module: str) -> bool:
    """True where ``module`` is loaded or built in, so that talking to it loads nothing.

    A kernel without ``/proc/modules`` cannot load anything (CONFIG_MODULES=n): it may be asked whatever it has.
    """
    loaded = machine.read("/proc/modules")
    if loaded.data is None:
        return "no such file" in loaded.source.missing or _is_built_in(machine, module)
    if any(line.split(b" ", 1)[0] == module.encode() for line in loaded.data.splitlines()):
        return True
    return machine.path(f"/sys/module/{module}").is_dir() or _is_built_in(machine, module)


def _is_built_in(machine: Machine, module: str) -> bool:
    release = (machine.read("/proc/sys/kernel/osrelease").data or b"").decode("ascii", "replace").strip()
    builtin = machine.read(f"/lib/modules/{release}/modules.builtin").data if release else None
    if builtin is not None:
        return f"/{module}.ko".encode() in builtin
    # No list: a virtual machine whose kernel comes from outside, such as WSL 2.
    return _SYMBOL[module] in (machine.read("/proc/kallsyms", _SYMBOLS_LIMIT).data or b"")
