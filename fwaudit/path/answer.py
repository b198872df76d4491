"""The way back: a packet counts as delivered when, for TCP, its answer gets out and finds the client."""

from __future__ import annotations

from functools import cached_property

from fwaudit.model.host import Host
from fwaudit.model.ruleset import Hook
from fwaudit.model.verdict import Answerer
from fwaudit.netfilter.tracking import zoned_families
from fwaudit.packet.fields import STATE_ESTABLISHED, STATE_INVALID, STATE_NEW, TCP
from fwaudit.packet.intervals import EMPTY, IntervalSet
from fwaudit.path.admission import Admission
from fwaudit.path.memory import DOOR, SOCKET, Memory, Stage
from fwaudit.path.route import LOCAL_KINDS, Fib
from fwaudit.path.state import UNKNOWN_PORT, PacketState, but
from fwaudit.path.walk import ONE_OF_ROUTES, Walk, World

_SYN_ACK = 18
_ZONE = "whether the answer is looked for in the zone of its connection, since rules give some packets one"


class WayBack:
    """Sends the answer of whoever answers, and notes *delivered* where it arrives."""

    def __init__(self, host: Host, fibs: dict[int, Fib], admission: Admission, memory: Memory) -> None:
        self.host = host
        self.fibs = fibs
        self.admission = admission
        self._memory = memory
        self._sockets: dict[str, Stage] = {}
        self.bridges = {name for name, interface in host.interfaces.items() if interface.kind == "bridge"}

    @cached_property
    def _zoned(self) -> frozenset[int]:
        return zoned_families(self.host.ruleset)

    def bridge_calls_netfilter(self, family: int) -> bool:
        """br_netfilter is loaded and hands bridged packets of the family to the IP hooks."""
        key = "net.bridge.bridge-nf-call-iptables" if family == 4 else "net.bridge.bridge-nf-call-ip6tables"
        return bool(self.host.setting(key))

    def from_host(self, walk: Walk, world: World, answerer: Answerer) -> None:
        """The answer of a socket of this host."""
        if world.state.proto != TCP:
            walk.end(world, "delivered", to=answerer)
            return
        if walk.family in self._zoned:
            walk.undecided(world, _ZONE)
            return
        link = world.state.iif if walk.family == 6 else ""  # over which neighbours are answered by their address on it
        back = World(self._reply(world.state, ""), world.peers, world.steps, world.doubts)
        if walk.peer is None:
            self._memory.go_on(self._socket(link), walk, back,
                               lambda inner, here: self._from_socket(inner, here, answerer, link), answerer)
        else:
            self._from_socket(walk, back, answerer, link)

    def _socket(self, link: str) -> Stage:
        """The stage of answers that depend on a link."""
        if not link:
            return SOCKET
        found = self._sockets.get(link)
        if found is None:
            found = self._sockets[link] = SOCKET._replace(name=f"{SOCKET.name} {link}")
        return found

    def _from_socket(self, walk: Walk, world: World, answerer: Answerer, link: str) -> None:
        """Output, postrouting, and for a packet from lo back in."""
        local, routed = self._routes(walk, world, link)
        if world.state.answers is not None and world.state.answers[0]:
            for leaving in (*local, *routed):
                for sent in walk.hook([leaving], "output", leaving.state.oif):
                    self._turned_back(walk, leaving, sent, answerer, link)
            return
        for leaving in local:
            self._loop_back(walk, walk.hook([leaving], "output", "lo"), answerer)
        self._leave(walk, routed, "output", answerer)

    def _routes(self, walk: Walk, world: World, link: str) -> tuple[list[World], list[World]]:
        """An answer of this host on its way to the host itself, and to others; what goes nowhere is noted."""
        state = world.state
        routed: list[World] = []
        local = EMPTY
        for area, hop in self.fibs[state.family].lookup_in(state.dst, state.src, "lo", 0, link):
            here = world.among(world.peers & area)
            if not here.peers:
                continue
            if hop.kind == "unknown":
                walk.undecided(here, hop.why)
            elif hop.kind == "local":
                local = local | here.peers
            elif hop.kind != "unicast":
                walk.end(here, "no-route", "no route for the answer", "no route", hook="routing")
            else:
                routed += [here.but(oif=device, locally_made=1)
                           for device in walk.one_of(hop.devices or ("",), ONE_OF_ROUTES)]
        return [world.among(local).but(oif="lo", locally_made=1)] if local.bounds else [], routed

    def _loop_back(self, walk: Walk, worlds: list[World], answerer: Answerer) -> None:
        """Behind output, to the host itself."""
        worlds = walk.hook(worlds, "postrouting", "lo")
        looped = [w.but(iif="lo", oif="", locally_made=0) for w in worlds]
        worlds = walk.hook(walk.hook(looped, "prerouting", "lo", looped=True), "input", "lo")
        self._answered(walk, worlds, answerer)

    def _turned_back(self, walk: Walk, before: World, sent: World, answerer: Answerer, link: str) -> None:
        """Behind output, where the source of the connection was translated on input: the answer is routed once more
        when it is turned back to the client (nf_nat_proto.c, nf_nat_ipv4_local_fn)."""
        if sent.state.dst == before.state.dst:
            local, routed = ([sent], []) if sent.state.oif == "lo" else ([], [sent])
        else:
            local, routed = self._routes(walk, sent, link)
        if local:
            self._loop_back(walk, local, answerer)
        for leaving in routed:
            self._answered(walk, walk.hook([leaving], "postrouting", leaving.state.oif), answerer)

    def from_beyond(self, walk: Walk, world: World, answerer: Answerer, doors: tuple[str, ...]) -> None:
        """The answer of a container (or another machine) comes back in by the interface that the packet left by."""
        state = world.state
        if state.proto != TCP:
            walk.end(world, "delivered", to=answerer)
            return
        if walk.family in self._zoned:
            walk.undecided(world, _ZONE)
            return
        for door in doors:
            back = self._reply(state, door)
            direct = self._straight_back(world, door)
            if direct:
                self._answer_on_link(walk, world.among(direct), answerer, door)
            rest = World(back, world.peers - direct, world.steps, world.doubts)
            if not rest.peers:
                continue
            if walk.peer is None:
                self._memory.go_on(DOOR, walk, rest, lambda inner, here: self._through_door(inner, here, answerer),
                                   answerer)
            else:
                self._through_door(walk, rest, answerer)

    def _through_door(self, walk: Walk, world: World, answerer: Answerer) -> None:
        door = world.state.iif
        worlds = walk.hook([world], "ingress", door) if walk.tables.has_ingress else [world]
        for here in walk.hook(worlds, "prerouting", door):
            self._route_answer(walk, here, answerer)

    def _straight_back(self, world: World, door: str) -> IntervalSet:
        """Peers that the answering container has on its own link, so that the answer does not come to this host."""
        state = world.state
        if state.ct_snat or not state.iif or state.iif != door or door not in self.bridges:
            return EMPTY
        out = EMPTY
        width = 32 if state.family == 4 else 128
        for address in self.host.interfaces[door].addresses:
            if address.family == state.family:
                low = address.value >> (width - address.prefix) << (width - address.prefix)
                out = out | IntervalSet((low, low + (1 << (width - address.prefix))))
                out = out - IntervalSet.of(address.value)
        return out & world.peers

    def _answer_on_link(self, walk: Walk, world: World, answerer: Answerer, door: str) -> None:
        """Straight over the bridge; a translated connection needs br_netfilter to be turned back there."""
        state = world.state
        if self.bridge_calls_netfilter(state.family):
            back = self._reply(state, door)._replace(bridged=1, physin=UNKNOWN_PORT, physout=UNKNOWN_PORT)
            worlds = walk.hook([world._replace(state=back)], "prerouting", door)
            worlds = [w.but(oif=door) for w in worlds]
            self._answered(walk, walk.hook(walk.hook(worlds, "forward", door), "postrouting", door), answerer)
        elif state.ct_dnat:
            walk.end(world, "dropped", "the answer goes straight over the bridge and is not translated back",
                     "lost answer", hook="postrouting")
        else:
            walk.end(world, "delivered", to=answerer)

    def _route_answer(self, walk: Walk, world: World, answerer: Answerer) -> None:
        state = world.state
        routed: list[World] = []
        local = EMPTY
        for area, hop in self.fibs[state.family].lookup_in(state.dst, state.src, state.iif, state.mark):
            here = world.among(world.peers & area)
            if not here.peers:
                continue
            if hop.kind == "unknown":
                walk.undecided(here, hop.why)
            elif hop.kind in LOCAL_KINDS:
                local = local | here.peers
            elif hop.kind != "unicast":
                walk.end(here, "no-route", "no route for the answer", "no route", hook="routing")
            elif self.admission.forwards(state.family, state.iif) is False:
                walk.end(here, "no-route", f"forwarding is off for {state.iif}, so the answer is lost", "drop",
                         hook="routing")
            else:
                for device in walk.one_of(hop.devices or ("",), ONE_OF_ROUTES):
                    out = self._refuse(walk, here, device)
                    if out.peers.bounds:
                        routed.append(out.but(oif=device))
        if local.bounds:
            here = self._refuse(walk, world.among(local), "lo")
            if here.peers.bounds:
                self._answered(walk, walk.hook([here], "input", state.iif), answerer)
        self._leave(walk, routed, "forward", answerer)

    def _leave(self, walk: Walk, routed: list[World], hook: Hook, answerer: Answerer) -> None:
        for world in self._memory.leaving(walk, routed, hook):
            device = world.state.oif
            self._answered(walk, walk.hook(walk.hook([world], hook, device), "postrouting", device), answerer)

    def _refuse(self, walk: Walk, world: World, device: str) -> World:
        """Without the peers to whom routing does not send on what this source says."""
        state = world.state
        assert state.src is not None
        if state.family == 6 and device != "lo" and state.src in self.admission.unforwardable(6, state.iif, device):
            walk.end(world, "no-route", "such an answer is not forwarded", "drop", hook="routing")
            return world.among(EMPTY)
        refused = self.admission.answers(state.family, state.iif, state.src, state.mark, device)
        return walk.refuse(world, refused, "no such answer comes in by {} (rp_filter)")

    @staticmethod
    def _reply(state: PacketState, iif: str) -> PacketState:
        """The first answer as it sets out: addresses swapped as the answering side saw them."""
        return but(
            state, src=state.dst, sport=state.dport, dst=state.reply_dst if state.ct_snat else state.src,
            dport=state.sport, iif=iif, oif="", tcp_flags=_SYN_ACK, mark=0, locally_made=0, bridged=0, physin="",
            physout="", ct_state=STATE_INVALID, ct_snat=0, ct_dnat=0, ct_direction=1, nat_done=0,
            answers=(state.ct_snat, state.ct_dnat) if state.ct_state == STATE_NEW else None)

    def _answered(self, walk: Walk, worlds: list[World], answerer: Answerer) -> None:
        for world in worlds:
            state = world.state
            # only a translated connection whose answer is tracked is turned back into what the client sent to
            if state.answers not in (None, (0, 0)) and state.ct_state != STATE_ESTABLISHED:
                walk.end(world, "dropped", "the answer is not tracked, so it is not translated back", "lost answer",
                         hook="postrouting")
            else:
                walk.end(world, "delivered", to=answerer)
