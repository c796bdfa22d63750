"""Which user of this project a token means."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db import IntegrityError, transaction

from django_strangler.conf import function, options
from django_strangler.tokens.verify import GatewayIdentity


def user_for(identity: GatewayIdentity) -> AbstractBaseUser | None:
    """The active user whom `identity` means, None if this project has none.

    STRANGLER["USER"] names a function of the identity that returns a user or None. Without it, the field
    STRANGLER["IDENTITY_ID"] is looked up, and with CREATE_USERS a user without a password is made for a new identity.
    """
    chosen = options()
    if chosen.user:
        found: AbstractBaseUser | None = function(chosen.user, "USER")(identity)
        return found if found is not None and found.is_active else None
    model, field = get_user_model(), chosen.identity_id
    try:
        model._meta.get_field("id" if field == "pk" else field)
    except FieldDoesNotExist:
        raise ImproperlyConfigured(
            f"STRANGLER['IDENTITY_ID'] {field!r} is no field of the user model, so STRANGLER['USER'] must name a"
            " function that finds the user of an identity."
        ) from None
    try:
        user: AbstractBaseUser | None = model._default_manager.filter(**{field: identity.subject}).first()
    except ValueError:
        # An identity of text where the field holds a number.
        return None
    if user is None and chosen.create_users:
        user = _created(field, identity.subject)
    return user if user is not None and user.is_active else None


def _created(field: str, subject: str) -> AbstractBaseUser:
    model = get_user_model()
    user = model(**{model.USERNAME_FIELD: subject, field: subject})
    user.set_unusable_password()
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError:
        # Another request made it meanwhile. A name that another identity has is an error, not that user.
        user = model._default_manager.get(**{field: subject})
    return user
