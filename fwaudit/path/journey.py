"""The stages of a packet's way: in from a wire, across a bridge, out of this host, and to whoever answers."""

from __future__ import annotations

from fwaudit.model.host import Host
from fwaudit.model.ruleset import Hook
from fwaudit.model.verdict import Answerer
from fwaudit.netfilter.engine_rules import is_engine_bridge
from fwaudit.packet.address import format_address
from fwaudit.packet.fields import TCP
from fwaudit.packet.intervals import ALL, IntervalSet
from fwaudit.path.admission import Admission, shared_addresses, special_destination
from fwaudit.path.answer import WayBack
from fwaudit.path.arrivals import Arrivals
from fwaudit.path.deliver import Services, listens, proxy_target
from fwaudit.path.entrance import Entrance, Entrances
from fwaudit.path.memory import FORWARD, Memory
from fwaudit.path.route import LOCAL_KINDS, Fib, Hop
from fwaudit.path.state import UNKNOWN_PORT, PacketState, but
from fwaudit.path.tables import Tables
from fwaudit.path.walk import ONE_OF_ROUTES, Walk, World, end_words


class Journey:
    """Everything that a walk needs of one host. ``walk`` collects the results of one question."""

    def __init__(self, host: Host, tables: Tables, fibs: dict[int, Fib], admission: Admission,
                 services: Services) -> None:
        self.host = host
        self.tables = tables
        self.fibs = fibs
        self.admission = admission
        self.services = services
        self._memory = Memory(host, tables, fibs, admission)
        self._back = WayBack(host, fibs, admission, self._memory)
        self._entrances = Entrances(host, fibs, admission, services, self._back.bridges)
        self._used_bridges = {interface.master for interface in host.interfaces.values()}
        self._engine_bridges = {network.interface for network in host.engine.networks if network.driver == "bridge"}
        self._direct = [network for network in host.engine.networks if network.driver in ("macvlan", "ipvlan")]
        self._programs = {name: tuple(p for p in interface.programs if "xdp" in p.lower())
                          for name, interface in host.interfaces.items()}
        self._marked_by_tc = {name for name, interface in host.interfaces.items()
                              if any(program.startswith("tc ") for program in interface.programs)}
        self._shared = {family: shared_addresses(host, family) for family in (4, 6)}
        self._proxied: dict[tuple[int, int, int, int], Walk] = {}
        self.arrivals = Arrivals(host, tables, fibs, admission, services, self._entrances, self._shared)

    # ---- in from a wire ---------------------------------------------------------------------------------------------

    def arrive(self, walk: Walk, state: PacketState, peers: IntervalSet) -> None:
        """A packet comes in by ``state.iif`` from each of ``peers``."""
        assert state.dst is not None
        family, iif = state.family, state.iif
        entrance = self._entrances.of(family, iif, state.dst)
        early = entrance.early & peers
        if entrance.pkttype:
            state = but(state, pkttype=entrance.pkttype)
        if iif in self._back.bridges and self._back.bridge_calls_netfilter(family):
            state = but(state, physin=UNKNOWN_PORT)
        for program in self._programs.get(iif, ()):
            walk.undecided(World(state, early), f"{program} on {iif}, which is not modelled")
        if iif in self._marked_by_tc:
            state = but(state, mark=None)  # filters and programs of tc run before all hooks, and may set it
        world = World(state, peers)
        if entrance.needs_gateway:
            world = self._without_route(walk, world)
        if entrance.way == "hooks":
            worlds = walk.hook([world], "ingress", iif) if self.tables.has_ingress else [world]
            worlds = [self._receive(walk, world, entrance) for world in worlds]
            for world in walk.hook(worlds, "prerouting", iif):
                self._route_in(walk, world)
            return
        world = self._receive(walk, world, entrance)
        if entrance.way == "macvlan":
            self._to_macvlan(walk, world)
        else:
            self._across_bridge(walk, world)

    @staticmethod
    def _receive(walk: Walk, world: World, entrance: Entrance) -> World:
        """Without what is thrown away between ingress and prerouting (ip_rcv, ip6_rcv_core)."""
        early = world.peers & entrance.early
        if early != world.peers:
            walk.end(world.among(world.peers - early), "dropped", "loopback or multicast address from a wire", "drop",
                     hook="prerouting")
            world = world.among(early)
        if entrance.doubt:
            walk.undecided(world, entrance.doubt)
        return world

    def _without_route(self, walk: Walk, world: World) -> World:
        """Containers without a default route (``--internal``, from Engine 26 on) send nothing beyond their link.

        A process with CAP_NET_RAW in the container can still forge such a packet; this is the way of ordinary ones.
        """
        stuck = world.peers & self.services.without_gateway(world.state.family)
        walk.end(world.among(stuck), "no-route", "the container has no route there", "no route",
                 hook="routing")
        return world.among(world.peers - stuck)

    def _route_in(self, walk: Walk, world: World) -> None:
        """Routing of a packet that came in: to this host, onward, or nowhere (ip_route_input_slow)."""
        state = world.state
        family, iif, dst = state.family, state.iif, state.dst
        assert dst is not None
        world = self._refuse(walk, world, [(self.admission.martian_sources(family, iif, dst), "")])
        if not world.peers:
            return
        if family == 4 and self.admission.martian_destination(dst, iif):
            walk.end(world, "dropped", f"{format_address(4, dst)} does not come in from a wire (martian)", "drop",
                     hook="routing")
            return
        special = special_destination(family, dst)
        if special is not None and special.kind == "unknown":
            for inside in walk.hook([world], "input", iif):
                walk.undecided(inside, special.why)
            return
        hops = self.fibs[family].lookup_in(dst, state.src, iif, state.mark) if special is None else [(ALL, special)]
        for area, hop in hops:
            here = world.among(world.peers & area)
            if not here.peers.bounds:
                continue
            if hop.kind in LOCAL_KINDS:
                asked = dst if hop.kind == "local" else 0  # for everybody, and groups: from no address
                here = self._refuse(walk, here, self.admission.sources(family, iif, asked, state.mark))
                for inside in walk.hook([here], "input", iif):
                    self.deliver(walk, inside)
            else:
                self._forward(walk, here, hop)

    @staticmethod
    def _refuse(walk: Walk, world: World, refused: list[tuple[IntervalSet, str]]) -> World:
        """Without the sources that routing does not take; ``refused`` is of `Admission.sources`."""
        return walk.refuse(world, refused, "no such source comes in by {} (martian, or rp_filter)")

    def _forward(self, walk: Walk, world: World, hop: Hop) -> None:
        state = world.state
        forwards = self.admission.forwards(state.family, state.iif)
        if hop.kind == "unknown":
            walk.undecided(world, hop.why)
        elif hop.kind != "unicast":
            walk.end(world, "no-route", f"no route to {format_address(state.family, state.dst or 0)}", "no route",
                     hook="routing")
        elif state.pkttype:  # it came as broadcast or multicast, and NAT gave it a destination of one machine
            walk.end(world, "dropped", "such a packet is not forwarded (ip_forward, ip6_forward)", "drop",
                     hook="routing")
        elif forwards is None:
            walk.undecided(world, "whether this host forwards (sysctl not read)")
        elif not forwards:
            walk.end(world, "no-route", f"forwarding is off for {state.iif}", "drop", hook="routing")
        else:
            for device in walk.one_of(hop.devices or ("",), ONE_OF_ROUTES):
                assert state.dst is not None
                out = self._refuse(walk, world, self.admission.sources(
                    state.family, state.iif, state.dst, state.mark, device))
                stuck = out.peers & self.admission.unforwardable(state.family, state.iif, device)
                if stuck:
                    walk.end(out.among(stuck), "no-route", "such a source is not forwarded", "drop", hook="routing")
                    out = out.among(out.peers - stuck)
                if not out.peers:
                    continue
                out = out.but(oif=device)
                if walk.peer is None and device and not self._memory.is_alone(state.family, state.iif):
                    self._memory.go_on(FORWARD, walk, out, self._pass_on)
                else:
                    self._pass_on(walk, out)

    def _pass_on(self, walk: Walk, world: World) -> None:
        device = world.state.oif
        for leaving in walk.hook(walk.hook([world], "forward", device), "postrouting", device):
            self._reach_next(walk, leaving)

    # ---- ways that netfilter's IP hooks do not see, or see differently ----------------------------------------------

    def _to_macvlan(self, walk: Walk, world: World) -> None:
        """Neighbours are answered on the link; others over the container's gateway, which is another machine."""
        state = world.state
        place = self.services.container_at(state.family, state.dst or 0)
        assert place is not None
        endpoint = place.endpoint
        prefix, gateway = ((endpoint.prefix, endpoint.gateway) if state.family == 4
                           else (endpoint.prefix6, endpoint.gateway6))
        shift = (32 if state.family == 4 else 128) - prefix
        low = (state.dst or 0) >> shift << shift
        near = world.peers & IntervalSet((low, low + (1 << shift)))
        self._reach_container(walk, world.among(near), answer=False)
        far = world.among(world.peers - near)
        if gateway is None:
            walk.end(far, "no-route", "the container has no route for the answer", "no route", hook="routing")
        else:
            walk.undecided(far, f"the way back over {format_address(state.family, gateway)}, another machine")

    def _across_bridge(self, walk: Walk, world: World) -> None:
        """Between two ports of one bridge: IP hooks are met only with br_netfilter.

        Source: net/bridge/br_netfilter_hooks.c.
        """
        state = world.state
        ports = [i for i in self.host.interfaces.values() if i.master == state.iif]
        if ports and all(port.isolated for port in ports):
            walk.end(world, "dropped", f"the ports of {state.iif} are isolated from each other", "drop", hook="forward")
            return
        if not self._back.bridge_calls_netfilter(state.family):
            hooks: tuple[Hook, ...] = ("prerouting", "forward", "postrouting")
            for why in {why: None for hook in hooks for why in self.tables.below.why(hook, state.iif, crossing=True)}:
                walk.undecided(world, why)
            self._reach_container(walk, world, answer=False)
            return
        crossing = world.but(bridged=1, physin=UNKNOWN_PORT, physout=UNKNOWN_PORT)
        for after in walk.hook([crossing], "prerouting", state.iif):
            if after.state.dst != state.dst:
                routed = after.but(bridged=0, physin="", physout="")
                self._route_in(walk, routed)
                continue
            out = after.but(oif=state.iif)
            passed = walk.hook([out], "forward", state.iif)
            for leaving in walk.hook(passed, "postrouting", state.iif):
                self._reach_container(walk, leaving, answer=True)

    # ---- out of this host -------------------------------------------------------------------------------------------

    def depart(self, walk: Walk, state: PacketState, peers: IntervalSet) -> None:
        """The host itself sends a packet. Its source is what the kernel picks, or ``peers`` where it is given."""
        assert state.dst is not None
        for area, hop in self.fibs[state.family].lookup(state.dst, state.src):
            world = World(state, peers & area)
            if not world.peers:
                continue
            if hop.kind == "unknown":
                walk.undecided(world, hop.why)
                continue
            if hop.kind not in ("unicast", *LOCAL_KINDS):
                walk.end(world, "no-route", f"no route to {format_address(state.family, state.dst)}", "no route",
                         hook="routing")
                continue
            source = self._own_source(state, hop)
            if source is not None and source in world.peers:
                world = world.among(IntervalSet.of(source))
            device = "lo" if hop.kind == "local" else (hop.devices or ("",))[0]
            world = world.but(oif=device, locally_made=1)
            for sent in walk.hook([world], "output", device):
                self._route_out(walk, sent)

    def _own_source(self, state: PacketState, hop: Hop) -> int | None:
        """The source address that the kernel picks for a packet of its own (fib_select_default, ipv6_dev_get_saddr).

        For IPv6 the choice follows RFC 6724; the first global address of the outgoing interface is its usual result.
        """
        if hop.kind == "local":
            return state.dst
        if hop.source is not None:
            return hop.source
        interface = self.host.interfaces.get((hop.devices or ("",))[0])
        own = [a for a in (interface.addresses if interface else ()) if a.family == state.family]
        own.sort(key=lambda a: a.scope != "global")
        return own[0].value if own else None

    def _route_out(self, walk: Walk, world: World) -> None:
        """Routing again behind output, since NAT may have changed the destination (ip_route_me_harder)."""
        state = world.state
        for area, hop in self.fibs[state.family].lookup(state.dst, state.src, mark=state.mark):
            here = world.among(world.peers & area)
            if not here.peers:
                continue
            if hop.kind == "unknown":
                walk.undecided(here, hop.why)
            elif hop.kind in LOCAL_KINDS:
                here = here.but(oif="lo")
                self._loop_back(walk, walk.hook([here], "postrouting", "lo"))
            elif hop.kind != "unicast":
                walk.end(here, "no-route", "no route behind NAT", "no route", hook="routing")
            else:
                device = (hop.devices or ("",))[0]
                if state.family == 4:
                    here = self._refuse_loopback_source(walk, here, device)
                here = here.but(oif=device)
                for leaving in walk.hook([here], "postrouting", device):
                    self._reach_next(walk, leaving)

    def _refuse_loopback_source(self, walk: Walk, world: World, device: str) -> World:
        """127/8 leaves only by an interface with route_localnet (net/ipv4/route.c, __mkroute_output)."""
        if self.admission.flag("net.ipv4.conf.{}.route_localnet", device):
            return world
        stuck = world.peers & IntervalSet((127 << 24, 128 << 24))
        walk.end(world.among(stuck), "no-route", f"127.0.0.0/8 does not leave by {device}", "drop",
                 hook="routing")
        return world.among(world.peers - stuck)

    def _loop_back(self, walk: Walk, worlds: list[World]) -> None:
        """A packet to the host's own address comes back in by lo."""
        looped = [w.but(iif="lo", oif="", locally_made=0) for w in worlds]
        for world in walk.hook(walk.hook(looped, "prerouting", "lo", looped=True), "input", "lo"):
            self.deliver(walk, world)

    # ---- who answers ------------------------------------------------------------------------------------------------

    def deliver(self, walk: Walk, world: World) -> None:
        """The packet is for this host: the socket that takes it."""
        state = world.state
        assert state.dst is not None
        port = state.dport if state.dport is not None else 0
        if not self.services.known:
            walk.undecided(world, "what listens on this host (sockets not read)")
            return
        if state.proto == TCP and state.dst in self._shared[state.family]:
            walk.end(world, "dropped", "TCP takes no connection to an address of many", "drop", hook="socket")
            return
        socket = self.services.socket(state.proto, state.family, state.dst, port, state.iif)
        if socket is None or self.services.reserved_by_engine(socket):
            walk.end(world, "not-listening", "nobody listens", "no answer", hook="socket")
            return
        if socket.owner == "docker-proxy":
            self._through_proxy(walk, world)
            return
        container = self.services.owner_container(socket)
        answerer = Answerer("container" if container else "host-socket", container.name if container else socket.owner,
                            state.family, state.dst, port)
        self._back.from_host(walk, world, answerer)

    def _through_proxy(self, walk: Walk, world: World) -> None:
        """docker-proxy takes the connection and makes one of its own to the container."""
        state = world.state
        socket = self.services.socket(state.proto, state.family, state.dst or 0, state.dport or 0, state.iif)
        assert socket is not None
        target = proxy_target(socket) or self.services.proxied(socket)
        if target is None:
            answerer = Answerer("container", "", state.family, state.dst or 0, state.dport or 0, "docker-proxy")
            self._back.from_host(walk, world, answerer)
            return
        family, address, port = target
        inner = self._proxied.get((family, address, state.proto, port))
        if inner is None:
            inner = Walk(self.tables, self.host, family, None)
            self._proxied[family, address, state.proto, port] = inner
            self.depart(inner, PacketState(family, state.proto, dst=address, dport=port), self.fibs[family].universe)
        for end in walk.one_of(list(inner.ends), "what becomes of docker-proxy's own connection", end_words):
            if end.disposition == "undecided":
                walk.undecided(world, f"docker-proxy to the container: {end.reason}")
            elif end.disposition != "delivered":
                walk.end(world, end.disposition, f"docker-proxy to {format_address(family, address)} port {port}",
                         f"{end.disposition} between docker-proxy and the container", hook="output")
            else:
                place = self.services.container_at(family, address)
                name = place.container.name if place else ""
                answerer = Answerer("container", name, family, address, port, "docker-proxy")
                self._back.from_host(walk, world, answerer)

    def _reach_next(self, walk: Walk, world: World) -> None:
        """The packet leaves by ``oif``: a container of this host, or another machine."""
        state = world.state
        assert state.dst is not None
        for network in self._direct:
            if network.interface == state.oif and not state.iif:
                place = self.services.container_at(state.family, state.dst)
                if place is not None and place.endpoint.network == network.name:
                    walk.end(world, "no-route", "a macvlan's parent cannot talk to it", "no route", hook="postrouting")
                    return
        self._reach_container(walk, world, answer=True)

    def _reach_container(self, walk: Walk, world: World, *, answer: bool) -> None:
        """The packet is at the container's door. ``answer``: whether the way back is through this host's hooks."""
        state = world.state
        assert state.dst is not None
        port = state.dport if state.dport is not None else 0
        if self._is_empty_bridge(state.oif or state.iif):  # whatever the engine remembers: the kernel is right
            walk.end(world, "no-route", f"nothing is attached to {state.oif or state.iif}", "no answer",
                     hook="postrouting")
            return
        place = self.services.container_at(state.family, state.dst)
        if place is None:
            if self.services.engine_known and (state.oif or state.iif) in self._engine_bridges:
                walk.end(world, "not-listening", "no container has that address", "no answer", hook="postrouting")
                return
            answerer = Answerer("container", "", state.family, state.dst, port)
            if state.ct_dnat or state.oif in self._engine_bridges or self.services.is_told_by_rules(
                    state.family, state.proto, state.dst, port):
                if answer:
                    self._back.from_beyond(walk, world, answerer, (state.oif,))
                else:
                    walk.end(world, "delivered", to=answerer)
            elif not self.services.engine_known and is_engine_bridge(state.oif or state.iif):
                walk.end(world, "undecided", to=answerer, reason="whether a container has the address "
                         f"{format_address(state.family, state.dst)} and answers there ({self.services.engine_unread})")
            else:
                there = Answerer("elsewhere", "", state.family, state.dst, port)
                walk.end(world, "undecided", to=there, reason=f"whether {format_address(state.family, state.dst)}, "
                         "another machine, answers")
            return
        if not listens(place.container, state.proto, state.family, state.dst, port):
            walk.end(world, "not-listening", f"nobody listens in {place.container.name}", "no answer",
                     hook="postrouting")
            return
        answerer = Answerer("container", place.container.name, state.family, state.dst, port)
        if answer:
            self._back.from_beyond(walk, world, answerer, (state.oif,))
        else:
            walk.end(world, "delivered", to=answerer)

    def _is_empty_bridge(self, name: str) -> bool:
        return name in self._back.bridges and name not in self._used_bridges
