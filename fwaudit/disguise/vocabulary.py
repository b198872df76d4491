"""Words that say nothing of the host that uses them: keywords of the tools, and names that are the same everywhere.

A name that somebody chose and that is one of these, such as a container called ``filter``, is not replaced in a rule;
where it stands as a name, it is.
"""

from __future__ import annotations

from fwaudit.netfilter.matches import MATCHES
from fwaudit.netfilter.matches.basic import READERS
from fwaudit.netfilter.targets import TARGETS


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


INTERFACES = _words("""
    all any bond br bridge cni-podman default docker docker_gwbridge dummy eno ens erspan eth gre gretap ifb ip6_vti
    ip6gre ip6tnl ip_vti ipvlan lo lxcbr macvlan macvtap nlmon podman ppp sit tap team tun tunl usb veth virbr vlan
    vmbr vrf vxlan wg wlan wlp wwan
""")
"""What the kernel and the engines call interfaces, in front of a number."""

PROGRAM_PREFIXES = (
    "f2b-", "fail2ban-", "crowdsec-", "crowdsec", "sshguard", "cali-", "KUBE-", "ufw6-", "ufw-", "DOCKER-",
    "docker-", "CNI-", "NETAVARK_", "NETAVARK-", "netavark_", "netavark-", "LIBVIRT_", "libvirt-",
)
"""So begin chains and sets that programs make; the rest may be a name."""

_NFT = _words("""
    != & 8021ad 8021q < << <= == > >= >> LOG NFLOG TRACE ^ accept ack addr addr-unreachable address-mask-reply
    address-mask-request admin-prohibited ah and anycast arp assured auto-merge base blackhole bool bridge broadcast
    burst burst_unit bytes cgroup chain chains chance check checksum code comment comments comp concat confirmed
    continue count counter cpu ct ct_direction ct_dnat ct_mark ct_snat ct_state cwr daddr data day dccp default
    delete destination-unreachable dev device dir direction dnat dormant dport drop dscp dst dstnat dup dying
    dynamic echo-reply echo-request ecn egp egress eigrp elem element elements encap eq esp established ether
    ether_addr event exists expectation expected expires expr exthdr family fc fib field fields filter fin flags
    flow flowlabel flowtable flush forward frag-needed frag-off fully-random fwd gc-interval ge goto gre group gt
    handle hdrlength helper hip hook hooks hoplimit hopopt host host-prohibited host-unreachable hour ibridgename
    ibrname icmp icmp_code icmp_type icmpv6 icmpx idp iface ifname igmp igp ih iif iif_index iifgroup iifname
    iiftype in ind-neighbor-advert ind-neighbor-solicit inet inet_proto inet_service info-reply info-request ingress
    inner input inv invalid ip ip6 ipcomp ipencap ipip ipsec ipv4 ipv4_addr ipv6 ipv6-frag ipv6-icmp ipv6-mh
    ipv6-nonxt ipv6-opts ipv6-route ipv6_addr isis jhash json_schema_version jump kbytes key l2tp l3proto l4proto
    label last le left len length level limit list ll local locally_made log lt mac mangle map mark mask masquerade
    match mbytes meta metainfo meter mh minute missing mixed mld-listener-done mld-listener-query
    mld-listener-reduction mld-listener-report mld2-listener-report mobility-header mod mode mptcp multicast name
    nat native nd-neighbor-advert nd-neighbor-solicit nd-redirect nd-router-advert nd-router-solicit ne
    net-prohibited net-unreachable netdev netmap new nexthdr nfproto nftables nftrace nh no-route notrack num numgen
    obridgename obrname offset oif oif_index oifgroup oifname oiftype op or orig_dport orig_dst orig_sport orig_src
    original osf ospf other otherhost out output owner packet-too-big packets parameter-problem part parts payload
    per persist pim pkttype policy policy-fail port port-unreachable postrouting prefix prerouting prio priority
    prohibit prot-unreachable proto proto-dst proto-src protocol psh queue queue-threshold quota random range rate
    rate_unit raw raw-prerouting redirect reject reject-route related release_name reply reply_dport reply_dst
    reply_sport reply_src reset result return right rohc route router-advertisement router-renumbering
    router-solicitation rst rsvp rt rtclassid rule rules saddr sctp sdifname secmark second secpath security
    seen-reply set sets shim6 size skgid skuid snaplen snat socket source-quench sport src srcnat state status stmt
    symbol symhash syn synproxy table target tcp tcp_flags th throw time time-exceeded timeout timestamp-reply
    timestamp-request tlsp to tos tp tproxy ttl tunnel type type_flags typeof udp udplite unicast unreachable unspec
    untracked urg val val_unit value version vlan vmap vrrp watcher week wesp writer xresolve xt zone |
""") | {"ct count", "ct expectation", "ct helper", "ct timeout", "ip option", "sctp chunk", "tcp option"}
"""libnftables-json(5), and what fwaudit reads of it."""

