-m addrtype --dst-type LOCAL ; = ; dst is local
-m addrtype ! --dst-type LOCAL ; = ; not(dst is local)
-m addrtype --src-type UNICAST --dst-type BROADCAST ; = ; src is unicast & dst is broadcast
-m addrtype --dst-type UNICAST,MULTICAST,ANYCAST ; -m addrtype --dst-type UNICAST,ANYCAST,MULTICAST ; dst is anycast/multicast/unicast
-m addrtype ! --src-type LOCAL,BLACKHOLE ; = ; not(src is blackhole/local)
-m addrtype --dst-type UNREACHABLE ; = ; dst is unreachable
-m addrtype --src-type PROHIBIT ; = ; src is prohibit
@ ip filter INPUT
-m addrtype --dst-type LOCAL --limit-iface-in ; = ; dst is local@iif
@ ip filter OUTPUT
-m addrtype --src-type LOCAL --limit-iface-out ; = ; src is local@oif
@ ip6 filter FORWARD
# IPv6: unicast, multicast and unspec are demands of their own (match_type6)
-m addrtype --dst-type LOCAL ; = ; dst is local
-m addrtype --dst-type UNICAST ; = ; dst is unicast
-m addrtype --dst-type UNICAST,LOCAL ; = ; dst is unicast & dst is local
-m addrtype ! --dst-type LOCAL,MULTICAST ; = ; not((dst is multicast & dst is local))
-m addrtype --src-type ANYCAST,LOCAL ; -m addrtype --src-type LOCAL,ANYCAST ; src is anycast/local
@ ip6 filter INPUT
-m addrtype --dst-type LOCAL --limit-iface-in ; = ; dst is local@iif
