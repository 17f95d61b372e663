from django.db import models


class Strategy(models.Model):
    """A strategy that users may choose; the rule itself is the class registered under ``key``."""

    key = models.SlugField(max_length=60, unique=True)
    label = models.CharField(max_length=100)
    help = models.TextField(blank=True)
    default_parameters = models.JSONField(default=dict, blank=True)
    is_active = models.BooleanField(default=True, help_text="Inactive strategies are not offered and start no runs.")
    is_builtin = models.BooleanField(default=True, editable=False)
    source = models.CharField(
        max_length=200,
        blank=True,
        editable=False,
        help_text="The file or package of a strategy that somebody added; empty otherwise.",
    )
    is_missing = models.BooleanField(
        default=False, editable=False, help_text="Switched off because its code is gone; on again when that is back."
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["label"]
        verbose_name_plural = "strategies"
        constraints = [models.CheckConstraint(condition=~models.Q(key=""), name="strategy_has_key")]

    def __str__(self) -> str:
        return self.label