_IPTABLES = _words("""
    ACCEPT ACCOUNT ACK ALL ANYCAST ASSURED AUDIT Apr Aug BLACKHOLE BROADCAST CHECKSUM CLASSIFY CLUSTERIP COMMIT
    CONFIRMED CONNMARK CONNSECMARK CT Completed DNAT DNPT DROP DSCP Dec ECHO ECN ESTABLISHED EXPECTED FIN
    FLOWOFFLOAD FORWARD FULLCONENAT Feb Fri Generated HL HMARK IDLETIMER INPUT INVALID IPMARK IPV4OPTSSTRIP Jan Jul
    Jun LED LOCAL LOGMARK MARK MASQUERADE MULTICAST Mar May Mon NETMAP NEW NFACCT NFQUEUE NONE NOTRACK Nov ORIGINAL
    OUTPUT Oct POSTROUTING PREROUTING PROHIBIT PSH QUEUE RAS RATEEST RAWDNAT RAWSNAT REDIRECT REJECT RELATED REPLY
    RETURN RST SECMARK SEEN_REPLY SET SNAT SNPT STEAL SYN SYNPROXY Sat Sep Sun TARPIT TCPMSS TCPOPTSTRIP TEE TOS
    TPROXY TTL Table Thu Tue ULOG UNICAST UNREACHABLE UNSPEC UNTRACKED URG Warning Wed add addr-unreach
    address-unreachable addrtype adm-prohibited alert all amanda any ax.25 bad-header bcast beyond-scope bitmap
    bitmask bm bpf bridged bucketsize by cluster communication-prohibited condition connbytes connlabel connlimit
    connmark conntrack counters create crit ddp debug devgroup dstip dstport emerg error etherip ethernet eui64
    failed-policy forceadd frag fragmentation-needed fragments ftp fuzzy geoip ggp h323 hash hashlimit hashsize hbh
    hl hmp host-precedence-violation host-redirect host-unknown icmp-admin-prohibited icmp-host-prohibited
    icmp-host-unreachable icmp-net-prohibited icmp-net-unreachable icmp-port-unreachable icmp-proto-unreachable
    icmp6 icmp6-addr-unreachable icmp6-adm-prohibited icmp6-no-route icmp6-policy icmp6-policy-fail
    icmp6-port-unreachable icmp6-reject-route idpr-cmtp idrp incompatible inet6 info initval ip-header-bad ip6tables
    ip6tables-legacy ip6tables-legacy-save ip6tables-nft ip6tables-nft-save ip6tables-restore ip6tables-save ipp2p
    iprange ipset iptables iptables-legacy iptables-legacy-save iptables-nft iptables-nft-save iptables-restore
    iptables-save ipv4options ipv6header ipvs irc is iso-tp4 kmp layer7 legacy manet markmask maxelem mcast min
    mpls-in-ip multiport ndpi neighbor-advertisement neighbor-solicitation neighbour-advertisement
    neighbour-solicitation net netbios-ns netmask network-prohibited network-redirect network-unknown
    network-unreachable nf_tables nfacct nomatch none notice nth on ospfigp physdev physin physout ping pong
    port-unreach pptp precedence-cutoff present protocol-unreachable psd pup quota2 rateest rdp realm recent
    reject-forward reject-input reject-output required-option-missing revision rpfilter rspf sec see sha1 sip
    skbinfo skbmark skbprio skbqueue skip snmp source-route-failed srcip srcport srh st statistic string tables
    tcp-reset tcpmss tftp them tos-host-redirect tos-host-unreachable tos-network-redirect tos-network-unreachable
    ttl-exceeded ttl-zero-during-reassembly ttl-zero-during-transit u32 unknown-header-type unknown-option
    unsupported use using vmtp warning weekdays wildcard xns-idp xtp
""")
"""Matches, targets, their arguments, and the frame of a dump."""

