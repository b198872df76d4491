"""A program that runs fwaudit, and says on stderr what it may do when it begins to work on what it has read."""

SPY = """
import json, os, re, subprocess, sys
import fwaudit.audit as module
real = module.audit
def spy(snapshot, *store):
    text = open("/proc/thread-self/status").read()
    said = {name: re.search(rf"^{name}:[ \\t]*(.*)$", text, re.M)[1].split() for name in (
        "Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs")}
    said["child"] = subprocess.run(["grep", "^CapEff", "/proc/self/status"], capture_output=True, text=True).stdout
    said["engine"] = "docker.sock" in open("/proc/net/unix").read() and any(
        os.readlink(f"/proc/self/fd/{each}").startswith("socket:") for each in os.listdir("/proc/self/fd")
        if os.path.exists(f"/proc/self/fd/{each}"))
    try:
        os.setuid(0)
        open("/etc/shadow").close()
        said["root"] = True
    except OSError:
        said["root"] = False
    print("SPY", json.dumps(said), file=sys.stderr)
    module.audit = real
    return real(snapshot, *store)
module.audit = spy
from fwaudit.__main__ import main
sys.exit(main())
"""
