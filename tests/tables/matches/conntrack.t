# A packet without a connection is asked for its state alone (xt_conntrack.c conntrack_mt)
-m conntrack --ctstate RELATED,ESTABLISHED ; = ; ct_state{1-2}
-m conntrack --ctstate NEW ; = ; ct_state{3}
-m conntrack --ctstate INVALID ; = ; ct_state{0}
-m conntrack --ctstate UNTRACKED ; = ; ct_state{4}
-m conntrack ! --ctstate NEW ; = ; ct_state{0-2,4-}
-m conntrack --ctstate DNAT ; = ; ct_dnat{1}
-m conntrack --ctstate RELATED,ESTABLISHED,DNAT ; = ; (ct_state{1-2} | ct_dnat{1})
-m conntrack ! --ctstate RELATED,ESTABLISHED,SNAT,DNAT ; = ; not((ct_state{1-2} | ct_dnat{1} | ct_snat{1}))
-m state --state NEW ; = ; ct_state{3}
-m state --state RELATED,ESTABLISHED ; = ; ct_state{1-2}
-m state ! --state INVALID ; = ; ct_state{1-}
-p tcp -m conntrack --ctorigdst 198.51.100.1 --ctorigdstport 8080 --ctdir ORIGINAL ; = ; proto{6} & ct_state{1-3} & orig_dst{198.51.100.1} & orig_dport{8080} & ct_direction{0}
-m conntrack --ctorigsrc 10.0.0.0/8 --ctdir REPLY ; = ; ct_state{1-3} & orig_src{10.0.0.0-10.255.255.255} & ct_direction{1}
-p tcp -m conntrack ! --ctorigsrcport 1:1023 ; = ; proto{6} & ct_state{1-3} & orig_sport{0,1024-}
-p tcp -m conntrack --ctstate NEW --ctorigdstport 80 ; = ; proto{6} & ct_state{3} & orig_dport{80}
-p tcp -m conntrack ! --ctstate NEW --ctorigdstport 80 ; = ; proto{6} & ct_state{0-2,4-} & (ct_state{0,4-} | orig_dport{80})
-m conntrack --ctstate INVALID --ctdir REPLY ; = ; ct_state{0} & (ct_state{0,4-} | ct_direction{1})
-p udp -m conntrack --ctreplsrc 172.17.0.2 --ctreplsrcport 53 ; = ; proto{17} & ct_state{1-3} & reply_src{172.17.0.2} & reply_sport{53}
-p udp -m conntrack ! --ctrepldst 10.1.1.0/24 --ctrepldstport 1024:65535 ; = ; proto{17} & ct_state{1-3} & reply_dst{0.0.0.0-10.1.0.255,10.1.2.0-} & reply_dport{1024-65535}
-m conntrack --ctproto 17 ; = ; ct_state{1-3} & proto{17}
-m conntrack ! --ctproto tcp ; -m conntrack ! --ctproto 6 ; ct_state{1-3} & proto{0-5,7-}
-m conntrack --ctstatus NONE ; = ; ct_state{1-3} & never
-m conntrack ! --ctstatus NONE ; = ; ct_state{1-3}
-m conntrack --ctstatus SEEN_REPLY ; = ; ct_state{1-3} & ct_state{1-2} & unknown[--ctstatus SEEN_REPLY: how far the connection has come]
-m conntrack ! --ctstatus EXPECTED ; = ; ct_state{1-3} & not((ct_state{1-2} & unknown[--ctstatus EXPECTED: how far the connection has come]))
-m conntrack --ctstatus ASSURED,CONFIRMED ; = ; ct_state{1-3} & ct_state{1-2} & unknown[--ctstatus ASSURED,CONFIRMED: how far the connection has come]
-m conntrack --ctexpire 10:20 ; = ; ct_state{1-3} & unknown[--ctexpire 10:20: how long the connection has left]
-m conntrack --ctstate NEW,RELATED --ctexpire 5 ; = ; ct_state{2-3} & unknown[--ctexpire 5: how long the connection has left]
@ ip6 filter FORWARD
-m conntrack --ctorigdst 2001:db8::/32 ; = ; ct_state{1-3} & orig_dst{2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff}
@ ip filter FORWARD
-m conntrack --ctstate NEW --ctdir ORIGINAL ; = ; ct_state{3} & ct_direction{0}
-m conntrack ! --ctexpire 100 ; = ; ct_state{1-3} & not(unknown[--ctexpire 100: how long the connection has left])
-p tcp -m conntrack --ctreplsrcport 80:90 ! --ctrepldst 10.0.0.0/8 ; -p tcp -m conntrack ! --ctrepldst 10.0.0.0/8 --ctreplsrcport 80:90 ; proto{6} & ct_state{1-3} & reply_dst{0.0.0.0-9.255.255.255,11.0.0.0-} & reply_sport{80-90}
-m conntrack ! --ctorigsrc 192.0.2.0/24 --ctproto udp ; -m conntrack --ctproto 17 ! --ctorigsrc 192.0.2.0/24 ; ct_state{1-3} & proto{17} & orig_src{0.0.0.0-192.0.1.255,192.0.3.0-}
-m state --state NEW,INVALID,UNTRACKED ; -m state --state INVALID,NEW,UNTRACKED ; ct_state{0,3-4}
-m state --state ESTABLISHED ; = ; ct_state{1}
@ ip filter FORWARD !lab
-m conntrack ! --ctdir REPLY ; = ; ct_state{1-3} & ct_direction{0,2-}