_DOCKER = _words("""
    ACCESS ADMIN API Access BRIDGE DEFAULT DIRECT DOCKER DOCKER-BRIDGE DOCKER-CT DOCKER-FORWARD DOCKER-INGRESS
    DOCKER-INTERNAL DOCKER-ISOLATION-STAGE-1 DOCKER-ISOLATION-STAGE-2 DOCKER-USER EGRESS EnableUserlandProxy FROM
    FWAUDIT HOST HOSTPORT-DNAT HOSTPORT-MASQ HOSTPORT-SETMARK ICC ICMP INGRESS INTERNAL ISOLATION-STAGE-1
    ISOLATION-STAGE-2 LOOPBACK MASQ NETAVARK_FORWARD NETWORK No OUTGOING OWN PORT REMOTE Support TLS TO The
    UNPUBLISHED USER UserlandProxyPath WARNING _data access accessible active allow-direct-routing always amd64
    apache app-armor apparmor arm64 aufs be bind bridge-accept-fwmark bridge-nf-call-ip6tables
    bridge-nf-call-iptables bridges btrfs builtin cgroupns client created dead default-network-opts deprecated
    devicemapper diff disabled docker-bridges docker-ext-bridges-v4 docker-ext-bridges-v6 encryption equivalent
    exited ext-bridges-v4 ext-bridges-v6 false filter-FORWARD filter-forward-in filter-forward-in-jumps
    filter-forward-out filter-forward-out-jumps firewall-backend firewalld for fwaudit global healthy http https icc
    inactive ip-forward ip-forward-no-drop iptables+firewalld ipvlan isolated issues journald json-file kernel later
    linux locked logging-deny macvlan memory merged nat-OUTPUT nat-POSTROUTING nat-PREROUTING nat-postrouting-in
    nat-postrouting-in-jumps nat-postrouting-out nat-postrouting-out-jumps nat-prerouting-and-output nat-unprotected
    nginx no npipe null on-failure overlay overlay2 overlayfs paused pending planned private profile raw-PREROUTING
    recidive remote removed removing restarting ro root rootless routed rprivate rshared rslave runc running rw
    seccomp selinux shared slave ssh sshd starting swap swarm than this tmpfs true ufw-docker
    ufw-docker-logging-deny unconfined unhealthy unless-stopped userland-proxy userns verdict verification vfs
    volume will windows without zfs
""")
"""Chains, sets and words of the engines' and of programs that write rules."""

_PATHS = _words("""
    after.init after.rules after6.rules before.init before.rules before6.rules bin boot cache compose compose.yaml
    compose.yml containerd containerd.sock containers cron.d cron.daily cron.hourly crontab crontabs docker
    docker-compose.override.yml docker-compose.yaml docker-compose.yml docker.service docker.sock etc fail2ban home
    if-pre-up.d if-up.d init.d iptables-persistent lib lib64 libexec media mnt netfilter-persistent network
    nftables.conf nftables.d opt podman podman.sock proc rc.local rules.v4 rules.v6 run sbin share spool srv sys
    system systemd tmp ufw user.rules user6.rules usr var volumes
""")
"""Folders and files that every host has."""

_UFW = _words("""
    ALLOW Action Anywhere BLOCK DEFAULT_APPLICATION_POLICY DEFAULT_FORWARD_POLICY DEFAULT_INPUT_POLICY
    DEFAULT_OUTPUT_POLICY DENY Default ENABLED END FWD From IN IPT_BACKEND IPT_MODULES IPT_SYSCTL IPV6 LIMIT
    LIMITING LOGGING LOGLEVEL Logging MANAGE_BUILTINS New OUT OpenSSH RATE RULES SKIP Status To UFW after-forward
    after-input after-logging-forward after-logging-input after-logging-output after-output allow before-forward
    before-input before-logging-forward before-logging-input before-logging-output before-output deny enabled full
    high incoming log-all logging-allow low manage-builtins medium not-local off outgoing profiles
    skip-to-policy-forward skip-to-policy-input skip-to-policy-output track-forward track-input track-output tuple
    user-forward user-input user-limit user-limit-accept user-logging-forward user-logging-input user-logging-output
    user-output v6 yes
""")
"""ufw's own chains, settings and screens."""

_IPROUTE = _words("""
    802.1Q 802.1ad ALLMULTI DORMANT DOWN LOWERLAYERDOWN LOWER_UP M-DOWN MASTER NO-CARRIER NOARP POINTOPOINT PROMISC
    SLAVE UNKNOWN UP action active_slave addr_info address ageing_time allmulti altname altnames argv attached babel
    bcast_flood bfifo bgp bird bond bond_slave bridge_slave cake cloned codel comm dadfailed devname dhcp
    docker-proxy down dport_end dport_start dstlen dummy etf exe fastleave fdb_local_vlan_0 fdb_max_learned
    fdb_n_learned flood flow_from flow_to forward_delay fq fq_codel fq_pie from fwmark fwmask gateway gc_timer
    gro_ipv4_max_size gro_max_size group_fwd_mask group_fwd_mask_str gso_ipv4_max_size gso_max_segs gso_max_size
    guard hairpin hello_time hfsc host-ip htb id ifindex iif_detached inet6_addr_gen_mode info_data info_kind
    info_slave_data info_slave_kind ipproto kind l2 l3 l3mdev lacp learning link link_index link_netns link_netnsid
    link_type linkdown linkinfo linkmode little lookup loopback macvtap main master max_mtu metric mii_status
    min_mtu mngtmpaddr mq mqprio mrt mtu multicast_router multiq neigh_suppress netns-immutable nexthops
    nf_call_arptables nf_call_ip6tables nf_call_iptables nodad noop nop noprefixroute noqueue not nowhere
    num_rx_queues num_tx_queues offload oif_detached onlink operstate parentbus parentdev passthru peer pervasive
    pfifo pfifo_fast pid pie pref preferred_life_time prefixlen prefsrc primary prog promiscuity proxy_arp qdisc ra
    red rip scope sfq sit site sl sport_end sport_start srclen stable-privacy static stp_state suppress_ifgroup
    suppress_prefixlen suppress_prefixlength sysctl tap taprio tbf tc temporary tentative topology_change trap
    tso_max_segs tso_max_size tun txqlen unresolved up v6only valid_life_time vepa veth via vlan_filtering vrf
    vrf_slave vxlan weight wireguard xdp zebra
""")
"""Keys and words of ip(8) and tc(8)."""

