"""probe.py TIMEOUT < probes.json > outcomes.json: fire all probes at once from this network namespace.

A probe: {"src": address or null, "dst": address, "port": n, "proto": "tcp" | "udp"}. An outcome: {"how": "reply" |
"refused" | "reset" | "closed" | "unreach" | "timeout" | ..., "by", "port", "saw" (of the reply), "ms"}. What is dropped
gives no sign but silence, so all wait together.
"""

import errno
import json
import selectors
import socket
import sys
import time

TOGETHER = 400
HOW = {
    errno.ECONNREFUSED: "refused", errno.ECONNRESET: "reset", errno.EHOSTUNREACH: "unreach",
    errno.ENETUNREACH: "unreach", errno.EACCES: "prohibited", errno.EPERM: "prohibited", errno.ETIMEDOUT: "timeout",
}


def set_out(probe):
    """A socket whose connection or datagram is on its way; OSError where it fails at once."""
    family = socket.AF_INET6 if ":" in probe["dst"] else socket.AF_INET
    client = socket.socket(family, socket.SOCK_STREAM if probe["proto"] == "tcp" else socket.SOCK_DGRAM)
    try:
        client.setblocking(False)
        if probe.get("src"):
            client.bind((probe["src"], 0))
        error = client.connect_ex((probe["dst"], probe["port"]))
        if error not in (0, errno.EINPROGRESS):
            raise OSError(error, "connect")
        if probe["proto"] == "udp":
            client.send(b"?")
    except OSError:
        client.close()
        raise
    return client


def outcome(how, start, reply=None):
    return {"how": how, "ms": round((time.monotonic() - start) * 1000), **(reply or {})}


def heard(client, proto, buffer):
    """(how it ended, the reply); None while there is more to come."""
    try:
        data = client.recv(4096)
    except BlockingIOError:
        return None
    except OSError as error:
        return HOW.get(error.errno, errno.errorcode.get(error.errno, "error")), None
    if not data and proto == "tcp":
        return "closed", None
    buffer += data
    return ("reply", json.loads(bytes(buffer))) if b"\n" in buffer else None


def fire(probes, timeout):
    """The outcomes, in the order of the probes. A datagram is sent a second time at half the time."""
    start = time.monotonic()
    outcomes, waiting = {}, {}
    selector = selectors.DefaultSelector()
    for number, probe in enumerate(probes):
        try:
            client = set_out(probe)
        except OSError as error:
            outcomes[number] = outcome(HOW.get(error.errno, "error"), start)
            continue
        waiting[number] = client
        selector.register(client, selectors.EVENT_READ, (number, bytearray()))
    repeated = False
    while waiting and time.monotonic() - start < timeout:
        for key, _ in selector.select(0.05):
            number, buffer = key.data
            end = heard(key.fileobj, probes[number]["proto"], buffer)
            if end is not None:
                outcomes[number] = outcome(end[0], start, end[1])
                selector.unregister(key.fileobj)
                waiting.pop(number).close()
        if not repeated and time.monotonic() - start > timeout / 2:
            repeated = True
            for number, client in waiting.items():
                if probes[number]["proto"] == "udp":
                    try:
                        client.send(b"?")
                    except OSError:
                        continue  # its error is told by the next recv
    for number, client in waiting.items():
        outcomes[number] = outcome("timeout", start)
        client.close()
    selector.close()
    return [outcomes[number] for number in range(len(probes))]


if __name__ == "__main__":
    questions = json.load(sys.stdin)
    said = []
    for first in range(0, len(questions), TOGETHER):
        said += fire(questions[first:first + TOGETHER], float(sys.argv[1]))
    json.dump(said, sys.stdout)
