-m pkttype --pkt-type unicast ; = ; pkttype{0}
-m pkttype ! --pkt-type broadcast ; = ; pkttype{0,2-}
-m pkttype --pkt-type multicast ; = ; pkttype{2}
@ ip filter FORWARD
-m pkttype ! --pkt-type unicast ; = ; pkttype{1-}
