-m comment --comment plain ; = ; always
-m comment --comment "two words" ; = ; always
-m comment --comment "say \"no\" -j DROP \\ it's" ; -m comment --comment "say \"no\" -j DROP \\ it\'s" ; always
-p tcp -m comment --comment -j ; = ; proto{6}
-m comment --comment "ünïcode ✓" -p udp ; -p udp -m comment --comment "ünïcode ✓" ; proto{17}
-m comment --comment "" ; = ; always
@ ip filter FORWARD
-m comment --comment "a'b\`c" ; -m comment --comment "a\'b`c" ; always
-m comment --comment one -m comment --comment "two three" ; = ; always
