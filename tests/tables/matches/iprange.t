-m iprange --src-range 10.0.0.5-10.0.0.9 ; = ; src{10.0.0.5-10.0.0.9}
-m iprange ! --src-range 10.0.0.5-10.0.0.9 --dst-range 192.0.2.1-192.0.2.1 ; = ; src{0.0.0.0-10.0.0.4,10.0.0.10-} & dst{192.0.2.1}
-m iprange ! --dst-range 0.0.0.0-9.255.255.255 ; = ; dst{10.0.0.0-}
@ ip6 filter FORWARD
-m iprange --src-range 2001:db8::1-2001:db8::ff ; = ; src{2001:db8::1-2001:db8::ff}
@ ip filter FORWARD
-m iprange ! --src-range 10.0.0.1-10.0.0.9 --dst-range 192.0.2.1-192.0.2.1 ; = ; src{0.0.0.0-10.0.0.0,10.0.0.10-} & dst{192.0.2.1}
@ ip6 filter FORWARD
-m iprange ! --dst-range 2001:db8::-2001:db8::ffff ; = ; dst{::-2001:db7:ffff:ffff:ffff:ffff:ffff:ffff,2001:db8::1:0-}
