@ ip filter INPUT
-m policy --dir in --pol none ; = ; always
-m policy --dir in --pol ipsec ; = ; never
-m policy --dir in --pol ipsec --strict --reqid 1 --spi 0x1 --proto esp --mode tunnel --tunnel-src 10.0.0.0/8 --tunnel-dst 10.0.0.0/8 --next --reqid 2 ; -m policy --dir in --pol ipsec --strict --reqid 1 --spi 0x1 --proto esp --mode tunnel --tunnel-dst 10.0.0.0/8 --tunnel-src 10.0.0.0/8 --next --reqid 2 ; never
@ ip filter OUTPUT
-m policy --dir out --pol none ; = ; unknown[-m policy --dir out --pol none: with --dir out, whether the host's IPsec policies take the packet]
@ ip filter FORWARD
-m policy --dir out --pol ipsec ; = ; unknown[-m policy --dir out --pol ipsec: with --dir out, whether the host's IPsec policies take the packet]
-m policy --dir in --pol ipsec --mode tunnel --reqid 7 ; -m policy --dir in --pol ipsec --reqid 7 --mode tunnel ; never
-m policy --dir in --pol ipsec ! --proto ah ; = ; never
