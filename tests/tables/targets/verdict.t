-j ACCEPT ; = ; Accept()
-j DROP ; = ; Drop()
-j RETURN ; = ; Return()
-j REJECT ; -j REJECT --reject-with icmp-port-unreachable ; Reject(how=icmp-port-unreachable)
-p tcp -j REJECT --reject-with tcp-reset ; = ; Reject(how=tcp-reset)
-j REJECT --reject-with icmp-admin-prohibited ; = ; Reject(how=icmp-admin-prohibited)
@ ip6 filter FORWARD
-j REJECT ; -j REJECT --reject-with icmp6-port-unreachable ; Reject(how=icmp6-port-unreachable)
