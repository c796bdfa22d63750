"""Session → identity: who a session cookie belongs to, for the gateway.

Start with `endpoint`. `session_user` reads a session without touching it, `claims` makes the token's content of a
user, `revocation` tells the gateway of logouts and changed passwords.
"""
