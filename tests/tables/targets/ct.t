@ ip raw PREROUTING
-j CT --notrack ; = ; NoTrack()
-j NOTRACK ; = ; NoTrack()
-j CT --zone 5 ; = ; Template(name=CT, zone=True)
-j CT --zone-orig mark ; = ; Template(name=CT, zone=True)
-p tcp -j CT --helper ftp ; = ; Template(name=CT)
@ ip raw PREROUTING
-j CT --ctevents new,destroy ; = ; Template(name=CT)
-p tcp -j CT --expevents new ; = ; Template(name=CT)
-j CT --zone-reply 7 ; = ; Template(name=CT, zone=True)
-j CT --zone mark ; = ; Template(name=CT, zone=True)
@ ip raw PREROUTING !lab
-p tcp -j CT --timeout t ; = ; Template(name=CT)
