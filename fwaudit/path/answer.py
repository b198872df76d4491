"""The way back: a packet counts as delivered when, for TCP, its answer gets out and finds the client."""

from __future__ import annotations

from fwaudit.model.host import Host
from fwaudit.model.ruleset import Hook
from fwaudit.model.verdict import Answerer
from fwaudit.packet.fields import STATE_ESTABLISHED, STATE_INVALID, STATE_NEW, TCP
from fwaudit.packet.intervals import EMPTY, IntervalSet
from fwaudit.path.admission import Admission
from fwaudit.path.memory import DOOR, SOCKET, Memory
from fwaudit.path.route import LOCAL_KINDS, Fib
from fwaudit.path.state import UNKNOWN_PORT, PacketState, but
from fwaudit.path.walk import ONE_OF_ROUTES, Walk, World

_SYN_ACK = 18


class WayBack:
    """Sends the answer of whoever answers, and notes *delivered* where it arrives."""

    def __init__(self, host: Host, fibs: dict[int, Fib], admission: Admission, memory: Memory) -> None:
        self.host = host
        self.fibs = fibs
        self.admission = admission
        self._memory = memory
        self.bridges = {name for name, interface in host.interfaces.items() if interface.kind == "bridge"}

    def bridge_calls_netfilter(self, family: int) -> bool:
        """br_netfilter is loaded and hands bridged packets of the family to the IP hooks."""
        key = "net.bridge.bridge-nf-call-iptables" if family == 4 else "net.bridge.bridge-nf-call-ip6tables"
        return bool(self.host.setting(key))

    def from_host(self, walk: Walk, world: World, answerer: Answerer) -> None:
        """The answer of a socket of this host."""
        if world.state.proto != TCP:
            walk.end(world, "delivered", to=answerer)
            return
        back = World(self._reply(world.state, ""), world.peers, world.steps, world.doubts)
        if walk.peer is None:
            self._memory.go_on(SOCKET, walk, back, lambda inner, here: self._from_socket(inner, here, answerer),
                               answerer)
        else:
            self._from_socket(walk, back, answerer)

    def _from_socket(self, walk: Walk, world: World, answerer: Answerer) -> None:
        """Output, postrouting, and for a packet from lo back in."""
        back = world.state
        routed: list[World] = []
        local = EMPTY
        for area, hop in self.fibs[back.family].lookup(back.dst, back.src, mark=0):
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
        if local.bounds:
            leaving = world.among(local).but(oif="lo", locally_made=1)
            worlds = walk.hook(walk.hook([leaving], "output", "lo"), "postrouting", "lo")
            looped = [w.but(iif="lo", oif="", locally_made=0) for w in worlds]
            worlds = walk.hook(walk.hook(looped, "prerouting", "lo", looped=True), "input", "lo")
            self._answered(walk, worlds, answerer)
        self._leave(walk, routed, "output", answerer)

    def from_beyond(self, walk: Walk, world: World, answerer: Answerer, doors: tuple[str, ...]) -> None:
        """The answer of a container (or another machine) comes back in by the interface that the packet left by."""
        state = world.state
        if state.proto != TCP:
            walk.end(world, "delivered", to=answerer)
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
        for here in walk.hook([world], "prerouting", world.state.iif):
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
                routed += [here.but(oif=device) for device in walk.one_of(hop.devices or ("",), ONE_OF_ROUTES)]
        if local.bounds:
            self._answered(walk, walk.hook([world.among(local)], "input", state.iif), answerer)
        self._leave(walk, routed, "forward", answerer)

    def _leave(self, walk: Walk, routed: list[World], hook: Hook, answerer: Answerer) -> None:
        for world in self._memory.leaving(walk, routed, hook):
            device = world.state.oif
            self._answered(walk, walk.hook(walk.hook([world], hook, device), "postrouting", device), answerer)

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
