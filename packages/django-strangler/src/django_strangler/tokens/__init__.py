"""Token → user: the gateway's signed token about a caller becomes `request.user`.

Start with `middleware`; for Django REST framework there is `rest_framework`. `verify` checks a token against the
gateway's key set (`keys`), `users` maps it to a user of this project.
"""
