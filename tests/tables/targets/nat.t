@ ip nat PREROUTING
-p tcp -j DNAT --to-destination 172.17.0.2:80 ; = ; Dnat(addresses=172.17.0.2-172.17.0.2, ports=(80, 80), family=4)
-j DNAT --to-destination 172.17.0.2 ; = ; Dnat(addresses=172.17.0.2-172.17.0.2, family=4)
-j DNAT --to-destination 172.17.0.2-172.17.0.9 ; = ; Dnat(addresses=172.17.0.2-172.17.0.9, family=4)
-p tcp -j DNAT --to-destination 172.17.0.2-172.17.0.9:80-90 --random --persistent ; = ; Dnat(addresses=172.17.0.2-172.17.0.9, ports=(80, 90), family=4, random=True)
-p tcp -j DNAT --to-destination :8080 ; = ; Dnat(addresses=None, ports=(8080, 8080))
-p udp -j DNAT --to-destination :5000-5010/4000 ; = ; Dnat(addresses=None, ports=(5000, 5010), port_base=4000)
-p tcp -j REDIRECT --to-ports 8080 ; = ; Redirect(ports=(8080, 8080))
-p tcp -j REDIRECT --to-ports 8080-8090 --random ; = ; Redirect(ports=(8080, 8090))
-j REDIRECT ; = ; Redirect()
-j NETMAP --to 10.0.0.0/24 ; = ; NetmapDnat(family=4, low=10.0.0.0, prefix=24)
-j NETMAP --to 192.0.2.7/32 ; = ; NetmapDnat(family=4, low=192.0.2.7, prefix=32)
@ ip nat POSTROUTING
-j MASQUERADE ; = ; Snat(addresses=None)
-p tcp -j MASQUERADE --to-ports 1024-2000 --random ; = ; Snat(addresses=None, ports=(1024, 2000))
-j MASQUERADE --random-fully ; = ; Snat(addresses=None)
-j SNAT --to-source 198.51.100.1 ; = ; Snat(addresses=198.51.100.1-198.51.100.1, family=4)
-p tcp -j SNAT --to-source 198.51.100.1-198.51.100.9:1024-65535 ; = ; Snat(addresses=198.51.100.1-198.51.100.9, ports=(1024, 65535), family=4)
-p tcp -j SNAT --to-source :1024-2000 ; = ; Undecidable(text=-j SNAT --to-source :1024-2000, why=the port alone is rewritten)
-j NETMAP --to 10.0.0.0/24 ; = ; Snat(addresses=10.0.0.0-10.0.0.255, family=4)
@ ip6 nat PREROUTING
-p tcp -j DNAT --to-destination [fd00::2]:80 ; = ; Dnat(addresses=fd00::2-fd00::2, ports=(80, 80), family=6)
-j DNAT --to-destination fd00::2 ; = ; Dnat(addresses=fd00::2-fd00::2, family=6)
-j DNAT --to-destination fd00::2-fd00::9 ; = ; Dnat(addresses=fd00::2-fd00::9, family=6)
-p tcp -j DNAT --to-destination [fd00::2-fd00::9]:80-90 ; = ; Dnat(addresses=fd00::2-fd00::9, ports=(80, 90), family=6)
-p tcp -j DNAT --to-destination :80 ; = ; Dnat(addresses=None, ports=(80, 80))
-j NETMAP --to fd00::/64 ; = ; NetmapDnat(family=6, low=fd00::, prefix=64)
@ ip6 nat POSTROUTING
-p tcp -j SNAT --to-source [2001:db8::1]:80-90 ; = ; Snat(addresses=2001:db8::1-2001:db8::1, ports=(80, 90), family=6)
-j SNAT --to-source 2001:db8::1 ; = ; Snat(addresses=2001:db8::1-2001:db8::1, family=6)
@ ip nat PREROUTING
-p tcp -j DNAT --to-destination 10.0.0.1:80-90/8080 ; = ; Dnat(addresses=10.0.0.1-10.0.0.1, ports=(80, 90), family=4, port_base=8080)
@ ip nat OUTPUT
-p udp -j REDIRECT --to-ports 53 ; = ; Redirect(ports=(53, 53))
-j DNAT --to-destination 127.0.0.1 ; = ; Dnat(addresses=127.0.0.1-127.0.0.1, family=4)
@ ip nat INPUT
-j SNAT --to-source 10.0.0.1 ; = ; Snat(addresses=10.0.0.1-10.0.0.1, family=4)
@ ip nat POSTROUTING
-j SNAT --to-source 198.51.100.1-198.51.100.9 --persistent --random ; -j SNAT --to-source 198.51.100.1-198.51.100.9 --random --persistent ; Snat(addresses=198.51.100.1-198.51.100.9, family=4)
-j SNAT --to-source 198.51.100.1 --random-fully ; = ; Snat(addresses=198.51.100.1-198.51.100.1, family=4)
-p sctp -j SNAT --to-source 198.51.100.1:1-9 ; = ; Snat(addresses=198.51.100.1-198.51.100.1, ports=(1, 9), family=4)
@ ip6 nat POSTROUTING
-p udp -j MASQUERADE --to-ports 5000 ; = ; Snat(addresses=None, ports=(5000, 5000))
