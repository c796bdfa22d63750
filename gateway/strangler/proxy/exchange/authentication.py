"""Who is calling: the one bearer token of a request, and where it may stand."""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING

from strangler.auth.sessions import NotKnown, SeveralSessions, UnknownSession
from strangler.auth.several import verify_with_one_of
from strangler.auth.upgrade_token import take_from_query
from strangler.auth.verify import NoKeys, TokenRefused, UnknownKey, is_another_scheme
from strangler.proxy.exchange.upgrade import is_handshake
from strangler.routing.decide import Refusal

if TYPE_CHECKING:
    from strangler.auth.identity import Identity
    from strangler.model.auth import AuthRequirement
    from strangler.proxy.exchange.under_way import RequestUnderWay


def identify(request: RequestUnderWay, requirement: AuthRequirement) -> Identity | Refusal | None:
    """Verify the one bearer token of `request` against the providers that `requirement` names; None without one.

    Where a token is optional, credentials of another scheme are the upstream's
    to judge: the caller is anonymous here, and the field is passed on.
    Without a token, a provider that knows login sessions names the caller.
    Raises UnknownKey where the provider's keys have to be fetched again first,
    and UnknownSession where the session has to be asked for.
    """
    if requirement.upgrade_token and request.head.upgrade and is_handshake(request.method, request.head):
        _take_upgrade_token(request, requirement)
    credentials = request.head.credentials
    plane = request.client.plane
    names = requirement.providers
    if not credentials:
        return _by_session(request, requirement) if plane.sessions else None
    if plane.sessions:
        names = tuple(name for name in names if name in plane.verifiers)
        if not names:
            return _by_session(request, requirement)
    if len(credentials) > 1:
        return Refusal(400, "The request has more than one bearer token.", "invalid_request")
    if not requirement.required and is_another_scheme(credentials[0]):
        return None
    try:
        if len(names) == 1:
            return plane.verifiers[names[0]].verify(credentials[0], time())
        return verify_with_one_of([plane.verifiers[name] for name in names], credentials[0], time())
    except TokenRefused as refused:
        return Refusal(refused.status, refused.detail, refused.error)
    except NoKeys:
        return Refusal(503, "The keys that verify tokens are not available yet.")
    except UnknownKey as unknown:
        if request.refetched or not plane.may_refetch(unknown.provider):
            return Refusal(401, "The token names a signing key that is not known.", "invalid_token")
        raise


def _by_session(request: RequestUnderWay, requirement: AuthRequirement) -> Identity | Refusal | None:
    """The caller to whom the session cookie of `request` belongs.

    Servers differ in which of several cookies of one name they read, so a
    request with two sessions has no caller that both sides would agree on.
    """
    sessions = request.client.plane.sessions
    for name in requirement.providers:
        calls = sessions.get(name)
        if calls is None:
            continue
        try:
            cookie = calls.cookie_in(request.head.lines)
        except SeveralSessions:
            return Refusal(400, "The request has more than one session cookie.", "invalid_request")
        if cookie is None:
            continue
        caller = calls.known(cookie)
        if not isinstance(caller, NotKnown):
            if caller is not None:
                return caller
        elif not request.refetched:
            raise UnknownSession(name, cookie)
        elif requirement.required:
            return Refusal(503, "Login sessions can't be verified at the moment.")
    return None


def _take_upgrade_token(request: RequestUnderWay, requirement: AuthRequirement) -> None:
    """Move tokens from where the route permits them in a handshake to the credentials; none is forwarded or logged."""
    head = request.head
    for place in requirement.upgrade_token:
        if place.kind != "query":
            tokens = head.take_subprotocol_tokens(place)
        else:
            tokens, query = take_from_query(request.query, place.name)
            if tokens:
                request.query = query
                target = head.line.split(b" ")[1].partition(b"?")[0] + (b"?" + query.encode() if query else b"")
                head.line = b"%b %b HTTP/1.1\r\n" % (request.method.encode(), target)
        head.credentials += [b"Bearer " + token.encode() for token in tokens]
