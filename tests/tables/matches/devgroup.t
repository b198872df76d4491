# Groups of interfaces (ip link set … group N)
-m devgroup --src-group 0x1 ; = ; group of iif{1}
-m devgroup ! --src-group 5 ; -m devgroup ! --src-group 0x5 ; not(group of iif{5})
-m devgroup --src-group 0x10/0xf0 --dst-group 0 ; -m devgroup --src-group 0x10/0xf0 --dst-group default ; group of iif&0xf0{16} & group of oif{0}
@ ip filter FORWARD !lab
-m devgroup --src-group dmz ; = ; unknown[--src-group dmz: does not read: a group by a name that only the host knows]
