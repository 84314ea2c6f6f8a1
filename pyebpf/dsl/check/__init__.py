"""The front end: from syntax to the typed tree. Everything is decided here."""
