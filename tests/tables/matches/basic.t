# Options of every rule: addresses, interfaces, protocol, fragments
-s 10.0.0.0/8 ; = ; src{10.0.0.0-10.255.255.255}
-s 192.0.2.1 ; -s 192.0.2.1/32 ; src{192.0.2.1}
! -s 192.0.2.1 -d 198.51.100.0/24 ; ! -s 192.0.2.1/32 -d 198.51.100.0/24 ; src{0.0.0.0-192.0.2.0,192.0.2.2-} & dst{198.51.100.0-198.51.100.255}
-s 10.0.5.0/255.255.253.0 ; = ; src{10.0.5.0-10.0.5.255,10.0.7.0-10.0.7.255}
-s 0.0.0.1/0.0.0.255 ; = ; unknown[-s 0.0.0.1/0.0.0.255: does not read: a mask with more than 16 holes]
-s 0.0.0.0/0 ; - ; always
-i eth0 -o wlan+ ; = ; iif=eth0 & oif=wlan*
! -i docker0 -o docker0 ; = ; not(iif=docker0) & oif=docker0
-i + ; - ; always
-p tcp ; = ; proto{6}
! -p tcp ; = ; proto{0-5,7-}
-p 47 ; -p gre ; proto{47}
-p 17 ; -p udp ; proto{17}
-p all ; - ; always
-p icmp ; = ; proto{1}
-p 200 ; = ; proto{200}
-f ; = ; never
! -f ; = ; always
# iptables-legacy keeps no trace of this one in what it saves
@ ip filter FORWARD !legacy
! -i + ; = ; never
@ ip6 filter FORWARD
-s 2001:db8::/32 ! -d fe80::1 ; -s 2001:db8::/32 ! -d fe80::1/128 ; src{2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff} & dst{::-fe80::,fe80::2-}
-p ipv6-icmp ; = ; proto{58}
@ ip filter FORWARD
! -o br+ ! -i eth0 ; ! -i eth0 ! -o br+ ; not(iif=eth0) & not(oif=br*)
-p sctp ; = ; proto{132}
-p 255 ; = ; proto{255}
-p 136 ; -p udplite ; proto{136}
! -p 1 ; ! -p icmp ; proto{0,2-}
-p esp ; = ; proto{50}
-d 224.0.0.0/4 ; = ; dst{224.0.0.0-239.255.255.255}
@ ip filter FORWARD !lab
! -d 10.0.0.0/8 -p ! tcp ; = ; dst{0.0.0.0-9.255.255.255,11.0.0.0-} & proto{0-5,7-}
-s ! 192.0.2.1 ; = ; src{0.0.0.0-192.0.2.0,192.0.2.2-}
-p ! udp ; = ; proto{0-16,18-}
