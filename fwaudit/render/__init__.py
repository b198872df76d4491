"""Reports as text, one module a format. Pure: nobody prints here."""
