"""Users of the shop."""

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A customer or a member of staff. `username` is the `name` of the API."""

    first_name = None  # type: ignore[assignment]
    last_name = None  # type: ignore[assignment]
    full_name = models.CharField(max_length=150)

    REQUIRED_FIELDS = ("email", "full_name")  # type: ignore[assignment]

    class Meta:
        ordering = ("id",)

    @property
    def subject(self) -> str:
        """What tokens call this user."""
        return f"user-{self.pk}"

    @property
    def scopes(self) -> tuple[str, ...]:
        """What a token of this user allows."""
        return ("profile", "orders", "users:read") if self.is_staff else ("profile", "orders")

    def get_full_name(self) -> str:
        """The name to address the user by."""
        return self.full_name or self.username

    def get_short_name(self) -> str:
        """The name to log in with."""
        return self.username
