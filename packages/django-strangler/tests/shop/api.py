"""The API of the shop, by Django REST framework."""

from rest_framework import permissions, serializers, viewsets
from rest_framework.decorators import action, api_view, authentication_classes
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework_simplejwt.authentication import JWTAuthentication

from django_strangler.tokens.rest_framework import GatewayAuthentication
from tests.shop.models import Order


class OrderSerializer(serializers.ModelSerializer):
    """An order."""

    class Meta:
        model = Order
        fields = ("id", "customer", "sku")


class Orders(viewsets.ModelViewSet):
    """Orders, with one action more."""

    queryset = Order.objects.all()
    serializer_class = OrderSerializer
    permission_classes = [permissions.IsAuthenticated]

    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Cancel an order."""
        return Response({"cancelled": pk})


@api_view(["GET", "POST"])
@authentication_classes([GatewayAuthentication])
def who(request: Request) -> Response:
    """The caller, as REST framework knows it."""
    return Response({"user": request.user.get_username(), "via": request.auth.via if request.auth else None})


@api_view(["GET"])
@authentication_classes([GatewayAuthentication, JWTAuthentication])
def who_by_any_token(request: Request) -> Response:
    """The caller by the gateway's token, else by simplejwt's."""
    return Response({"user": request.user.get_username(), "by": type(request.successful_authenticator).__name__})


router = SimpleRouter()
router.register("orders", Orders)
