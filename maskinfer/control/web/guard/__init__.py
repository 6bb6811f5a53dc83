"""Who may ask for what: names of the server, rates, sizes, accounts, tokens and sessions."""
