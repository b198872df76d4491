@ ip raw PREROUTING
-j CT --notrack ; = ; NoTrack()
-j NOTRACK ; = ; NoTrack()
-j CT --zone 5 ; = ; Continue(name=CT)
-j CT --zone-orig mark ; = ; Continue(name=CT)
-p tcp -j CT --helper ftp ; = ; Continue(name=CT)