_KERNEL = _words("""
    accept_local accept_ra accept_redirects accept_source_route arp_ignore autoconf bc_forwarding bindv6only
    bridge-nf-call-arptables bridge-nf-filter-pppoe-tagged bridge-nf-filter-vlan-tagged
    bridge-nf-pass-vlan-input-dev conf disable_ipv6 force_forwarding forwarding icmp_echo_ignore_all
    icmp_echo_ignore_broadcasts icmp_ignore_bogus_error_responses ip_forward ip_local_port_range ip_nonlocal_bind
    log_martians neigh netfilter nf_conntrack_helper nf_conntrack_tcp_loose route_localnet rp_filter
    secure_redirects send_redirects src_valid_mark tcp_l3mdev_accept tcp_sack tcp_syncookies udp_l3mdev_accept
    use_tempaddr
""")
"""Parts of the names of sysctls."""

_TALK = _words("""
    prints JSON nftables or newer built with needed for this internal tables left time bytes larger regular JSON called
    been has have only rules loaded answered meanwhile
    .rules ApiVersion Components Config Connection DOCKER_INSECURE_NO_IPTABLES_RAW Docker Id Invalid Labels Name
    Operation PATH Permission Pid Podman Running State Version a after answer answers are argument as asked at auto
    but ca cannot cert changed clsact com.docker.compose. command config-file connect container could daemon
    default-network-opt denied directory does engine executable exist exit failed file found installed
    ip6_tables_names ip_set ip_tables_names it large line lines localhost long looked module more names namespace
    nft of older option path permission permitted ports read refused replaced ruleset save seconds services show
    libbpf utility snapshot such support sysctl.conf t the there timed too ufw.conf unknown verbose was were when while
""")
"""Of the reasons why a source could not be read, and of collectors' commands."""

OPTIONS = frozenset(option for match in MATCHES.values() for option in match.options) | frozenset(
    option for target in TARGETS.values() for option in target.options) | {
    *READERS, "--append", "--insert", "--new-chain", "--policy", "--table", "--wait", "--numeric", "--jump", "--goto",
    "--match", *_words("""
    --checksum-fill --clamp-mss-to-pmtu --gateway --hl-dec --hl-inc --hl-set --on-ip --on-port --oif --queue-balance
    --queue-bypass --queue-cpu-fanout --queue-num --set-class --set-dscp --set-dscp-class --set-mss --set-tos --tee
    --tproxy-mark --ttl-dec --ttl-inc --ttl-set
""")}
"""Options of iptables, of its matches and targets."""

_CHAINS = _words("""
    LIBVIRT_FWI LIBVIRT_FWO LIBVIRT_FWX LIBVIRT_INP LIBVIRT_OUT LIBVIRT_PRT NETAVARK_FORWARD NETAVARK_INPUT
    NETAVARK_ISOLATION_1 NETAVARK_ISOLATION_2 NETAVARK_ISOLATION_3 NETAVARK-HOSTPORT-DNAT NETAVARK-HOSTPORT-MASQ
    NETAVARK-HOSTPORT-SETMARK KUBE-EXTERNAL-SERVICES KUBE-FIREWALL KUBE-FORWARD KUBE-KUBELET-CANARY KUBE-MARK-DROP
    KUBE-MARK-MASQ KUBE-NODEPORTS KUBE-POSTROUTING KUBE-PROXY-CANARY KUBE-PROXY-FIREWALL KUBE-SERVICES
""")
"""Chains of other programs that are called so everywhere."""

VOCABULARY = _CHAINS | _NFT | _IPTABLES | _DOCKER | _PATHS | _UFW | _IPROUTE | _KERNEL | _TALK
