from django.db import migrations


def compute_again(apps, schema_editor):
    import xxhash

    block_model = apps.get_model("backtests", "PriceBlock")
    for pk in block_model.objects.values_list("pk", flat=True):
        block = block_model.objects.get(pk=pk)
        digest = xxhash.xxh3_128()
        for name in ("time", "open", "high", "low", "close", "volume"):
            digest.update(getattr(block, name))
        block_model.objects.filter(pk=pk).update(checksum=digest.hexdigest())


class Migration(migrations.Migration):

    dependencies = [
        ("backtests", "0006_hold_curve"),
    ]

    operations = [
        migrations.RunPython(compute_again, migrations.RunPython.noop),
    ]
