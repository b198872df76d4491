@ ip raw PREROUTING
-j CT --notrack ; = ; NoTrack()
-j NOTRACK ; = ; NoTrack()
-j CT --zone 5 ; = ; Template(name=CT)
-j CT --zone-orig mark ; = ; Template(name=CT)
-p tcp -j CT --helper ftp ; = ; Template(name=CT)
