-p icmp --icmp-type echo-request ; -p icmp -m icmp --icmp-type 8 ; proto{1} & icmp_type{8}
-p icmp --icmp-type 3/4 ; -p icmp -m icmp --icmp-type 3/4 ; proto{1} & icmp_type{3} & icmp_code{4}
-p icmp --icmp-type any ; -p icmp -m icmp --icmp-type any ; proto{1}
-p icmp ! --icmp-type 8 ; -p icmp -m icmp ! --icmp-type 8 ; proto{1} & icmp_type{0-7,9-}
-p icmp ! --icmp-type 3/4 ; -p icmp -m icmp ! --icmp-type 3/4 ; proto{1} & not((icmp_type{3} & icmp_code{4}))
-p icmp --icmp-type network-unreachable ; -p icmp -m icmp --icmp-type 3/0 ; proto{1} & icmp_type{3} & icmp_code{0}
-p icmp -m icmp --icmp-type destination-unreachable ; -p icmp -m icmp --icmp-type 3 ; proto{1} & icmp_type{3}
@ ip6 filter FORWARD
-p icmpv6 --icmpv6-type echo-request ; -p ipv6-icmp -m icmp6 --icmpv6-type 128 ; proto{58} & icmp_type{128}
-p icmpv6 --icmpv6-type 1/4 ; -p ipv6-icmp -m icmp6 --icmpv6-type 1/4 ; proto{58} & icmp_type{1} & icmp_code{4}
-p icmpv6 ! --icmpv6-type 135 ; -p ipv6-icmp -m icmp6 ! --icmpv6-type 135 ; proto{58} & icmp_type{0-134,136-}
-p icmpv6 --icmpv6-type router-advertisement ; -p ipv6-icmp -m icmp6 --icmpv6-type 134 ; proto{58} & icmp_type{134}
-p icmpv6 --icmpv6-type packet-too-big ; -p ipv6-icmp -m icmp6 --icmpv6-type 2 ; proto{58} & icmp_type{2}
@ ip filter FORWARD
-p icmp -m icmp --icmp-type 255/0 ; -p icmp -m icmp --icmp-type any ; proto{1}
-p icmp ! --icmp-type any ; -p icmp -m icmp ! --icmp-type any ; proto{1} & never
-p icmp --icmp-type timestamp-request ; -p icmp -m icmp --icmp-type 13 ; proto{1} & icmp_type{13}
@ ip6 filter FORWARD
-p 58 -m icmpv6 --icmpv6-type 128/0 ; -p ipv6-icmp -m icmp6 --icmpv6-type 128/0 ; proto{58} & icmp_type{128} & icmp_code{0}
-p icmpv6 --icmpv6-type destination-unreachable ; -p ipv6-icmp -m icmp6 --icmpv6-type 1 ; proto{58} & icmp_type{1}
