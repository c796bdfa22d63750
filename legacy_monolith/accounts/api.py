"""The identity routes of the API."""

import re
from typing import Any

from django.contrib.auth import authenticate as check_password
from django.http import HttpRequest, HttpResponse

from accounts import tokens
from accounts.models import User
from shop.api.requests import is_clean, json_object
from shop.api.responses import ApiError, cacheable_json_response, json_response, timestamp

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def represent(user: User) -> dict[str, Any]:
    """A user as the API shows one."""
    return {
        "id": user.pk,
        "subject": user.subject,
        "name": user.username,
        "full_name": user.full_name,
        "email": user.email,
        "is_staff": user.is_staff,
        "created_at": timestamp(user.date_joined),
    }


def key_set(request: HttpRequest) -> HttpResponse:
    """The public keys that tokens of this shop are signed with."""
    return cacheable_json_response(tokens.signing_key().jwks, "public, max-age=300")


def issue_token(request: HttpRequest) -> HttpResponse:
    """A token for a name and a password."""
    body = json_object(request)
    errors: dict[str, str] = {}
    for field in ("name", "password"):
        if body.get(field) in (None, ""):
            errors[field] = "is required"
        elif not isinstance(body[field], str):
            errors[field] = "must be a string"
    if errors:
        raise ApiError("invalid", errors)
    name, password = body["name"], body["password"]
    # A text that can't be encoded can't be looked up or hashed either: it is simply wrong.
    user = check_password(request, username=name, password=password) if _can_try(name, password) else None
    if not isinstance(user, User):
        raise ApiError("invalid_credentials", headers={"WWW-Authenticate": "Bearer"})
    return json_response(tokens.issue(user))


def _can_try(name: str, password: str) -> bool:
    try:
        password.encode()
    except UnicodeEncodeError:
        return False
    return is_clean(name)


def show_me(request: HttpRequest) -> HttpResponse:
    """The user whom the token names."""
    return json_response(represent(tokens.authenticate(request)))


def change_me(request: HttpRequest) -> HttpResponse:
    """Change the user whom the token names: all of what was sent, or nothing."""
    user = tokens.authenticate(request)
    body = json_object(request)
    changes: dict[str, str] = {}
    errors: dict[str, str] = {}
    if "full_name" in body:
        value = body["full_name"].strip() if isinstance(body["full_name"], str) else ""
        if 1 <= len(value) <= 150 and is_clean(value):
            changes["full_name"] = value
        else:
            errors["full_name"] = "must be a text of 1 to 150 characters"
    if "email" in body:
        value = body["email"]
        if isinstance(value, str) and len(value) <= 254 and is_clean(value) and _EMAIL.fullmatch(value):
            changes["email"] = value
        else:
            errors["email"] = "must be an e-mail address"
    for name in sorted(body.keys() - {"full_name", "email"}):
        errors[name if is_clean(name) else "?"] = "cannot be set"
    if errors:
        raise ApiError("invalid", errors)
    if changes:
        for name, value in changes.items():
            setattr(user, name, value)
        user.save(update_fields=list(changes))
    return json_response(represent(user))


def show_user(request: HttpRequest, id: int) -> HttpResponse:
    """Any user, for those who may read users."""
    tokens.authenticate(request, scope="users:read")
    user = User.objects.filter(pk=id).first()
    if user is None:
        raise ApiError("not_found")
    return json_response(represent(user))
