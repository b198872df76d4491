"""What the admin meant: ufw's rules as sources that are allowed, and the rule that a verdict rests on. Pure."""
