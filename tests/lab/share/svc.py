"""svc.py NAME PROTO:PORT[:ADDRESS] ...: a server that answers everything, TCP and UDP, IPv4 and IPv6.

Every connection and datagram is answered with one line of JSON: who answers, on which port, and which source address
it saw (docker-proxy hides the client's).
"""

import json
import selectors
import signal
import socket
import sys

IP_PKTINFO, IPV6_RECVPKTINFO, IPV6_PKTINFO = 8, 49, 50
FAMILIES = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}
KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def listen(proto, port, address, family):
    server = socket.socket(family, KINDS[proto])
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    server.bind((address, port))
    if proto == "tcp":
        server.listen(512)
    elif family == socket.AF_INET:
        server.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    else:
        server.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
    server.setblocking(False)
    return server


def answer_stream(server, line):
    client, peer = server.accept()
    with client:
        client.sendall(line(peer))
        client.shutdown(socket.SHUT_WR)


def answer_datagram(server, line):
    """A datagram is answered from the address that it came to, which an unbound socket does not do by itself."""
    _, ancillary, _, peer = server.recvmsg(2048, 256)
    source = []
    for level, kind, data in ancillary:
        if (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO):
            source.append((level, kind, bytes(4) + data[8:12] + bytes(4)))
        elif (level, kind) == (socket.IPPROTO_IPV6, IPV6_PKTINFO):
            source.append((level, kind, data[:16] + bytes(4)))
    server.sendmsg([line(peer)], source, 0, peer)


def main(name, *specs):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # pid 1 of a container has no default action for it
    selector = selectors.DefaultSelector()
    for spec in specs:
        proto, port, address = [*spec.split(":", 2), ""][:3]
        for family, wildcard in FAMILIES.items():
            if address and (":" in address) != (family == socket.AF_INET6):
                continue
            try:
                server = listen(proto, int(port), address or wildcard, family)
            except OSError:
                if family == socket.AF_INET6 and not address:
                    continue  # a container without IPv6
                raise
            selector.register(server, selectors.EVENT_READ, (proto, int(port)))
    print("ready", flush=True)
    while True:
        for key, _ in selector.select():
            proto, port = key.data

            def line(peer, port=port):
                return (json.dumps({"by": name, "port": port, "saw": peer[0]}) + "\n").encode()

            try:
                (answer_stream if proto == "tcp" else answer_datagram)(key.fileobj, line)
            except OSError:
                continue  # the client is gone


if __name__ == "__main__":
    main(*sys.argv[1:])
