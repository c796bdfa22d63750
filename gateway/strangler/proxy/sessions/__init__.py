"""Asking a Django project who a login session belongs to, for requests without a token.

Start with `calls`, which limits, shares and times the calls of one provider;
`call` is one of them on its connection. What is asked and remembered is in
`auth.sessions`. Knows nothing of exchanges but that they wait.
"""
