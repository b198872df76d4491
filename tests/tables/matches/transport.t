# tcp, udp, udplite, sctp, dccp
-p tcp --dport 80 ; -p tcp -m tcp --dport 80 ; proto{6} & dport{80}
-p tcp -m tcp --dport 80 ; = ; proto{6} & dport{80}
-p tcp --sport 1024: --dport :1023 ; -p tcp -m tcp --sport 1024:65535 --dport 0:1023 ; proto{6} & sport{1024-65535} & dport{0-1023}
-p tcp ! --dport 8000:8010 ; -p tcp -m tcp ! --dport 8000:8010 ; proto{6} & dport{0-7999,8011-}
-p udp --sport 67 --dport 68 ; -p udp -m udp --sport 67 --dport 68 ; proto{17} & sport{67} & dport{68}
-p udp ! --sport 53 ; -p udp -m udp ! --sport 53 ; proto{17} & sport{0-52,54-}
-p tcp --syn ; -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN ; proto{6} & tcp_flags&0x17=0x2
-p tcp ! --syn ; -p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN ; proto{6} & not(tcp_flags&0x17=0x2)
-p tcp --tcp-flags ALL NONE ; -p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE ; proto{6} & tcp_flags&0x3f=0x0
-p tcp --tcp-flags SYN,ACK,FIN SYN,FIN ; -p tcp -m tcp --tcp-flags FIN,SYN,ACK FIN,SYN ; proto{6} & tcp_flags&0x13=0x3
-p tcp --tcp-flags ALL SYN,RST,PSH ; -p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG SYN,RST,PSH ; proto{6} & tcp_flags&0x3f=0xe
-p tcp --tcp-option 5 --dport 80 ; -p tcp -m tcp --dport 80 --tcp-option 5 ; proto{6} & dport{80} & unknown[--tcp-option 5: TCP options]
-p sctp --dport 9899 ; -p sctp -m sctp --dport 9899 ; proto{132} & dport{9899}
-p sctp --chunk-types any INIT ; -p sctp -m sctp --chunk-types any INIT ; proto{132} & unknown[--chunk-types any INIT: SCTP chunks]
-p dccp --dport 5000 ; -p dccp -m dccp --dport 5000 ; proto{33} & dport{5000}
-p dccp --dccp-types REQUEST ; -p dccp -m dccp --dccp-types REQUEST ; proto{33} & unknown[--dccp-types REQUEST: DCCP packet types]
@ ip filter FORWARD
-p sctp --sport 100:200 ! --dport 5 ; -p sctp -m sctp --sport 100:200 ! --dport 5 ; proto{132} & sport{100-200} & dport{0-4,6-}
-p dccp --sport 7 ! --dport 1:9 ; -p dccp -m dccp --sport 7 ! --dport 1:9 ; proto{33} & sport{7} & dport{0,10-}
-p dccp --dccp-option 5 ; -p dccp -m dccp --dccp-option 5 ; proto{33} & unknown[--dccp-option 5: DCCP options]
-p tcp --source-port 5 --destination-port 6 ; -p tcp -m tcp --sport 5 --dport 6 ; proto{6} & sport{5} & dport{6}
-p udp --source-port 5 ! --destination-port 6:9 ; -p udp -m udp --sport 5 ! --dport 6:9 ; proto{17} & sport{5} & dport{0-5,10-}
-p tcp ! --tcp-option 8 ; -p tcp -m tcp ! --tcp-option 8 ; proto{6} & not(unknown[--tcp-option 8: TCP options])
-p sctp ! --chunk-types only DATA:B,INIT ; -p sctp -m sctp ! --chunk-types only DATA:B,INIT ; proto{132} & not(unknown[--chunk-types only DATA:B,INIT: SCTP chunks])
-p 6 --dport 1 ; -p tcp -m tcp --dport 1 ; proto{6} & dport{1}
@ ip filter FORWARD !lab
-p udplite -m udplite --sport 1:5 ! --dport 9 ; = ; proto{136} & sport{1-5} & dport{0-8,10-}
