from django.db import migrations, models

from django_strangler.data.soft_keys import SoftForeignKey


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel(
            "Order",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("customer", models.CharField(max_length=100)),
                ("sku", models.CharField(max_length=32)),
            ],
        ),
        migrations.CreateModel(
            "Delivery",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("customer", SoftForeignKey("user", db_index=True, max_length=255)),
            ],
        ),
    ]
