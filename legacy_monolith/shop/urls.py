"""All paths of the shop."""

from django.contrib import admin
from django.urls import path, re_path

from accounts import api as accounts_api
from accounts import views as accounts
from catalog import api as catalog_api
from catalog import views as catalog
from orders import api as orders_api
from orders import views as orders
from payments import api as payments_api
from payments import views as payments
from shop.api.dispatch import api_path, no_such_route
from shop.health import healthz

urlpatterns = [
    api_path("api/catalog/products", "api-products", GET=catalog_api.list_products),
    api_path("api/catalog/products/{id}", "api-product", GET=catalog_api.show_product),
    api_path("api/auth/token", "api-token", POST=accounts_api.issue_token),
    api_path("api/users/me", "api-me", GET=accounts_api.show_me, PATCH=accounts_api.change_me),
    api_path("api/users/{id}", "api-user", GET=accounts_api.show_user),
    api_path("api/orders", "api-orders", GET=orders_api.list_orders, POST=orders_api.add_order),
    api_path("api/orders/{id}", "api-order", GET=orders_api.show_order),
    api_path("api/orders/{id}/pay", "api-pay", POST=payments_api.pay_order),
    re_path(r"^api(?:/|\Z)", no_such_route),
    api_path(".well-known/jwks.json", "jwks", GET=accounts_api.key_set),
    api_path("healthz", "healthz", GET=healthz),
    path("", catalog.home, name="home"),
    path("products/<int:product_id>/", catalog.product, name="product"),
    path("cart/", orders.cart, name="cart"),
    path("cart/add/", orders.add_to_cart, name="cart-add"),
    path("cart/update/", orders.update_cart, name="cart-update"),
    path("checkout/", orders.checkout, name="checkout"),
    path("orders/<int:order_id>/", orders.order, name="order"),
    path("orders/<int:order_id>/pay/", payments.pay, name="pay"),
    path("account/", accounts.account, name="account"),
    path("login/", accounts.Login.as_view(), name="login"),
    path("logout/", accounts.Logout.as_view(), name="logout"),
    path("admin/", admin.site.urls),
]

handler404 = "shop.errors.not_found"
handler500 = "shop.errors.server_error"
