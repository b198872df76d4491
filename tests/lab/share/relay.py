"""relay.py PROTO,ADDRESS,PORT,TO_ADDRESS,TO_PORT ...: a stand-in for docker-proxy, good for one short answer."""

import socket
import sys
import threading

KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def ask(proto, to, question):
    """What the container says; nothing where it does not answer."""
    try:
        with socket.socket(family(to[0]), KINDS[proto]) as beyond:
            beyond.settimeout(2)
            beyond.connect(to)
            if question:
                beyond.send(question)
            return beyond.recv(4096)
    except OSError:
        return b""


def relay_stream(client, to):
    with client:
        client.sendall(ask("tcp", to, b""))


def relay_datagram(server, to, question, peer):
    answer = ask("udp", to, question)
    if answer:
        server.sendto(answer, peer)


def serve(proto, address, port, *to):
    server = socket.socket(family(address), KINDS[proto])
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family(address) == socket.AF_INET6:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    server.bind((address, int(port)))
    if proto == "tcp":
        server.listen(256)
    threading.Thread(target=accept, args=(server, proto, (to[0], int(to[1]))), daemon=True).start()


def accept(server, proto, to):
    while True:
        if proto == "tcp":
            work = relay_stream, (server.accept()[0], to)
        else:
            work = relay_datagram, (server, to, *server.recvfrom(2048))
        threading.Thread(target=work[0], args=work[1], daemon=True).start()


if __name__ == "__main__":
    for spec in sys.argv[1:]:
        serve(*spec.split(","))
    print("ready", flush=True)
    threading.Event().wait()
