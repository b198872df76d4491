-j NFQUEUE --queue-num 0 ; = ; Undecidable(text=-j NFQUEUE --queue-num 0, why=a program on the host decides (NFQUEUE))
-j NFQUEUE --queue-balance 0:3 --queue-bypass ; = ; Undecidable(text=-j NFQUEUE --queue-balance 0:3 --queue-bypass, why=a program on the host decides (NFQUEUE))
-p tcp -j SYNPROXY --sack-perm --timestamp --wscale 7 --mss 1460 ; = ; Undecidable(text=-j SYNPROXY --sack-perm --timestamp --wscale 7 --mss 1460, why=the kernel answers first (SYNPROXY))
@ ip mangle PREROUTING
-p tcp -j TPROXY --on-port 3128 --on-ip 0.0.0.0 --tproxy-mark 0x1/0x1 ; = ; Undecidable(text=-j TPROXY --on-port 3128 --on-ip 0.0.0.0 --tproxy-mark 0x1/0x1, why=a transparent proxy may take the packet)
-j HMARK --hmark-tuple src,dst --hmark-mod 10 --hmark-offset 10000 --hmark-rnd 0xcafe ; -j HMARK --hmark-src-prefix 32 --hmark-dst-prefix 32 --hmark-rnd 0x0000cafe --hmark-mod 10 --hmark-offset 10000 ; Undecidable(text=-j HMARK --hmark-src-prefix 32 --hmark-dst-prefix 32 --hmark-rnd 0x0000cafe --hmark-mod 10 --hmark-offset 10000, why=a mark that is a hash of the packet, terminal=False)
@ ip6 mangle PREROUTING
-j DNPT --src-pfx 2001:db8::/64 --dst-pfx fd00::/64 ; = ; Undecidable(text=-j DNPT --src-pfx 2001:db8::/64 --dst-pfx fd00::/64, why=the prefix of the destination is rewritten, terminal=False)
@ ip6 mangle POSTROUTING
-j SNPT --src-pfx fd00::/64 --dst-pfx 2001:db8::/64 ; = ; Undecidable(text=-j SNPT --src-pfx fd00::/64 --dst-pfx 2001:db8::/64, why=the prefix of the source is rewritten, terminal=False)
@ ip filter INPUT !lab
-j CLUSTERIP --new --hashmode sourceip --clustermac 01:02:03:04:05:06 --total-nodes 2 --local-node 1 ; = ; Undecidable(text=-j CLUSTERIP --new --hashmode sourceip --clustermac 01:02:03:04:05:06 --total-nodes 2 --local-node 1, why=a cluster of hosts shares the address)
-j QUEUE ; = ; Undecidable(text=-j QUEUE, why=a program on the host decides (NFQUEUE))
-j TARPIT --tarpit ; = ; Undecidable(text=-j TARPIT --tarpit, why=answers and holds the connection)
-j DELUDE ; = ; Undecidable(text=-j DELUDE, why=answers like a closed or an open port)
-j ECHO ; = ; Undecidable(text=-j ECHO, why=answers in place of a service)
-j CHAOS --tarpit ; = ; Undecidable(text=-j CHAOS --tarpit, why=one of several targets by chance)
-j STEAL ; = ; Undecidable(text=-j STEAL, why=takes the packet away)
-j FULLCONENAT ; = ; Undecidable(text=-j FULLCONENAT, why=full cone NAT)
-j IPMARK --addr src --and-mask 0xff ; = ; Undecidable(text=-j IPMARK --addr src --and-mask 0xff, why=a mark that is made from the address, terminal=False)
-j RAWDNAT --to-destination 10.0.0.1 ; = ; Undecidable(text=-j RAWDNAT --to-destination 10.0.0.1, why=rewrites the destination without connection tracking, terminal=False)
-j RAWSNAT --to-source 10.0.0.1 ; = ; Undecidable(text=-j RAWSNAT --to-source 10.0.0.1, why=rewrites the source without connection tracking, terminal=False)
-j XYZZY --plugh "-j ACCEPT" ; = ; Undecidable(text=-j XYZZY --plugh "-j ACCEPT", why=target XYZZY is not known here)
-j CONNMARK --set-mark 1 --left-shift-mark 2 ; = ; Undecidable(text=-j CONNMARK --set-mark 1 --left-shift-mark 2, why=the mark is shifted, terminal=False)
@ ip mangle PREROUTING
-j CONNMARK --set-mark 1 --right-shift-mark 2 ; -j CONNMARK --set-xmark 0x1/0xffffffff --right-shift-mark 2 ; Undecidable(text=-j CONNMARK --set-xmark 0x1/0xffffffff --right-shift-mark 2, why=the mark is shifted, terminal=False)
-j NFQUEUE --queue-balance 0:3 --queue-bypass --queue-cpu-fanout ; = ; Undecidable(text=-j NFQUEUE --queue-balance 0:3 --queue-bypass --queue-cpu-fanout, why=a program on the host decides (NFQUEUE))
-p udp -j TPROXY --on-port 0 --on-ip 127.0.0.1 ; -p udp -j TPROXY --on-port 0 --on-ip 127.0.0.1 --tproxy-mark 0x0/0x0 ; Undecidable(text=-j TPROXY --on-port 0 --on-ip 127.0.0.1 --tproxy-mark 0x0/0x0, why=a transparent proxy may take the packet)
@ ip6 mangle PREROUTING
-p tcp -j TPROXY --on-port 8080 --on-ip ::1 --tproxy-mark 0x1 ; -p tcp -j TPROXY --on-port 8080 --on-ip ::1 --tproxy-mark 0x1/0xffffffff ; Undecidable(text=-j TPROXY --on-port 8080 --on-ip ::1 --tproxy-mark 0x1/0xffffffff, why=a transparent proxy may take the packet)
