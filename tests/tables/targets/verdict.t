-j ACCEPT ; = ; Accept()
-j DROP ; = ; Drop()
-j RETURN ; = ; Return()
-j REJECT ; -j REJECT --reject-with icmp-port-unreachable ; Reject(how=icmp-port-unreachable)
-p tcp -j REJECT --reject-with tcp-reset ; = ; Reject(how=tcp-reset)
-j REJECT --reject-with icmp-admin-prohibited ; = ; Reject(how=icmp-admin-prohibited)
@ ip6 filter FORWARD
-j REJECT ; -j REJECT --reject-with icmp6-port-unreachable ; Reject(how=icmp6-port-unreachable)
@ ip filter FORWARD
-j REJECT --reject-with icmp-host-prohibited ; = ; Reject(how=icmp-host-prohibited)
-p udp -j REJECT --reject-with icmp-net-unreachable ; = ; Reject(how=icmp-net-unreachable)
-j REJECT --reject-with icmp-proto-unreachable ; = ; Reject(how=icmp-proto-unreachable)
@ ip6 filter FORWARD
-j REJECT --reject-with icmp6-adm-prohibited ; = ; Reject(how=icmp6-adm-prohibited)
-j REJECT --reject-with icmp6-policy-fail ; = ; Reject(how=icmp6-policy-fail)
