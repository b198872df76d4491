@ ip raw PREROUTING
-m rpfilter ; = ; reverse-path[]
-m rpfilter --invert ; = ; not(reverse-path[])
-m rpfilter --loose --validmark --accept-local ; = ; reverse-path[loose,marked,accept_local]
@ ip6 mangle PREROUTING
-m rpfilter --loose --invert ; = ; not(reverse-path[loose])
