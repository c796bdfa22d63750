"""Pages for logging in and out, and for one's own account."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView, LogoutView
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.models import User
from orders.models import Order


class ProfileForm(ModelForm):  # type: ignore[type-arg]
    """What customers change of their account themselves."""

    class Meta:
        model = User
        fields = ("full_name", "email")


class Login(LoginView):
    """The login page; goes on to `next` where that is a page of this shop."""

    template_name = "accounts/login.html"
    redirect_authenticated_user = True


@method_decorator(never_cache, name="dispatch")
class Logout(LogoutView):
    """Asks on GET and logs out on POST: a link or an image elsewhere must not log anybody out."""

    template_name = "accounts/logged_out.html"
    http_method_names = ["get", "head", "post", "options"]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The question."""
        return render(request, "accounts/logout.html")


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """One's own details and orders."""
    assert isinstance(request.user, User)
    form = ProfileForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Your details are saved.")
        return redirect("account")
    orders = Order.objects.filter(user=request.user).prefetch_related("items")
    return render(request, "accounts/account.html", {"form": form, "orders": orders})
