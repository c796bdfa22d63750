"""Users as the gateway knows them: by the subject of their tokens, on either side of the migration."""

import re

from django_strangler.tokens.verify import GatewayIdentity

from accounts.models import User

_SUBJECT = re.compile(r"user-([1-9][0-9]{0,17})")


def user_of(identity: GatewayIdentity) -> User | None:
    """The user whom the gateway's token means."""
    found = _SUBJECT.fullmatch(identity.subject)
    return User.objects.filter(pk=int(found[1])).first() if found is not None else None


def scopes_of(user: User) -> tuple[str, ...]:
    """What a session of the user allows: the same as a token of the shop's own."""
    return user.scopes
