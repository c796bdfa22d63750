"""The shop's URLs, with every kind of pattern."""

from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView, PasswordChangeView
from django.urls import include, path, re_path
from django.views.static import serve

from tests.shop import api, views

pages = (
    [
        path("account/", views.account, name="account"),
        path("orders/<int:pk>/", views.OrderPage.as_view(), name="order"),
    ],
    "pages",
)

urlpatterns = [
    path("orders/place/", views.place_order, name="place-order"),
    path("orders/place-async/", views.place_order_async),
    path("ask/<library>/", views.ask_others),
    path("misbehave/<way>/", views.misbehave),
    path("stream/<int:size>/", views.stream),
    path("whoami/", views.whoami),
    path("whoami-async/", views.whoami_async),
    path("report/", views.report, name="report"),
    re_path(r"^legacy/(?P<year>\d{4})/$", views.whoami, name="legacy"),
    path("shop/", include(pages)),
    path("api/", include(api.router.urls)),
    path("api/who/", api.who),
    path("api/who-by-any-token/", api.who_by_any_token),
    path("login/", LoginView.as_view(template_name="login.html", next_page="/whoami/"), name="login"),
    path("logout/", LogoutView.as_view(next_page="/whoami/")),
    path("password/", PasswordChangeView.as_view(success_url="/whoami/")),
    path("admin/", admin.site.urls),
    re_path(r"^media/(?P<path>.*)$", serve, {"document_root": "/nonexistent"}),
    *i18n_patterns(path("news/", views.whoami, name="news"), prefix_default_language=False),
]
